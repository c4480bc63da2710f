// The HTTP server of one listener under one configuration: TLS, limits of the parser, what cannot become a request, and the
// end of its connections. Is handed its connections. Knows Node's servers, no S3.
import * as http from 'node:http';
import * as https from 'node:https';
import type { Socket } from 'node:net';
import type { ListenerConfiguration, Timeouts } from '../config/configuration.ts';
import type { Refusal } from '../core/refusal.ts';
import { NOTHING_KNOWN } from '../observe/observation.ts';
import type { Observer } from '../observe/observe.ts';
import { endMalformed, MAX_HEADER_BYTES } from './malformed.ts';
import { newRequestId } from './receive.ts';
import { errorDocument, errorHeaders } from './respond.ts';
import { type RequestListener, Turns } from './turns.ts';

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
  serveInTurn(server, turns);
  endMalformed(
    server,
    (socket) => turns.latest(socket),
    (refusal, socket) => answerUnparsed(configuration, refusal, socket, observe),
  );
  endIdle(server, bounds.timeouts.bodyIdle, turns);
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

function serveInTurn(server: http.Server | https.Server, turns: Turns): void {
  server.on(server instanceof https.Server ? 'secureConnection' : 'connection', (socket: Socket) =>
    turns.opened(socket),
  );
  server.on('request', (request, response) => turns.serve(request, response, false));
  server.on('checkContinue', (request, response) => turns.serve(request, response, true));
  server.on('checkExpectation', (request, response) => turns.serve(request, response, false));
}

/**
 * Ends connections on which nothing has moved for `idleMs` because the client takes nothing of its answer: it would hold
 * its place among the requests for ever. Node asks here about those that are kept for later, too. One that waits for its
 * answer is left alone.
 */
function endIdle(server: http.Server, idleMs: number, turns: Turns): void {
  server.setTimeout(idleMs, (socket) => {
    if (socket.writableLength > 0 || turns.latest(socket)?.closed) socket.destroy();
  });
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
  refusal: Refusal,
  socket: Socket,
  observe: Observer,
): void {
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
