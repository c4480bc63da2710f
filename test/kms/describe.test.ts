import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createAuthority } from '../../src/demo/authority.ts';
import { describeKeys } from '../../src/kms/describe.ts';
import { type KeyState, REMEDIES } from '../../src/kms/key-state.ts';
import type { KmsBackend } from '../../src/kms/key-uses.ts';
import { BACKEND } from '../core/fixture.ts';
import { arnOf, type FakeKey, type FakeKms, startFakeKms } from './fake-kms.ts';

const CREDENTIALS = { accessKeyId: 'GATEWAY0000000000001', secretAccessKey: 's3cret', sessionToken: 'token' };

function backendOf(endpoint: string, ca?: string): KmsBackend {
  return {
    ...BACKEND,
    ca: undefined,
    credentials: { provider: 'default' },
    kms: { endpoint, ca, interval: 60_000 },
  };
}

describe('what KMS says of a key', () => {
  let kms: FakeKms;
  before(async () => {
    kms = await startFakeKms([CREDENTIALS]);
  });
  after(() => kms?.close());

  async function stateOf(key: FakeKey | undefined, keyId = arnOf(1)): Promise<KeyState | undefined> {
    if (key === undefined) kms.keys.delete(keyId);
    else kms.keys.set(keyId, key);
    return (await describeKeys(backendOf(kms.endpoint), CREDENTIALS, [keyId])).get(keyId);
  }

  test('an enabled symmetric key can be used', async () => {
    assert.deepEqual(await stateOf({}), { kind: 'usable' });
  });

  test('so can one that is being updated, and a multi-Region key', async () => {
    assert.deepEqual(await stateOf({ state: 'Updating' }), { kind: 'usable' });
    assert.deepEqual(await stateOf({}, arnOf(1).replace(/key\/.*/, `key/mrk-${'0'.repeat(32)}`)), {
      kind: 'usable',
    });
  });

  const UNUSABLE: readonly (readonly [
    title: string,
    key: FakeKey | undefined,
    why: string,
    detail: RegExp,
  ])[] = [
    ['that is not there', undefined, 'missing', /^does not exist: KMS says "Key 'arn:.*' does not exist"$/],
    ['of no ARN that KMS knows', { error: 'InvalidArnException', message: 'no' }, 'missing', /"no"$/],
    ['that is disabled', { state: 'Disabled' }, 'disabled', /^is disabled$/],
    [
      'that is to be deleted',
      { state: 'PendingDeletion', deletion: new Date('2027-01-02T10:00:00Z') },
      'pending_deletion',
      /^will be deleted on 2027-01-02$/,
    ],
    [
      'of which replicas are left',
      { state: 'PendingReplicaDeletion' },
      'pending_deletion',
      /^will be deleted$/,
    ],
    ['whose material is yet to come', { state: 'PendingImport' }, 'unavailable', /state is PendingImport$/],
    ['whose key store is away', { state: 'Unavailable' }, 'unavailable', /state is Unavailable$/],
    ['in a state invented later', { state: 'Hibernating' }, 'unavailable', /state is Hibernating$/],
    [
      'of another region',
      { arn: arnOf(1, 'us-east-1') },
      'other_region',
      /^is in us-east-1, but the backend is in eu-central-1$/,
    ],
    [
      'for signatures',
      { spec: 'RSA_2048', usage: 'SIGN_VERIFY' },
      'not_symmetric_encryption',
      /^is no symmetric encryption key: its key spec is RSA_2048, its key usage SIGN_VERIFY$/,
    ],
    [
      'that is asymmetric',
      { spec: 'RSA_4096' },
      'not_symmetric_encryption',
      /RSA_4096, its key usage ENCRYPT_DECRYPT$/,
    ],
    ['for HMACs', { spec: 'HMAC_256', usage: 'GENERATE_VERIFY_MAC' }, 'not_symmetric_encryption', /HMAC_256/],
  ];
  for (const [title, key, why, detail] of UNUSABLE) {
    test(`a key ${title} cannot be used`, async () => {
      const state = await stateOf(key);
      assert.ok(state?.kind === 'unusable', JSON.stringify(state));
      assert.equal(state.why, why);
      assert.match(state.detail, detail);
      assert.match(REMEDIES[state.why], /^[A-Z].*\.$/);
      assert.equal(state.usage !== undefined, why === 'not_symmetric_encryption');
    });
  }

  test('a disabled key for signatures is told of for what it never can be', async () => {
    const state = await stateOf({ state: 'Disabled', spec: 'ECC_NIST_P256', usage: 'SIGN_VERIFY' });
    assert.deepEqual(state?.kind === 'unusable' && state.usage, {
      keySpec: 'ECC_NIST_P256',
      keyUsage: 'SIGN_VERIFY',
    });
  });

  test('without the right to ask, nothing is known of a key', async () => {
    const message = 'User: arn:aws:iam::111122223333:user/g is not authorized to perform: kms:DescribeKey';
    const state = await stateOf({ error: 'AccessDeniedException', message });
    assert.deepEqual(state, {
      kind: 'unknown',
      why: 'access_denied',
      detail: `could not be looked at: KMS says "${message}"`,
    });
  });

  for (const key of ['nonsense', { error: 'KMSInternalException', status: 500, message: 'm' }] as const) {
    test(`nothing is known of a key after ${JSON.stringify(key)}`, async () => {
      const state = await stateOf(key);
      assert.deepEqual(state?.kind === 'unknown' && state.why, 'unreachable');
    });
  }

  test('keys are asked about side by side, and one says nothing of another', async () => {
    kms.keys.set('a', {}).set('b', { state: 'Disabled' });
    kms.keys.delete('c');
    const states = await describeKeys(backendOf(kms.endpoint), CREDENTIALS, ['a', 'b', 'c']);
    assert.deepEqual(
      [...states].map(([id, { kind }]) => [id, kind]),
      [
        ['a', 'usable'],
        ['b', 'unusable'],
        ['c', 'unusable'],
      ],
    );
  });

  test('a KMS that refuses the signature is no word about the key', async () => {
    kms.keys.set('a', {});
    for (const wrong of [
      { secretAccessKey: 'wrong' },
      { accessKeyId: 'NOBODY' },
      { sessionToken: undefined },
    ]) {
      const states = await describeKeys(backendOf(kms.endpoint), { ...CREDENTIALS, ...wrong }, ['a']);
      const state = states.get('a');
      assert.deepEqual(state?.kind === 'unknown' && state.why, 'credentials_refused', JSON.stringify(state));
      assert.doesNotMatch(JSON.stringify(state), /s3cret/);
    }
  });

  test('without credentials nobody is asked', async () => {
    const before = kms.asked.length;
    const state = (await describeKeys(backendOf(kms.endpoint), undefined, ['a'])).get('a');
    assert.deepEqual(state?.kind === 'unknown' && state.why, 'no_credentials');
    assert.equal(kms.asked.length, before);
  });

  test('a KMS that takes the question and is silent is given up, with what else was asked', {
    timeout: 30_000,
  }, async () => {
    kms.keys.set('silent', 'silence').set('a', {});
    const states = await describeKeys(backendOf(kms.endpoint), CREDENTIALS, ['silent', 'a']);
    assert.deepEqual(states.get('silent'), {
      kind: 'unknown',
      why: 'unreachable',
      detail: 'KMS did not answer in time',
    });
    assert.deepEqual(states.get('a'), { kind: 'usable' });
  });

  test('what is no longer wanted is given up at once', async () => {
    kms.keys.set('silent', 'silence');
    const signal = AbortSignal.timeout(50);
    const started = Date.now();
    await describeKeys(backendOf(kms.endpoint), CREDENTIALS, ['silent'], signal);
    assert.ok(Date.now() - started < 5000);
  });

  test('a KMS that is not there is unreachable', async () => {
    const state = (await describeKeys(backendOf('http://localhost:1'), CREDENTIALS, ['a'])).get('a');
    assert.deepEqual(state?.kind === 'unknown' && state.why, 'unreachable');
  });
});

describe('a KMS with TLS', () => {
  const authority = createAuthority(new Date());
  let kms: FakeKms;
  before(async () => {
    kms = await startFakeKms([CREDENTIALS], authority.issue({ dns: ['localhost'], ipv4: [] }));
    kms.keys.set('a', {});
  });
  after(() => kms?.close());

  test('is trusted by its own authorities', async () => {
    const states = await describeKeys(backendOf(kms.endpoint, authority.certificate), CREDENTIALS, ['a']);
    assert.deepEqual(states.get('a'), { kind: 'usable' });
  });

  test('is trusted by no others', async () => {
    const others = createAuthority(new Date()).certificate;
    for (const ca of [undefined, others]) {
      const state = (await describeKeys(backendOf(kms.endpoint, ca), CREDENTIALS, ['a'])).get('a');
      assert.deepEqual(state?.kind === 'unknown' && state.why, 'unreachable', JSON.stringify(state));
    }
    assert.deepEqual(kms.asked, ['a']);
  });
});
