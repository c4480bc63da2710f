// Several processes as their users run them: one port, one log, one set of metrics, and no request lost with a worker.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import * as https from 'node:https';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as tls from 'node:tls';
import {
  type Answer,
  type Endpoint,
  type PlainRequest,
  send,
  sendSigned,
  signedHeaders,
} from '../gateway/client.ts';
import { eventually } from '../gateway/eventually.ts';
import { type FakeBackend, startFakeBackend } from '../gateway/fake-backend.ts';
import { type GatewayProcess, startGatewayProcess } from '../gateway/gateway-process.ts';

const WORKERS = 3;
const GET: PlainRequest = { method: 'GET', path: '/bucket/key' };

interface Line {
  readonly msg: string;
  readonly [field: string]: unknown;
}

describe('several processes', () => {
  let backend: FakeBackend;
  let gateway: GatewayProcess;
  let to: Endpoint;
  let headers: Record<string, string>;

  before(async () => {
    backend = await startFakeBackend();
    gateway = await startGatewayProcess({
      backends: [backend.backend],
      encryption: [{ name: 'off', mode: 'off' }],
      plaintext: { authentication: 'none', secure: true },
      workers: WORKERS,
    });
    to = { endpoint: gateway.endpoint, ca: gateway.ca };
    headers = await signedHeaders(to, GET);
  });
  after(async () => {
    await gateway?.stop();
    await backend?.close();
  });

  const lines = (): Line[] => gateway.lines.map((line) => JSON.parse(line));
  const audited = () => lines().filter(({ msg }) => msg === 'request');
  const readiness = async () => {
    const response = await fetch(`${gateway.admin}/readyz`);
    return { status: response.status, body: (await response.json()) as { checks: object[] } };
  };
  const allServe = () =>
    eventually(
      async () =>
        (await gateway.metric('s3_kms_gateway_workers')) === WORKERS && gateway.workers().length === WORKERS,
      'all workers serve',
    );
  /** Each on a connection of its own, so that workers take turns. */
  const get = () => send(to, { ...GET, headers });

  test('serve each listener at one address, and say so once', async () => {
    assert.equal(gateway.workers().length, WORKERS);
    const said = lines().filter(({ msg }) => msg === 'listening' || msg === 'admin listening');
    assert.equal(said.length, 3);
    assert.equal((await sendSigned(to, GET)).status, 200);
    assert.equal((await send({ endpoint: gateway.plaintextEndpoint }, GET)).status, 200);
  });

  test('are alive and ready as one', async () => {
    assert.equal(await (await fetch(`${gateway.admin}/livez`)).text(), 'ok\n');
    const { status, body } = await readiness();
    assert.equal(status, 200);
    assert.deepEqual(body.checks, [
      { name: 'workers', ok: true, detail: '3 of 3 serve' },
      { name: 'credentials of backend fake', ok: true },
      { name: 'configuration', informative: true, ok: true },
    ]);
  });

  test('are counted together, and none is left out', async () => {
    const sample = [
      's3_kms_gateway_requests_total',
      { operation: 'GetObject', outcome: 'forwarded' },
    ] as const;
    const before = await gateway.metric(...sample);
    const answers = await inParallel(90, 9, get);
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    await eventually(async () => (await gateway.metric(...sample)) === before + 90, 'all are counted');
    assert.equal(await gateway.metric('s3_kms_gateway_build_info'), 1);
    assert.equal(
      await gateway.metric('s3_kms_gateway_limits', { limit: 'requests_in_flight' }),
      WORKERS * 512,
    );
  });

  test('share the work: no worker is left without', async () => {
    // By what each has done in user mode since it began to serve.
    const before = gateway.workers().map(cpuTicks);
    await inParallel(300, 12, get);
    const done = gateway.workers().map((pid, i) => cpuTicks(pid) - (before[i] ?? 0));
    assert.ok(Math.min(...done) > 0, `ticks: ${done}`);
  });

  test('write whole lines, one for each request, however long', async () => {
    // A line of more than a pipe takes at once (4096 bytes): each of these characters is escaped with six.
    const key = '\u0001'.repeat(1000);
    const path = `/bucket/${'%01'.repeat(1000)}`;
    // A pipe that nobody reads is soon full, and a write to it is then done in parts.
    gateway.child.stdout?.pause();
    await inParallel(300, 12, () => send({ endpoint: gateway.plaintextEndpoint }, { method: 'GET', path }));
    await sleep(300);
    gateway.child.stdout?.resume();
    const ids = () => audited().flatMap((line) => (line['key'] === key ? [line['requestId']] : []));
    await eventually(() => ids().length === 300, '300 audit lines');
    assert.equal(new Set(ids()).size, 300);
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`resume each other's ${version} sessions, those of the same listener`, async () => {
      const session = await firstSession(to, version);
      // Enough to be sure that another worker than the first is among them.
      const resumed = await Promise.all(Array.from({ length: 30 }, () => resumes(to, version, session)));
      assert.deepEqual(new Set(resumed), new Set([true]));
    });
  }

  test('lose one that is killed under load, with its own connections and no other, replace it and forget no count', async () => {
    await allServe();
    const sample = ['s3_kms_gateway_requests_total', { operation: 'GetObject' }] as const;
    const heads = ['s3_kms_gateway_requests_total', { operation: 'HeadObject' }] as const;
    await inParallel(60, 6, () => sendSigned(to, { ...GET, method: 'HEAD' }));
    // Every worker has reported what it has counted so far.
    await eventually(async () => (await gateway.metric(...heads)) === 60, 'all are counted');
    const before = await gateway.metric(...sample);
    const old = new Set(gateway.workers());
    const agents = Array.from(
      { length: 24 },
      () => new https.Agent({ keepAlive: true, maxSockets: 1, ca: gateway.ca }),
    );
    const outcomes = await Promise.all(
      agents.map(async (agent, i) => {
        const mine: (number | string)[] = [];
        for (let n = 0; n < 40; n++) {
          if (i === 0 && n === 10) process.kill([...old][0] ?? 0, 'SIGKILL');
          mine.push(await status(agent, to, headers));
          await sleep(10);
        }
        return mine;
      }),
    );
    for (const agent of agents) agent.destroy();
    const broken = outcomes.filter((mine) => mine.some((one) => one !== 200));
    // A connection of the worker that was killed breaks once; the client connects anew and is served.
    for (const mine of broken) assert.equal(mine.filter((one) => one !== 200).length, 1, mine.join());
    assert.ok(broken.length < agents.length, 'every connection broke');
    await allServe();
    const now = gateway.workers();
    assert.equal(now.filter((pid) => !old.has(pid)).length, 1);
    assert.equal(await gateway.metric('s3_kms_gateway_workers_lost_total'), 1);
    assert.equal(await gateway.metric(...heads), 60);
    const counted = await gateway.metric(...sample);
    const served = outcomes.flat().filter((one) => one === 200).length;
    assert.ok(counted >= before, `${before} became ${counted}`);
    assert.ok(counted <= before + served + broken.length, `${counted} of ${before} and ${served}`);
    const ended = lines().filter(({ msg }) => msg === 'a worker ended');
    assert.deepEqual(
      ended.map(({ signal }) => signal),
      ['SIGKILL'],
    );
    assert.equal((await readiness()).status, 200);
  });

  test('give a new worker what the others have: its sessions resume, its requests are signed', async () => {
    const session = await firstSession(to, 'TLSv1.3');
    for (const pid of gateway.workers().slice(1)) process.kill(pid, 'SIGKILL');
    await allServe();
    const resumed = await Promise.all(Array.from({ length: 30 }, () => resumes(to, 'TLSv1.3', session)));
    assert.deepEqual(new Set(resumed), new Set([true]));
    const answers = await inParallel(30, 6, get);
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  });

  test('leave SIGTERM and SIGINT to the primary', async () => {
    const pids = gateway.workers();
    for (const pid of pids) for (const signal of ['SIGTERM', 'SIGINT']) process.kill(pid, signal);
    await sleep(300);
    assert.deepEqual(gateway.workers(), pids);
    assert.equal((await get()).status, 200);
  });
});

