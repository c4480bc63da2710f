// A changed configuration in one process, over real sockets: what is taken up, from when on, and what is not.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import * as https from 'node:https';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import * as tls from 'node:tls';
import { parse, stringify } from 'yaml';
import { createAuthority } from '../../src/demo/authority.ts';
import { makeCertificate } from '../config/certificate.ts';
import { type PlainRequest, send, sendSigned, signedHeaders } from './client.ts';
import { eventually } from './eventually.ts';
import { answering, type FakeBackend, startFakeBackend } from './fake-backend.ts';
import { flood } from './flood.ts';
import { freePort } from './free-port.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { type GatewaySetup, testClient } from './setup.ts';

const GET: PlainRequest = { method: 'GET', path: '/bucket/key' };
const OFF = [{ name: 'off', mode: 'off' }];
const RELOADS = 's3_kms_gateway_config_reloads_total';

/** Started by a test; ended with it, however it ends. */
const started: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const stop of started.splice(0).reverse()) await stop();
});

interface Scene {
  readonly backend: FakeBackend;
  readonly gateway: TestGateway;
  readonly to: { readonly endpoint: string; readonly ca: string };
  /** Rewrites the configuration and waits until it is taken up or turned down; gives which. */
  change(edit: (configuration: Sections) => void): Promise<string>;
}

// biome-ignore lint/suspicious/noExplicitAny: a configuration file, to be edited as one.
type Sections = any;

async function begin(setup: Partial<GatewaySetup> = {}): Promise<Scene> {
  const backend = await startBackend();
  const gateway = await startGateway({ backends: [backend.backend], encryption: OFF, ...setup });
  started.push(gateway.close);
  const { file } = gateway.written;
  return {
    backend,
    gateway,
    to: { endpoint: gateway.endpoint, ca: gateway.ca },
    change: (edit) => {
      const configuration: Sections = parse(readFileSync(file, 'utf8'));
      edit(configuration);
      writeFileSync(file, stringify(configuration));
      return gateway.running.reload();
    },
  };
}

async function startBackend(): Promise<FakeBackend> {
  // Nothing but the gateway closes its connections.
  const backend = await startFakeBackend(600_000);
  started.push(backend.close);
  return backend;
}

const readiness = async ({ running }: TestGateway) => {
  const response = await fetch(`http://${running.admin}/readyz`);
  const { checks } = (await response.json()) as { checks: Record<string, unknown>[] };
  return { status: response.status, configuration: checks.find(({ name }) => name === 'configuration') };
};

