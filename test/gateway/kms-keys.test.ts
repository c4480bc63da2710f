// A gateway that asks KMS about its keys: what it shows, what it does with what it hears, and what it leaves to S3.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { arnOf, type FakeKms, startFakeKms } from '../kms/fake-kms.ts';
import { sendSigned } from './client.ts';
import { eventually } from './eventually.ts';
import { type FakeBackend, startFakeBackend } from './fake-backend.ts';
import { startGateway, type TestGateway } from './gateway.ts';

const [USABLE, SIGNS, DISABLED, OBSERVED] = [1, 2, 3, 4].map((number) => arnOf(number, 'us-east-1'));
const SIGNING_KEY = { spec: 'RSA_2048', usage: 'SIGN_VERIFY' };

interface Readyz {
  readonly status: string;
  readonly checks: readonly { name: string; ok: boolean; detail?: string; informative?: boolean }[];
}

describe('a gateway whose backend has a KMS', () => {
  let kms: FakeKms;
  let backend: FakeBackend;
  let gateway: TestGateway;

  before(async () => {
    kms = await startFakeKms([{ accessKeyId: 'BACKEND', secretAccessKey: 'backend-secret' }]);
    kms.keys
      .set(USABLE ?? '', {})
      .set(SIGNS ?? '', SIGNING_KEY)
      .set(OBSERVED ?? '', SIGNING_KEY);
    kms.keys.set(DISABLED ?? '', { state: 'Disabled' });
    backend = await startFakeBackend();
    gateway = await startGateway({
      backends: [{ ...backend.backend, kms: { endpoint: kms.endpoint, interval: '1s' } }],
      encryption: [
        { name: 'usable', buckets: ['usable'], keyId: USABLE, allowedKeyIds: [SIGNS] },
        { name: 'signs', buckets: ['signs'], keyId: SIGNS },
        { name: 'disabled', buckets: ['disabled'], keyId: DISABLED },
        { name: 'observed', buckets: ['observed'], keyId: OBSERVED, mode: 'observe' },
      ],
    });
    await eventually(() => new Set(kms.asked).size === 4, 'every key asked about');
    await eventually(
      async () => (await keyChecks()).every(({ detail }) => detail !== 'not asked about yet'),
      'known',
    );
  });
  after(async () => {
    await gateway?.close();
    await backend?.close();
    await kms?.close();
  });

  async function readyz(): Promise<{ code: number; body: Readyz }> {
    const response = await fetch(`http://${gateway.running.admin}/readyz`);
    return { code: response.status, body: (await response.json()) as Readyz };
  }

  async function keyChecks(): Promise<Readyz['checks']> {
    return (await readyz()).body.checks.filter(({ name }) => name.startsWith('KMS key'));
  }

  const put = (bucket: string, headers: Record<string, string> = {}) =>
    sendSigned(
      { endpoint: gateway.endpoint, ca: gateway.ca },
      { method: 'PUT', path: `/${bucket}/key`, headers, body: 'content' },
    );

  test('/readyz says of each key how it is, and is ready all the same', async () => {
    const { code, body } = await readyz();
    assert.deepEqual([code, body.status], [200, 'ready']);
    const detail = 'is no symmetric encryption key: its key spec is RSA_2048, its key usage SIGN_VERIFY';
    assert.deepEqual(await keyChecks(), [
      { name: `KMS key ${USABLE} of backend fake`, ok: true, informative: true },
      { name: `KMS key ${SIGNS} of backend fake`, ok: false, informative: true, detail },
      { name: `KMS key ${DISABLED} of backend fake`, ok: false, informative: true, detail: 'is disabled' },
      { name: `KMS key ${OBSERVED} of backend fake`, ok: false, informative: true, detail },
    ]);
  });

  test('/metrics says the same', async () => {
    const usable = (key: string | undefined) =>
      gateway.metric(`s3_kms_gateway_kms_key_usable{backend="fake",key_id="${key}"}`);
    const values = await Promise.all([USABLE, SIGNS, DISABLED, OBSERVED].map(usable));
    assert.deepEqual(values, [1, 0, 0, 0]);
    const checkedAt = await gateway.metric(
      `s3_kms_gateway_kms_key_check_timestamp_seconds{backend="fake",key_id="${DISABLED}"}`,
    );
    assert.ok(Math.abs(checkedAt - Date.now() / 1000) < 10, String(checkedAt));
  });

  test('a write under a key for signatures never leaves the gateway, whoever names the key', async () => {
    const sent = backend.received.length;
    const byClient = {
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': SIGNS ?? '',
    };
    for (const answer of [await put('signs'), await put('usable', byClient)]) {
      assert.deepEqual([answer.status, answer.code], [400, 'KMS.InvalidKeyUsageException']);
      assert.equal(
        answer.message,
        `${SIGNS} key usage is SIGN_VERIFY which is not valid for GenerateDataKey.`,
      );
    }
    assert.equal(backend.received.length, sent);
    const lines = (await gateway.audited()).filter(({ reason }) => reason === 'key_not_usable');
    assert.deepEqual(
      lines.map(({ rule }) => rule),
      ['signs', 'usable'],
    );
    const sample = 's3_kms_gateway_refusals_total{operation="PutObject",reason="key_not_usable"}';
    assert.equal(await gateway.metric(sample), 2);
  });

  test('a write under a key that is disabled goes on: S3 is asked, as it may be enabled by now', async () => {
    const sent = backend.received.length;
    assert.equal((await put('disabled')).status, 200);
    assert.equal((await put('usable')).status, 200);
    assert.equal(backend.received.length, sent + 2);
  });

  test('mode observe counts what would be refused', async () => {
    assert.equal((await put('observed')).status, 200);
    const sample = 's3_kms_gateway_observed_refusals_total{operation="PutObject",reason="key_not_usable"}';
    assert.equal(await gateway.metric(sample), 1);
  });

  test('a change is logged once, and shows in /metrics', async () => {
    const ofKey = () => gateway.logLines().filter(({ msg, keyId }) => msg === 'KMS key' && keyId === USABLE);
    kms.keys.set(USABLE ?? '', { state: 'PendingDeletion', deletion: new Date('2027-01-02') });
    await eventually(() => ofKey().length === 2, 'the line');
    const { length } = kms.asked;
    await eventually(() => kms.asked.length >= length + 8, 'two more rounds');
    assert.deepEqual(
      ofKey().map(({ level, backend: name, state, detail }) => ({ level, name, state, detail })),
      [
        { level: 'info', name: 'fake', state: 'usable', detail: undefined },
        { level: 'error', name: 'fake', state: 'pending_deletion', detail: 'will be deleted on 2027-01-02' },
      ],
    );
    assert.equal(await gateway.metric(`s3_kms_gateway_kms_key_usable{backend="fake",key_id="${USABLE}"}`), 0);
  });

  test('a KMS that is gone leaves the last word standing', async () => {
    await kms.close();
    const detail = async () => (await keyChecks())[1]?.detail ?? '';
    await eventually(async () => /^KMS cannot be asked: .*ECONNREFUSED/.test(await detail()), 'unreachable');
    assert.equal((await readyz()).code, 200);
    assert.equal((await put('signs')).status, 400);
    assert.equal(await gateway.metric(`s3_kms_gateway_kms_key_usable{backend="fake",key_id="${SIGNS}"}`), 0);
  });
});

test('before KMS has ever answered, its keys are unknown and writes go on', async (t) => {
  const backend = await startFakeBackend();
  t.after(() => backend.close());
  const gateway = await startGateway({
    backends: [{ ...backend.backend, kms: { endpoint: 'http://localhost:1' } }],
    encryption: [{ name: 'all', keyId: USABLE }],
  });
  t.after(() => gateway.close());
  const answer = await sendSigned(
    { endpoint: gateway.endpoint, ca: gateway.ca },
    { method: 'PUT', path: '/bucket/key', body: 'content' },
  );
  assert.equal(answer.status, 200);
  const { body } = await gateway.running.metrics.exposition();
  assert.doesNotMatch(body, /kms_key_usable\{/);
  assert.ok(
    body.includes(`s3_kms_gateway_kms_key_check_timestamp_seconds{backend="fake",key_id="${USABLE}"} 0\n`),
  );
});
