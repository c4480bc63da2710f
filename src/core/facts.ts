// What is known of a request, whatever becomes of it: the part of the judgement that is logged and counted.
import type { Reason } from './refusal.ts';

/** The form in which a request was authenticated; `certificate`: by that of its connection alone. */
export type AuthenticationScheme =
  | 'sigv4'
  | 'sigv4-query'
  | 'sigv4a'
  | 'sigv2'
  | 'sigv2-query'
  | 'post-policy'
  | 'certificate'
  | 'none';

/** What the gateway adds to a write. */
export type Injection = 'algorithm' | 'key_id' | 'context' | 'bucket_key';

/** What is known of a request, whatever becomes of it. */
export interface Facts {
  operation: string;
  secure: boolean;
  /** Of the client's `traceparent`. */
  traceId?: string;
  spanId?: string;
  bucket?: string;
  key?: string;
  accessKeyId?: string;
  client?: string;
  /** The name in its certificate by which the client is known; of a certificate that is not its own, what it has for names. */
  certificate?: readonly string[];
  scheme?: AuthenticationScheme;
  /** `verified`, or the reason why not. */
  verification?: 'verified' | Reason;
  /** The algorithm and the KMS key ID that the client itself asked for, as sent; of a request whose sender is known. */
  clientAlgorithm?: string;
  clientKeyId?: string;
  rule?: string;
  ruleMode?: 'inject' | 'require' | 'observe' | 'off';
  backend?: string;
  /** What a rule in mode `observe` would have refused. */
  observedReason?: Reason;
  /** What a rule in mode `observe` would have added. */
  observedInjected?: readonly Injection[];
}
