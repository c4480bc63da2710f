// The requests of a server's connections in the order they came, and how the connections end. Knows Node's servers; must not
// know TLS or S3.
import type * as http from 'node:http';
import type { Socket } from 'node:net';

export type RequestListener = (
  request: http.IncomingMessage,
  response: http.ServerResponse,
  mayContinue: boolean,
) => void;

/** Requests that are parsed ahead on a connection before no more of it is read: a client could send them without end. */
const MAX_AHEAD = 32;

/** How the connections of a server end, each more strictly than those before it. */
const ENDINGS = ['not yet', 'with the next answer', 'now', 'now, unserved'] as const;
type Ending = (typeof ENDINGS)[number];

/**
 * Hands requests on, of each connection one at a time. Node parses ahead what a client sends without waiting for answers;
 * handled at once, all of that would be under way on behalf of one connection, and writes could overtake each other.
 */
export class Turns {
  readonly #onRequest: RequestListener;
  /** Connections that have been answered and are kept for later, those that have waited longest first. */
  readonly #kept: Set<Socket>;
  readonly #latest = new WeakMap<Socket, http.ServerResponse>();
  /** Requests of a connection that wait for their turn. */
  readonly #ahead = new WeakMap<Socket, number>();
  readonly #underWay = new Set<http.ServerResponse>();
  /** Connections without a request, those included that have never had one. */
  readonly #idle = new Set<Socket>();
  #ending: Ending = 'not yet';

  constructor(onRequest: RequestListener, kept: Set<Socket>) {
    this.#onRequest = onRequest;
    this.#kept = kept;
  }

  opened(socket: Socket): void {
    this.#idle.add(socket);
    socket.once('close', () => {
      this.#kept.delete(socket);
      this.#idle.delete(socket);
    });
  }

  /** The response that was begun last on a connection. */
  latest(socket: Socket): http.ServerResponse | undefined {
    return this.#latest.get(socket);
  }

  serve(request: http.IncomingMessage, response: http.ServerResponse, mayContinue: boolean): void {
    const { socket } = request;
    const before = this.#latest.get(socket);
    this.#latest.set(socket, response);
    this.#kept.delete(socket);
    this.#idle.delete(socket);
    response.once('close', () => this.#answered(socket, response));
    if (isOpen(before)) {
      this.#waits(socket, 1);
      before.once('close', () => {
        this.#waits(socket, -1);
        // The client has left, or was told that the connection ends: what it sent ahead is not begun.
        if (!socket.destroyed && socket.writable) this.#begin(request, response, mayContinue);
      });
    } else this.#begin(request, response, mayContinue);
  }

  #waits(socket: Socket, more: 1 | -1): void {
    const before = this.#ahead.get(socket) ?? 0;
    this.#ahead.set(socket, before + more);
    if (Math.max(before, before + more) < MAX_AHEAD) return;
    // Not here and now: at the end of a request Node resumes reading for the next.
    process.nextTick(() => {
      if ((this.#ahead.get(socket) ?? 0) >= MAX_AHEAD) socket.pause();
      else socket.resume();
    });
  }

  #begin(request: http.IncomingMessage, response: http.ServerResponse, mayContinue: boolean): void {
    if (this.#ending === 'now, unserved') {
      request.socket.destroySoon();
      return;
    }
    this.#underWay.add(response);
    if (this.#ending !== 'not yet') response.shouldKeepAlive = false;
    this.#onRequest(request, response, mayContinue);
  }

  #answered(socket: Socket, response: http.ServerResponse): void {
    this.#underWay.delete(response);
    if (this.#latest.get(socket) !== response || socket.destroyed) return;
    if (this.#endsNow) {
      socket.destroySoon();
      return;
    }
    this.#idle.add(socket);
    this.#kept.add(socket);
  }

  get #endsNow(): boolean {
    return this.#ending === 'now' || this.#ending === 'now, unserved';
  }

  end(ending: Ending): void {
    if (ENDINGS.indexOf(ending) <= ENDINGS.indexOf(this.#ending)) return;
    this.#ending = ending;
    for (const response of this.#underWay) if (!response.headersSent) response.shouldKeepAlive = false;
    // Node's closeIdleConnections would also break an answer whose last bytes wait for a slow client.
    if (this.#endsNow) for (const socket of this.#idle) socket.destroySoon();
  }
}

function isOpen(response: http.ServerResponse | undefined): response is http.ServerResponse {
  return response !== undefined && !response.closed;
}
