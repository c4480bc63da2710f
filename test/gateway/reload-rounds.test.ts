// Reload and request, over and over, in one process: nothing of what has left the configuration stays behind.
// RELOAD_ROUNDS=10000 for the long run, which looks at the resident set as well: too few rounds do not settle it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import * as https from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import { type Endpoint, send, signedHeaders } from './client.ts';
import { collectGarbage } from './collect-garbage.ts';
import { eventually } from './eventually.ts';
import { startGateway, type TestGateway } from './gateway.ts';

const ROUNDS = Number(process.env['RELOAD_ROUNDS'] ?? 500);
const WARM_UP = Math.min(ROUNDS / 2, 1_000);
const LONG = 10_000;

interface Held {
  readonly resources: number;
  readonly descriptors: number;
  readonly heap: number;
  readonly resident: number;
}

test(`${ROUNDS} rounds of reload and request leave nothing open and nothing held`, async (t) => {
  const backends = [await startBackend('one'), await startBackend('two')] as const;
  const gateway = await startGateway({
    backends: [backends[0].backend],
    encryption: [{ name: 'off', mode: 'off' }],
  });
  t.after(async () => {
    await gateway.close();
    for (const backend of backends) backend.stop();
  });
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: gateway.ca });
  t.after(() => agent.destroy());
  const once = roundOf(
    gateway,
    backends.map(({ backend }) => backend),
    agent,
  );
  for (let round = 0; round < WARM_UP; round++) await once(round);
  const before = await held(gateway);
  for (let round = 0; round < ROUNDS; round++) await once(round);
  const after = await held(gateway);
  t.diagnostic(JSON.stringify({ before, after }));
  assert.ok(after.resources <= before.resources * 1.1, 'resources of the event loop');
  assert.ok(after.descriptors <= before.descriptors * 1.1, 'file descriptors');
  assert.ok(after.heap <= before.heap * 1.1, 'the heap');
  if (ROUNDS >= LONG) assert.ok(after.resident <= before.resident * 1.1, 'the resident set');
  const taken = await gateway.metric('s3_kms_gateway_config_reloads_total{result="success"}');
  assert.equal(taken, WARM_UP + ROUNDS);
});

/** In this process too, so it remembers nothing of what it is sent. */
async function startBackend(name: string): Promise<{ backend: Record<string, unknown>; stop(): void }> {
  const server = createServer((request, response) => request.resume() && response.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = { provider: 'static', accessKeyId: 'BACKEND', secretAccessKey: 'backend-secret' };
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { backend: { name, endpoint, region: 'us-east-1', credentials }, stop };
}

/** Another backend, certificate and rule in each round, a listener more in every other; then a request on each connection. */
function roundOf(
  { written, endpoint, ca, running }: TestGateway,
  backends: readonly unknown[],
  agent: https.Agent,
): (round: number) => Promise<void> {
  const issued = [0, 1].map(() => written.authority.issue({ dns: ['localhost'], ipv4: ['127.0.0.1'] }));
  const configuration = parse(readFileSync(written.file, 'utf8'));
  const [tls, plaintext] = configuration.listeners;
  const extra = { name: 'extra', address: '127.0.0.1:0' };
  const answered = async (to: Endpoint) => {
    const request = { method: 'GET', path: '/bucket/key' };
    const { status } = await send(to, { ...request, headers: await signedHeaders(to, request) });
    assert.equal(status, 200);
  };
  return async (round) => {
    const { certificate = '', key = '' } = issued[round % 2] ?? {};
    writeFileSync(join(written.folder, 'gateway.crt'), certificate);
    writeFileSync(join(written.folder, 'gateway.key'), key);
    configuration.backends = [backends[round % 2]];
    configuration.listeners = round % 2 === 0 ? [tls, plaintext] : [tls, plaintext, extra];
    configuration.encryption = [{ name: `rule-${round % 2}`, mode: 'off' }];
    writeFileSync(written.file, stringify(configuration));
    assert.equal(await running.reload(), 'success');
    await answered({ endpoint, ca, agent });
    await answered({ endpoint, ca });
  };
}

async function held({ running }: TestGateway): Promise<Held> {
  const idle = async () => {
    const { body } = await running.metrics.exposition();
    return body.includes('connections{listener="tls"} 1\n');
  };
  await eventually(idle, 'only the connection that is kept is open');
  collectGarbage();
  await new Promise((resolve) => setTimeout(resolve, 100));
  collectGarbage();
  const { heapUsed: heap, rss: resident } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo().length;
  return { resources, descriptors: readdirSync('/proc/self/fd').length, heap, resident };
}
