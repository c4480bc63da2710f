// A changed configuration with several processes: all take it or none does, and one that comes later has the newest.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { type PlainRequest, sendSigned } from '../gateway/client.ts';
import { eventually } from '../gateway/eventually.ts';
import { type FakeBackend, startFakeBackend } from '../gateway/fake-backend.ts';
import { type GatewayProcess, startGatewayProcess } from '../gateway/gateway-process.ts';
import { testClient } from '../gateway/setup.ts';

const GET: PlainRequest = { method: 'GET', path: '/bucket/key' };
const WORKERS = 2;
/** Enough, each on a connection of its own, to be sure that every worker is among those that answer. */
const TRIES = 30;
const ROTATED = { ...testClient, secretAccessKey: 'the-rotated-secret-of-the-client' };

/** Started by a test; ended with it, however it ends. */
const started: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const stop of started.splice(0).reverse()) await stop();
});

// biome-ignore lint/suspicious/noExplicitAny: a configuration file, to be edited as one.
type Sections = any;

interface Scene {
  readonly backend: FakeBackend;
  readonly gateway: GatewayProcess;
  /** Rewrites the configuration, sends SIGHUP and waits until it is taken up or turned down. */
  change(edit: (configuration: Sections) => void): Promise<'success' | 'failure'>;
  /** The statuses that requests get, whichever worker they meet. */
  statuses(credentials?: typeof testClient): Promise<number[]>;
}

async function begin(): Promise<Scene> {
  const backend = await startFakeBackend();
  started.push(backend.close);
  const gateway = await startGatewayProcess({
    backends: [backend.backend],
    encryption: [{ name: 'off', mode: 'off' }],
    workers: WORKERS,
  });
  started.push(gateway.stop);
  const { file } = gateway.written;
  const count = (result: string) => gateway.metric('s3_kms_gateway_config_reloads_total', { result });
  return {
    backend,
    gateway,
    change: async (edit) => {
      const before = { success: await count('success'), failure: await count('failure') };
      const configuration: Sections = parse(readFileSync(file, 'utf8'));
      edit(configuration);
      writeFileSync(file, stringify(configuration));
      gateway.child.kill('SIGHUP');
      let result: 'success' | 'failure' | undefined;
      await eventually(async () => {
        if ((await count('failure')) > before.failure) result = 'failure';
        else if ((await count('success')) > before.success) result = 'success';
        return result !== undefined;
      }, 'the reload is over');
      return result ?? 'failure';
    },
    statuses: async (credentials = testClient) => {
      const to = { endpoint: gateway.endpoint, ca: gateway.ca, credentials };
      const answers = await Promise.all(Array.from({ length: TRIES }, () => sendSigned(to, GET)));
      return [...new Set(answers.map(({ status }) => status))];
    },
  };
}

const allServe = ({ gateway }: Scene) =>
  eventually(
    async () =>
      (await gateway.metric('s3_kms_gateway_workers')) === WORKERS && gateway.workers().length === WORKERS,
    'all workers serve',
  );

