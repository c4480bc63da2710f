import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CredentialSource, refreshingSource } from '../../src/config/credentials.ts';
import type { SigningCredentials } from '../../src/core/policy/policy.ts';
import type { KmsBackend } from '../../src/kms/key-uses.ts';
import { type KeyWatch, nameOf, watchKeys } from '../../src/kms/watch.ts';
import { BACKEND } from '../core/fixture.ts';
import { eventually } from '../gateway/eventually.ts';
import { type FakeKms, startFakeKms } from './fake-kms.ts';

const CREDENTIALS = {
  accessKeyId: 'GATEWAY0000000000001',
  secretAccessKey: 'secret',
  sessionToken: undefined,
};
const INTERVAL = 60;

let kms: FakeKms;
let watch: KeyWatch | undefined;
/** What the listener heard, as `changed KEY STATE` and `checked KEY STATE`. */
let heard: string[];

beforeEach(async () => {
  kms = await startFakeKms([CREDENTIALS]);
  heard = [];
});
afterEach(async () => {
  watch?.close();
  await kms.close();
});

function source(current: SigningCredentials | undefined): CredentialSource {
  return { current: () => current, ready: async () => {}, close: () => {} };
}

function start(
  keyIds: readonly string[],
  credentials: CredentialSource = source(CREDENTIALS),
  interval = INTERVAL,
): KmsBackend {
  const backend: KmsBackend = {
    ...BACKEND,
    ca: undefined,
    credentials: { provider: 'default' },
    kms: { endpoint: kms.endpoint, ca: undefined, interval },
  };
  watch = watchKeys(
    keyIds.map((keyId) => ({ backend, keyId, path: [] })),
    () => credentials,
    {
      checked: (_backend, keyId, state) => heard.push(`checked ${keyId} ${nameOf(state)}`),
      changed: (_backend, keyId, state) => heard.push(`changed ${keyId} ${nameOf(state)}`),
    },
  );
  return backend;
}

const changes = (): string[] => heard.filter((line) => line.startsWith('changed'));
const checks = (): number => heard.length - changes().length;
const asked = (times: number): Promise<void> => eventually(() => checks() >= times, `${times} checks`);

describe('a watch over keys', () => {
  test('asks at start and at every interval, and tells of a change once', async () => {
    kms.keys.set('a', {});
    start(['a']);
    assert.deepEqual(watch?.keys(), [{ backend: 'primary', keyId: 'a', state: undefined }]);
    await asked(3);
    assert.deepEqual(changes(), ['changed a usable']);
    kms.keys.set('a', { state: 'Disabled' });
    await eventually(() => changes().length === 2, 'the change');
    await asked(checks() + 2);
    kms.keys.set('a', {});
    await eventually(() => changes().length === 3, 'the change back');
    assert.deepEqual(changes(), ['changed a usable', 'changed a disabled', 'changed a usable']);
    assert.deepEqual(watch?.keys(), [{ backend: 'primary', keyId: 'a', state: { kind: 'usable' } }]);
  });

  test('leaves the interval between two checks, give or take a tenth', async () => {
    kms.keys.set('a', {});
    start(['a']);
    await asked(1);
    const started = performance.now();
    await asked(6);
    const waited = performance.now() - started;
    assert.ok(waited >= 5 * 0.9 * INTERVAL - 5, `${waited} ms`);
  });

  test('acts on what can never change and on nothing else', async () => {
    kms.keys
      .set('signs', { spec: 'RSA_2048', usage: 'SIGN_VERIFY' })
      .set('off', { state: 'Disabled' })
      .set('on', {});
    const backend = start(['signs', 'off', 'on', 'missing']);
    await asked(4);
    assert.deepEqual(
      [...(watch?.unusable(backend) ?? [])],
      [['signs', { keySpec: 'RSA_2048', keyUsage: 'SIGN_VERIFY' }]],
    );
    assert.equal(watch?.unusable({ ...backend, name: 'other' }).size, 0);
  });

  test('holds on to it while KMS cannot be asked, and lets it go when the name stands for another key', async () => {
    kms.keys.set('alias', { spec: 'RSA_2048', usage: 'SIGN_VERIFY' });
    const backend = start(['alias']);
    await asked(1);
    kms.keys.set('alias', { error: 'AccessDeniedException' });
    await eventually(() => changes().includes('changed alias access_denied'), 'denied');
    assert.deepEqual([...(watch?.unusable(backend).keys() ?? [])], ['alias']);
    kms.keys.set('alias', {});
    await eventually(() => changes().includes('changed alias usable'), 'usable');
    assert.equal(watch?.unusable(backend).size, 0);
  });

  test('a KMS that cannot be asked is told once, however its errors read', async () => {
    kms.keys.set('a', { error: 'InternalFailure', message: 'one' });
    start(['a']);
    await asked(1);
    kms.keys.set('a', { error: 'AnotherFailure', message: 'two' });
    await asked(3);
    assert.deepEqual(changes(), ['changed a unreachable']);
    assert.match(JSON.stringify(watch?.keys()), /two/);
  });

  test('waits for the first credentials', async () => {
    kms.keys.set('a', {});
    const { promise, resolve } = Promise.withResolvers<SigningCredentials>();
    const credentials = refreshingSource(
      () => promise,
      'a test',
      () => {},
    );
    start(['a'], credentials);
    await sleep(3 * INTERVAL);
    assert.deepEqual([heard, kms.asked], [[], []]);
    resolve(CREDENTIALS);
    await asked(1);
    assert.deepEqual(changes(), ['changed a usable']);
  });

  test('says so where there are none, and asks with them when they come', async () => {
    kms.keys.set('a', {});
    let current: SigningCredentials | undefined;
    const ready = async () => {
      if (current === undefined) throw new Error('none yet');
    };
    start(['a'], { current: () => current, ready, close: () => {} });
    await asked(1);
    assert.deepEqual(changes(), ['changed a no_credentials']);
    current = CREDENTIALS;
    await eventually(() => changes().includes('changed a usable'), 'usable');
  });

  test('asks soon again where nothing could be learnt, and less often the longer that lasts', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    start(['a'], source(undefined), 15 * 60_000);
    const after = async (seconds: number): Promise<number> => {
      t.mock.timers.tick(seconds * 1000);
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
      return checks();
    };
    assert.equal(await after(0), 1);
    assert.equal(await after(4.9), 1);
    assert.equal(await after(0.1), 2);
    assert.equal(await after(9.9), 2);
    assert.equal(await after(0.1), 3);
    for (let round = 3; round < 20; round++) await after(15 * 60);
    assert.equal(checks(), 20, 'never less often than at the interval');
  });

  test('asks with the credentials of the moment', async () => {
    kms.keys.set('a', {});
    let current: SigningCredentials = CREDENTIALS;
    start(['a'], { current: () => current, ready: async () => {}, close: () => {} });
    await asked(1);
    current = { accessKeyId: 'SECOND', secretAccessKey: 'another', sessionToken: 'token' };
    kms.known = [current];
    await asked(4);
    assert.deepEqual(changes(), ['changed a usable']);
  });

  test('ends when it is closed, and a question under way with it', async () => {
    kms.keys.set('a', 'silence');
    start(['a']);
    await eventually(() => kms.asked.length === 1, 'the question');
    watch?.close();
    await sleep(2 * INTERVAL);
    assert.deepEqual([heard, kms.asked.length], [[], 1]);
    kms.keys.set('a', {});
    start(['a']);
    await asked(1);
    watch?.close();
    const { length } = kms.asked;
    await sleep(3 * INTERVAL);
    assert.equal(kms.asked.length, length);
  });
});
