// The endpoint that the clients are tried against, in one place: what stands between them and the backend.
import type { Ceph } from '../backends/ceph.ts';
import type { S3Access } from './s3-cli.ts';

/** An endpoint under test, and what may be expected of it. */
export interface EndpointUnderTest {
  readonly access: Omit<S3Access, 'bucket'>;
  /** Whether it takes uploads with trailing checksums. */
  readonly takesTrailers: boolean;
  /** The key under which everything must come to lie; undefined where nothing is promised. */
  readonly expectEncrypted: { readonly keyId: string } | undefined;
  close(): Promise<void>;
}

/** For now Ceph itself, which shows that the clients and the tests are sound. */
export async function endpointUnderTest(ceph: Ceph): Promise<EndpointUnderTest> {
  const { httpsEndpoint: endpoint, caFile, accessKeyId, secretAccessKey, region } = ceph;
  return {
    access: { endpoint, caFile, accessKeyId, secretAccessKey, region },
    takesTrailers: ceph.version !== 'pacific',
    expectEncrypted: undefined,
    close: async () => {},
  };
}
