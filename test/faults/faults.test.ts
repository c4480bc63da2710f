// Every fault, provoked at a gateway in a process of its own: what the client sees, and what the backend was sent whole.
// After all of them the process is up, and holds as many sockets as before.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { send } from '../gateway/client.ts';
import { eventually } from '../gateway/eventually.ts';
import { confirming, type FakeBackend, startFakeBackend } from '../gateway/fake-backend.ts';
import { type GatewayProcess, openFiles, startGatewayProcess } from '../gateway/gateway-process.ts';
import type { Fault, FaultSite } from './fault.ts';
import { startUnreachable, type Unreachable } from './of-connections.ts';
import { FAULTS } from './table.ts';

const all = Object.values(FAULTS).flat();

test('there are more than 25, each with an ID of its own', () => {
  assert.ok(all.length > 25);
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
});

describe('faults', () => {
  let fake: FakeBackend;
  let unreachable: Unreachable;
  let gateway: GatewayProcess;
  let site: FaultSite;
  /** Files that the process has open when nothing is going on. */
  let held: readonly string[];

  before(async () => {
    [fake, unreachable] = await Promise.all([startFakeBackend(), startUnreachable()]);
    gateway = await startGatewayProcess({
      backends: [...unreachable.backends, fake.backend],
      encryption: [{ name: 'inject', buckets: ['*'], mode: 'inject', keyId: 'the-key' }],
      plaintext: { secure: true },
      timeouts: {
        tlsHandshake: '1s',
        requestHeader: '1s',
        bodyIdle: '1s',
        backendConnect: '1s',
        backendFirstByte: '2s',
        backendIdle: '1s',
      },
    });
    const { endpoint, plaintextEndpoint, ca } = gateway;
    const [tlsPort, port] = [endpoint, plaintextEndpoint].map((url) => Number(new URL(url).port));
    site = {
      to: { endpoint: plaintextEndpoint },
      host: `localhost:${port}`,
      ports: { port: port ?? 0, tlsPort: tlsPort ?? 0, clearPort: port ?? 0, ca },
      fake,
    };
    held = openFiles(gateway.pid);
  });
  after(async () => {
    await gateway?.stop();
    await Promise.all([fake?.close(), unreachable?.close()]);
  });

  async function provoke({ sees, whole, begun = whole, provoke }: Fault): Promise<void> {
    const [asked, recorded] = [fake.asked, fake.received.length];
    fake.behave(confirming);
    assert.equal(await provoke(site), sees);
    assert.equal(fake.asked - asked, begun, 'requests to the backend');
    await eventually(() => fake.received.length === recorded + begun, 'recorded');
    const complete = fake.received.slice(recorded).filter((received) => received.complete);
    assert.equal(complete.length, whole, 'requests that were whole');
  }

  for (const [title, faults] of Object.entries(FAULTS)) {
    describe(title, () => {
      for (const fault of faults) test(`${fault.id}: ${fault.fault}`, () => provoke(fault));
    });
  }

  test('after all of them the process is up, and holds what it held', async () => {
    assert.equal(unreachable.asked, 0);
    assert.equal((await send({ endpoint: gateway.admin }, { method: 'GET', path: '/livez' })).status, 200);
    assert.deepEqual([gateway.child.exitCode, gateway.child.signalCode], [null, null]);
    const metrics = await send({ endpoint: gateway.admin }, { method: 'GET', path: '/metrics' });
    assert.match(metrics.body.toString(), /^s3_kms_gateway_requests_in_flight 0$/m);
    await eventually(async () => (await fake.connections()) === 0, 'the backend is left');
    await eventually(
      () => isDeepStrictEqual(openFiles(gateway.pid), held),
      'it holds the files that it held',
    );
    assert.deepEqual(
      gateway.lines.filter((line) => line.includes('fault of the gateway')),
      [],
    );
  });
});
