// The AWS SDK for JavaScript in this process: bodies as buffers (checksum in a header) and as streams (in a trailer).
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { AwsClient } from './at-aws.ts';
import type { S3Access, S3Cli, S3Session } from './s3-cli.ts';

export const awsSdk: S3Cli = {
  name: 'AWS SDK for JavaScript',
  unavailable: () => undefined,
  open: async (access) => session(access, (content) => content),
};

export const awsSdkStreaming: S3Cli = {
  name: 'AWS SDK for JavaScript with streams',
  unavailable: () => undefined,
  open: async (access) => session(access, inPieces),
};

/** Told no endpoint. */
export const awsSdkAtAws: AwsClient = {
  name: awsSdk.name,
  unavailable: () => undefined,
  open: async (access) => {
    const client = clientOf(access, {
      forcePathStyle: access.addressing === 'path',
      useDualstackEndpoint: access.dualstack,
      useFipsEndpoint: access.fips,
      requestHandler: { httpsAgent: access.names.agent },
    });
    const object = (Key: string) => new GetObjectCommand({ Bucket: access.bucket, Key });
    return {
      ...sessionOf(client, access.bucket, (content) => content),
      presign: (key) => getSignedUrl(client, object(key)),
      // Its agent is shared.
      close: async () => {},
    };
  },
};

/** As a file or a socket would give it. */
function inPieces(content: Buffer): Readable {
  const size = 64 * 1024;
  const count = Math.ceil(content.length / size);
  return Readable.from(Array.from({ length: count }, (_, n) => content.subarray(n * size, (n + 1) * size)));
}

function session(access: S3Access, asBody: (content: Buffer) => Buffer | Readable): S3Session {
  const client = clientOf(access, {
    endpoint: access.endpoint,
    forcePathStyle: true,
    requestHandler: { httpsAgent: new Agent({ ca: readFileSync(access.caFile), keepAlive: true }) },
  });
  return sessionOf(client, access.bucket, asBody);
}

type Identity = Pick<S3Access, 'region' | 'accessKeyId' | 'secretAccessKey'>;

function clientOf({ region, accessKeyId, secretAccessKey }: Identity, reach: S3ClientConfig): S3Client {
  return new S3Client({ region, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1, ...reach });
}

function sessionOf(
  client: S3Client,
  Bucket: string,
  asBody: (content: Buffer) => Buffer | Readable,
): S3Session {
  const download = async (key: string, Range?: string) => {
    const answer = await client.send(new GetObjectCommand({ Bucket, Key: key, Range }));
    return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
  };
  return {
    put: async (Key, content) => {
      await client.send(
        new PutObjectCommand({ Bucket, Key, Body: asBody(content), ContentLength: content.length }),
      );
    },
    putInParts: async (Key, content) => {
      await new Upload({ client, params: { Bucket, Key, Body: asBody(content) } }).done();
    },
    get: (key) => download(key),
    getRange: (key, first, last) => download(key, `bytes=${first}-${last}`),
    size: async (Key) =>
      (await client.send(new HeadObjectCommand({ Bucket, Key }))).ContentLength ?? Number.NaN,
    copy: async (from, Key) => {
      const CopySource = `${Bucket}/${from.split('/').map(encodeURIComponent).join('/')}`;
      await client.send(new CopyObjectCommand({ Bucket, Key, CopySource }));
    },
    list: async (Prefix) => {
      const keys: string[] = [];
      for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket, Prefix })) {
        keys.push(...Contents.flatMap(({ Key }) => Key ?? []));
      }
      return keys;
    },
    delete: async (Key) => {
      await client.send(new DeleteObjectCommand({ Bucket, Key }));
    },
    close: async () => client.destroy(),
  };
}
