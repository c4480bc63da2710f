// A fault of the gateway itself costs one request, and is told.
import assert from 'node:assert/strict';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { loadConfiguration } from '../../src/config/load.ts';
import { SigningKeys } from '../../src/core/sigv4/signing-key.ts';
import { Admission } from '../../src/gateway/admission.ts';
import { BufferBudget } from '../../src/gateway/buffer-budget.ts';
import { type Handling, handle } from '../../src/gateway/handle.ts';
import { listenerContext } from '../../src/gateway/receive.ts';
import type { Observation } from '../../src/observe/observation.ts';
import { sendSigned } from './client.ts';
import { writeSetup } from './setup.ts';

describe('a bug', () => {
  const observed: Observation[] = [];
  const bugs: unknown[] = [];
  let inFlight = 0;
  let server: http.Server;

  before(async () => {
    const credentials = { provider: 'static', accessKeyId: 'BACKEND', secretAccessKey: 'secret' };
    const backend = { name: 'b', endpoint: 'http://127.0.0.1:1', region: 'us-east-1', credentials };
    const written = writeSetup({ backends: [backend], encryption: [], plaintext: { secure: true } });
    const loaded = loadConfiguration(written.file, {});
    written.remove();
    assert.ok(loaded.kind === 'loaded');
    const { policy, listeners } = loaded.configuration;
    const broken = () => {
      throw new Error('a bug');
    };
    const handling: Handling = {
      policy,
      backends: { connections: [], of: broken, credentials: broken, close: async () => {} },
      keys: new SigningKeys(),
      unusableKeys: () => new Map(),
      bodyIdleMs: 1000,
      admission: new Admission({ requestsInFlight: 1 }),
      buffered: new BufferBudget(1),
      observe: (observation) => observed.push(observation),
      reportBug: (error) => bugs.push(error),
      requestStarted: () => {
        inFlight += 1;
      },
      requestFinished: () => {
        inFlight -= 1;
      },
    };
    const [, plaintext] = listeners;
    assert.ok(plaintext);
    const context = listenerContext(plaintext);
    server = http.createServer(
      (request, response) => void handle(handling, context, request, response, false),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => server?.close());

  test('is answered 500, reported with its error, and observed once', async () => {
    const endpoint = `http://localhost:${(server.address() as AddressInfo).port}`;
    const answer = await sendSigned({ endpoint }, { method: 'GET', path: '/bucket/key' });
    assert.deepEqual([answer.status, answer.code], [500, 'InternalError']);
    assert.ok(!answer.body.includes('a bug'));
    assert.deepEqual(bugs.map(String), ['Error: a bug']);
    assert.deepEqual(
      observed.map(({ outcome, status, operation }) => [outcome, status, operation]),
      [['backend_failed', 500, 'Unknown']],
    );
    assert.equal(inFlight, 0);
  });
});
