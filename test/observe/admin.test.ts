import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { type AdminServer, type Readiness, startAdmin } from '../../src/observe/admin.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { parseExposition } from './exposition.ts';

const metrics = createMetrics({ version: '1.2.3', nodeVersion: 'v26.0.0' });
const LOOPBACK = { host: '127.0.0.1', port: 0, metrics };
const READY: Readiness = () => [{ name: 'configuration', ok: true }];

/** Runs `body` against a server of its own. */
async function withAdmin(readiness: Readiness, body: (server: AdminServer) => Promise<void>): Promise<void> {
  const server = await startAdmin({ ...LOOPBACK, readiness });
  try {
    await body(server);
  } finally {
    await server.close();
  }
}

/** Sends bytes as they stand and reads until the server closes. */
async function exchange(address: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(`http://${address}`);
  const socket = connect(Number(port), hostname);
  socket.write(bytes);
  return text(socket);
}

describe('admin listener', () => {
  let admin: AdminServer;
  before(async () => {
    admin = await startAdmin({ ...LOOPBACK, readiness: READY });
  });
  after(() => admin.close());

  const get = (path: string, init?: RequestInit) => fetch(`http://${admin.address}${path}`, init);

  it('names the address it is bound to', () => assert.match(admin.address, /^127\.0\.0\.1:[1-9]\d*$/));

  it('serves the metrics at /metrics', async () => {
    const response = await get('/metrics');
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    const samples = parseExposition(await response.text());
    assert.ok(samples.some(({ name }) => name === 's3_kms_gateway_build_info'));
  });

  it('says ok at /livez, also with a query', async () => {
    const response = await get('/livez?verbose');
    assert.equal(response.status, 200);
    assert.equal(await response.text(), 'ok\n');
  });

  it('says ready at /readyz', async () => {
    const response = await get('/readyz');
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), {
      status: 'ready',
      checks: [{ name: 'configuration', ok: true }],
    });
  });

  it('lists its endpoints at /', async () => {
    const index = await (await get('/')).text();
    for (const path of ['/metrics', '/livez', '/readyz'])
      assert.ok(index.includes(path), `${path} is missing`);
  });

  for (const path of ['/metrics/', '/nothing', '/..%2flivez', '/constructor']) {
    it(`answers 404 in JSON at ${path}`, async () => {
      const response = await get(path);
      assert.equal(response.status, 404);
      assert.match(String(((await response.json()) as { error: string }).error), /\/metrics/);
    });
  }

  it('answers HEAD with the headers alone', async () => {
    const answer = await exchange(
      admin.address,
      'HEAD /livez HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n',
    );
    assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.match(answer, /\r\nContent-Length: 3\r\n/);
    assert.match(answer, /\r\n\r\n$/);
  });

  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    it(`refuses ${method}`, async () => {
      const response = await get('/metrics', { method });
      assert.equal(response.status, 405);
      assert.equal(response.headers.get('allow'), 'GET, HEAD');
      await response.body?.cancel();
    });
  }

  it('refuses headers beyond 8 KiB', async () => {
    const answer = await exchange(
      admin.address,
      `GET /livez HTTP/1.1\r\nHost: admin\r\nX: ${'x'.repeat(9000)}\r\n\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 431 /);
  });
});

describe('readiness', () => {
  it('is 503 when a check fails, and says which', async () => {
    const checks = [
      { name: 'configuration', ok: true },
      { name: 'backend primary', ok: false, detail: 'no credentials' },
    ];
    await withAdmin(
      async () => checks,
      async ({ address }) => {
        const response = await fetch(`http://${address}/readyz`);
        assert.equal(response.status, 503);
        assert.deepEqual(await response.json(), { status: 'not ready', checks });
      },
    );
  });

  it('is 200 when nothing but an informative check fails, and shows it', async () => {
    const checks = [
      { name: 'configuration', ok: true },
      { name: 'KMS key k of backend primary', ok: false, informative: true, detail: 'is disabled' },
    ];
    await withAdmin(
      () => checks,
      async ({ address }) => {
        const response = await fetch(`http://${address}/readyz`);
        assert.equal(response.status, 200);
        assert.deepEqual(await response.json(), { status: 'ready', checks });
      },
    );
  });

  it('is 503 when a check throws, and keeps its message to itself', async () => {
    await withAdmin(
      () => Promise.reject(new Error('canary')),
      async ({ address }) => {
        const response = await fetch(`http://${address}/readyz`);
        assert.equal(response.status, 503);
        assert.doesNotMatch(await response.text(), /canary/);
      },
    );
  });
});

describe('admin listener at its limits', () => {
  it('answers 500 when the metrics fail, and keeps serving', async () => {
    const exposition = () => Promise.reject(new Error('canary'));
    const admin = await startAdmin({ ...LOOPBACK, metrics: { exposition }, readiness: READY });
    const failed = await fetch(`http://${admin.address}/metrics`);
    assert.equal(failed.status, 500);
    assert.doesNotMatch(await failed.text(), /canary/);
    assert.equal((await fetch(`http://${admin.address}/livez`)).status, 200);
    await admin.close();
  });

  it('says which address it could not bind, and what to do', async () => {
    await withAdmin(READY, async ({ address }) => {
      const port = Number(new URL(`http://${address}`).port);
      await assert.rejects(startAdmin({ ...LOOPBACK, port, readiness: READY }), (error: Error) => {
        assert.match(
          error.message,
          new RegExp(`cannot bind 127\\.0\\.0\\.1:${port} .*EADDRINUSE.*admin\\.address`),
        );
        return true;
      });
    });
  });

  it('closes although a connection stays silent', async () => {
    const admin = await startAdmin({ ...LOOPBACK, readiness: READY });
    const silent = connect(Number(new URL(`http://${admin.address}`).port), '127.0.0.1');
    const closed = new Promise((resolve) => silent.once('close', resolve));
    silent.on('error', () => {}); // Being cut off is what is waited for.
    await once(silent, 'connect');
    silent.write('GET /livez HTTP/1.1\r\n');
    await admin.close();
    await closed;
  });

  it('finishes an answer under way when it closes', async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<[]>();
    const readiness = () => {
      asked.resolve();
      return answer.promise;
    };
    const admin = await startAdmin({ ...LOOPBACK, readiness });
    const response = fetch(`http://${admin.address}/readyz`);
    await asked.promise;
    const closed = admin.close();
    answer.resolve([]);
    assert.equal((await response).status, 200);
    await (await response).body?.cancel();
    await closed;
  });
});
