import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Configuration } from '../../src/config/configuration.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { createLogger } from '../../src/observe/log.ts';
import { startWorkers } from '../../src/workers/supervisor.ts';
import { freePort } from '../gateway/free-port.ts';
import { writeSetup } from '../gateway/setup.ts';

const CREDENTIALS = { provider: 'static', accessKeyId: 'BACKEND', secretAccessKey: 'backend-secret' };

test('workers that end before they have confirmed a socket are gone, and the address is free again', async () => {
  const port = await freePort();
  const starting = startWorkers({
    count: 2,
    program: fileURLToPath(new URL('unconfirming-worker.ts', import.meta.url)),
    logger: createLogger({ level: 'silent', destination: { write: () => {} } }),
    first: {
      configuration: configurationAt(port),
      shared: () => ({ credentials: new Map(), ticketKeys: new Map(), unusableKeys: new Map() }),
    },
    onLog: () => {},
    onDecisions: () => {},
    onLost: () => {},
  });
  await assert.rejects(starting, /a worker ended before it served/);
  const server = createServer().listen(port);
  await once(server, 'listening');
  server.close();
});

function configurationAt(port: number): Configuration {
  const written = writeSetup({
    backends: [
      { name: 'ceph', endpoint: 'http://localhost:7480', region: 'default', credentials: CREDENTIALS },
    ],
    encryption: [],
  });
  const loaded = loadConfiguration(written.file, {});
  written.remove();
  assert.ok(loaded.kind === 'loaded', JSON.stringify(loaded));
  const { configuration } = loaded;
  return { ...configuration, listeners: configuration.listeners.map((listener) => ({ ...listener, port })) };
}
