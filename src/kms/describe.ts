// Asks the KMS of a backend about keys, with the backend's own credentials. Changes nothing there.
// Knows the SDK's client; must not know what the answers are for.
import { Agent } from 'node:https';
import type { KMSClient } from '@aws-sdk/client-kms';
import type { SigningCredentials } from '../core/policy/policy.ts';
import { type KeyState, stateOfFailure, stateOfKey, WITHOUT_CREDENTIALS } from './key-state.ts';
import type { KmsBackend } from './key-uses.ts';

/** What is known of keys, by ID. */
export type KeyStates = ReadonlyMap<string, KeyState>;

/** How long it may take, with all tries of the SDK. */
const TIMEOUT_MS = 10_000;

/** Asks about all keys side by side; never rejects. Without credentials nothing is known of any. */
export async function describeKeys(
  backend: KmsBackend,
  credentials: SigningCredentials | undefined,
  keyIds: Iterable<string>,
  signal?: AbortSignal,
): Promise<KeyStates> {
  const all = [...keyIds];
  const each = (state: KeyState): KeyStates => new Map(all.map((keyId) => [keyId, state]));
  if (credentials === undefined) return each(WITHOUT_CREDENTIALS);
  try {
    return await ask(clientOptions(backend, credentials), all, backend.region, signal);
  } catch (error) {
    return each(stateOfFailure(error));
  }
}

async function ask(
  options: ClientOptions,
  keyIds: readonly string[],
  region: string,
  signal: AbortSignal | undefined,
): Promise<KeyStates> {
  // The SDK is heavy, and a backend without `kms` does without it: it is loaded on first use.
  const { KMSClient, DescribeKeyCommand } = await import('@aws-sdk/client-kms');
  // One client for one round: it would keep the credentials that it was first given.
  const client = new KMSClient(options);
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const abortSignal = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
  const describe = async (keyId: string): Promise<readonly [string, KeyState]> => {
    try {
      const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId: keyId }), { abortSignal });
      if (KeyMetadata?.Arn === undefined) throw new Error('its answer is not that of a KMS');
      return [keyId, stateOfKey(KeyMetadata, region)];
    } catch (error) {
      return [keyId, stateOfFailure(error)];
    }
  };
  try {
    return new Map(await Promise.all(keyIds.map(describe)));
  } finally {
    client.destroy();
  }
}

type ClientOptions = NonNullable<ConstructorParameters<typeof KMSClient>[0]>;

function clientOptions(
  { kms, region }: KmsBackend,
  { accessKeyId, secretAccessKey, sessionToken }: SigningCredentials,
): ClientOptions {
  const ca = kms.ca === undefined ? {} : { ca: kms.ca };
  return {
    region,
    ...(kms.endpoint === undefined ? {} : { endpoint: kms.endpoint }),
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    requestHandler: {
      connectionTimeout: TIMEOUT_MS / 2,
      httpsAgent: new Agent({ keepAlive: true, minVersion: 'TLSv1.2', ...ca }),
    },
  };
}
