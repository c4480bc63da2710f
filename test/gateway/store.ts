// The embedded store as the backend of a gateway under test.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority } from '../../src/demo/authority.ts';
import { type DemoStore, startStore } from '../../src/demo/store.ts';

export const REGION = 'us-east-1';
export const DEFAULT_KEY = 'the-default-key';
export const OTHER_KEY = 'another-allowed-key';
export const FOREIGN_KEY = 'a-key-the-rule-does-not-know';

/** A store with three keys. */
export interface StoreBackend {
  readonly store: DemoStore;
  /** As configured for the gateway. */
  readonly backend: Record<string, unknown>;
  /** To reach it past the gateway. */
  readonly direct: {
    readonly endpoint: string;
    readonly ca: string;
    readonly region: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
  close(): Promise<void>;
}

/** What a test may want otherwise. */
export interface StoreWishes {
  readonly name?: string;
  readonly region?: string;
  /** Names that its certificate covers besides localhost. */
  readonly certificateNames?: readonly string[];
  readonly keyIds?: readonly string[];
}

/** Starts the store with TLS. */
export async function startStoreBackend(wishes: StoreWishes = {}): Promise<StoreBackend> {
  const { name = 'store', region = REGION, certificateNames = [] } = wishes;
  const { keyIds = [DEFAULT_KEY, OTHER_KEY, FOREIGN_KEY] } = wishes;
  const authority = createAuthority(new Date());
  const folder = mkdtempSync(join(tmpdir(), 's3-kms-gateway-store-'));
  const caFile = join(folder, 'store-ca.crt');
  writeFileSync(caFile, authority.certificate);
  const credentials = { accessKeyId: 'STORE000000000000001', secretAccessKey: 'the-secret-of-the-store' };
  const store = await startStore({
    credentials,
    region,
    keyIds,
    tls: authority.issue({ dns: ['localhost', ...certificateNames], ipv4: ['127.0.0.1'] }),
  });
  return {
    store,
    backend: {
      name,
      endpoint: store.endpoint,
      region,
      addressing: 'path',
      rareOperations: ['*'],
      caFile,
      credentials: { provider: 'static', ...credentials },
    },
    direct: { endpoint: store.endpoint, ca: authority.certificate, region, credentials },
    close: async () => {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
