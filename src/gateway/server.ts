// The HTTP server of one listener under one configuration: TLS, limits of the parser, what cannot become a request, and the
// end of its connections. Is handed its connections. Knows Node's servers, no S3.
import * as http from 'node:http';
import * as https from 'node:https';
import type { Socket } from 'node:net';
import type { ListenerConfiguration, Timeouts } from '../config/configuration.ts';
import type { Refusal } from '../core/refusal.ts';
import * as refusals from '../core/refusal.ts';
import { NOTHING_KNOWN } from '../observe/observation.ts';
import type { Observer } from '../observe/observe.ts';
import { newRequestId } from './receive.ts';
import { errorDocument, errorHeaders } from './respond.ts';

export type RequestListener = (
  request: http.IncomingMessage,
  response: http.ServerResponse,
  mayContinue: boolean,
) => void;

/** What a listener is bounded by. */
export interface ListenerBounds {
  readonly timeouts: Timeouts;
  /** Connections at a time; more are closed at once. */
  readonly connections: number;
  /** 48 bytes, where other processes are to resume the sessions of this one; of this listener alone. */
  readonly ticketKeys: Buffer | undefined;
}

/** Whom a listener tells. */
export interface ListenerEvents {
  readonly onRequest: RequestListener;
  readonly observe: Observer;
}

/** The server of one listener under one configuration. */
export interface ListenerServer {
  take(socket: Socket): void;
  setTicketKeys(keys: Buffer): void;
  /** Is given no more connections; those that it has go on. */
  retire(): void;
  /** From now on each connection ends with its next answer. */
  lastAnswers(): void;
  /** Ends every connection: at once, or with the answer under way. `withRequests`: what still comes before is served. */
  end(withRequests: boolean): void;
  /** Done when it is given no more connections and has none. */
  readonly over: Promise<void>;
}

/** The parser stops here; the policy's own limit, which S3 answers, lies below. */
const MAX_HEADER_BYTES = 64 * 1024;
/**
 * Mozilla's intermediate suites (Server Side TLS 5.7), less those with finite-field Diffie-Hellman, which no client of today
 * needs: forward secrecy and authenticated encryption alone. Stated here, so that nothing that Node.js is started with, and
 * no OpenSSL it is linked to, adds one.
 */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');
const KEEP_ALIVE_MS = 65_000;
/** How often connections are looked through for requests that do not come. */
const CHECK_MS = 5_000;

/** Makes ready for connections; throws where TLS cannot be as configured. `kept` takes those that are kept for later. */
export function openServer(
  configuration: ListenerConfiguration,
  bounds: ListenerBounds,
  { onRequest, observe }: ListenerEvents,
  kept: Set<Socket>,
): ListenerServer {
  const server = createServer(configuration, bounds);
  const { promise: over, resolve: isOver } = Promise.withResolvers<void>();
  const turns = new Turns(onRequest, kept);
  let connections = 0;
  let begun = false;
  let retired = false;
  const closeWhenOver = () => {
    if (!retired || connections > 0) return;
    server.close();
    isOver();
  };
  const retire = () => {
    retired = true;
    closeWhenOver();
  };
  serveInTurn(server, turns, (error, socket) => answerUnparsed(configuration, error, socket, observe));
  return {
    over,
    retire,
    take: (socket) => {
      // Node looks for requests that do not come once a server listens; the address of this one is its listener's.
      if (!begun) server.emit('listening');
      begun = true;
      connections += 1;
      socket.once('close', () => {
        connections -= 1;
        closeWhenOver();
      });
      // To TLS the end of what a client sends is the end of the connection.
      if (configuration.tls) socket.allowHalfOpen = false;
      server.emit('connection', socket);
    },
    setTicketKeys: (keys) => {
      if (server instanceof https.Server) server.setTicketKeys(keys);
    },
    lastAnswers: () => turns.end('with the next answer'),
    end: (withRequests) => {
      turns.end(withRequests ? 'now' : 'now, unserved');
      retire();
    },
  };
}

/** How the connections of a server end, each more strictly than those before it. */
const ENDINGS = ['not yet', 'with the next answer', 'now', 'now, unserved'] as const;
type Ending = (typeof ENDINGS)[number];

/**
 * Hands requests on, of each connection one at a time. Node parses ahead what a client sends without waiting for answers;
 * handled at once, all of that would be under way on behalf of one connection, and writes could overtake each other.
 */
