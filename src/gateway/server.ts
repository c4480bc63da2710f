// One listener: sockets, TLS, limits of the HTTP parser, and what cannot become a request. Knows Node's servers, no S3.
import * as http from 'node:http';
import * as https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
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

/** A listener that is bound. */
export interface RunningListener {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly listening: boolean;
  /** Takes no more connections, lets what is in flight end, then breaks what is left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** The parser stops here; the policy's own limit, which S3 answers, lies below. */
const MAX_HEADER_BYTES = 64 * 1024;
const KEEP_ALIVE_MS = 65_000;

/** Binds a listener; rejects, naming the address, when it cannot. */
export async function startListener(
  configuration: ListenerConfiguration,
  timeouts: Timeouts,
  onRequest: RequestListener,
  observe: Observer,
): Promise<RunningListener> {
  const server = createServer(configuration, timeouts);
  const busy = new WeakSet<Socket>();
  const serve = (request: http.IncomingMessage, response: http.ServerResponse, mayContinue: boolean) => {
    busy.add(request.socket);
    response.once('close', () => busy.delete(request.socket));
    onRequest(request, response, mayContinue);
  };
  server.on('request', (request, response) => serve(request, response, false));
  server.on('checkContinue', (request, response) => serve(request, response, true));
  server.on('checkExpectation', (request, response) => serve(request, response, false));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    // A socket with an exchange under way is left to that exchange to end.
    if (error.code === 'ECONNRESET' || !socket.writable || busy.has(socket)) socket.destroy(error);
    else answerUnparsed(configuration, error, socket, observe);
  });
  await listen(server, configuration);
  const { port } = server.address() as AddressInfo;
  const { name, host } = configuration;
  return {
    name,
    host,
    port,
    get listening() {
      return server.listening;
    },
    close: (graceMs) => close(server, graceMs),
  };
}

function createServer({ tls }: ListenerConfiguration, timeouts: Timeouts): http.Server | https.Server {
  const options: http.ServerOptions = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: timeouts.requestHeader,
    // An upload may last for hours; a client that stops sending is broken off by the relay.
    requestTimeout: 0,
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