/** Started by a test; ended with it, however it ends. */
const started: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of started.splice(0).reverse()) await each.stop();
});

async function startBackend(): Promise<FakeBackend> {
  const backend = await startFakeBackend();
  started.push({ stop: backend.close });
  return backend;
}

/** Takes away whatever else the AWS chain could find on a machine. */
const NO_CREDENTIALS = {
  AWS_ACCESS_KEY_ID: '',
  AWS_SECRET_ACCESS_KEY: '',
  AWS_PROFILE: '',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
};

async function startTwo(
  backend: FakeBackend,
  setup: object = {},
  environment: Record<string, string> = {},
): Promise<GatewayProcess> {
  const two = { encryption: [{ name: 'off', mode: 'off' }], workers: 2, ...setup };
  const gateway = await startGatewayProcess({ backends: [backend.backend], ...two }, environment);
  started.push(gateway);
  return gateway;
}

describe('the end of several processes', () => {
  const starting = async (setup: object = {}) => {
    const backend = await startBackend();
    const gateway = await startTwo(backend, setup);
    return { backend, gateway, to: { endpoint: gateway.endpoint, ca: gateway.ca } };
  };

  test('SIGTERM lets what is in flight end, writes every line, and leaves no process', async () => {
    const { backend, gateway, to } = await starting();
    backend.behave((request, response) => setTimeout(() => response.end('slow'), 1000) && request.resume());
    const slow = Promise.all(Array.from({ length: 8 }, () => sendSigned(to, GET)));
    await eventually(
      async () => (await gateway.metric('s3_kms_gateway_requests_in_flight')) === 8,
      'in flight',
    );
    const pids = gateway.workers();
    const closed = once(gateway.child, 'close');
    gateway.child.kill('SIGTERM');
    assert.deepEqual(
      (await slow).map(({ status, body }) => [status, String(body)]),
      Array(8).fill([200, 'slow']),
    );
    assert.deepEqual(await closed, [0, null]);
    assert.equal(gateway.lines.filter((line) => JSON.parse(line).msg === 'request').length, 8);
    assert.deepEqual(pids.filter(isAlive), []);
  });

  test('a second signal does not wait', async () => {
    const { backend, gateway, to } = await starting();
    backend.behave(() => {});
    const stuck = sendSigned(to, GET).then(
      () => 'answered',
      () => 'broken',
    );
    await eventually(
      async () => (await gateway.metric('s3_kms_gateway_requests_in_flight')) === 1,
      'in flight',
    );
    const pids = gateway.workers();
    const exited = once(gateway.child, 'exit');
    gateway.child.kill('SIGTERM');
    await sleep(200);
    gateway.child.kill('SIGTERM');
    const [code] = await exited;
    assert.equal(code, 1);
    assert.equal(await stuck, 'broken');
    await eventually(() => !pids.some(isAlive), 'no worker is left');
  });

  test('workers end with a primary that is killed', async () => {
    const { gateway } = await starting();
    const pids = gateway.workers();
    gateway.child.kill('SIGKILL');
    await eventually(() => !pids.some(isAlive), 'no worker is left');
  });

  test('an address that is taken is told once, and the exit code is 1', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const failed = starting({ plaintext: { address: `127.0.0.1:${port}` } });
    await assert.rejects(failed, /serve ended with 1 before it listened/);
    taken.close();
  });

  test('a worker that hangs is killed and replaced', { timeout: 90_000 }, async () => {
    const { gateway, to } = await starting();
    const [hanging = 0] = gateway.workers();
    process.kill(hanging, 'SIGSTOP');
    const replaced = () => gateway.workers().length === 2 && !gateway.workers().includes(hanging);
    for (let i = 0; i < 60 && !replaced(); i++) await sleep(1000);
    assert.ok(replaced(), 'the worker that hangs is still there');
    // Lines are gathered before they are written: the new worker may be there before its story.
    const told = () => gateway.lines.map((line) => JSON.parse(line).msg);
    await eventually(() => told().includes('a worker hangs and is killed'), 'it is told');
    assert.equal((await sendSigned(to, GET)).status, 200);
  });
});

