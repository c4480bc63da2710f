// The load that wrk does not fit: large bodies both ways, connections that stay idle, handshakes. A program of its own, so
// that it runs on its own cores and its CPU time is nobody's. Takes a LoadJob as JSON, prints a LoadResult as JSON.
import { readFileSync } from 'node:fs';
import * as https from 'node:https';
import { connect, type TLSSocket } from 'node:tls';

/** What to send, where, from how many connections, for how long. */
export interface LoadJob {
  /** `handshakes`: a new connection, never resumed, for each request. `idle`: connect, ask once, then only hold. */
  readonly kind: 'requests' | 'handshakes' | 'idle';
  readonly port: number;
  readonly caFile: string;
  readonly seconds: number;
  readonly connections: readonly Connections[];
}

/** Connections that all send one request, over and over. */
export interface Connections {
  readonly count: number;
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyFile: string | undefined;
}

export interface LoadResult {
  readonly requests: number;
  /** Bytes of bodies, both ways. */
  readonly bytes: number;
  /** Until the last answer. */
  readonly seconds: number;
}

/** How much of a body is handed to a socket at once. */
const PIECE = 64 * 1024;

/** Connections that are only to be held are opened by so many at a time. */
const IDLE_OPENED_AT_ONCE = 32;

if (process.argv[2] !== undefined) await main(JSON.parse(readFileSync(process.argv[2], 'utf8')));

async function main(job: LoadJob): Promise<void> {
  const bodies = job.connections.map(({ bodyFile }) => bodyFile && readFileSync(bodyFile));
  const started = performance.now();
  const deadline = started + job.seconds * 1000;
  const total = { requests: 0, bytes: 0 };
  const held: (TLSSocket | undefined)[] = [];
  const loops = job.connections.flatMap((connections, i) =>
    Array.from({ length: connections.count }, () => async () => {
      held.push(await run(job, connections, bodies[i] || undefined, deadline, total));
    }),
  );
  if (job.kind === 'idle') await fewAtATime(loops);
  else await Promise.all(loops.map((loop) => loop()));
  const seconds = (performance.now() - started) / 1000;
  console.log(JSON.stringify({ ...total, seconds } satisfies LoadResult));
  if (job.kind !== 'idle') return;
  process.stdin.once('data', () => {
    for (const socket of held) socket?.destroy();
    process.exit();
  });
}

/** A proxy that bounds what it has in flight would refuse a thousand first requests at once. */
async function fewAtATime(tasks: (() => Promise<void>)[]): Promise<void> {
  const worker = async () => {
    for (let task = tasks.pop(); task; task = tasks.pop()) await task();
  };
  await Promise.all(Array.from({ length: IDLE_OPENED_AT_ONCE }, worker));
}

/** One connection at a time; resolves with the last one where it is to be held. */
async function run(
  job: LoadJob,
  request: Connections,
  body: Buffer | undefined,
  deadline: number,
  total: { requests: number; bytes: number },
): Promise<TLSSocket | undefined> {
  if (job.kind === 'requests') {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: readFileSync(job.caFile) });
    while (performance.now() < deadline) await exchange(job, request, body, agent, total);
    agent.destroy();
    return undefined;
  }
  const ca = readFileSync(job.caFile);
  let socket: TLSSocket;
  do {
    socket = await handshake(job.port, ca);
    await askOnce(socket, request, job.kind === 'idle' ? 'keep-alive' : 'close');
    total.requests += 1;
  } while (job.kind === 'handshakes' && performance.now() < deadline);
  return socket;
}

function exchange(
  { port }: LoadJob,
  { method, target, headers }: Connections,
  body: Buffer | undefined,
  agent: https.Agent,
  total: { requests: number; bytes: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      servername: 'localhost',
      port,
      method,
      path: target,
      headers,
      agent,
    };
    const request = https.request(options, (response) => {
      if ((response.statusCode ?? 0) >= 300) reject(new Error(`answered with ${response.statusCode}`));
      response.on('data', (chunk: Buffer) => {
        total.bytes += chunk.length;
      });
      response.once('error', reject);
      response.once('end', () => {
        total.requests += 1;
        total.bytes += body?.length ?? 0;
        resolve();
      });
    });
    request.once('error', reject);
    if (body) send(request, body, 0);
    else request.end();
  });
}

function send(request: NodeJS.WritableStream, body: Buffer, from: number): void {
  for (let at = from; at < body.length; at += PIECE) {
    if (request.write(body.subarray(at, at + PIECE))) continue;
    request.once('drain', () => send(request, body, at + PIECE));
    return;
  }
  request.end();
}

function handshake(port: number, ca: Buffer): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', servername: 'localhost', port, ca }, () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Sends a request without a body and waits for the answer, or for its end where the connection is to close. */
function askOnce(
  socket: TLSSocket,
  { method, target, headers }: Connections,
  connection: 'keep-alive' | 'close',
): Promise<void> {
  return new Promise((resolve, reject) => {
    const lines = Object.entries({ ...headers, connection }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.once('error', reject);
    socket.once('data', (answer) => {
      if (!answer.toString('latin1').startsWith('HTTP/1.1 200 '))
        reject(new Error(answer.toString('latin1', 0, 200)));
      if (connection === 'keep-alive') resolve();
    });
    if (connection === 'close') socket.once('close', () => resolve());
    socket.write(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`);
  });
}
