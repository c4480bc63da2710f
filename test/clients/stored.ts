// What the backend really holds, looked at past the endpoint under test.
import assert from 'node:assert/strict';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import type { Ceph, ObjectWitness } from '../backends/ceph.ts';
import type { EndpointUnderTest } from './through-gateway.ts';

/** Asserts that an object is there, encrypted under the promised key. */
export async function assertStored(
  ceph: Ceph,
  { expectEncrypted }: EndpointUnderTest,
  bucket: string,
  key: string,
): Promise<ObjectWitness> {
  const stat = await ceph.stat(bucket, key);
  assert.ok(stat, `nothing is stored as ${bucket}/${key}`);
  assert.equal(stat.encryption?.mode, 'SSE-KMS', `${bucket}/${key} is not encrypted under KMS`);
  assert.equal(
    stat.encryption.keyId,
    expectEncrypted.keyId,
    `${bucket}/${key} is encrypted under another key`,
  );
  return stat;
}

/** Asserts that the backend itself gives the content under that key. */
export async function assertContent(
  ceph: Ceph,
  bucket: string,
  key: string,
  expected: Buffer,
): Promise<void> {
  const { Body } = await ceph.s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  assertSame(Buffer.from((await Body?.transformToByteArray()) ?? []), expected);
}

/** Not deepEqual: megabytes of difference help no one. */
export function assertSame(actual: Buffer | undefined, expected: Buffer): void {
  assert.equal(actual?.length, expected.length, 'the content has another length');
  assert.ok(actual.equals(expected), 'the content has changed');
}