/** The certificate that a new connection is shown. */
async function shownCertificate({ port, ca }: { port: number; ca: string }): Promise<string> {
  const socket = tls.connect({
    host: '127.0.0.1',
    port,
    ca,
    servername: 'localhost',
    rejectUnauthorized: false,
  });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

/** The outcome of one request on a connection of this agent: its status, or how it broke. */
async function over(agent: https.Agent, to: Scene['to']): Promise<number | string> {
  const sent = send({ ...to, agent }, { ...GET, headers: await signedHeaders(to, GET) });
  return sent.then(
    ({ status }) => status,
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  );
}

describe('files that change are taken up without being asked', () => {
  test('a secret in a directory that Kubernetes mounts: the new one is taken, the old one no more', async () => {
    const { gateway, to } = await begin();
    const { folder, file } = gateway.written;
    const swap = (version: string, secret: string) => {
      mkdirSync(join(folder, `..${version}`));
      writeFileSync(join(folder, `..${version}`, 'secret'), secret);
      symlinkSync(`..${version}`, join(folder, '..data_tmp'));
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    swap('first', 'the-first-secret-of-the-client');
    symlinkSync('..data/secret', join(folder, 'secret'));
    const configuration: Sections = parse(readFileSync(file, 'utf8'));
    const { secretAccessKey: _inline, ...client } = testClient;
    configuration.clients = [{ ...client, secretAccessKeyFile: 'secret' }];
    writeFileSync(`${file}.new`, stringify(configuration));
    // As editors do it.
    renameSync(`${file}.new`, file);
    const under = async (secretAccessKey: string) =>
      (await sendSigned({ ...to, credentials: { ...testClient, secretAccessKey } }, GET)).status;
    await eventually(async () => (await under('the-first-secret-of-the-client')) === 200, 'the first secret');
    assert.equal(await under(testClient.secretAccessKey), 403);
    swap('second', 'the-second-secret-of-the-client');
    rmSync(join(folder, '..first'), { recursive: true });
    await eventually(
      async () => (await under('the-second-secret-of-the-client')) === 200,
      'the second secret',
    );
    assert.equal(await under('the-first-secret-of-the-client'), 403);
    assert.equal(await gateway.metric(`${RELOADS}{result="success"}`), 2);
    assert.equal(await gateway.metric(`${RELOADS}{result="failure"}`), 0);
  });

  test('a certificate: new connections see it, those that are open go on', async () => {
    const { gateway, to } = await begin();
    const before = await shownCertificate(gateway);
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: gateway.ca });
    assert.equal(await over(agent, to), 200);
    const { certificate, key } = createAuthority(new Date()).issue({
      dns: ['localhost'],
      ipv4: ['127.0.0.1'],
    });
    writeFileSync(join(gateway.written.folder, 'gateway.key'), key);
    writeFileSync(join(gateway.written.folder, 'gateway.crt'), certificate);
    await eventually(async () => (await shownCertificate(gateway)) !== before, 'the new certificate');
    assert.equal(await over(agent, to), 200);
    assert.equal(Object.values(agent.freeSockets).flat().length, 1);
    agent.destroy();
  });

  test('a file that is gone for good is a fault; once it is back, all is well', async () => {
    const { gateway, to } = await begin();
    const file = join(gateway.written.folder, 'gateway.crt');
    const certificate = readFileSync(file);
    unlinkSync(file);
    const failed = () => gateway.metric(`${RELOADS}{result="failure"}`);
    await eventually(async () => (await failed()) === 1, 'the fault is seen');
    assert.equal((await sendSigned(to, GET)).status, 200);
    writeFileSync(file, certificate);
    const good = async () => (await readiness(gateway)).configuration?.['ok'] === true;
    await eventually(good, 'it is back');
    assert.equal(await failed(), 1);
  });
});

