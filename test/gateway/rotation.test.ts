// Credentials that rotate under load: no request waits for a refresh, and none is signed with what no longer works.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startSts, type TestSts } from '../config/sts.ts';
import { bodyOf, checkSignature } from '../signature-check.ts';
import { sendSigned } from './client.ts';
import { eventually } from './eventually.ts';
import { startGateway, type TestGateway } from './gateway.ts';

const BASE = { accessKeyId: 'AKIABASE000000000001', secretAccessKey: 'the-secret-of-the-base' };
/** The backend takes old credentials for so long after new ones were issued, as requests are under way. */
const GRACE_MS = 1_500;
const STS_DELAY_MS = 2_000;
const CLIENTS = 6;

describe('credentials that rotate', () => {
  let sts: TestSts;
  let backend: Server;
  let gateway: TestGateway;
  /** Access key IDs under which requests came, refused ones too. */
  const seen = new Map<string, number>();
  const inherited = { ...process.env };

  before(async () => {
    sts = await startSts([BASE]);
    // Less than the five minutes of warning: each refresh follows the last by the ten seconds that there are at least.
    sts.lifetime = 60_000;
    backend = createServer((request, response) => void answer(request, response));
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
    process.env['AWS_ACCESS_KEY_ID'] = BASE.accessKeyId;
    process.env['AWS_SECRET_ACCESS_KEY'] = BASE.secretAccessKey;
    gateway = await startGateway({
      backends: [
        {
          name: 'strict',
          endpoint: `http://127.0.0.1:${(backend.address() as AddressInfo).port}`,
          region: 'us-east-1',
          credentials: {
            provider: 'assume-role',
            roleArn: 'arn:aws:iam::111122223333:role/gateway',
            stsEndpoint: sts.endpoint,
          },
        },
      ],
      encryption: [{ name: 'all', mode: 'off' }],
    });
  });
  after(async () => {
    await gateway?.close();
    backend?.close();
    backend?.closeAllConnections();
    await sts?.close();
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) {
      if (inherited[name] === undefined) delete process.env[name];
      else process.env[name] = inherited[name];
    }
  });

  /** A backend that verifies each signature, and knows the newest credentials only, but for a short time. */
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await bodyOf(request);
    const now = Date.now();
    const valid = sts.issued.filter((_issued, index) => {
      const next = sts.issued[index + 1];
      return next === undefined || now < next.expiration.getTime() - sts.lifetime + GRACE_MS;
    });
    const checked = await checkSignature(request, undefined, 's3', valid);
    const claimed = /Credential=([^/]+)/.exec(request.headers.authorization ?? '')?.[1] ?? 'none';
    seen.set(claimed, (seen.get(claimed) ?? 0) + 1);
    response.writeHead(checked.ok ? 200 : 403).end();
  }

  test('under load: all requests succeed, none waits for the STS', { timeout: 120_000 }, async () => {
    const to = { endpoint: gateway.endpoint, ca: gateway.ca };
    await eventually(() => sts.issued.length === 1, 'the first credentials');
    sts.delay = STS_DELAY_MS;
    const statuses = new Map<number, number>();
    let whileItThinks = 0;
    let over = false;
    const load = async (): Promise<void> => {
      for (let round = 0; !over; round++) {
        const { received, thought } = sts;
        const request =
          round % 2 === 0
            ? { method: 'PUT', path: `/bucket/key-${round}`, body: 'content' }
            : { method: 'GET', path: `/bucket/key-${round}?versionId=v` };
        const { status } = await sendSigned(to, request);
        if (received > thought && sts.thought === thought) whileItThinks += 1;
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        await sleep(5);
      }
    };
    const loads = Array.from({ length: CLIENTS }, load);
    // The second refresh fails at first: it is tried again, and the credentials that there are serve on.
    await until(() => sts.issued.length === 2);
    sts.mood = 'failing';
    const { received } = sts;
    await until(() => sts.received > received);
    await sleep(STS_DELAY_MS + 200);
    sts.mood = 'well';
    await until(() => sts.issued.length === 3);
    await sleep(GRACE_MS + 500);
    over = true;
    await Promise.all(loads);
    const [total] = [...statuses.values()];
    assert.deepEqual([...statuses.keys()], [200], `${JSON.stringify([...statuses])}`);
    assert.ok((total ?? 0) > 200, `${total} requests`);
    assert.deepEqual(
      [...seen.keys()].sort(),
      sts.issued.map(({ accessKeyId }) => accessKeyId),
    );
    assert.ok(
      [...seen.values()].every((count) => count > 10),
      JSON.stringify([...seen]),
    );
    assert.ok(whileItThinks > 100, `${whileItThinks} requests began and ended while the STS thought`);
    const failures = gateway.logLines().filter(({ msg }) => msg === 'backend credentials');
    assert.ok(failures.length >= 1, 'the failed refresh is logged');
  });

  test('the backend does refuse the old ones: the load above could have failed', async () => {
    const { port } = backend.address() as AddressInfo;
    const answers = sts.issued.map(async (credentials) => {
      const to = { endpoint: `http://127.0.0.1:${port}`, credentials };
      return (await sendSigned(to, { method: 'GET', path: '/bucket/key' })).status;
    });
    assert.deepEqual(await Promise.all(answers), [403, 403, 200]);
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}
