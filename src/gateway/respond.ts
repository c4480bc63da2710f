// Answers of the gateway's own: S3's error documents. Knows XML and responses; must not know why.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Refusal } from '../core/refusal.ts';
import { formatElements } from '../core/s3/xml.ts';

/** An error as S3 writes it. */
export type ErrorAnswer = Pick<Refusal, 'status' | 'code' | 'message' | 'details'>;

/** The identity of a request in its answers. `resource` is the path as received. */
export interface RequestIdentity {
  readonly requestId: string;
  readonly resource: string;
}

/** The request's ID in every answer, the gateway's own and those that are passed on. */
export const REQUEST_ID = 'x-s3-kms-gateway-request-id';

/** Event of a request that is answered before its end: whoever reads its body stops, and completes nothing with it. */
export const ABANDONED = 'abandoned';

/** Body bytes that are read and thrown away after an early answer, so that the client gets to read it. */
const LINGER_BYTES = 16 * 1024 * 1024;
const LINGER_MS = 2_000;
/** Seconds after which a client that was told to slow down may come again. */
const RETRY_AFTER = '1';

/** The error document. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
export function errorDocument(error: ErrorAnswer, { requestId, resource }: RequestIdentity): string {
  const body = formatElements([
    ['Code', error.code],
    ['Message', error.message],
    ...error.details,
    ['Resource', resource],
    ['RequestId', requestId],
    ['HostId', 's3-kms-gateway'],
  ]);
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${body}</Error>`;
}

/** Headers of every answer that the gateway itself gives. */
export function errorHeaders(
  error: ErrorAnswer,
  body: string,
  { requestId }: RequestIdentity,
): Record<string, string> {
  return {
    'content-type': 'application/xml',
    'content-length': String(Buffer.byteLength(body)),
    'x-amz-request-id': requestId,
    [REQUEST_ID]: requestId,
    'x-amz-id-2': 's3-kms-gateway',
    ...(error.status === 503 ? { 'retry-after': RETRY_AFTER } : {}),
  };
}

/** Sends an error; for HEAD its head alone. A request whose body has not been read costs the connection. */
export function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  error: ErrorAnswer,
  identity: RequestIdentity,
): void {
  const body = errorDocument(error, identity);
  const headers = errorHeaders(error, body, identity);
  if (hasUnreadBody(request)) headers['connection'] = 'close';
  response.writeHead(error.status, headers);
  response.write(request.method === 'HEAD' ? '' : body);
  endResponse(request, response);
}

/**
 * Whether some of the request's body is still to come. Node counts a request without a body as complete only after its
 * handler has run, so its headers are asked too.
 */
export function hasUnreadBody(request: IncomingMessage): boolean {
  // Asked for only where they are needed: Node makes this object when it is first asked for it.
  if (request.complete) return false;
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
  return coding !== undefined || Number(length ?? 0) > 0;
}

/**
 * Ends a response. If the client is still sending, closing at once would reset the connection and take the answer from
 * under its eyes; so what it sends is thrown away for a while first.
 */
export function endResponse(request: IncomingMessage, response: ServerResponse): void {
  if (!hasUnreadBody(request) || request.destroyed) {
    response.end();
    return;
  }
  let left = LINGER_BYTES;
  const finish = () => {
    clearTimeout(timer);
    request.off('data', count);
    response.end();
  };
  const count = (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) finish();
  };
  const timer = setTimeout(finish, LINGER_MS);
  // An answer without a body would otherwise wait with its head until the end.
  response.flushHeaders();
  request.emit(ABANDONED);
  // Whoever read before may have paused it.
  request.on('data', count).resume();
  request.once('close', finish);
  request.once('end', finish);
}

/** Resolves when nothing more will happen to a response. */
export function closed(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (response.closed) resolve();
    else response.once('close', resolve);
  });
}
