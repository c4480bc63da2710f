// Who signs URLs and forms in advance, for others to use: the AWS SDK, boto3 and the MinIO client.
// Must not know what is done with them.
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { withoutBoto3 } from './boto3.ts';
import { agentTrusting, minioClient } from './minio.ts';
import { cleanEnvironment, run } from './program.ts';
import type { S3Access } from './s3-cli.ts';

/** A URL to make. */
export interface UrlWish {
  readonly operation: 'GetObject' | 'PutObject';
  readonly key: string;
  /** Seconds. */
  readonly expiresIn: number;
  /** Asks for SSE-KMS under this key; the headers must then come with the upload. */
  readonly keyId?: string;
  /** Signs as of then. boto3 knows only now. */
  readonly signedAt?: Date;
}

export interface UrlSigner {
  readonly name: string;
  /** Whether it can ask for encryption. */
  readonly asksForEncryption: boolean;
  unavailable(): string | undefined;
  sign(access: S3Access, wish: UrlWish): Promise<string>;
}

/** A form to make: its extra fields, and conditions beside those that name every field. */
export interface FormWish {
  readonly key: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly sizeRange?: readonly [minimum: number, maximum: number];
}

export interface Form {
  readonly url: string;
  readonly fields: Record<string, string>;
}

export interface FormSigner {
  readonly name: string;
  unavailable(): string | undefined;
  sign(access: S3Access, wish: FormWish): Promise<Form>;
}

/** The AWS SDK for JavaScript. Its upload URLs carry a checksum of nothing, made before there was a body. */
export const sdkUrls: UrlSigner = {
  name: 'AWS SDK for JavaScript',
  asksForEncryption: true,
  unavailable: () => undefined,
  sign: async (access, { operation, key, expiresIn, keyId, signedAt }) => {
    const input = { Bucket: access.bucket, Key: key };
    const encryption = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: keyId } as const;
    const upload = keyId === undefined ? input : { ...input, ...encryption };
    const command = operation === 'GetObject' ? new GetObjectCommand(input) : new PutObjectCommand(upload);
    return getSignedUrl(sdkClient(access), command, {
      expiresIn,
      ...(signedAt === undefined ? {} : { signingDate: signedAt }),
    });
  },
};

/** It sends nothing: what it signs needs no connection. */
function sdkClient({ endpoint, region, ...credentials }: S3Access): S3Client {
  return new S3Client({ endpoint, region, forcePathStyle: true, credentials });
}

export const sdkForms: FormSigner = {
  name: 'AWS SDK for JavaScript',
  unavailable: () => undefined,
  sign: (access, { key, fields = {}, sizeRange }) =>
    createPresignedPost(sdkClient(access), {
      Bucket: access.bucket,
      Key: key,
      Fields: fields,
      Conditions: sizeRange === undefined ? [] : [['content-length-range', ...sizeRange]],
    }),
};

const python = '/usr/bin/python3';
const driver = new URL('presign_driver.py', import.meta.url).pathname;

/** `s3` is Signature Version 2, `s3v4` Version 4. */
type BotoVersion = 's3' | 's3v4';

export function boto3Urls(signatureVersion: BotoVersion): UrlSigner {
  return {
    name: `boto3 of Debian, ${signatureVersion}`,
    asksForEncryption: true,
    unavailable: () => withoutBoto3(python),
    sign: (access, { operation, key, expiresIn, keyId }) =>
      drive(access, signatureVersion, 'generate_presigned_url', {
        ClientMethod: operation === 'GetObject' ? 'get_object' : 'put_object',
        Params: {
          Bucket: access.bucket,
          Key: key,
          ...(keyId === undefined ? {} : { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: keyId }),
        },
        ExpiresIn: expiresIn,
      }),
  };
}

export function boto3Forms(signatureVersion: BotoVersion): FormSigner {
  return {
    name: `boto3 of Debian, ${signatureVersion}`,
    unavailable: () => withoutBoto3(python),
    // Unlike the SDK it leaves it to its caller to name each field in a condition.
    sign: (access, { key, fields = {}, sizeRange }) =>
      drive(access, signatureVersion, 'generate_presigned_post', {
        Bucket: access.bucket,
        Key: key,
        Fields: fields,
        Conditions: [
          ...Object.entries(fields).map(([name, value]) => ({ [name]: value })),
          ...(sizeRange === undefined ? [] : [['content-length-range', ...sizeRange]]),
        ],
      }),
  };
}

async function drive<T extends string | Form>(
  access: S3Access,
  signatureVersion: BotoVersion,
  method: string,
  args: Record<string, unknown>,
): Promise<T> {
  const request = JSON.stringify({ access, signatureVersion, method, arguments: args });
  const environment = cleanEnvironment('/nonexistent', { AWS_EC2_METADATA_DISABLED: 'true' });
  return JSON.parse(String(await run(python, [driver, request], environment)));
}

/** It asks the endpoint for the bucket's region first. */
export const minioUrls: UrlSigner = {
  name: 'MinIO client for JavaScript',
  asksForEncryption: false,
  unavailable: () => undefined,
  sign: async (access, { operation, key, expiresIn, signedAt }) => {
    const agent = agentTrusting(access.caFile);
    try {
      const method = operation === 'GetObject' ? 'GET' : 'PUT';
      const client = minioClient(access, agent);
      return await client.presignedUrl(method, access.bucket, key, expiresIn, undefined, signedAt);
    } finally {
      agent.destroy();
    }
  },
};

export const urlSigners: readonly UrlSigner[] = [sdkUrls, boto3Urls('s3v4'), minioUrls];

export const formSigners: readonly FormSigner[] = [sdkForms, boto3Forms('s3v4')];
