// Connections on which something comes that is not HTTP: who is still to be answered on them, and how they end.
// Knows Node's parser and sockets; must not know what is being answered.
import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Refusal } from '../core/refusal.ts';
import * as refusals from '../core/refusal.ts';

/** The parser stops here, in bytes; the policy's own limit, which S3 answers, lies below. */
export const MAX_HEADER_BYTES: number = 64 * 1024;

/** Event of a request whose body turns out not to be HTTP, with the refusal: whoever reads the body answers. */
export const MALFORMED = 'malformed';

/** For a client that is still sending to read its answer, in ms: a connection that is closed at once is reset under it. */
const LINGER_MS = 2_000;

/** Errors of Node's HTTP server by what they come to. `latest` gives the response that was begun last on a connection. */
export function endMalformed(
  server: Server,
  latest: (socket: Socket) => ServerResponse | undefined,
  answerUnparsed: (refusal: Refusal, socket: Socket) => void,
): void {
  const ending = new WeakSet<Socket>();
  const answer = (refusal: Refusal, socket: Socket) => {
    answerUnparsed(refusal, socket);
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(timer));
  };
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const response = latest(socket);
    const isBusy = response !== undefined && !response.closed;
    const refusal = refusalOf(error);
    if (ending.has(socket)) {
      // The parser complains of every byte that still comes.
      if (isEnd(error)) socket.destroySoon();
      return;
    }
    ending.add(socket);
    if (!refusal || !socket.writable) socket.destroy(error);
    else if (!isBusy) answer(refusal, socket);
    else if (response.req.complete) {
      // It stands behind a whole request, which is answered first.
      response.once('close', () => {
        if (socket.writable) answer(refusal, socket);
      });
    } else if (response.headersSent) socket.destroySoon();
    else if (isEnd(error)) socket.destroy(error);
    else if (!response.req.emit(MALFORMED, refusal)) socket.destroy(error);
  });
}

/** The client has ended the connection in the middle of a request: it has left. */
function isEnd({ code }: NodeJS.ErrnoException): boolean {
  return code === 'HPE_INVALID_EOF_STATE';
}

/** What else there is concerns the connection, such as a handshake that does not end: no answer can be sent through it. */
function refusalOf({ code = '' }: NodeJS.ErrnoException): Refusal | undefined {
  if (code === 'HPE_HEADER_OVERFLOW') return refusals.headerSectionTooLarge(MAX_HEADER_BYTES);
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return refusals.requestTimeout();
  return code.startsWith('HPE_') ? refusals.ambiguous('it is not well-formed HTTP') : undefined;
}