describe('a changed configuration', () => {
  test('is taken up by every worker, and is what a new one begins with', async () => {
    const scene = await begin();
    const { gateway, change, statuses } = scene;
    const pids = gateway.workers();
    const rotate = (configuration: Sections) => {
      configuration.clients = [ROTATED];
    };
    assert.equal(await change(rotate), 'success');
    assert.deepEqual(await statuses(), [403]);
    assert.deepEqual(await statuses(ROTATED), [200]);
    assert.deepEqual(gateway.workers(), pids);
    // One after the other: a port of the system's choice lives as long as one of them has it.
    for (const pid of pids) {
      process.kill(pid, 'SIGKILL');
      await eventually(() => !gateway.workers().includes(pid), 'it is gone');
      await allServe(scene);
    }
    assert.deepEqual(await statuses(), [403]);
    assert.deepEqual(await statuses(ROTATED), [200]);
  });

  test('is taken up by none where one cannot: a listener that cannot be bound', async () => {
    const { gateway, change, statuses } = await begin();
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    started.push(() => taken.close());
    const { port } = taken.address() as { port: number };
    const result = await change((configuration) => {
      configuration.listeners.push({ name: 'taken', address: `127.0.0.1:${port}` });
      configuration.clients = [ROTATED];
    });
    assert.equal(result, 'failure');
    assert.deepEqual(await statuses(), [200]);
    const ready = await fetch(`${gateway.admin}/readyz`);
    assert.equal(ready.status, 200);
    assert.match(await ready.text(), /cannot listen on 127\.0\.0\.1/);
    assert.equal(
      await change((configuration) => {
        configuration.listeners.pop();
      }),
      'success',
    );
    assert.deepEqual(await statuses(ROTATED), [200]);
  });

  test('opens and closes listeners at all of them', async () => {
    const { gateway, change } = await begin();
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as { port: number };
    await new Promise((resolve) => probe.close(resolve));
    const added = { endpoint: `http://localhost:${port}` };
    await change((configuration) => {
      configuration.listeners.push({ name: 'added', address: `127.0.0.1:${port}` });
    });
    const answers = await Promise.all(Array.from({ length: TRIES }, () => sendSigned(added, GET)));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    await change((configuration) => {
      configuration.listeners.pop();
    });
    const isClosed = () =>
      sendSigned(added, GET).then(
        () => false,
        (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
      );
    await eventually(isClosed, 'the address is free again');
    const told = () =>
      gateway.lines
        .map((line) => JSON.parse(line))
        .filter(({ listener, msg }) => listener === 'added' && msg !== 'request');
    await eventually(() => told().length === 2, 'both are logged, once');
    assert.deepEqual(
      told().map(({ msg, port: at }) => [msg, at]),
      [
        ['listening', port],
        ['listens no more', port],
      ],
    );
  });

  test('of which a worker does not answer is not taken up by the others', { timeout: 60_000 }, async () => {
    const { gateway, change, statuses } = await begin();
    const [hanging = 0] = gateway.workers();
    process.kill(hanging, 'SIGSTOP');
    const configuration: Sections = parse(readFileSync(gateway.written.file, 'utf8'));
    configuration.clients = [ROTATED];
    writeFileSync(gateway.written.file, stringify(configuration));
    const failed = async () =>
      (await gateway.metric('s3_kms_gateway_config_reloads_total', { result: 'failure' })) === 1;
    for (let i = 0; i < 4 && !(await failed()); i++) await eventually(failed, 'it fails').catch(() => {});
    assert.ok(await failed());
    process.kill(hanging, 'SIGCONT');
    assert.deepEqual(await statuses(), [200]);
    // Asked for again, it is taken up.
    assert.equal(await change(() => {}), 'success');
    assert.deepEqual(await statuses(ROTATED), [200]);
  });

  test('certificates and faults are taken up and told as with one process', async () => {
    const { gateway, change, statuses } = await begin();
    const { certificate, key } = gateway.written.authority.issue({ dns: ['localhost'], ipv4: [] });
    writeFileSync(join(gateway.written.folder, 'gateway.crt'), certificate);
    const count = (result: string) => gateway.metric('s3_kms_gateway_config_reloads_total', { result });
    await eventually(async () => (await count('failure')) === 1, 'a certificate without its key is a fault');
    const faults = () =>
      gateway.lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'configuration fault');
    await eventually(() => faults().length === 1, 'it is logged');
    assert.equal(faults()[0].key, 'listeners[0].tls.keyFile');
    writeFileSync(join(gateway.written.folder, 'gateway.key'), key);
    await eventually(async () => (await count('success')) === 1, 'both are taken up');
    assert.deepEqual(await statuses(), [200]);
    assert.equal(
      await change((configuration) => {
        configuration.clients = 1;
      }),
      'failure',
    );
    assert.deepEqual(await statuses(), [200]);
  });
});
