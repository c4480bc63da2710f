import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatCopySource, parseCopySource } from '../../../src/core/s3/copy-source.ts';
import { wire } from '../fixture.ts';

describe('x-amz-copy-source', () => {
  const READ: readonly (readonly [
    header: string,
    key: string,
    versionId: string | undefined,
    sent: string,
  ])[] = [
    ['bucket/key', 'key', undefined, 'bucket/key'],
    ['/bucket/key', 'key', undefined, 'bucket/key'],
    ['bucket/a/b', 'a/b', undefined, 'bucket/a/b'],
    ['bucket//key', '/key', undefined, 'bucket//key'],
    ['bucket/a%20b', 'a b', undefined, 'bucket/a%20b'],
    ['bucket%2Fkey', 'key', undefined, 'bucket/key'],
    ['%2Fbucket%2Fkey', 'key', undefined, 'bucket/key'],
    ['bucket/a+b', 'a+b', undefined, 'bucket/a%2Bb'],
    ['bucket/a%2Bb', 'a+b', undefined, 'bucket/a%2Bb'],
    ['bucket/é', 'é', undefined, 'bucket/%C3%A9'],
    ['bucket/%C3%A9', 'é', undefined, 'bucket/%C3%A9'],
    ['bucket/../other', '../other', undefined, 'bucket/../other'],
    ['bucket/key?versionId=v1', 'key', 'v1', 'bucket/key?versionId=v1'],
    ['bucket/a%20b/%C3%A9%3Fx?versionId=v1', 'a b/é?x', 'v1', 'bucket/a%20b/%C3%A9%3Fx?versionId=v1'],
    ['bucket/key%3FversionId=v1', 'key?versionId=v1', undefined, 'bucket/key%3FversionId%3Dv1'],
    [
      'bucket/key%3FversionId=v1?versionId=v2',
      'key?versionId=v1',
      'v2',
      'bucket/key%3FversionId%3Dv1?versionId=v2',
    ],
    ['bucket/k?versionId=v1&acl', 'k', 'v1&acl', 'bucket/k?versionId=v1%26acl'],
  ];
  for (const [header, key, versionId, sent] of READ) {
    test(`reads ${header} and sends ${sent}`, () => {
      const source = parseCopySource(wire(header));
      assert.deepEqual(source, { bucket: 'bucket', key, versionId });
      assert.ok(source);
      assert.equal(formatCopySource(source), sent);
    });
  }

  const REFUSED: readonly (readonly [what: string, header: string])[] = [
    ['nothing', ''],
    ['a slash', '/'],
    ['a bucket alone', 'bucket'],
    ['a bucket and no key', 'bucket/'],
    ['no bucket', '//key'],
    ['an empty version', 'bucket/key?versionId='],
    ['a version alone', '?versionId=v1'],
    ['a bucket that is none', 'Bucket/key'],
    ["a server's own bucket", '.minio.sys/config'],
    ['an access point', 'arn:aws:s3:us-east-1:111122223333:accesspoint/name/object/key'],
    ['a directory bucket', 'x--usw2-az1--x-s3/key'],
    ['a broken escape', 'bucket/%zz'],
    ['a NUL', 'bucket/%00'],
    ['bytes that are not UTF-8', 'bucket/%ff'],
    ['raw bytes that are not UTF-8', 'bucket/\u00ff'],
    ['a key of 1025 bytes', `bucket/${'a'.repeat(1025)}`],
  ];
  for (const [what, header] of REFUSED) {
    test(`refuses ${what}`, () => assert.equal(parseCopySource(header), undefined));
  }

  test('means the same after it has been written afresh', () => {
    const text = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 40 })
      .filter((one) => !one.includes('\0'));
    fc.assert(
      fc.property(text, fc.option(text, { nil: undefined }), (key, versionId) => {
        const source = { bucket: 'bucket', key, versionId };
        assert.deepEqual(parseCopySource(formatCopySource(source)), source);
      }),
    );
  });
});
