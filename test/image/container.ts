// The built image at work: who it runs as, that its root is read-only, and that it starts, serves and drains there.
// Not among `npm test`: test/image/run builds the image first.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import type { ClientRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { sendSigned, signedHeaders } from '../gateway/client.ts';
import { eventually } from '../gateway/eventually.ts';
import { type GatewayProcess, startGatewayProcess } from '../gateway/gateway-process.ts';
import { DEFAULT_KEY, startStoreBackend } from '../gateway/store.ts';

const IMAGE = 'localhost/s3-kms-gateway';
const PODMAN = join(import.meta.dirname, 'podman');
/** As deploy/ runs it, but for the health check, which needs systemd. The limits are within what any machine grants. */
const OPTIONS = [
  ...[
    '--rm',
    '--no-healthcheck',
    '--network=host',
    '--cgroups=disabled',
    '--ulimit=nofile=4096:4096',
    '--ulimit=nproc=4096:4096',
  ],
  ...['--read-only', '--read-only-tmpfs=false', '--cap-drop=ALL', '--security-opt=no-new-privileges'],
];

async function run(...args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(PODMAN, ['run', ...OPTIONS, ...args])).stdout;
}

describe('the container image', () => {
  test('tells the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'));
    assert.equal(await run(IMAGE, '--version'), `${version}\n`);
  });

  test('runs as nobody in particular, without capabilities, and can write nowhere', async () => {
    const script = `
      const { readFileSync, writeFileSync } = require('node:fs');
      const write = (file) => { try { writeFileSync(file, ''); return 'written'; } catch ({ code }) { return code; } };
      const status = readFileSync('/proc/self/status', 'utf8');
      const field = (name) => new RegExp(name + ':\\\\s+(\\\\S+)').exec(status)[1];
      console.log(JSON.stringify({
        ids: [process.getuid(), process.getgid()],
        capabilities: field('CapEff') + field('CapPrm') + field('CapBnd'),
        noNewPrivileges: field('NoNewPrivs'),
        seccomp: field('Seccomp'),
        writes: ['/app/dist/main.js', '/tmp/x', '/x'].map(write),
      }));`;
    const told = JSON.parse(await run('--entrypoint=node', IMAGE, '--eval', script));
    assert.deepEqual(told, {
      ids: [65532, 65532],
      capabilities: '0'.repeat(48),
      noNewPrivileges: '1',
      seccomp: '2',
      writes: ['EROFS', 'EROFS', 'EROFS'],
    });
  });

  test('holds what runs and nothing of what builds', async () => {
    const script = `console.log(JSON.stringify(require('node:fs').readdirSync('/app').sort()))`;
    const found = JSON.parse(await run('--entrypoint=node', IMAGE, '--eval', script));
    assert.deepEqual(found, ['LICENSE', 'dist', 'node_modules', 'package.json']);
    const modules = `console.log(require('node:fs').existsSync('/app/node_modules/typescript'))`;
    assert.equal(await run('--entrypoint=node', IMAGE, '--eval', modules), 'false\n');
  });

  test('starts, refuses, encrypts, and ends what is in flight before it ends', async (t) => {
    const store = await startStoreBackend();
    t.after(() => store.close());
    const mounts = [dirname(String(store.backend['caFile']))];
    const gateway = await startGatewayProcess(
      { backends: [store.backend], encryption: [{ name: 'rest', keyId: DEFAULT_KEY }] },
      {},
      (folder) => {
        for (const readable of [folder, ...mounts]) chmodSync(readable, 0o755);
        const volumes = [folder, ...mounts].map((mount) => `--volume=${mount}:${mount}:ro`);
        return [PODMAN, 'run', ...OPTIONS, ...volumes, IMAGE];
      },
    );
    t.after(() => gateway.stop());

    assert.equal((await fetch(`${gateway.admin}/readyz`)).status, 200);
    assert.equal((await sendSigned(gateway, { method: 'PUT', path: '/ledger' })).status, 200);

    const downgrade = { 'x-amz-server-side-encryption': 'AES256' };
    const refused = await sendSigned(gateway, {
      method: 'PUT',
      path: '/ledger/refused',
      body: 'in the clear',
      headers: downgrade,
    });
    assert.deepEqual([refused.status, refused.code], [403, 'AccessDenied']);
    assert.equal(store.store.stored('ledger', 'refused'), undefined);

    const put = await sendSigned(gateway, { method: 'PUT', path: '/ledger/encrypted', body: 'hello' });
    assert.equal(put.status, 200);
    assert.equal(store.store.stored('ledger', 'encrypted')?.keyId, DEFAULT_KEY);

    const check = await healthCheck();
    const port = (url: string) => `--env=ADMIN_PORT=${new URL(url).port}`;
    await run(port(gateway.admin), ...check);
    await assert.rejects(run(port(gateway.endpoint), ...check), { code: 1 });

    const upload = await beginUpload(gateway, '/ledger/late', 2);
    upload.request.write('a');
    await eventually(
      async () => (await gateway.metric('s3_kms_gateway_requests_in_flight')) === 1,
      'in flight',
    );
    const ended = gateway.stop();
    await eventually(() => isUnready(gateway), 'the gateway takes no more');
    upload.request.end('b');
    assert.equal(await upload.status, 200);
    assert.equal(store.store.stored('ledger', 'late')?.size, 2);
    assert.equal(await ended, 0);
  });
});

/** The command of the Dockerfile's HEALTHCHECK, as options of `run`. */
async function healthCheck(): Promise<readonly string[]> {
  const args = ['image', 'inspect', '--format', '{{ json .HealthCheck }}', IMAGE];
  const { stdout } = await promisify(execFile)(PODMAN, args);
  const { Test } = JSON.parse(stdout) as { readonly Test: readonly string[] };
  const [kind, executable, ...rest] = Test;
  assert.equal(kind, 'CMD');
  return [`--entrypoint=${executable}`, IMAGE, ...rest];
}

interface Upload {
  readonly request: ClientRequest;
  readonly status: Promise<number | undefined>;
}

/** Sends the head of an upload. */
async function beginUpload(gateway: GatewayProcess, path: string, length: number): Promise<Upload> {
  const plain = {
    method: 'PUT',
    path,
    payloadHash: 'UNSIGNED-PAYLOAD',
    headers: { 'content-length': String(length) },
  };
  const headers = await signedHeaders(gateway, plain);
  const { port } = new URL(gateway.endpoint);
  const request = httpsRequest({
    ...{ host: '127.0.0.1', servername: 'localhost', port, ca: gateway.ca, agent: false },
    ...{ method: 'PUT', path, headers },
  });
  const status = new Promise<number | undefined>((resolve, reject) => {
    request.once('response', (response) => resolve(response.resume().statusCode));
    request.once('error', reject);
  });
  return { request, status };
}

function isUnready(gateway: GatewayProcess): Promise<boolean> {
  return fetch(`${gateway.admin}/readyz`).then(
    ({ status }) => status !== 200,
    () => true,
  );
}
