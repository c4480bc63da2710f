// What is known of one request once it is over: the single source of its metrics and its audit line.
// Knows the closed label sets; must not know sockets, and holds no secret, signature, context value or SSE-C key.
import type { AuthenticationScheme, Facts, Injection } from '../core/facts.ts';
import type { Reason } from '../core/refusal.ts';

export type { AuthenticationScheme, Injection } from '../core/facts.ts';

/** How a request ended. `backend_failed` covers every fault between gateway and backend. */
export type OutcomeKind = 'forwarded' | 'refused' | 'client_aborted' | 'backend_failed';

/** One request, finished. Times in seconds, sizes in bytes. */
export interface Observation {
  readonly requestId: string;
  /** Of the client's `traceparent`: its trace, and its own span in it. */
  readonly traceId: string | undefined;
  readonly spanId: string | undefined;
  readonly listener: string;
  readonly peerAddress: string;
  readonly method: string;
  /** Name of the S3 operation, or `Unknown` where none could be made out. */
  readonly operation: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly client: string | undefined;
  /** Names in the certificate of the client: the one it is known by, or those that are not its own. */
  readonly certificate: readonly string[];
  readonly accessKeyId: string | undefined;
  readonly scheme: AuthenticationScheme | undefined;
  /** `verified`, or the reason of the refusal where authentication failed; absent where it was not reached. */
  readonly verification: 'verified' | Reason | undefined;
  readonly secure: boolean;
  /** Algorithm and key ID that the client itself asked for, as it sent them. */
  readonly clientEncryption: EncryptionSummary | undefined;
  readonly rule: string | undefined;
  readonly ruleMode: Facts['ruleMode'];
  readonly backend: string | undefined;
  readonly outcome: OutcomeKind;
  /** HTTP status the client was sent, 0 where it left before one. */
  readonly status: number;
  /** Reason of a refusal, from the catalogue in core/refusal. */
  readonly reason: Reason | undefined;
  /** S3 error code and message the gateway itself answered with. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
  /** Refusal that mode `observe` would have made. */
  readonly observedReason: Reason | undefined;
  /** What a rule in mode `observe` would have added. */
  readonly observedInjected: readonly Injection[];
  readonly injected: readonly Injection[];
  /** Algorithm and key ID that were asked of the backend, and what it answered, on writes that carry them. */
  readonly requestedEncryption: EncryptionSummary | undefined;
  readonly confirmedEncryption: EncryptionSummary | undefined;
  readonly unconfirmed: boolean;
  /** The backend's own request ID and the failure towards it, where there was one. */
  readonly backendRequestId: string | undefined;
  readonly backendError: string | undefined;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly durationSeconds: number;
  readonly backendFirstByteSeconds: number | undefined;
}

/** Algorithm and KMS key ID as they stand in headers. */
export interface EncryptionSummary {
  readonly algorithm: string | undefined;
  readonly keyId: string | undefined;
}

/** What an observation says where nothing is known. */
export const NOTHING_KNOWN: Omit<Observation, 'requestId' | 'listener' | 'outcome' | 'status'> = {
  traceId: undefined,
  spanId: undefined,
  peerAddress: '',
  method: '',
  operation: 'Unknown',
  bucket: undefined,
  key: undefined,
  client: undefined,
  certificate: [],
  accessKeyId: undefined,
  scheme: undefined,
  verification: undefined,
  secure: false,
  clientEncryption: undefined,
  rule: undefined,
  ruleMode: undefined,
  backend: undefined,
  reason: undefined,
  error: undefined,
  observedReason: undefined,
  observedInjected: [],
  injected: [],
  requestedEncryption: undefined,
  confirmedEncryption: undefined,
  unconfirmed: false,
  backendRequestId: undefined,
  backendError: undefined,
  bytesReceived: 0,
  bytesSent: 0,
  durationSeconds: 0,
  backendFirstByteSeconds: undefined,
};
