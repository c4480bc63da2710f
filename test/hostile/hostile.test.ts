// Every hostile input over real sockets, in front of a backend that records what it is asked, and of one that stores.
// After all of them the process is up, holds as many sockets as before, and nothing lies at the backend that was refused.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { send, sendSigned } from '../gateway/client.ts';
import { eventually } from '../gateway/eventually.ts';
import { confirming, type FakeBackend, startFakeBackend } from '../gateway/fake-backend.ts';
import { startGateway, type TestGateway } from '../gateway/gateway.ts';
import { type GatewayProcess, openFiles, startGatewayProcess } from '../gateway/gateway-process.ts';
import { DEFAULT_KEY, type StoreBackend, startStoreBackend } from '../gateway/store.ts';
import { SOURCE } from './encryption.ts';
import { CONTENT, type HostileInput } from './input.ts';
import { converse, type HostileSite, type Ports } from './site.ts';
import { HOSTILE_INPUTS } from './table.ts';

const ENCRYPTION = [
  { name: 'inject', buckets: ['inject'], mode: 'inject', keyId: DEFAULT_KEY },
  // A request that is smuggled in would be stored here in the clear.
  { name: 'off', buckets: ['off'], mode: 'off' },
];

/** Some inputs never end; the rest send all that they have at once. */
const TIMEOUTS = { tlsHandshake: '2s', bodyIdle: '2s' };

const all = Object.values(HOSTILE_INPUTS).flat();

/** Registers a test for each input, by the table that it stands in. */
function testEach(run: (input: HostileInput) => Promise<void>): void {
  for (const [title, inputs] of Object.entries(HOSTILE_INPUTS)) {
    describe(title, () => {
      for (const input of inputs) test(`${input.id}: ${input.input}`, () => run(input));
    });
  }
}

function keyStored({ backend }: HostileInput): string | undefined {
  return typeof backend === 'object' ? backend.stores : undefined;
}

test('there are more than 120, each with an ID of its own', () => {
  assert.ok(all.length > 120);
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
});

describe('hostile inputs to a process, its backend a recorder', () => {
  let backend: FakeBackend;
  let gateway: GatewayProcess;
  let site: HostileSite;
  let ports: Ports;
  /** Files that the process has open when nothing is going on. */
  let held: readonly string[];

  before(async () => {
    backend = await startFakeBackend();
    gateway = await startGatewayProcess({
      backends: [backend.backend],
      encryption: ENCRYPTION,
      plaintext: { secure: true },
      timeouts: { ...TIMEOUTS, backendIdle: '1s' },
    });
    const port = portOf(gateway.plaintextEndpoint);
    site = { to: { endpoint: gateway.plaintextEndpoint }, host: `localhost:${port}` };
    ports = { port, tlsPort: portOf(gateway.endpoint), clearPort: port, ca: gateway.ca };
    await sendSigned(site.to, { method: 'PUT', path: '/inject/first', body: 'x' });
    await settled();
    held = openFiles(gateway.pid);
  });
  after(async () => {
    await gateway?.stop();
    await backend?.close();
  });

  const settled = () => eventually(async () => (await backend.connections()) === 0, 'the backend is left');

  testEach(async (input) => {
    // Its plaintext listener counts as secure: the other kind is tried elsewhere.
    if (input.over === 'clear') return;
    const asked = backend.asked;
    const recorded = backend.received.length;
    backend.behave(confirming);
    const bytes = Buffer.from(await input.bytes(site));
    assert.equal(await converse(ports, input.over, bytes), input.sees);
    const begun = backend.asked - asked;
    assert.equal(begun, input.backend === undefined ? 0 : 1, 'requests to the backend');
    await eventually(() => backend.received.length === recorded + begun, 'recorded');
    const complete = backend.received.slice(recorded).filter((received) => received.complete);
    const stored = keyStored(input);
    if (input.backend === 'is broken off') assert.deepEqual(complete, []);
    if (stored === undefined) return;
    const [only] = complete;
    assert.equal(decodeURIComponent(only?.target ?? ''), `/inject/${stored}`);
    assert.equal(only?.headers['x-amz-server-side-encryption'], 'aws:kms');
    assert.equal(only?.headers['x-amz-server-side-encryption-aws-kms-key-id'], DEFAULT_KEY);
    if (only?.headers['x-amz-copy-source'] === undefined) assert.ok(only?.body.includes(CONTENT));
  });

  test('after all of them the process is up, and holds what it held', async () => {
    assert.equal((await send({ endpoint: gateway.admin }, { method: 'GET', path: '/livez' })).status, 200);
    assert.deepEqual([gateway.child.exitCode, gateway.child.signalCode], [null, null]);
    const metrics = await send({ endpoint: gateway.admin }, { method: 'GET', path: '/metrics' });
    assert.match(metrics.body.toString(), /^s3_kms_gateway_requests_in_flight 0$/m);
    await settled();
    await eventually(
      () => isDeepStrictEqual(openFiles(gateway.pid), held),
      'it holds the files that it held',
    );
    assert.equal(gateway.lines.filter((line) => line.includes('fault of the gateway')).length, 0);
  });
});

describe('hostile inputs over TLS, in front of the embedded store', () => {
  let store: StoreBackend;
  let gateway: TestGateway;
  let site: HostileSite;
  let ports: Ports;

  before(async () => {
    store = await startStoreBackend();
    gateway = await startGateway({
      backends: [store.backend],
      encryption: ENCRYPTION,
      timeouts: TIMEOUTS,
    });
    for (const bucket of ['inject', 'off'])
      await sendSigned(store.direct, { method: 'PUT', path: `/${bucket}` });
    await sendSigned(store.direct, {
      method: 'PUT',
      path: `/off/${encodeURIComponent(SOURCE)}`,
      body: CONTENT,
    });
    const { port, plaintextPort: clearPort, ca } = gateway;
    site = { to: { endpoint: gateway.endpoint, ca }, host: `localhost:${port}` };
    ports = { port, tlsPort: port, clearPort, ca };
  });
  after(async () => {
    await gateway?.close();
    await store?.close();
  });

  testEach(async (input) => {
    const bytes = Buffer.from(await input.bytes(site));
    assert.equal(await converse(ports, input.over, bytes), input.sees);
  });

  test('after all of them the store holds what was answered with success, encrypted, and nothing else', async () => {
    const expected = all.flatMap((input) => keyStored(input) ?? []);
    const found = await Promise.all(['inject', 'off'].map((bucket) => keysIn(store, bucket)));
    assert.deepEqual(found, [expected.sort(), [SOURCE]]);
    for (const key of expected) {
      const witness = store.store.stored('inject', key);
      assert.deepEqual(
        [witness?.algorithm, witness?.keyId, witness?.size],
        ['aws:kms', DEFAULT_KEY, CONTENT.length],
        key,
      );
    }
  });
});

function portOf(endpoint: string): number {
  return Number(new URL(endpoint).port);
}

async function keysIn({ direct }: StoreBackend, bucket: string): Promise<string[]> {
  const answer = await sendSigned(direct, {
    method: 'GET',
    path: `/${bucket}?encoding-type=url&list-type=2`,
  });
  const keys = [...answer.body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)];
  return keys.map(([, key = '']) => decodeURIComponent(key.replaceAll('+', ' '))).sort();
}
