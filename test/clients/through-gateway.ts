// The endpoint that the clients are tried against, in one place: a gateway that injects a default key, in front of Ceph.
import type { Ceph } from '../backends/ceph.ts';
import { startGatewayProcess } from '../gateway/gateway-process.ts';
import { testClient } from '../gateway/setup.ts';
import type { S3Access } from './s3-cli.ts';

/** An endpoint under test, and what may be expected of it. */
export interface EndpointUnderTest {
  readonly access: Omit<S3Access, 'bucket'>;
  /** The key under which everything must come to lie. */
  readonly expectEncrypted: { readonly keyId: string };
  close(): Promise<void>;
}

/** What a test asks of its gateway beyond the common rule. */
export interface GatewayWishes {
  /** Rules that stand before the one for everything. */
  readonly rules?: readonly Readonly<Record<string, unknown>>[];
  /** Clients beside the tests' own. */
  readonly clients?: readonly Readonly<Record<string, unknown>>[];
}

/** A client whose credentials are temporary, for a test's wishes. */
export const temporaryClient = {
  name: 'temporary',
  accessKeyId: 'GATEWAYTEMPORARY0001',
  secretAccessKey: 'the-secret-of-the-temporary-client-00001',
  sessionToken: 'a/session+token=with signs that URLs and forms must encode',
  buckets: ['*'],
  access: 'read-write',
} as const;

/**
 * Starts the gateway, in a process of its own: a client that blocks this one, as a mounted bucket does, must not block it.
 * Its clients send no encryption header, and Ceph has no default of its own.
 */
export async function endpointUnderTest(ceph: Ceph, wishes: GatewayWishes = {}): Promise<EndpointUnderTest> {
  const [keyId] = ceph.keyIds;
  const gateway = await startGatewayProcess({
    backends: [backendOf(ceph)],
    clients: [testClient, ...(wishes.clients ?? [])],
    encryption: [...(wishes.rules ?? []), { name: 'everything', buckets: ['*'], mode: 'inject', keyId }],
  });
  const { endpoint, caFile } = gateway;
  const { accessKeyId, secretAccessKey } = testClient;
  return {
    access: { endpoint, caFile, accessKeyId, secretAccessKey, region: ceph.region },
    expectEncrypted: { keyId },
    close: async () => void (await gateway.stop()),
  };
}

/** Pacific takes them for the bucket itself. */
export const BUCKET_ENCRYPTION: readonly string[] = [
  'GetBucketEncryption',
  'PutBucketEncryption',
  'DeleteBucketEncryption',
];

/** Ceph as a backend of the gateway's configuration. Pacific stores a body with trailers as an error. */
export function backendOf(ceph: Ceph): Record<string, unknown> {
  return {
    name: ceph.version,
    endpoint: ceph.httpsEndpoint,
    region: ceph.region,
    addressing: 'path',
    caFile: ceph.caFile,
    trailers: ceph.version !== 'pacific',
    rareOperations: ceph.version === 'pacific' ? [] : BUCKET_ENCRYPTION,
    credentials: {
      provider: 'static',
      accessKeyId: ceph.accessKeyId,
      secretAccessKey: ceph.secretAccessKey,
    },
  };
}