class Turns {
  readonly #onRequest: RequestListener;
  /** Connections that have been answered and are kept for later, those that have waited longest first. */
  readonly #kept: Set<Socket>;
  readonly #latest = new WeakMap<Socket, http.ServerResponse>();
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

  isBusy(socket: Socket): boolean {
    return isOpen(this.#latest.get(socket));
  }

  serve(request: http.IncomingMessage, response: http.ServerResponse, mayContinue: boolean): void {
    const { socket } = request;
    const before = this.#latest.get(socket);
    this.#latest.set(socket, response);
    this.#kept.delete(socket);
    this.#idle.delete(socket);
    response.once('close', () => this.#answered(socket, response));
    if (isOpen(before)) {
      before.once('close', () => {
        // The client has left, or was told that the connection ends: what it sent ahead is not begun.
        if (!socket.destroyed && socket.writable) this.#begin(request, response, mayContinue);
      });
    } else this.#begin(request, response, mayContinue);
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

function serveInTurn(
  server: http.Server | https.Server,
  turns: Turns,
  onUnparsed: (error: NodeJS.ErrnoException, socket: Socket) => void,
): void {
  server.on(server instanceof https.Server ? 'secureConnection' : 'connection', (socket: Socket) =>
    turns.opened(socket),
  );
  server.on('request', (request, response) => turns.serve(request, response, false));
  server.on('checkContinue', (request, response) => turns.serve(request, response, true));
  server.on('checkExpectation', (request, response) => turns.serve(request, response, false));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    // A socket with an exchange under way is left to that exchange to end.
    if (isOfParser(error) && socket.writable && !turns.isBusy(socket)) onUnparsed(error, socket);
    else socket.destroy(error);
  });
}

/** What else there is concerns the connection, such as a handshake that does not end: no answer can be sent through it. */
function isOfParser({ code = '' }: NodeJS.ErrnoException): boolean {
  return code.startsWith('HPE_') || code === 'ERR_HTTP_REQUEST_TIMEOUT';
}

function createServer(
  { tls }: ListenerConfiguration,
  { timeouts, ticketKeys }: ListenerBounds,
): http.Server | https.Server {
  const options: http.ServerOptions = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: timeouts.requestHeader,
    // An upload may last for hours; a client that stops sending is broken off by the relay.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(CHECK_MS, timeouts.requestHeader),
    keepAliveTimeout: KEEP_ALIVE_MS,
    insecureHTTPParser: false,
    // A missing Host is answered in S3's form by the core.
    requireHostHeader: false,
    noDelay: true,
  };
  if (!tls) return http.createServer(options);
  return https.createServer({
    ...options,
    cert: tls.certificate,
    key: tls.key,
    minVersion: tls.minVersion,
    ciphers: CIPHERS,
    // All are good: the client knows which its processor is quick at.
    honorCipherOrder: false,
    handshakeTimeout: timeouts.tlsHandshake,
    ALPNProtocols: ['http/1.1'],
    ...(ticketKeys === undefined ? {} : { ticketKeys }),
    ...(tls.clientCa === undefined ? {} : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
  });
}

/** What the HTTP parser would not read. */
function answerUnparsed(
  listener: ListenerConfiguration,
  error: NodeJS.ErrnoException,
  socket: Socket,
  observe: Observer,
): void {
  const refusal = refusalOf(error);
  const identity = { requestId: newRequestId(), resource: '' };
  const body = errorDocument(refusal, identity);
  const head = Object.entries({ ...errorHeaders(refusal, body, identity), connection: 'close' });
  const lines = head.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.end(`HTTP/1.1 ${refusal.status} ${http.STATUS_CODES[refusal.status]}\r\n${lines}\r\n${body}`);
  observe({
    ...NOTHING_KNOWN,
    requestId: identity.requestId,
    listener: listener.name,
    peerAddress: socket.remoteAddress ?? '',
    secure: listener.secure,
    outcome: 'refused',
    status: refusal.status,
    reason: refusal.reason,
    error: { code: refusal.code, message: refusal.message },
  });
}

function refusalOf(error: NodeJS.ErrnoException): Refusal {
  if (error.code === 'HPE_HEADER_OVERFLOW') return refusals.headerSectionTooLarge(MAX_HEADER_BYTES);
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return refusals.requestTimeout();
  return refusals.ambiguous('it is not well-formed HTTP');
}
