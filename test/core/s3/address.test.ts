import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encodePath, parseTarget } from '../../../src/core/http/target.ts';
import { addressOf, isBucketName } from '../../../src/core/s3/address.ts';

const DOMAINS = ['s3.gateway.example', 'deep.s3.gateway.example'];

function read(host: string, target: string): unknown {
  const parsed = parseTarget(target);
  assert.ok(parsed);
  const addressed = addressOf(host, parsed, DOMAINS);
  if (addressed.kind !== 'address') return addressed.kind === 'refused' ? addressed.refusal.code : undefined;
  const { address } = addressed;
  if (address.resource === 'service') return [];
  return address.resource === 'bucket' ? [address.bucket] : [address.bucket, address.key];
}

describe('what a request addresses', () => {
  const TABLE: readonly (readonly [host: string, target: string, expected: readonly string[] | string])[] = [
    ['gateway.internal', '/', []],
    ['s3.gateway.example:8443', '/bucket', ['bucket']],
    ['10.0.0.1', '/bucket', ['bucket']],
    ['10.0.0.1', '/bucket/', ['bucket']],
    ['[::1]:8443', '/bucket/key', ['bucket', 'key']],
    ['10.0.0.1', '/bucket/a/b', ['bucket', 'a/b']],
    ['10.0.0.1', '/bucket//key', ['bucket', '/key']],
    ['10.0.0.1', '/bucket/a/', ['bucket', 'a/']],
    ['10.0.0.1', '/bucket/../other/key', ['bucket', '../other/key']],
    ['10.0.0.1', '/bucket/%2e%2e/other', ['bucket', '../other']],
    ['10.0.0.1', '/bucket/.', ['bucket', '.']],
    ['10.0.0.1', '/bucket/k%3Fencryption', ['bucket', 'k?encryption']],
    ['10.0.0.1', '/bucket/a%2Fb', ['bucket', 'a/b']],
    ['10.0.0.1', '/bucket/a%252Fb', ['bucket', 'a%2Fb']],
    ['10.0.0.1', '/bucket/a+b%2Bc', ['bucket', 'a b+c']],
    ['10.0.0.1', '/bucket/%F0%9D%84%9E', ['bucket', '𝄞']],
    ['10.0.0.1', '/bucket/%5C..%5Cother', ['bucket', '\\..\\other']],
    ['bucket.s3.gateway.example', '/', ['bucket']],
    ['bucket.s3.gateway.example:8443', '/key', ['bucket', 'key']],
    ['bucket.s3.gateway.example', '/other/key', ['bucket', 'other/key']],
    ['bucket.s3.gateway.example', '//key', ['bucket', '/key']],
    ['BUCKET.S3.Gateway.Example', '/key', ['bucket', 'key']],
    ['a.b.s3.gateway.example', '/key', ['a.b', 'key']],
    ['bucket.deep.s3.gateway.example', '/key', ['bucket', 'key']],
    ['evil-s3.gateway.example.org', '/bucket/key', ['bucket', 'key']],
    ['10.0.0.1', '//bucket/key', 'InvalidBucketName'],
    ['10.0.0.1', '/Bucket/key', 'InvalidBucketName'],
    ['10.0.0.1', '/bu%63ket/key', 'InvalidBucketName'],
    ['10.0.0.1', '/bucket%2Fother/key', 'InvalidBucketName'],
    ['10.0.0.1', '/../bucket/key', 'InvalidBucketName'],
    ['10.0.0.1', '/x.evil.example%2F/key', 'InvalidBucketName'],
    ['10.0.0.1', '/user@evil/key', 'InvalidBucketName'],
    ['10.0.0.1', '/arn:aws:s3:us-east-1:111122223333:accesspoint/x', 'InvalidBucketName'],
    ['.s3.gateway.example', '/key', 'InvalidBucketName'],
    ['bu_cket.s3.gateway.example', '/key', 'InvalidBucketName'],
    ['', '/bucket/key', 'InvalidRequest'],
    ['user@host', '/bucket/key', 'InvalidRequest'],
    ['host/path', '/bucket/key', 'InvalidRequest'],
    ['host:port', '/bucket/key', 'InvalidRequest'],
    ['host, other', '/bucket/key', 'InvalidRequest'],
    ['a b', '/bucket/key', 'InvalidRequest'],
    ['.', '/bucket/key', 'InvalidRequest'],
    ['gateway.internal..', '/bucket/key', 'InvalidRequest'],
    ['bucket.s3.amazonaws.com..', '/bucket/key', 'InvalidRequest'],
  ];
  for (const [host, target, expected] of TABLE) {
    test(`${host}${target} → ${typeof expected === 'string' ? expected : JSON.stringify(expected)}`, () => {
      assert.deepEqual(read(host, target), expected);
    });
  }

  test('a host with the root dot is the same host', () => {
    assert.deepEqual(read('bucket.s3.gateway.example.', '/other/key'), ['bucket', 'other/key']);
  });

  test('a host that is itself a domain names no bucket, even where another domain is its end', () => {
    assert.deepEqual(read('deep.s3.gateway.example', '/bucket/key'), ['bucket', 'key']);
  });

  test('without domains every request is path-style', () => {
    const target = parseTarget('/bucket/key');
    assert.ok(target);
    assert.deepEqual(addressOf('bucket.s3.gateway.example', target, []), {
      kind: 'address',
      address: { resource: 'object', bucket: 'bucket', key: 'key' },
    });
  });

  test('any key comes out as it was encoded', () => {
    const key = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 60 })
      .filter((one) => !one.includes('\0'));
    fc.assert(
      fc.property(key, (one) => {
        assert.deepEqual(read('10.0.0.1', `/bucket/${encodePath(one)}`), ['bucket', one]);
        assert.deepEqual(read('bucket.s3.gateway.example', `/${encodePath(one)}`), ['bucket', one]);
      }),
    );
  });

  test('a key may have 1024 bytes of UTF-8 and no more', () => {
    assert.deepEqual(read('h', `/bucket/${'a'.repeat(1024)}`), ['bucket', 'a'.repeat(1024)]);
    assert.equal(read('h', `/bucket/${'a'.repeat(1025)}`), 'KeyTooLongError');
    assert.equal(read('h', `/bucket/${'%C3%A9'.repeat(513)}`), 'KeyTooLongError');
  });
});

describe('bucket names', () => {
  for (const name of ['abc', 'a-b.c', '0a0', 'a'.repeat(63), 'xn-a', '1.2.3', '1.2.3.4.5', 'my-s3alias-x']) {
    test(`${name} is one`, () => assert.equal(isBucketName(name), true));
  }
  const NONE = [
    '',
    'ab',
    'a'.repeat(64),
    'Abc',
    'a_b',
    '-ab',
    'ab-',
    '.ab',
    'ab.',
    'a..b',
    '192.168.1.1',
    'xn--abc',
    'sthree-abc',
    'x-s3alias',
    'x--ol-s3',
    'x--usw2-az1--x-s3',
    'x--xa-s3',
    'x--table-s3',
    'x.mrap',
    '.minio.sys',
    'a/b',
    'a\n',
  ];
  for (const name of NONE) {
    test(`${JSON.stringify(name)} is none`, () => assert.equal(isBucketName(name), false));
  }
});