describe('a faulty change', () => {
  test('keeps the configuration before it in force, and shows with its line', async () => {
    const { gateway, to, change } = await begin();
    const result = await change((configuration) => {
      configuration.clients[0].access = 'everything';
      configuration.timeouts = { bodyIdle: 'never' };
    });
    assert.equal(result, 'failure');
    assert.equal((await sendSigned(to, GET)).status, 200);
    assert.equal(await gateway.metric(`${RELOADS}{result="failure"}`), 1);
    assert.equal(await gateway.metric('s3_kms_gateway_config_last_reload_successful'), 0);
    const faults = gateway.logLines().filter(({ msg }) => msg === 'configuration fault');
    assert.deepEqual(
      faults.map(({ level, key }) => [level, key]),
      [
        ['error', 'clients[0].access'],
        ['error', 'timeouts.bodyIdle'],
      ],
    );
    const text = readFileSync(gateway.written.file, 'utf8').split('\n');
    for (const { line, key } of faults) {
      const [, last] = /(\w+)$/.exec(String(key)) ?? [];
      assert.ok(text[Number(line) - 1]?.includes(`${last}:`), `${key} is not on line ${line}`);
    }
    const { status, configuration } = await readiness(gateway);
    assert.equal(status, 200);
    assert.deepEqual([configuration?.['ok'], configuration?.['informative']], [false, true]);
    assert.match(String(configuration?.['detail']), /clients\[0\]\.access/);
    assert.equal(
      await change((good) => Object.assign(good, { timeouts: {}, clients: [testClient] })),
      'success',
    );
    assert.equal(await gateway.metric('s3_kms_gateway_config_last_reload_successful'), 1);
    assert.equal((await readiness(gateway)).configuration?.['ok'], true);
  });

  test('is refused as a whole where an address is taken: what it would open is closed again', async () => {
    const { gateway, to, change } = await begin();
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    started.push(() => taken.close());
    const free = await freePort();
    const { port } = taken.address() as { port: number };
    const result = await change((configuration) => {
      configuration.listeners.push({ name: 'free', address: `127.0.0.1:${free}` });
      configuration.listeners.push({ name: 'taken', address: `127.0.0.1:${port}` });
      configuration.clients = [];
    });
    assert.equal(result, 'failure');
    assert.equal((await sendSigned(to, GET)).status, 200);
    assert.match(
      String((await readiness(gateway)).configuration?.['detail']),
      /cannot listen on 127\.0\.0\.1/,
    );
    await assert.rejects(once(connect(free, '127.0.0.1'), 'connect'), /ECONNREFUSED/);
  });

  test('never quotes the text of the file: it may be a secret', async () => {
    const { gateway } = await begin();
    for (const text of [
      'a: b: c\n"mysecret"',
      'a: |mysecret\n  x',
      'a: "x" "mysecret"',
      '- a\n]mysecret',
      '}"mysecret"',
    ]) {
      writeFileSync(gateway.written.file, text);
      assert.equal(await gateway.running.reload(), 'failure');
      const { configuration } = await readiness(gateway);
      assert.ok(!gateway.logText().includes('mysecret'), text);
      assert.ok(!JSON.stringify(configuration).includes('mysecret'), text);
    }
  });
});

describe('what is in flight when a configuration changes', () => {
  test('ends as it began, rule, client and backend; the connections of that backend are closed then', async () => {
    const { backend, gateway, to, change } = await begin({
      encryption: [{ name: 'first', mode: 'inject', keyId: 'first-key' }],
      timeouts: { backendIdle: '10m' },
    });
    const other = await startBackend();
    const headers = await signedHeaders(to, {
      method: 'PUT',
      path: '/bucket/key',
      payloadHash: 'UNSIGNED-PAYLOAD',
      headers: { 'content-length': '100000' },
    });
    const upload = https.request({
      host: '127.0.0.1',
      port: gateway.port,
      method: 'PUT',
      path: '/bucket/key',
      headers,
      ca: gateway.ca,
      servername: 'localhost',
    });
    upload.write(Buffer.alloc(50_000));
    await eventually(async () => (await backend.connections()) === 1, 'the upload is under way');
    const changed = await change((configuration) => {
      configuration.backends = [{ ...other.backend, name: 'other' }];
      configuration.encryption = [{ name: 'second', mode: 'inject', keyId: 'second-key' }];
      configuration.clients = [{ ...testClient, secretAccessKey: 'another-secret-of-the-tests-client' }];
    });
    assert.equal(changed, 'success');
    const credentials = { ...testClient, secretAccessKey: 'another-secret-of-the-tests-client' };
    const put = { method: 'PUT', path: '/bucket/other', body: 'body' };
    assert.equal((await sendSigned({ ...to, credentials }, put)).status, 200);
    assert.equal((await sendSigned(to, GET)).status, 403);
    assert.equal(await backend.connections(), 1);
    upload.end(Buffer.alloc(50_000));
    const [answer] = await once(upload, 'response');
    assert.equal(answer.statusCode, 200);
    answer.resume();
    const key = 'x-amz-server-side-encryption-aws-kms-key-id';
    assert.deepEqual(
      backend.received.map(({ headers: got, complete, body }) => [got[key], complete, body.length]),
      [['first-key', true, 100_000]],
    );
    assert.deepEqual(
      other.received.map(({ headers: got }) => got[key]),
      ['second-key'],
    );
    await eventually(async () => (await backend.connections()) === 0, 'the old backend is let go');
    const rules = (await gateway.audited()).map(({ key: name, rule }) => [name, rule]);
    assert.deepEqual(
      rules.filter(([, rule]) => rule),
      [
        ['other', 'second'],
        ['key', 'first'],
      ],
    );
  });

  test('counts on towards the limits', async () => {
    const { backend, gateway, to, change } = await begin();
    const held: (() => void)[] = [];
    backend.behave((request, response) => {
      request.resume();
      held.push(() => response.end());
    });
    const slow = [sendSigned(to, GET), sendSigned(to, GET)];
    await eventually(() => held.length === 2, 'two in flight');
    await change((configuration) => {
      configuration.limits = { requestsInFlight: 3, requestsInFlightPerClient: 2 };
    });
    assert.equal((await sendSigned(to, GET)).code, 'SlowDown');
    await change((configuration) => {
      configuration.limits = { requestsInFlight: 2 };
    });
    assert.equal((await sendSigned(to, GET)).code, 'SlowDown');
    const { body } = await gateway.running.metrics.exposition();
    assert.ok(!body.includes('requests_in_flight_per_client'));
    for (const answer of held.splice(0)) answer();
    assert.deepEqual(
      (await Promise.all(slow)).map(({ status }) => status),
      [200, 200],
    );
    backend.behave(answering(200));
    assert.equal((await sendSigned(to, GET)).status, 200);
    assert.equal(await gateway.metric('s3_kms_gateway_requests_in_flight'), 0);
  });
});

