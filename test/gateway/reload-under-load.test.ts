// Certificates and configuration swapped every second under load: not one request fails. Counts are asserted, not times.
import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import * as https from 'node:https';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { sendSigned } from './client.ts';
import { startFakeBackend } from './fake-backend.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { mount } from './mounted.ts';

const SECONDS = 12;
const CLIENTS = 8;
const BODY = Buffer.alloc(200_000, 'x');
const TLS = { certificateFile: 'tls/tls.crt', keyFile: 'tls/tls.key' };

describe('certificates and configuration swapped every second under load: no request fails', () => {
  for (const workers of [1, 2]) {
    test(`${workers} of workers`, async (t) => {
      const backends = [await startFakeBackend(), await startFakeBackend()] as const;
      t.after(() => Promise.all(backends.map((backend) => backend.close())));
      const gateway = await startGatewayProcess({
        backends: [backends[0].backend],
        encryption: [{ name: 'rule', mode: 'inject', keyId: 'key-0' }],
        workers,
      });
      t.after(gateway.stop);
      let over = false;
      const loads = Array.from({ length: CLIENTS }, (_, index) => load(gateway, index, () => over));
      for (let second = 1; second <= SECONDS; second++) {
        swap(gateway, backends[second % 2]?.backend, second);
        await sleep(1000);
      }
      over = true;
      const outcomes = (await Promise.all(loads)).flat();
      assert.deepEqual(
        outcomes.filter((outcome) => outcome !== 200),
        [],
      );
      assert.ok(outcomes.length > 200, `${outcomes.length} requests`);
      const reloads = 's3_kms_gateway_config_reloads_total';
      const taken = await gateway.metric(reloads, { result: 'success' });
      assert.ok(taken > SECONDS / 3, `${taken} of ${SECONDS} swaps were taken up`);
      assert.equal(await gateway.metric(reloads, { result: 'failure' }), 0);
      for (const { received } of backends) {
        assert.ok(received.length > 20, `${received.length} requests at one backend`);
        assert.ok(received.every(({ complete }) => complete));
      }
    });
  }
});

/** Sends one request after the other, half of the clients on a connection that they keep; gives the outcomes. */
async function load(
  { endpoint, ca }: GatewayProcess,
  index: number,
  isOver: () => boolean,
): Promise<(number | string)[]> {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca });
  const to = { endpoint, ca, ...(index % 2 === 0 ? { agent } : {}) };
  const outcomes: (number | string)[] = [];
  for (let round = 0; !isOver(); round++) {
    const path = `/bucket/${index}-${round}`;
    const request = round % 2 === 0 ? { method: 'PUT', path, body: BODY } : { method: 'GET', path };
    const sent = sendSigned(to, request);
    outcomes.push(
      await sent.then(
        ({ status }) => status,
        (error: Error) => `${request.method}: ${error.message}`,
      ),
    );
    await sleep(20);
  }
  agent.destroy();
  return outcomes;
}

/** Another certificate, another backend, another rule. */
function swap({ written }: GatewayProcess, backend: unknown, second: number): void {
  const { certificate, key } = written.authority.issue({ dns: ['localhost'], ipv4: ['127.0.0.1'] });
  mount(join(written.folder, 'tls'), { 'tls.crt': certificate, 'tls.key': key });
  const configuration = parse(readFileSync(written.file, 'utf8'));
  configuration.listeners[0].tls = TLS;
  configuration.backends = [backend];
  configuration.encryption[0].keyId = `key-${second}`;
  writeFileSync(`${written.file}.new`, stringify(configuration));
  renameSync(`${written.file}.new`, written.file);
}
