import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, describe, mock, test } from 'node:test';
import * as tls from 'node:tls';
import { loadConfiguration } from '../../src/config/load.ts';
import { createLogger } from '../../src/observe/log.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { HandOut } from '../../src/workers/hand-out.ts';
import { makeTicketKeys } from '../../src/workers/ticket-keys.ts';
import { startFakeBackend } from '../gateway/fake-backend.ts';
import { startGateway, type TestGateway } from '../gateway/gateway.ts';
import { writeSetup } from '../gateway/setup.ts';

const METRICS = createMetrics({ version: '0.0.0-test', nodeVersion: process.versions.node });
const LOGGER = createLogger({ level: 'silent', destination: { write: () => {} } });

describe('what workers share', () => {
  afterEach(() => mock.timers.reset());

  test('has keys of its own for each TLS listener, and new ones every day', async () => {
    const backend = await startFakeBackend();
    const written = writeSetup({ backends: [backend.backend], encryption: [] });
    const loaded = loadConfiguration(written.file, {});
    written.remove();
    await backend.close();
    assert.ok(loaded.kind === 'loaded');
    mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
    let changes = 0;
    const handOut = new HandOut({ metrics: METRICS, logger: LOGGER }, () => {
      changes += 1;
    });
    const handedOut = await handOut.prepare(loaded.configuration, false);
    handedOut.commit();
    const { ticketKeys: first } = handedOut.shared();
    assert.deepEqual([...first.keys()], ['tls']);
    assert.equal(first.get('tls')?.length, 48);
    mock.timers.tick(23 * 3_600_000);
    assert.equal(handedOut.shared().ticketKeys, first);
    mock.timers.tick(3_600_000);
    assert.equal(changes, 1);
    assert.notDeepEqual(handedOut.shared().ticketKeys, first);
    handOut.close();
    mock.timers.tick(48 * 3_600_000);
    assert.equal(changes, 1);
  });

  test('never gives two listeners the same keys', () => {
    const tls = {
      certificate: '',
      key: '',
      clientCa: undefined,
      minVersion: 'TLSv1.2',
      notAfter: 0,
    } as const;
    const keys = makeTicketKeys([
      { name: 'a', tls },
      { name: 'b', tls },
      { name: 'plain', tls: undefined },
    ]);
    assert.deepEqual([...keys.keys()], ['a', 'b']);
    assert.notDeepEqual(keys.get('a'), keys.get('b'));
  });
});

describe('new ticket keys of a listener', () => {
  test('resume no session that began under the old ones', async () => {
    const backend = await startFakeBackend();
    const gateway = await startGateway({ backends: [backend.backend], encryption: [] });
    const session = await begin(gateway);
    assert.equal(await resumes(gateway, session), true);
    const [listener] = gateway.running.listeners;
    listener?.setTicketKeys(Buffer.alloc(48, 7));
    assert.equal(await resumes(gateway, session), false);
    const next = await begin(gateway);
    listener?.setTicketKeys(Buffer.alloc(48, 7));
    assert.equal(await resumes(gateway, next), true);
    await gateway.close();
    await backend.close();
  });
});

function connect({ port, ca }: TestGateway, session?: Buffer): tls.TLSSocket {
  const options = { host: '127.0.0.1', port, ca, servername: 'localhost' };
  return tls.connect(session ? { ...options, session } : options);
}

async function begin(gateway: TestGateway): Promise<Buffer> {
  const socket = connect(gateway).resume();
  const [session] = (await once(socket, 'session')) as [Buffer];
  socket.destroy();
  return session;
}

async function resumes(gateway: TestGateway, session: Buffer): Promise<boolean> {
  const socket = connect(gateway, session);
  await once(socket, 'secureConnect');
  const reused = socket.isSessionReused();
  socket.destroy();
  return reused;
}
