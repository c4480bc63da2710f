// What happens at each limit, over real sockets: who is refused and how, who is not harmed, and that it ends.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { hmacSigner, signBody, wireOf } from '../core/sigv4/chunk-signer.ts';
import { type Answer, type Endpoint, type PlainRequest, sendSigned, signedHeaders } from './client.ts';
import { eventually } from './eventually.ts';
import { confirming, type FakeBackend, startFakeBackend } from './fake-backend.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import type { GatewaySetup } from './setup.ts';
import { testClient } from './setup.ts';

const MIB = 1024 * 1024;
/** Is answered by the gateway alone. */
const STRANGER = { ...testClient, secretAccessKey: 'a guess' };
const GET: PlainRequest = { method: 'GET', path: '/bucket/key' };

/** A backend that keeps requests waiting until it is told to answer. */
class PatientBackend {
  readonly waiting: { target: string; answer: () => void }[] = [];

  constructor(backend: FakeBackend) {
    backend.behave((request, response) => {
      const encryption = ['x-amz-server-side-encryption', 'x-amz-server-side-encryption-aws-kms-key-id'];
      const headers = encryption.flatMap((name) => [name, request.headers[name]].filter(Boolean));
      const answer = () => response.writeHead(200, headers as string[]).end();
      request.once('end', () => this.waiting.push({ target: request.url ?? '', answer }));
    });
  }

  answer(): void {
    for (const { answer } of this.waiting.splice(0)) answer();
  }

  /** Done when as many requests wait. */
  has(count: number): Promise<void> {
    return eventually(() => this.waiting.length === count, `${count} requests at the backend`);
  }
}

let backend: FakeBackend | undefined;
let gateway: TestGateway | undefined;
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await gateway?.close();
  await backend?.close();
  [gateway, backend] = [undefined, undefined];
});

/** A gateway with limits, and what takes to reach it. Plaintext counts as secure, so that tests can speak raw HTTP. */
async function start(setup: Partial<GatewaySetup>): Promise<{
  readonly backend: FakeBackend;
  readonly gateway: TestGateway;
  readonly to: Endpoint;
  readonly patient: PatientBackend;
}> {
  backend = await startFakeBackend();
  gateway = await startGateway({
    backends: [backend.backend],
    plaintext: { secure: true },
    encryption: [{ name: 'inject', buckets: ['bucket'], mode: 'inject', keyId: 'the-key' }],
    ...setup,
  });
  const to = { endpoint: gateway.plaintextEndpoint };
  return { backend, gateway, to, patient: new PatientBackend(backend) };
}

function assertSlowDown(answer: Answer): void {
  assert.deepEqual([answer.status, answer.code], [503, 'SlowDown']);
  assert.equal(answer.headers['retry-after'], '1');
  assert.match(answer.body.toString(), /<HostId>s3-kms-gateway<\/HostId>/);
}

