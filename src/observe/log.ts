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
    serializers: { err: describeError },
  };
  return pino(options, destination);
}

/** An error field by field: libraries hang requests and sockets on theirs. */
function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code } = error as NodeJS.ErrnoException;
  return { type: error.name, code, message: error.message, stack: error.stack };
}

/**
 * What a fault of the gateway itself leaves in the log. Its message may quote the request, as those of JSON.parse and URL do,
 * so there is the place in the sources alone.
 */
export function describeFault(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code } = error as NodeJS.ErrnoException;
  const frames = error.stack?.split('\n').filter((line) => /^ +at /.test(line));
  return { type: error.name, code, at: frames?.map((line) => line.trim().slice('at '.length)) };
}

/** The same log for audit lines, which are written whatever `level` says: no refusal is lost to `level: error`. */
export function auditLogger(logger: Logger): Logger {
  return logger.child({}, { level: 'info' });
}

/**
 * Writes the audit line of one request; `msg` is `request`. Names are stable; a field that does not apply is absent. What
 * each field is stands in docs/observability.md, and no field that does not stand there.
 *
 * The level is `error` where encryption was not confirmed, `warn` where the backend failed, else `info`.
 */
export function auditLine(logger: Logger, observation: Observation): void {
  const line = auditFields(observation);
  if (observation.unconfirmed) logger.error(line, 'request');
  else if (observation.backendError !== undefined) logger.warn(line, 'request');
  else logger.info(line, 'request');
}

/** Field by field: what is added to Observation one day is not logged before somebody has thought about it. */
export function auditFields(observation: Observation): Record<string, unknown> {
  const { error, clientEncryption, requestedEncryption, confirmedEncryption } = observation;
  const { backendFirstByteSeconds } = observation;
  return {
    requestId: observation.requestId,
    traceId: observation.traceId,
    spanId: observation.spanId,
    listener: observation.listener,
    peerAddress: observation.peerAddress,
    secure: observation.secure,
    client: observation.client,
    certificate: listed(observation.certificate),
    accessKeyId: observation.accessKeyId,
    scheme: observation.scheme,
    method: observation.method,
    operation: observation.operation,
    bucket: observation.bucket,
    key: observation.key,
    clientAlgorithm: clientEncryption?.algorithm,
    clientKeyId: clientEncryption?.keyId,
    rule: observation.rule,
    ruleMode: observation.ruleMode,
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
