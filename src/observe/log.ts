// The log: one JSON object a line, and exactly one audit line for each request.
// Knows field names and levels; must not know sockets or where lines go. What an Observation does not hold is not logged.

import { type Logger, pino } from 'pino';
import type { Observation } from './observation.ts';

export type { Logger } from 'pino';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** Where finished lines go: a LogStream, or an array's `push` in tests. */
export interface LogDestination {
  write(line: string): void;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly destination: LogDestination;
}

/** Every line holds `level` (as a word), `time` (ISO 8601, UTC) and `msg`. */
export function createLogger({ level, destination }: LoggerOptions): Logger {
  const options = {
    level,
    // The host and the process are named by whatever collects the lines.
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, destination);
}

/**
 * Writes the audit line of one request; `msg` is `request`. Names are stable; a field that does not apply is absent.
 *
 * The level is `error` where encryption was not confirmed, `warn` where the backend failed, else `info`:
 * a log level above `info` gives up the audit of everything else, refusals included.
 *
 * | field | is |
 * |---|---|
 * | `requestId` | the gateway's ID of the request, as sent to the client |
 * | `listener`, `peerAddress`, `secure` | where it came in, from which address, whether that counts as secure transport |
 * | `client`, `accessKeyId`, `scheme` | the verified client, the access key ID it claimed, the form of its signature |
 * | `method`, `operation`, `bucket`, `key` | what it asked for; the key decoded, control characters escaped by JSON |
 * | `rule` | the encryption rule that decided |
 * | `outcome`, `status` | `forwarded`, `refused`, `client_aborted` or `backend_failed`; the HTTP status, 0 for none |
 * | `reason`, `observedReason` | of the refusal; of the refusal that mode `observe` did not make |
 * | `errorCode`, `errorMessage` | of the S3 error that the gateway itself answered with |
 * | `observedInjected` | what mode `observe` would have added and did not |
 * | `injected` | what the gateway added: `algorithm`, `key_id`, `context`, `bucket_key` |
 * | `requestedAlgorithm`, `requestedKeyId` | the encryption asked of the backend |
 * | `confirmedAlgorithm`, `confirmedKeyId` | the encryption the backend answered with |
 * | `unconfirmed` | `true` where these should agree and do not |
 * | `backend`, `backendRequestId`, `backendError` | the backend, its own request ID, the failure towards it |
 * | `bytesReceived`, `bytesSent` | body bytes from and to the client |
 * | `durationMs`, `backendFirstByteMs` | the whole request, and until the backend's first byte, in milliseconds |
 */
export function auditLine(logger: Logger, observation: Observation): void {
  const line = auditFields(observation);
  if (observation.unconfirmed) logger.error(line, 'request');
  else if (observation.backendError !== undefined) logger.warn(line, 'request');
  else logger.info(line, 'request');
}

/** Field by field: what is added to Observation one day is not logged before somebody has thought about it. */
function auditFields(observation: Observation): Record<string, unknown> {
  const { error, requestedEncryption, confirmedEncryption, backendFirstByteSeconds } = observation;
  return {
    requestId: observation.requestId,
    listener: observation.listener,
    peerAddress: observation.peerAddress,
    secure: observation.secure,
    client: observation.client,
    accessKeyId: observation.accessKeyId,
    scheme: observation.scheme,
    method: observation.method,
    operation: observation.operation,
    bucket: observation.bucket,
    key: observation.key,
    rule: observation.rule,
    outcome: observation.outcome,
    status: observation.status,
    reason: observation.reason,
    observedReason: observation.observedReason,
    observedInjected: listed(observation.observedInjected),
    errorCode: error?.code,
    errorMessage: error?.message,
    injected: listed(observation.injected),
    requestedAlgorithm: requestedEncryption?.algorithm,
    requestedKeyId: requestedEncryption?.keyId,
    confirmedAlgorithm: confirmedEncryption?.algorithm,
    confirmedKeyId: confirmedEncryption?.keyId,
    unconfirmed: observation.unconfirmed || undefined,
    backend: observation.backend,
    backendRequestId: observation.backendRequestId,
    backendError: observation.backendError,
    bytesReceived: observation.bytesReceived,
    bytesSent: observation.bytesSent,
    durationMs: milliseconds(observation.durationSeconds),
    backendFirstByteMs:
      backendFirstByteSeconds === undefined ? undefined : milliseconds(backendFirstByteSeconds),
  };
}

function listed(items: readonly string[]): readonly string[] | undefined {
  return items.length > 0 ? items : undefined;
}

/** To the microsecond; the clock says no more. */
function milliseconds(seconds: number): number {
  return Math.round(seconds * 1e6) / 1e3;
}