describe('the number of processes', () => {
  for (const [workers, serving] of [
    [1, 1],
    ['auto', availableParallelism()],
  ] as const) {
    test(`workers: ${workers}`, async () => {
      const gateway = await startTwo(await startBackend(), { workers });
      assert.equal(await gateway.metric('s3_kms_gateway_workers'), serving);
      // One process serves by itself, with none beside it.
      assert.equal(gateway.workers().length, serving === 1 ? 0 : serving);
    });
  }
});

describe('credentials', () => {
  test('are fetched once for all workers, and are there for one that comes later', async () => {
    let asked = 0;
    const metadata = createHttpServer((_request, response) => {
      asked += 1;
      const Expiration = new Date(Date.now() + 3_600_000).toISOString();
      const credentials = { AccessKeyId: 'FETCHED', SecretAccessKey: 'secret', Token: 'token', Expiration };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(credentials));
    }).listen(0, '127.0.0.1');
    started.push({ stop: async () => metadata.close() });
    await once(metadata, 'listening');
    const { port } = metadata.address() as { port: number };
    const backend = await startBackend();
    const gateway = await startTwo(
      { ...backend, backend: { ...backend.backend, credentials: { provider: 'default' } } },
      {},
      { ...NO_CREDENTIALS, AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${port}/credentials` },
    );
    const to = { endpoint: gateway.endpoint, ca: gateway.ca };
    const ready = async () => (await fetch(`${gateway.admin}/readyz`)).ok;
    await eventually(ready, 'ready');
    const signers = async () => {
      const answers = await inParallel(20, 4, () => sendSigned(to, GET));
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    };
    await signers();
    for (const pid of gateway.workers()) {
      process.kill(pid, 'SIGKILL');
      await eventually(() => gateway.workers().every((other) => other !== pid), 'one is gone');
      await eventually(async () => (await gateway.metric('s3_kms_gateway_workers')) === 2, 'two serve');
    }
    await signers();
    const keys = backend.received.map(
      ({ headers }) => /Credential=(\w+)/.exec(headers.authorization ?? '')?.[1],
    );
    assert.deepEqual(new Set(keys), new Set(['FETCHED']));
    assert.equal(asked, 1);
  });
});

describe('session tickets', () => {
  test('of one listener resume nothing at another, where a client certificate may be asked for', async () => {
    const backend = await startBackend();
    const gateway = await startTwo(backend, {
      // Both listeners have TLS; the second wants certificates.
      plaintext: {
        tls: { certificateFile: 'gateway.crt', keyFile: 'gateway.key', clientCaFile: 'ca.crt' },
      },
    });
    const open = { endpoint: gateway.endpoint, ca: gateway.ca };
    const closed = { endpoint: gateway.plaintextEndpoint.replace('http:', 'https:'), ca: gateway.ca };
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const session = await firstSession(open, version);
      assert.equal(await resumes(open, version, session), true);
      for (let i = 0; i < 6; i++) {
        assert.equal(await resumesHandshake(closed, version, session), false, version);
        await assert.rejects(resumes(closed, version, session), version);
      }
    }
  });
});

/** Ticks of user time so far: proc(5). */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ');
  return Number(fields?.[11]);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function inParallel(count: number, width: number, act: () => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = [];
  const rows = Array.from({ length: width }, async () => {
    for (let i = 0; i < count / width; i++) answers.push(await act());
  });
  await Promise.all(rows);
  return answers;
}

/** The status, or what went wrong. */
function status(agent: https.Agent, to: Endpoint, headers: Record<string, string>): Promise<number | string> {
  const { port } = new URL(to.endpoint);
  const options = { agent, host: '127.0.0.1', servername: 'localhost', port, path: GET.path, headers };
  return new Promise((resolve) => {
    const request = https.request(options, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
      answer.once('error', (error) => resolve(error.message));
    });
    request.once('error', (error) => resolve(error.message));
    request.end();
  });
}

type Version = 'TLSv1.2' | 'TLSv1.3';

function connect(to: Endpoint, version: Version, session?: Buffer): tls.TLSSocket {
  const { port } = new URL(to.endpoint);
  const versions = { minVersion: version, maxVersion: version };
  return tls.connect({
    host: '127.0.0.1',
    port: Number(port),
    servername: 'localhost',
    ca: to.ca,
    ...versions,
    ...(session ? { session } : {}),
  });
}

async function firstSession(to: Endpoint, version: Version): Promise<Buffer> {
  const socket = connect(to, version);
  const session = once(socket, 'session');
  socket.resume();
  const [ticket] = (await session) as [Buffer];
  socket.destroy();
  return ticket;
}

/** Whether the handshake resumes a session; with TLS 1.3 that shows before the server has its say about the client. */
async function resumesHandshake(to: Endpoint, version: Version, session: Buffer): Promise<boolean> {
  const socket = connect(to, version, session);
  const done = once(socket, 'secureConnect').then(
    () => socket.isSessionReused(),
    () => false,
  );
  const reused = await done;
  socket.on('error', () => {}).destroy();
  return reused;
}

/** Whether a session was resumed; fails where the server does not want the connection. */
async function resumes(to: Endpoint, version: Version, session: Buffer): Promise<boolean> {
  const socket = connect(to, version, session);
  try {
    await once(socket, 'secureConnect');
    // With TLS 1.3 a client is done before the server has looked at its certificate.
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await Promise.race([
      once(socket, 'data'),
      once(socket, 'close').then(() => {
        throw new Error('closed without an answer');
      }),
    ]);
    return socket.isSessionReused();
  } finally {
    socket.destroy();
  }
}
