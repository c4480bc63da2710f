// The admin listener: metrics, liveness and readiness, for probes and Prometheus, and a page for people where there is one.
// Reads only, changes nothing. Knows HTTP; must not know requests of clients, configuration or secrets.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Metrics } from './metrics.ts';

/** One condition of readiness. `detail` says what is wrong and holds no secret. */
export interface ReadinessCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
  /** Something to know and to act on that makes no difference to readiness. */
  readonly informative?: boolean;
}

export type Readiness = () => readonly ReadinessCheck[] | Promise<readonly ReadinessCheck[]>;

/** What is there for people. */
export interface AdminPage {
  /** Takes a request, or says that nothing of its lies there. */
  serve(request: IncomingMessage, response: ServerResponse): boolean;
  /** Ends answers that would not end by themselves. */
  close(): void;
}

export interface AdminOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly metrics: Pick<Metrics, 'exposition'>;
  readonly readiness: Readiness;
  readonly page?: AdminPage | undefined;
}

export interface AdminServer {
  /** `host:port` as bound, an IPv6 host in brackets. */
  readonly address: string;
  close(): Promise<void>;
}

/** What a path answers. */
interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

type Endpoint = (options: AdminOptions) => Answer | Promise<Answer>;

const SERVER_LIMITS = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 30_000,
  connectionsCheckingInterval: 1_000,
};
const MAX_CONNECTIONS = 64;

/** How long a closing server waits for answers under way. */
const CLOSE_GRACE_MS = 1_000;

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';

const INDEX = `s3-kms-gateway admin listener

/         in a browser, where there is a page: the page
/metrics  metrics in the Prometheus text format
/livez    200 while the process answers
/readyz   200 when requests can be served, else 503; JSON says which check fails
`;

const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map<string, Endpoint>([
  ['/', () => ({ status: 200, contentType: TEXT, body: INDEX })],
  ['/livez', () => ({ status: 200, contentType: TEXT, body: 'ok\n' })],
  ['/readyz', answerReadiness],
  ['/metrics', async ({ metrics }) => ({ status: 200, ...(await metrics.exposition()) })],
]);

/** Starts the admin listener; rejects, naming the address, when it cannot be bound. */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const { page } = options;
  const server = createServer(SERVER_LIMITS, (request, response) => {
    if (!page?.serve(request, response)) void handle(options, request, response);
  });
  server.maxConnections = MAX_CONNECTIONS;
  const closeAll = async () => {
    page?.close();
    await close(server);
  };
  try {
    await listen(server, options);
  } catch (error) {
    page?.close();
    throw error;
  }
  return { address: boundAddress(server), close: closeAll };
}

async function handle(
  options: AdminOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const answer = await answerTo(options, request).catch(() =>
    json(500, { error: 'This endpoint failed. That is a fault of the gateway.' }),
  );
  const allow = answer.status === 405 ? { Allow: 'GET, HEAD', Connection: 'close' } : {};
  response.writeHead(answer.status, {
    'Content-Type': answer.contentType,
    'Content-Length': Buffer.byteLength(answer.body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...allow,
  });
  // Node leaves the body out of an answer to HEAD.
  response.end(answer.body);
}

async function answerTo(options: AdminOptions, { method, url = '/' }: IncomingMessage): Promise<Answer> {
  const path = url.split('?', 1)[0] ?? url;
  const endpoint = ENDPOINTS.get(path);
  if (endpoint === undefined) {
    return json(404, { error: `There is no such endpoint. There are: ${[...ENDPOINTS.keys()].join(', ')}` });
  }
  if (method !== 'GET' && method !== 'HEAD')
    return json(405, { error: 'Only GET and HEAD are allowed here.' });
  return endpoint(options);
}

async function answerReadiness({ readiness }: AdminOptions): Promise<Answer> {
  const checks = await checksOf(readiness);
  const ready = checks.every(({ ok, informative }) => ok || informative);
  return json(ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', checks });
}

/** A check that throws is a check that fails. Its message could quote anything, so it is not shown. */
async function checksOf(readiness: Readiness): Promise<readonly ReadinessCheck[]> {
  try {
    return await readiness();
  } catch {
    return [{ name: 'readiness', ok: false, detail: 'A readiness check failed to run.' }];
  }
}

function json(status: number, value: unknown): Answer {
  return { status, contentType: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

function listen(server: Server, { host, port }: AdminOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new Error(
          `The admin listener cannot bind ${hostAndPort(host, port)} (${cause.message}). Free it or set another admin.address.`,
          { cause },
        ),
      ),
    );
    server.listen({ host, port }, resolve);
  });
}

function boundAddress(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new Error('The admin listener has no TCP address.');
  return hostAndPort(address.address, address.port);
}

function hostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Once closing, Node no longer times out connections: one that stays silent would hold the process up for ever. */
async function close(server: Server): Promise<void> {
  const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  clearTimeout(cut);
}
