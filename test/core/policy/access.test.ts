import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  authorize,
  authorizeHeaders,
  backendFor,
  listedBuckets,
  mayUse,
  refuseRare,
} from '../../../src/core/policy/access.ts';
import type { Access } from '../../../src/core/policy/policy.ts';
import type { Address } from '../../../src/core/s3/address.ts';
import { operationNamed } from '../../../src/core/s3/operation.ts';
import { BACKEND, CLIENT } from '../fixture.ts';

const SERVICE: Address = { resource: 'service' };
const object = (bucket: string): Address => ({ resource: 'object', bucket, key: 'key' });

describe('what a client may do', () => {
  const TABLE: readonly (readonly [access: Access | 'unsigned', operation: string, allowed: boolean])[] = [
    ['read-only', 'GetObject', true],
    ['read-only', 'PutObject', false],
    ['read-only', 'DeleteObject', false],
    ['read-only', 'PutBucketPolicy', false],
    ['read-write', 'GetObject', true],
    ['read-write', 'PutObject', true],
    ['read-write', 'CopyObject', true],
    ['read-write', 'PutBucketEncryption', false],
    ['read-write', 'UpdateObjectEncryption', false],
    ['read-write', 'CreateBucket', false],
    ['admin', 'PutBucketEncryption', true],
    ['admin', 'CreateSession', false],
    ['read-only', 'PostObject', false],
    ['read-write', 'PostObject', true],
    ['unsigned', 'PutObject', true],
    ['unsigned', 'PutBucketPolicy', false],
  ];
  for (const [access, operation, allowed] of TABLE) {
    test(`${access}: ${operation} is ${allowed ? 'allowed' : 'refused'}`, () => {
      const client = access === 'unsigned' ? undefined : { ...CLIENT, access };
      const refusal = authorize(client, operationNamed(operation), object('bucket'));
      if (allowed) assert.equal(refusal, undefined);
      else {
        assert.deepEqual(
          [refusal?.reason, refusal?.status, refusal?.code],
          ['operation_not_allowed', 403, 'AccessDenied'],
        );
        assert.equal(refusal?.message, `Access Denied: this client may not use ${operation}.`);
      }
    });
  }
});

describe('where a client may do it', () => {
  const client = { ...CLIENT, buckets: ['billing-*', 'shared'] };
  for (const [bucket, allowed] of [
    ['billing-1', true],
    ['shared', true],
    ['shared2', false],
    ['billing', false],
  ] as const) {
    test(`${bucket} is ${allowed ? 'open' : 'closed'} to a client of billing-* and shared`, () => {
      const reason = authorize(client, operationNamed('GetObject'), object(bucket))?.reason;
      assert.equal(reason, allowed ? undefined : 'bucket_not_allowed');
      assert.equal(mayUse(client, bucket), allowed);
    });
  }
  test('a list of buckets is for every client, and names its own alone', () => {
    assert.equal(authorize(client, operationNamed('ListBuckets'), SERVICE), undefined);
    assert.deepEqual(listedBuckets(client), ['billing-*', 'shared']);
    assert.equal(listedBuckets(CLIENT), undefined);
    assert.equal(listedBuckets(undefined), undefined);
  });
  test('a client of no bucket may do nothing', () => {
    const none = { ...CLIENT, buckets: [] };
    assert.equal(
      authorize(none, operationNamed('GetObject'), object('bucket'))?.reason,
      'bucket_not_allowed',
    );
  });
});

describe('an operation that the backend may not know', () => {
  const refused = (name: string, rareOperations: 'all' | ReadonlySet<string>) =>
    refuseRare(operationNamed(name), { ...BACKEND, rareOperations })?.code;
  test('is refused unless the backend is said to have it', () => {
    assert.equal(refused('DeleteBucketMetricsConfiguration', new Set()), 'NotImplemented');
    assert.equal(refused('PutBucketEncryption', new Set(['GetBucketEncryption'])), 'NotImplemented');
    assert.equal(refused('PutBucketEncryption', new Set(['PutBucketEncryption'])), undefined);
    assert.equal(refused('UpdateObjectEncryption', 'all'), undefined);
  });
  test('is none that every S3 server has', () => {
    for (const name of ['PutObject', 'DeleteBucket', 'UploadPart', 'PutBucketPolicy', 'ListObjectsV2']) {
      assert.equal(refused(name, new Set()), undefined);
    }
  });
});

describe('headers that need an admin', () => {
  const TABLE: readonly (readonly [name: string, value: string, allowed: boolean])[] = [
    ['x-amz-acl', 'private', true],
    ['x-amz-acl', 'bucket-owner-full-control', true],
    ['x-amz-acl', 'bucket-owner-read', true],
    ['x-amz-acl', 'public-read', false],
    ['x-amz-acl', 'Private', false],
    ['x-amz-acl', '', false],
    ['x-amz-grant-read', 'uri="http://acs.amazonaws.com/groups/global/AllUsers"', false],
    ['x-amz-grant-full-control', 'id="1"', false],
    ['x-amz-bypass-governance-retention', 'true', false],
    ['x-amz-bypass-governance-retention', 'TRUE', false],
    ['x-amz-bypass-governance-retention', '', false],
    ['x-amz-bypass-governance-retention', 'false', true],
    ['x-amz-mfa', 'serial 123456', false],
    ['x-amz-meta-acl', 'public-read', true],
    ['x-amz-storage-class', 'GLACIER', true],
  ];
  for (const [name, value, allowed] of TABLE) {
    test(`${name}: ${value} is ${allowed ? 'for every writer' : 'for an admin alone'}`, () => {
      const fields = new Map([[name, value]]);
      for (const client of [undefined, { ...CLIENT, access: 'read-write' as const }]) {
        const refusal = authorizeHeaders(client, fields);
        assert.equal(refusal?.reason, allowed ? undefined : 'operation_not_allowed');
      }
      assert.equal(authorizeHeaders(CLIENT, fields), undefined);
    });
  }
});

describe('which backend serves a bucket', () => {
  const finance = { ...BACKEND, name: 'finance', buckets: ['finance-*'] };
  const rest = { ...BACKEND, name: 'rest', buckets: ['*'] };
  test('the first that matches', () => {
    assert.equal(backendFor([finance, rest], object('finance-1'))?.name, 'finance');
    assert.equal(backendFor([rest, finance], object('finance-1'))?.name, 'rest');
    assert.equal(backendFor([finance, rest], object('other'))?.name, 'rest');
  });
  test('none where none matches', () => assert.equal(backendFor([finance], object('other')), undefined));
  test('the first of all for what addresses no bucket', () =>
    assert.equal(backendFor([finance, rest], SERVICE)?.name, 'finance'));

  test('in a region, the first of that region', () => {
    const there = { ...BACKEND, name: 'there', region: 'eu-west-1' };
    assert.equal(backendFor([finance, rest, there], object('finance-1'), 'eu-west-1')?.name, 'there');
    assert.equal(backendFor([there, rest], object('other'), BACKEND.region)?.name, 'rest');
    assert.equal(backendFor([rest, there], SERVICE, 'eu-west-1')?.name, 'there');
    assert.equal(backendFor([rest, there], object('other'), 'eu-west-3'), undefined);
    assert.equal(backendFor([rest, there], SERVICE, 'eu-west-3'), undefined);
  });
});