describe('requests in flight', () => {
  test('over the limit are answered 503 before anything is done; those within it end, and then all is served', async () => {
    const { gateway, to, patient } = await start({ limits: { requestsInFlight: 2 } });
    const within = [
      sendSigned(to, GET),
      sendSigned(to, { method: 'PUT', path: '/bucket/k', body: 'content' }),
    ];
    await patient.has(2);
    assertSlowDown(await sendSigned(to, GET));
    assertSlowDown(await sendSigned(to, { ...GET, headers: { 'x-amz-server-side-encryption': 'nonsense' } }));
    assert.equal(patient.waiting.length, 2);
    patient.answer();
    assert.deepEqual(
      (await Promise.all(within)).map(({ status }) => status),
      [200, 200],
    );
    const later = sendSigned(to, GET);
    await patient.has(1);
    patient.answer();
    assert.equal((await later).status, 200);
    const sample = 's3_kms_gateway_refusals_total{operation="Unknown",reason="overloaded"}';
    assert.equal(await gateway.metric(sample), 2);
    const refused = (await gateway.audited()).filter(({ reason }) => reason === 'overloaded');
    assert.equal(refused.length, 2);
    assert.deepEqual([refused[0]?.['outcome'], refused[0]?.['status']], ['refused', 503]);
  });

  test('that wait with their body for 100-continue get their answer in its place', async () => {
    const { gateway, to, patient } = await start({ limits: { requestsInFlight: 1 } });
    const within = sendSigned(to, GET);
    await patient.has(1);
    const headers = await signedHeaders(to, {
      method: 'PUT',
      path: '/bucket/k',
      payloadHash: 'UNSIGNED-PAYLOAD',
      headers: { 'content-length': '1000', expect: '100-continue' },
    });
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const raw = new RawClient(gateway.plaintextPort);
    raw.socket.write(`PUT /bucket/k HTTP/1.1\r\n${lines.join('')}\r\n`);
    await once(raw.socket, 'close');
    assert.match(raw.text, /^HTTP\/1\.1 503 /);
    patient.answer();
    assert.equal((await within).status, 200);
  });

  test('give their place up when their client leaves', async () => {
    const { gateway, to, patient } = await start({ limits: { requestsInFlight: 1 } });
    const headers = await signedHeaders(to, GET);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const raw = new RawClient(gateway.plaintextPort);
    raw.socket.write(`GET ${GET.path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    await patient.has(1);
    assertSlowDown(await sendSigned(to, GET));
    raw.socket.destroy();
    assert.equal(await gateway.metric('s3_kms_gateway_requests_in_flight'), 0);
    const next = sendSigned(to, GET);
    await patient.has(2);
    patient.answer();
    assert.equal((await next).status, 200);
  });

  test('are limited for each client by itself, and nobody can use up the share of another', async () => {
    const other = {
      name: 'other',
      accessKeyId: 'GATEWAYOTHER00000001',
      secretAccessKey: 'the-secret-of-the-other-client-000000001',
      buckets: ['*'],
      access: 'admin',
    };
    const { gateway, to, patient } = await start({
      clients: [testClient, other],
      limits: { requestsInFlightPerClient: 2 },
    });
    const forged = { ...to, credentials: STRANGER };
    const forgeries = [1, 2, 3].map(() => sendSigned(forged, GET));
    assert.deepEqual(
      (await Promise.all(forgeries)).map(({ status }) => status),
      [403, 403, 403],
    );
    const within = [sendSigned(to, GET), sendSigned(to, GET)];
    await patient.has(2);
    assertSlowDown(await sendSigned(to, GET));
    const others = sendSigned({ ...to, credentials: other }, GET);
    await patient.has(3);
    patient.answer();
    assert.deepEqual(
      (await Promise.all([...within, others])).map(({ status }) => status),
      [200, 200, 200],
    );
    const sample = 's3_kms_gateway_refusals_total{operation="GetObject",reason="overloaded"}';
    assert.equal(await gateway.metric(sample), 1);
    const line = (await gateway.audited()).find(({ reason }) => reason === 'overloaded');
    assert.deepEqual([line?.['client'], line?.['key']], [testClient.name, 'key']);
  });
});

/** A connection that is written to by hand. */
class RawClient {
  readonly socket: Socket;
  text = '';

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setEncoding('latin1').on('data', (text: string) => {
      this.text += text;
    });
    this.socket.on('error', () => {});
    sockets.add(this.socket);
  }

  /** How many answers have come. */
  get answers(): number {
    return this.text.match(/HTTP\/1\.1 \d/g)?.length ?? 0;
  }
}

describe('requests that are sent ahead on one connection', () => {
  const head = (headers: Record<string, string>, path: string) =>
    `GET ${path} HTTP/1.1\r\n${Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}\r\n`;

  async function pipelined(to: Endpoint, count: number): Promise<string> {
    const paths = Array.from({ length: count }, (_, i) => `/bucket/key-${i}`);
    const heads = paths.map(async (path) => head(await signedHeaders(to, { method: 'GET', path }), path));
    return (await Promise.all(heads)).join('');
  }

  test('are served one at a time, in their order', async () => {
    const { gateway, to, patient } = await start({});
    const raw = new RawClient(gateway.plaintextPort);
    raw.socket.write(await pipelined(to, 10));
    for (let i = 0; i < 10; i++) {
      await patient.has(1);
      assert.equal(patient.waiting[0]?.target, `/bucket/key-${i}`);
      assert.equal(raw.answers, i);
      patient.answer();
      await eventually(() => raw.answers === i + 1, `answer ${i}`);
    }
  });

  test('are not begun when the client has left', async () => {
    const { backend, gateway, to, patient } = await start({});
    const raw = new RawClient(gateway.plaintextPort);
    raw.socket.write(await pipelined(to, 10));
    await patient.has(1);
    raw.socket.destroy();
    await eventually(async () => (await backend.connections()) === 0, 'the backend lost its client');
    await sleep(100);
    assert.equal(patient.waiting.length, 1);
    assert.deepEqual(
      (await gateway.audited()).map(({ outcome }) => outcome),
      ['client_aborted'],
    );
  });

  test('are not begun behind one that ends the connection', async () => {
    const { gateway, to, patient } = await start({});
    const raw = new RawClient(gateway.plaintextPort);
    raw.socket.write(`GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n${await pipelined(to, 1)}`);
    await once(raw.socket, 'close');
    assert.equal(raw.answers, 1);
    assert.equal(patient.waiting.length, 0);
  });
});

describe('connections', () => {
  const open = async (port: number): Promise<RawClient> => {
    const raw = new RawClient(port);
    await once(raw.socket, 'connect');
    return raw;
  };
  const gauge = async (running: TestGateway, name: string, listener: string) =>
    running.metric(`s3_kms_gateway_${name}{listener="${listener}"}`);

  test('over the limit are closed as they come, those within it are served, and there is room again', async () => {
    const { gateway, to } = await start({ limits: { connections: 2 } });
    const within = [await open(gateway.plaintextPort), await open(gateway.plaintextPort)];
    await eventually(async () => (await gauge(gateway, 'connections', 'plaintext')) === 2, 'both counted');
    const over = new RawClient(gateway.plaintextPort);
    await once(over.socket, 'close');
    assert.equal(over.text, '');
    assert.equal(await gauge(gateway, 'connections_refused_total', 'plaintext'), 1);
    await assert.rejects(sendSigned(to, GET));
    within[0]?.socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await once(within[0]?.socket ?? process, 'close');
    assert.match(within[0]?.text ?? '', /^HTTP\/1\.1 403 /);
    await eventually(async () => (await gauge(gateway, 'connections', 'plaintext')) === 1, 'room');
    assert.equal((await sendSigned({ ...to, credentials: STRANGER }, GET)).status, 403);
  });

  test('of a TLS listener over its limit cost no handshake, and leave other listeners alone', async () => {
    const { gateway, to } = await start({ limits: { connections: 1 } });
    const first = connectTls({
      port: gateway.port,
      ca: gateway.ca,
      servername: 'localhost',
      host: '127.0.0.1',
    });
    await once(first, 'secureConnect');
    const second = connectTls({
      port: gateway.port,
      ca: gateway.ca,
      servername: 'localhost',
      host: '127.0.0.1',
    });
    const [error] = (await once(second, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNRESET');
    assert.equal(await gauge(gateway, 'connections_refused_total', 'tls'), 1);
    assert.equal((await sendSigned({ ...to, credentials: STRANGER }, GET)).status, 403);
    first.destroy();
    await eventually(async () => (await gauge(gateway, 'connections', 'tls')) === 0, 'the first is gone');
  });

  test('that are only kept for later make room for new ones; those at work do not', async () => {
    const { gateway, to, patient } = await start({ limits: { connections: 3 } });
    const busy = sendSigned(to, GET);
    await patient.has(1);
    const idle = [await open(gateway.plaintextPort), await open(gateway.plaintextPort)];
    for (const kept of idle) {
      kept.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await eventually(() => kept.answers === 1, 'answered and kept');
    }
    const refused = new RawClient(gateway.plaintextPort);
    await once(refused.socket, 'close');
    await eventually(() => idle[0]?.socket.closed === true, 'the one that waited longest is closed');
    assert.equal(idle[1]?.socket.closed, false);
    const next = await open(gateway.plaintextPort);
    next.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually(() => next.answers === 1, 'the next is served');
    patient.answer();
    assert.equal((await busy).status, 200);
  });

  for (const listener of ['tls', 'plaintext'] as const) {
    const portOf = ({ port, plaintextPort }: TestGateway) => (listener === 'tls' ? port : plaintextPort);

    test(`that send nothing are bounded in number (${listener})`, async () => {
      const limit = 40;
      const { gateway } = await start({ limits: { connections: limit } });
      const flood = Array.from({ length: 60 }, () => new RawClient(portOf(gateway)));
      const closed = () => flood.filter(({ socket }) => socket.closed).length;
      await eventually(() => closed() === flood.length - limit, 'those over the limit are closed');
      assert.equal(await gauge(gateway, 'connections', listener), limit);
      assert.equal(await gauge(gateway, 'connections_refused_total', listener), flood.length - limit);
      for (const { socket } of flood) socket.destroy();
      await eventually(async () => (await gauge(gateway, 'connections', listener)) === 0, 'none is counted');
      const endpoint = listener === 'tls' ? gateway.endpoint : gateway.plaintextEndpoint;
      assert.equal((await sendSigned({ endpoint, ca: gateway.ca, credentials: STRANGER }, GET)).status, 403);
    });

    test(`that send nothing are bounded in time (${listener})`, async () => {
      const timeouts = { tlsHandshake: '500ms', requestHeader: '500ms' };
      const { gateway } = await start({ timeouts });
      const silent = Array.from({ length: 20 }, () => new RawClient(portOf(gateway)));
      await eventually(() => silent.every(({ socket }) => socket.closed), 'all are closed');
      await eventually(async () => (await gauge(gateway, 'connections', listener)) === 0, 'none is counted');
    });
  }

  test('whose TLS handshake is done and that then send nothing are bounded in time', async () => {
    const { gateway } = await start({ timeouts: { requestHeader: '500ms' } });
    const client = connectTls({
      port: gateway.port,
      ca: gateway.ca,
      servername: 'localhost',
      host: '127.0.0.1',
    });
    client.on('error', () => {}).resume();
    await once(client, 'secureConnect');
    await once(client, 'close');
    await eventually(async () => (await gauge(gateway, 'connections', 'tls')) === 0, 'it is not counted');
  });
});

describe('signed chunks in memory', () => {
  const CHUNK = 12 * MIB;
  const ROOM = 16 * MIB;

  /** A signed upload of one chunk, its body to be sent by the test. */
  async function upload(to: Endpoint, port: number, path: string): Promise<{ raw: RawClient; body: Buffer }> {
    const headers = await signedHeaders(to, {
      method: 'PUT',
      path,
      payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      headers: { 'content-encoding': 'aws-chunked', 'x-amz-decoded-content-length': String(CHUNK) },
    });
    const { authorization = '', 'x-amz-date': amzDate = '' } = headers;
    const seed = /Signature=([0-9a-f]+)/.exec(authorization)?.[1] ?? '';
    const scope = /Credential=[^/]+\/([^,]+)/.exec(authorization)?.[1] ?? '';
    const signer = hmacSigner(testClient.secretAccessKey, amzDate.slice(0, 8), 'us-east-1');
    const body = wireOf(signBody(signer, { amzDate, scope, seed }, [Buffer.alloc(CHUNK, path)]));
    const lines = Object.entries({ ...headers, 'content-length': String(body.length) });
    const raw = new RawClient(port);
    raw.socket.write(
      `PUT ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    );
    return { raw, body };
  }

  test('wait for room and then go on; meanwhile nothing more is read of them', async () => {
    const { backend, gateway, to } = await start({ limits: { bufferedBytes: ROOM } });
    backend.behave(confirming);
    const buffered = async () =>
      Number(
        /^s3_kms_gateway_buffered_bytes (\d+)$/m.exec((await gateway.running.metrics.exposition()).body)?.[1],
      );
    const first = await upload(to, gateway.plaintextPort, '/bucket/first');
    first.raw.socket.write(first.body.subarray(0, MIB));
    await eventually(async () => (await buffered()) === CHUNK, 'the first holds its room');
    const second = await upload(to, gateway.plaintextPort, '/bucket/second');
    second.raw.socket.write(second.body);
    await sleep(500);
    assert.equal(await buffered(), CHUNK);
    assert.ok(second.raw.socket.writableLength > 0, 'the second was read as a whole');
    first.raw.socket.write(first.body.subarray(MIB));
    await eventually(() => first.raw.answers === 1 && second.raw.answers === 1, 'both answered');
    assert.match(first.raw.text, /^HTTP\/1\.1 200 /);
    assert.match(second.raw.text, /^HTTP\/1\.1 200 /);
    assert.deepEqual(
      backend.received.map(({ target, body, complete }) => [target, body.length, complete]),
      [
        ['/bucket/first', CHUNK, true],
        ['/bucket/second', CHUNK, true],
      ],
    );
    await eventually(async () => (await buffered()) === 0, 'all room is free');
  });

  test('that wait too long are refused with 503, and nothing of them is stored', async () => {
    const { backend, gateway, to } = await start({
      limits: { bufferedBytes: ROOM },
      timeouts: { bodyIdle: '1s' },
    });
    backend.behave(confirming);
    const first = await upload(to, gateway.plaintextPort, '/bucket/first');
    // Slowly, but never idle.
    let sent = 0;
    const drip = setInterval(() => {
      first.raw.socket.write(first.body.subarray(sent, sent + 1000));
      sent += 1000;
    }, 50);
    await eventually(() => sent >= 2000, 'the first has begun');
    const second = await upload(to, gateway.plaintextPort, '/bucket/second');
    second.raw.socket.write(second.body);
    await eventually(() => second.raw.answers === 1, 'the second is answered');
    assert.match(
      second.raw.text,
      /^HTTP\/1\.1 503 [\s\S]*\r\nretry-after: 1\r\n[\s\S]*<Code>SlowDown<\/Code>/i,
    );
    clearInterval(drip);
    first.raw.socket.write(first.body.subarray(sent));
    await eventually(() => first.raw.answers === 1, 'the first is answered');
    assert.match(first.raw.text, /^HTTP\/1\.1 200 /);
    const complete = backend.received.filter((received) => received.complete).map(({ target }) => target);
    assert.deepEqual(complete, ['/bucket/first']);
  });
});
