// What a running gateway can be made to tell of itself: diagnostic reports without its environment and its secrets, and no
// debugger in the container image.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { sendSigned } from './client.ts';
import { eventually } from './eventually.ts';
import { startFakeBackend } from './fake-backend.ts';
import { startGatewayProcess } from './gateway-process.ts';

const ENVIRONMENT_SECRET = 'secret-of-the-environment-6a9f2c';
const BACKEND_SECRET = 'secret-of-the-backend-0d41b7';
const CLIENT_SECRET = 'secret-of-a-client-77e03a';

for (const workers of [1, 2]) {
  describe(`a gateway of ${workers} process${workers === 1 ? '' : 'es'}`, () => {
    test('writes diagnostic reports without environment or secrets', async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'reports-'));
      t.after(() => rmSync(folder, { recursive: true }));
      const backend = await startFakeBackend();
      t.after(() => backend.close());
      const client = { accessKeyId: 'REPORTED00000000001', secretAccessKey: CLIENT_SECRET };
      const gateway = await startGatewayProcess(
        {
          workers,
          backends: [
            {
              ...backend.backend,
              credentials: { provider: 'static', accessKeyId: 'BACKEND', secretAccessKey: BACKEND_SECRET },
            },
          ],
          clients: [{ name: 'reported', ...client, buckets: ['*'], access: 'admin' }],
        },
        {
          AWS_SECRET_ACCESS_KEY: ENVIRONMENT_SECRET,
          NODE_OPTIONS: `--report-on-signal --report-signal=SIGUSR2 --report-directory=${folder}`,
        },
      );
      t.after(() => gateway.stop());
      const to = { endpoint: gateway.endpoint, ca: gateway.ca, credentials: client };
      assert.equal((await sendSigned(to, { method: 'GET', path: '/bucket/key' })).status, 200);

      const pids = [gateway.pid, ...gateway.workers()];
      assert.equal(pids.length, workers === 1 ? 1 : 3);
      for (const pid of pids) process.kill(pid, 'SIGUSR2');
      const reports = () => readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
      const whole = (text: string) => text.trimEnd().endsWith('}');
      await eventually(() => reports().length === pids.length && reports().every(whole), 'reports');
      for (const report of reports()) {
        assert.equal(JSON.parse(report).environmentVariables, undefined);
        for (const secret of [ENVIRONMENT_SECRET, BACKEND_SECRET, CLIENT_SECRET]) {
          assert.ok(!report.includes(secret), secret);
        }
      }
    });
  });
}

test('SIGUSR1 opens no debugger in the container image', async (t) => {
  const backend = await startFakeBackend();
  t.after(() => backend.close());
  // With the environment of the Dockerfile.
  const gateway = await startGatewayProcess({ backends: [backend.backend] });
  t.after(() => gateway.stop());
  // proc(5): the signals for which there is a handler. Node.js has one for this signal unless it is told not to.
  const [, caught = ''] =
    /^SigCgt:\s+([0-9a-f]+)$/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8')) ?? [];
  const has = (signal: number) => (BigInt(`0x${caught}`) >> BigInt(signal - 1)) & 1n;
  assert.deepEqual([has(constants.signals.SIGUSR1), has(constants.signals.SIGTERM)], [0n, 1n]);
});
