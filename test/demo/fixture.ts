// A store with TLS on a free port, an SDK client for it, and signed requests that say exactly what a test wants.
import { Agent, request as httpsRequest } from 'node:https';
import { S3Client } from '@aws-sdk/client-s3';
import { SigningKeys, sign } from '../../src/core/index.ts';
import { createAuthority } from '../../src/demo/authority.ts';
import { type DemoStore, startStore } from '../../src/demo/store.ts';

export const REGION = 'eu-central-1';
export const KEY = 'arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555';
export const CREDENTIALS: { accessKeyId: string; secretAccessKey: string } = {
  accessKeyId: 'STOREKEY000000000001',
  secretAccessKey: 'store-secret',
};

export interface Fixture {
  readonly store: DemoStore;
  readonly ca: string;
  readonly client: S3Client;
  close(): Promise<void>;
}

export async function startFixture(): Promise<Fixture> {
  const authority = createAuthority(new Date());
  const tls = authority.issue({ dns: ['localhost', '*.localhost'], ipv4: ['127.0.0.1'] });
  const store = await startStore({ credentials: CREDENTIALS, region: REGION, keyIds: [KEY], tls });
  const ca = authority.certificate;
  const client = sdkClient(store, ca);
  return {
    store,
    ca,
    client,
    close: async () => {
      client.destroy();
      await store.close();
    },
  };
}

function sdkClient(store: DemoStore, ca: string): S3Client {
  return new S3Client({
    endpoint: store.endpoint,
    region: REGION,
    credentials: CREDENTIALS,
    forcePathStyle: true,
    maxAttempts: 1,
    requestHandler: { httpsAgent: new Agent({ ca }) },
  });
}

export interface RawRequest {
  readonly method: string;
  readonly path: string;
  /** A query parameter without value. */
  readonly subresource?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** The value of `x-amz-content-sha256`. */
  readonly payloadHash?: string;
  readonly secretAccessKey?: string;
  /** Cuts the connection after the body in place of ending the request. */
  readonly cut?: boolean;
}

export interface RawAnswer {
  readonly status: number;
  readonly text: string;
}

/** Sends one signed request; `status` 0 where the connection ended without an answer. */
export function send(fixture: Fixture, raw: RawRequest): Promise<RawAnswer> {
  const host = `localhost:${fixture.store.port}`;
  const headers = sign(
    {
      method: raw.method,
      path: raw.path,
      parameters: raw.subresource === undefined ? [] : [{ name: raw.subresource, value: '' }],
      headers: [['host', host], ...Object.entries(raw.headers ?? {})],
      payloadHash: raw.payloadHash ?? 'UNSIGNED-PAYLOAD',
    },
    {
      credentials: {
        accessKeyId: CREDENTIALS.accessKeyId,
        secretAccessKey: raw.secretAccessKey ?? CREDENTIALS.secretAccessKey,
        sessionToken: undefined,
      },
      region: REGION,
      now: new Date(),
      keys: new SigningKeys(),
    },
  );
  return new Promise((resolve) => {
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        servername: 'localhost',
        port: fixture.store.port,
        ca: fixture.ca,
        agent: false,
        method: raw.method,
        path: raw.subresource === undefined ? raw.path : `${raw.path}?${raw.subresource}`,
        headers: Object.fromEntries(headers),
      },
      async (response) => {
        let text = '';
        for await (const piece of response.setEncoding('utf8')) text += piece;
        resolve({ status: response.statusCode ?? 0, text });
      },
    );
    request.on('error', () => resolve({ status: 0, text: '' }));
    if (raw.cut) request.write(raw.body ?? '', () => request.destroy());
    else request.end(raw.body);
  });
}