describe('listeners', () => {
  test('are added and removed; the others keep their connections', async () => {
    const { backend, gateway, to, change } = await begin();
    const port = await freePort();
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: gateway.ca });
    assert.equal(await over(agent, to), 200);
    const added = { endpoint: `http://localhost:${port}` };
    assert.equal(
      await change((configuration) => {
        configuration.listeners.push({ name: 'added', address: `127.0.0.1:${port}` });
      }),
      'success',
    );
    assert.equal((await sendSigned(added, GET)).status, 200);
    let answer: () => void = () => {};
    backend.behave((request, response) => {
      request.resume();
      answer = () => response.end();
    });
    const slow = sendSigned(added, GET);
    await eventually(
      async () => (await gateway.running.metrics.exposition()).body.includes('requests_in_flight 1'),
      'in flight',
    );
    await change((configuration) => configuration.listeners.pop());
    await assert.rejects(sendSigned(added, GET), /ECONNREFUSED/);
    answer();
    assert.equal((await slow).status, 200);
    backend.behave(answering(200));
    assert.equal(await over(agent, to), 200);
    assert.equal(Object.values(agent.freeSockets).flat().length, 1);
    agent.destroy();
    const gone = async () => !(await gateway.running.metrics.exposition()).body.includes('listener="added"');
    await eventually(gone, 'its series end');
    const told = gateway.logLines().filter(({ listener, msg }) => listener === 'added' && msg !== 'request');
    assert.deepEqual(
      told.map(({ msg }) => msg),
      ['listening', 'listens no more'],
    );
  });

  test('ask for client certificates from the change on: no connection goes on without one', async () => {
    const { gateway, to, change } = await begin();
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: gateway.ca });
    assert.equal(await over(agent, to), 200);
    const [[idle] = []] = Object.values(agent.freeSockets);
    assert.ok(idle);
    const trust = ({ certificate }: { certificate: string }) =>
      writeFileSync(join(gateway.written.folder, 'clients.crt'), certificate);
    const own = makeCertificate('2026-01-01', '2036-01-01');
    trust(own);
    await change((configuration) => {
      configuration.listeners[0].tls.clientCaFile = 'clients.crt';
    });
    await eventually(() => idle.destroyed, 'the connection from before is closed');
    assert.notEqual(await over(agent, to), 200);
    const known = new https.Agent({
      ca: gateway.ca,
      cert: own.certificate,
      key: own.key,
      servername: 'localhost',
    });
    assert.equal(await over(known, to), 200);
    // And no longer, once its authority is another.
    trust(makeCertificate('2026-01-01', '2036-01-01'));
    assert.equal(await gateway.running.reload(), 'success');
    assert.notEqual(await over(known, to), 200);
    agent.destroy();
    known.destroy();
  });

  test('turn from plaintext to TLS: a connection from before is never taken for a secure one', async () => {
    const { gateway, change } = await begin({ encrypted: { tls: undefined } });
    const headers = await signedHeaders({ endpoint: gateway.plaintextEndpoint }, GET);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const socket = connect(gateway.port, '127.0.0.1');
    socket.write(`GET /bucket/key HTTP/1.1\r\n${lines.join('')}\r\n`);
    await once(socket, 'data');
    await change((configuration) => {
      configuration.listeners[0].tls = { certificateFile: 'gateway.crt', keyFile: 'gateway.key' };
    });
    socket.on('error', () => {});
    await eventually(() => socket.destroyed, 'the connection from before is closed');
    assert.equal(
      (await sendSigned({ endpoint: `https://localhost:${gateway.port}`, ca: gateway.ca }, GET)).status,
      200,
    );
    assert.equal((await gateway.audited()).filter(({ secure }) => secure).length, 1);
  });

  test('change what they ask of requests while their connections stay', async () => {
    const { gateway, change } = await begin();
    const agent = new (await import('node:http')).Agent({ keepAlive: true, maxSockets: 1 });
    const to = { endpoint: gateway.plaintextEndpoint, agent };
    const anonymous = async () => (await send(to, { ...GET, headers: { host: 'localhost' } })).status;
    assert.equal(await anonymous(), 403);
    await change((configuration) => {
      configuration.listeners[1].authentication = 'none';
    });
    assert.equal(await anonymous(), 200);
    await change((configuration) => {
      configuration.listeners[1].authentication = 'signature';
    });
    assert.equal(await anonymous(), 403);
    agent.destroy();
  });
});

