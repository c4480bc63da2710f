// One listener: sockets, TLS, limits of the HTTP parser, and what cannot become a request. Knows Node's servers, no S3.
import * as http from 'node:http';
import * as https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { ListenerConfiguration, Timeouts } from '../config/configuration.ts';
import type { Refusal } from '../core/refusal.ts';
import { NOTHING_KNOWN } from '../observe/observation.ts';
import type { Observer } from '../observe/observe.ts';
import { endMalformed, MAX_HEADER_BYTES } from './malformed.ts';
import { newRequestId } from './receive.ts';
import { errorDocument, errorHeaders } from './respond.ts';

export type RequestListener = (
  request: http.IncomingMessage,
  response: http.ServerResponse,
  mayContinue: boolean,
) => void;

/** Where a listener is bound; with port 0 the system has chosen one. */
export interface BoundListener {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** A listener that is bound. */
export interface RunningListener extends BoundListener {
  readonly listening: boolean;
  /** Takes new keys for the session tickets of TLS; older tickets then no longer resume a session. */
  setTicketKeys(keys: Buffer): void;
  /** Takes no more connections, lets what is in flight end, then breaks what is left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

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
  connectionOpened(listener: string): void;
  connectionClosed(listener: string): void;
  connectionRefused(listener: string): void;
}

const KEEP_ALIVE_MS = 65_000;
/** Requests that are parsed ahead on a connection before no more of it is read: a client could send them without end. */
const MAX_AHEAD = 32;
/** How often connections are looked through for requests that do not come. */
const CHECK_MS = 5_000;

/** Binds a listener; rejects, naming the address, when it cannot. */
export async function startListener(
  configuration: ListenerConfiguration,
  bounds: ListenerBounds,
  events: ListenerEvents,
): Promise<RunningListener> {
  const server = createServer(configuration, bounds);
  const { name, host } = configuration;
  const kept = serveInTurn(server, events.onRequest, bounds.timeouts.bodyIdle, (refusal, socket) =>
    answerUnparsed(configuration, refusal, socket, events.observe),
  );
  boundConnections(server, name, bounds.connections, kept, events);
  await listen(server, configuration);
  const { port } = server.address() as AddressInfo;
  return {
    name,
    host,
    port,
    get listening() {
      return server.listening;
    },
    setTicketKeys: (keys) => {
      if (server instanceof https.Server) server.setTicketKeys(keys);
    },
    close: (graceMs) => close(server, graceMs),
  };
}

/**
 * Hands requests on, of each connection one at a time. Node parses ahead what a client sends without waiting for answers;
 * handled at once, all of that would be under way on behalf of one connection, and writes could overtake each other.
 * Gives the connections that have been answered and are kept for later, those that have waited longest first.
 */
function serveInTurn(
  server: http.Server,
  onRequest: RequestListener,
  idleMs: number,
  onUnparsed: (refusal: Refusal, socket: Socket) => void,
): ReadonlySet<Socket> {
  const latest = new WeakMap<Socket, http.ServerResponse>();
  const ahead = new WeakMap<Socket, number>();
  const kept = new Set<Socket>();
  const forgetClosed = (socket: Socket) => socket.once('close', () => kept.delete(socket));
  const boundReading = (socket: Socket) => {
    if ((ahead.get(socket) ?? 0) >= MAX_AHEAD) socket.pause();
    else socket.resume();
  };
  const isBusy = (response: http.ServerResponse | undefined) => response !== undefined && !response.closed;
  const serve = (request: http.IncomingMessage, response: http.ServerResponse, mayContinue: boolean) => {
    const { socket } = request;
    const before = latest.get(socket);
    latest.set(socket, response);
    kept.delete(socket);
    response.once('close', () => {
      if (latest.get(socket) === response && !socket.destroyed) kept.add(socket);
    });
    if (before && isBusy(before)) {
      ahead.set(socket, (ahead.get(socket) ?? 0) + 1);
      // Not here and now: at the end of this request Node resumes reading for the next.
      process.nextTick(boundReading, socket);
      before.once('close', () => {
        ahead.set(socket, (ahead.get(socket) ?? 1) - 1);
        boundReading(socket);
        // The client has left, or was told that the connection ends: what it sent ahead is not begun.
        if (!socket.destroyed && socket.writable) onRequest(request, response, mayContinue);
      });
    } else onRequest(request, response, mayContinue);
  };
  if (server instanceof https.Server) server.on('secureConnection', forgetClosed);
  else server.on('connection', forgetClosed);
  server.on('request', (request, response) => serve(request, response, false));
  server.on('checkContinue', (request, response) => serve(request, response, true));
  server.on('checkExpectation', (request, response) => serve(request, response, false));
  endMalformed(server, (socket) => latest.get(socket), onUnparsed);
  endIdle(server, idleMs, (socket) => latest.get(socket));
  return kept;
}

/**
 * Ends connections on which nothing has moved for `idleMs` because the client takes nothing of its answer: it would hold
 * its place among the requests for ever. Node asks here about those that are kept for later, too. One that waits for its
 * answer is left alone.
 */
function endIdle(
  server: http.Server,
  idleMs: number,
  latest: (socket: Socket) => http.ServerResponse | undefined,
): void {
  server.setTimeout(idleMs, (socket) => {
    if (socket.writableLength > 0 || latest(socket)?.closed) socket.destroy();
  });
}

/**
 * Over the limit a connection is closed as it comes: an answer would take a TLS handshake, the dearest thing that a client
 * can ask for. One that is only kept for later makes room for the next.
 */
function boundConnections(
  server: http.Server,
  name: string,
  limit: number,
  kept: ReadonlySet<Socket>,
  events: ListenerEvents,
): void {
  server.maxConnections = limit;
  server.on('connection', (socket: Socket) => {
    events.connectionOpened(name);
    socket.once('close', () => events.connectionClosed(name));
  });
  server.on('drop', () => {
    events.connectionRefused(name);
    const [idlest] = kept;
    idlest?.destroy();
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
    handshakeTimeout: timeouts.tlsHandshake,
    ALPNProtocols: ['http/1.1'],
    ...(ticketKeys === undefined ? {} : { ticketKeys }),
    ...(tls.clientCa === undefined ? {} : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
  });
}

function listen(server: http.Server, { host, port }: ListenerConfiguration): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new Error(`cannot listen on ${host}:${port}: ${cause.message}`, { cause }));
    });
    server.listen({ host, port }, resolve);
  });
}

function close(server: http.Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
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
