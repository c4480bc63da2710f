// What the tests' own KMS says could be what we expect of a KMS: the same questions, asked of moto's.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  CreateKeyCommand,
  type CreateKeyCommandInput,
  DisableKeyCommand,
  KMSClient,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms';
import { credentialsProvider } from '../../src/config/credentials.ts';
import { describeKeys } from '../../src/kms/describe.ts';
import type { KeyState } from '../../src/kms/key-state.ts';
import { nameOf } from '../../src/kms/watch.ts';
import { BACKEND } from '../core/fixture.ts';
import { arnOf } from './fake-kms.ts';
import { type Moto, skipWithoutMoto, startMoto } from './moto.ts';

describe('moto', { skip: skipWithoutMoto() }, () => {
  const credentials = { accessKeyId: 'AKIATEST', secretAccessKey: 'test', sessionToken: undefined };
  let moto: Moto;
  let owner: KMSClient;

  before(async () => {
    moto = await startMoto();
    const { accessKeyId, secretAccessKey } = credentials;
    owner = new KMSClient({
      endpoint: moto.endpoint,
      region: BACKEND.region,
      credentials: { accessKeyId, secretAccessKey },
    });
  });
  after(async () => {
    owner?.destroy();
    await moto?.stop();
  });

  async function createKey(input: CreateKeyCommandInput = {}): Promise<string> {
    const { KeyMetadata } = await owner.send(new CreateKeyCommand(input));
    return KeyMetadata?.Arn ?? assert.fail();
  }

  /** Its other operations fall over ARNs. */
  const idOf = (arn: string): string => arn.replace(/^.*\//, '');

  async function stateOf(keyId: string): Promise<KeyState | undefined> {
    const kms = { endpoint: moto.endpoint, ca: undefined, interval: 60_000 };
    const backend = { ...BACKEND, ca: undefined, credentials: { provider: 'default' } as const, kms };
    return (await describeKeys(backend, credentials, [keyId])).get(keyId);
  }

  test('a new symmetric key can be used', async () => {
    assert.deepEqual(await stateOf(await createKey()), { kind: 'usable' });
  });

  test('a disabled key and one to be deleted cannot', async () => {
    const disabled = await createKey();
    await owner.send(new DisableKeyCommand({ KeyId: idOf(disabled) }));
    assert.equal(nameOf(await stateOf(disabled)), 'disabled');
    const deleted = await createKey();
    await owner.send(new ScheduleKeyDeletionCommand({ KeyId: idOf(deleted), PendingWindowInDays: 7 }));
    const state = await stateOf(deleted);
    assert.equal(nameOf(state), 'pending_deletion');
    assert.match(state?.kind === 'unusable' ? state.detail : '', /^will be deleted on 20\d\d-\d\d-\d\d$/);
  });

  test('keys for anything else never can', async () => {
    const others: readonly CreateKeyCommandInput[] = [
      { KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' },
      { KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' },
      { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' },
      { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' },
    ];
    for (const input of others) {
      const state = await stateOf(await createKey(input));
      assert.equal(nameOf(state), 'not_symmetric_encryption');
      assert.deepEqual(state?.kind === 'unusable' && state.usage, {
        keySpec: input.KeySpec,
        keyUsage: input.KeyUsage,
      });
    }
  });

  test('a key that was never made is missing', async () => {
    assert.equal(nameOf(await stateOf(arnOf(77))), 'missing');
  });

  test('its STS gives credentials for a role', async (t) => {
    const inherited = { ...process.env };
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'test' });
    t.after(() => {
      for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) {
        if (inherited[name] === undefined) delete process.env[name];
        else process.env[name] = inherited[name];
      }
    });
    const source = credentialsProvider(
      {
        provider: 'assume-role',
        roleArn: 'arn:aws:iam::111122223333:role/gateway',
        sessionName: 'gateway',
        externalId: undefined,
        stsEndpoint: moto.endpoint,
      },
      BACKEND.region,
    );
    t.after(() => source.close());
    await source.ready();
    assert.match(source.current()?.accessKeyId ?? '', /^ASIA/);
    assert.ok(source.current()?.sessionToken);
  });
});