describe('what else is taken up', () => {
  test('the idle time, also by connections whose client takes nothing of its answers', async () => {
    const { gateway, change } = await begin({ timeouts: { bodyIdle: '10m' } });
    assert.equal(
      await change((configuration) => Object.assign(configuration, { timeouts: { bodyIdle: '300ms' } })),
      'success',
    );
    const socket = connect(Number(new URL(gateway.plaintextEndpoint).port), '127.0.0.1').pause();
    started.push(() => socket.destroy());
    flood(socket, 'GET /bucket/key HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(1000));
    await eventually(() => socket.destroyed, 'the connection is cut off');
  });

  test('the log level; the number of workers and the admin address wait for a restart, and say so', async () => {
    const { gateway, change } = await begin();
    await change((configuration) => {
      configuration.log = { level: 'error' };
      configuration.workers = 4;
      configuration.admin = { address: '127.0.0.1:1' };
    });
    const { status, configuration } = await readiness(gateway);
    assert.deepEqual([status, configuration?.['detail']], [200, 'needs a restart: workers, admin.address']);
    assert.ok(!gateway.logText().includes('configuration taken up'));
    await change((next) => Object.assign(next, { log: {}, workers: 1, admin: { address: '127.0.0.1:0' } }));
    assert.equal((await readiness(gateway)).configuration?.['ok'], true);
    assert.ok(gateway.logText().includes('configuration taken up'));
  });

  test('the series of certificates follow the listeners', async () => {
    const { gateway, change } = await begin();
    const named = async () => {
      const { body } = await gateway.running.metrics.exposition();
      return [...body.matchAll(/certificate_expiry_timestamp_seconds\{listener="(\w+)"\}/g)].map(
        ([, name]) => name,
      );
    };
    assert.deepEqual(await named(), ['tls']);
    // Known by its address where that is fixed, by its name where the system chooses the port.
    await change((configuration) => {
      configuration.listeners[0].name = 'renamed';
    });
    assert.deepEqual(await named(), ['renamed']);
  });
});
