// What a client is told when the gateway cannot reach a backend or cannot use its answer. One mapper from error to status.
import { errors } from 'undici';
import type { ErrorAnswer } from './respond.ts';

function failure(status: number, code: string, message: string): ErrorAnswer {
  return { status, code, message, details: [] };
}

/** The write was accepted without the encryption it was sent with: the object is stored, but not as the rule demands. */
export function unconfirmedEncryption(): ErrorAnswer {
  const text =
    'The storage behind the gateway accepted this write but did not confirm the server-side encryption that was asked of it. Do not rely on the object being encrypted.';
  return failure(502, 'EncryptionNotConfirmed', text);
}

/** A fault of the gateway; what it is stands in the log. */
export function internalError(): ErrorAnswer {
  return failure(500, 'InternalError', 'We encountered an internal error. Please try again.');
}

export function redirectNotFollowed(): ErrorAnswer {
  const text =
    'The storage behind the gateway answered with a redirect, which the gateway neither follows nor passes on. Check the endpoint and region of its backend.';
  return failure(502, 'BackendRedirect', text);
}

/** Whoever reports success before it has the whole upload has not stored it. */
export function successTooEarly(): ErrorAnswer {
  const text =
    'The storage behind the gateway reported success before it had received the whole request. Do not rely on the object being stored.';
  return failure(502, 'BadGateway', text);
}

/** An answer that must be read before it is passed on, and cannot be. */
export function answerNotUnderstood(): ErrorAnswer {
  const text = 'The storage behind the gateway sent an answer that the gateway cannot read.';
  return failure(502, 'BadGateway', text);
}

export function noCredentials(): ErrorAnswer {
  const text = 'The gateway has no credentials for the storage behind it yet. Please try again.';
  return failure(503, 'ServiceUnavailable', text);
}

/** Errors of undici and of sockets, before the head of an answer. */
export function backendFailure(error: Error): ErrorAnswer {
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) {
    return failure(
      504,
      'GatewayTimeout',
      'The storage behind the gateway did not answer in time. Please try again.',
    );
  }
  if (error instanceof errors.ConnectTimeoutError || isConnectError(error)) {
    return failure(
      503,
      'ServiceUnavailable',
      'The storage behind the gateway cannot be reached. Please try again.',
    );
  }
  return failure(
    502,
    'BadGateway',
    'The storage behind the gateway broke off the request. Please try again.',
  );
}

/** The connection was lost, by a reset or by its end; whether the backend has read the request is not known. */
export function isConnectionLost(error: Error): boolean {
  return LOST_CODES.has((error as NodeJS.ErrnoException).code ?? '');
}

const LOST_CODES = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

/** OpenSSL's names for a certificate of an authority that is not trusted. */
export const UNTRUSTED_CODES: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

const CONNECT_CODES = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN']);

function isConnectError(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return (
    code !== undefined &&
    (CONNECT_CODES.has(code) || UNTRUSTED_CODES.has(code) || /^(CERT_|ERR_TLS|ERR_SSL_)/.test(code))
  );
}

/** The failure as the log names it: a code and a short text, nothing of the request. */
export function describeFailure(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? error.message : `${code}: ${error.message}`;
}
