// Arbitrary rules, channels and requests for the properties of the judgement.
import fc from 'fast-check';
import type { Channel, EncryptionRule } from '../../src/core/index.ts';
import { type ClientRequest, FOREIGN_KEY_ARN, KEY_ARN, OTHER_KEY_ARN, rule } from './fixture.ts';

export const text: fc.Arbitrary<string> = fc
  .string({ unit: 'binary', maxLength: 8 })
  .map((value) => value.replaceAll('\0', ''));
export const key: fc.Arbitrary<string> = fc
  .array(fc.oneof(text, fc.constantFrom('a', '..', '.', '', 'é', '𝄞', '%2F', 'a+b', '?acl')), {
    minLength: 1,
    maxLength: 4,
  })
  .map((segments) => segments.join('/'))
  .filter((one) => one !== '');

export const rules: fc.Arbitrary<EncryptionRule> = fc
  .record({
    mode: fc.constantFrom('inject', 'require'),
    algorithm: fc.constantFrom('aws:kms', 'aws:kms:dsse'),
    allowedKeyIds: fc.constantFrom([], ['arn:aws:kms:eu-central-1:111122223333:key/*']),
    context: fc.constantFrom<Record<string, string>>({}, { app: 'ledger' }, { app: 'é', 'aws-like': '"' }),
    requiredContext: fc.constantFrom([], ['app'], ['cost-centre']),
    bucketKey: fc.boolean(),
    otherEncryption: fc.constantFrom('refuse', 'upgrade'),
  } as const)
  .map((generated) =>
    rule({ ...generated, bucketKey: generated.bucketKey && generated.algorithm === 'aws:kms' }),
  );

export const channel: fc.Arbitrary<Channel> = fc.record({
  encrypted: fc.boolean(),
  declaredSecure: fc.boolean(),
  peerTrusted: fc.boolean(),
  authentication: fc.constantFrom('signature', 'none'),
  signing: fc.constant('replace'),
});

function base64(json: string): string {
  return Buffer.from(json, 'utf8').toString('base64');
}

const encryption = fc.record(
  {
    'x-amz-server-side-encryption': fc.constantFrom(
      'aws:kms',
      'aws:kms:dsse',
      'AES256',
      '',
      'aws:kms, AES256',
      'nonsense',
    ),
    'x-amz-server-side-encryption-aws-kms-key-id': fc.constantFrom(
      KEY_ARN,
      KEY_ARN,
      OTHER_KEY_ARN,
      FOREIGN_KEY_ARN,
      'alias/x',
      '',
    ),
    'x-amz-server-side-encryption-context': fc.constantFrom(
      base64('{}'),
      base64('{"app":"ledger"}'),
      base64('{ "cost-centre" : "7" }'),
      base64('{"aws:s3:arn":"arn:aws:s3:::bucket"}'),
      base64('{"aws:s3:arn":"arn:aws:s3:::bucket/a"}'),
      'nonsense',
      '',
    ),
    'x-amz-server-side-encryption-bucket-key-enabled': fc.constantFrom('true', 'false', ''),
    'x-amz-server-side-encryption-customer-algorithm': fc.constantFrom('AES256'),
  },
  { requiredKeys: [], noNullPrototype: true },
);

/** Encryption headers, none more often than not, so that many writes are let through. */
const encryptionHeaders = fc.oneof(
  fc.constant({}),
  fc.constant({ 'x-amz-server-side-encryption': 'aws:kms' }),
  fc.constant({
    'x-amz-server-side-encryption': 'aws:kms',
    'x-amz-server-side-encryption-aws-kms-key-id': KEY_ARN,
  }),
  encryption,
);

const otherHeaders = fc.record(
  {
    'x-amz-meta-a': fc.constantFrom('plain', 'two  spaces', 'é'),
    'cache-control': fc.constantFrom('no-cache', 'max-age=1,  public'),
    'content-type': fc.constantFrom('text/plain; charset="a  b"'),
    'x-amz-storage-class': fc.constantFrom('STANDARD_IA'),
    connection: fc.constantFrom('x-amz-server-side-encryption', 'close, cache-control'),
    'user-agent': fc.constantFrom('test'),
  },
  { requiredKeys: [], noNullPrototype: true },
);

/** What a write can be. */
export type Write = 'PutObject' | 'CopyObject' | 'CreateMultipartUpload';

export function requestOf(
  write: Write,
  path: string,
  headers: Readonly<Record<string, string>>,
): ClientRequest {
  if (write === 'CreateMultipartUpload') return { method: 'POST', path, query: { uploads: '' }, headers };
  const more: Record<string, string> =
    write === 'CopyObject' ? { 'x-amz-copy-source': 'source/some%20key' } : { 'content-length': '5' };
  return { method: 'PUT', path, headers: { ...headers, ...more } };
}

/** A write, and where its signature stands. */
export interface GeneratedWrite {
  readonly write: Write;
  readonly key: string;
  readonly headers: Record<string, string>;
  readonly form: 'header' | 'query';
}

export const write: fc.Arbitrary<GeneratedWrite> = fc.record({
  write: fc.constantFrom<Write>('PutObject', 'CopyObject', 'CreateMultipartUpload'),
  key,
  headers: fc
    .tuple(encryptionHeaders, otherHeaders)
    .map(([a, b]): Record<string, string> => ({ ...a, ...b })),
  form: fc.constantFrom('header' as const, 'query' as const),
});
