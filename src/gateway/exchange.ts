// One request and its response while they are under way: what is known so far, and who is still there.
// Filled in by handle and relay; becomes exactly one observation.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Facts, ForwardVerdict } from '../core/decide.ts';
import type { StatedEncryption } from '../core/policy/answer.ts';
import type { Refusal } from '../core/refusal.ts';
import type { Observation, OutcomeKind } from '../observe/observation.ts';
import { newRequestId } from './receive.ts';
import { type ErrorAnswer, sendError } from './respond.ts';

/** The state of one exchange. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly listener: string;
  readonly requestId: string = newRequestId();
  readonly startedAt: number = performance.now();
  facts: Readonly<Facts> = { operation: 'Unknown', secure: false };
  sent: ForwardVerdict | undefined;
  outcome: OutcomeKind = 'forwarded';
  refusal: Refusal | undefined;
  error: ErrorAnswer | undefined;
  stated: StatedEncryption | undefined;
  unconfirmed = false;
  backendRequestId: string | undefined;
  backendError: string | undefined;
  firstByteSeconds: number | undefined;
  bytesReceived = 0;
  bytesSent = 0;

  constructor(request: IncomingMessage, response: ServerResponse, listener: string) {
    this.request = request;
    this.response = response;
    this.listener = listener;
  }

  /** Answers with a refusal. After the head has been sent there is nothing left but to break the connection. */
  refuse(refusal: Refusal): void {
    this.outcome = 'refused';
    this.refusal = refusal;
    this.#answer(refusal);
  }

  /** Answers with a failure of the backend. */
  fail(error: ErrorAnswer, backendError: string): void {
    this.outcome = 'backend_failed';
    this.backendError = backendError;
    this.#answer(error);
  }

  /** There is nobody to answer. */
  clientLeft(): void {
    this.outcome = 'client_aborted';
  }

  #answer(error: ErrorAnswer): void {
    if (this.response.headersSent) {
      this.response.destroy();
      return;
    }
    this.error = error;
    sendError(this.request, this.response, error, { requestId: this.requestId, resource: this.#resource() });
  }

  #resource(): string {
    const target = this.request.url ?? '';
    const mark = target.indexOf('?');
    return mark < 0 ? target : target.slice(0, mark);
  }

  /** What is known once it is over. */
  observation(): Observation {
    const { facts, sent, refusal, error } = this;
    return {
      requestId: this.requestId,
      traceId: facts.traceId,
      spanId: facts.spanId,
      listener: this.listener,
      peerAddress: this.request.socket.remoteAddress ?? '',
      method: this.request.method ?? '',
      operation: facts.operation,
      bucket: facts.bucket,
      key: facts.key,
      client: facts.client,
      certificate: facts.certificate ?? [],
      accessKeyId: facts.accessKeyId,
      scheme: facts.scheme,
      verification: facts.verification,
      secure: facts.secure,
      clientEncryption: { algorithm: facts.clientAlgorithm, keyId: facts.clientKeyId },
      rule: facts.rule,
      ruleMode: facts.ruleMode,
      backend: facts.backend,
      outcome: this.outcome,
      status: this.response.headersSent ? this.response.statusCode : 0,
      reason: refusal?.reason,
      error: error && { code: error.code, message: error.message },
      observedReason: facts.observedReason,
      observedInjected: facts.observedInjected ?? [],
      injected: sent?.injected ?? [],
      requestedEncryption: sent?.encryption,
      confirmedEncryption: sent?.demand && this.stated,
      unconfirmed: this.unconfirmed,
      backendRequestId: this.backendRequestId,
      backendError: this.backendError,
      bytesReceived: this.bytesReceived,
      bytesSent: this.bytesSent,
      durationSeconds: (performance.now() - this.startedAt) / 1000,
      backendFirstByteSeconds: this.firstByteSeconds,
    };
  }
}
