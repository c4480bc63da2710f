import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isSecret, isSensitive, withoutSecrets, withoutSensitiveValues } from '../../src/core/sensitive.ts';

const SECRETS = [
  'Authorization',
  'Signature',
  'X-Amz-S3Session-Token',
  'X-Amz-Security-Token',
  'X-Amz-Signature',
  'x-amz-copy-source-server-side-encryption-customer-key',
  'x-amz-copy-source-server-side-encryption-customer-key-MD5',
  'x-amz-server-side-encryption-customer-key',
  'x-amz-server-side-encryption-customer-key-MD5',
];
const CONTEXT = 'x-amz-server-side-encryption-context';
const OPEN = [
  'host',
  'x-amz-date',
  'x-amz-server-side-encryption',
  'x-amz-meta-signature',
  'X-Amz-Credential',
  'key',
];

describe('names whose values are not repeated', () => {
  for (const name of SECRETS) {
    test(`${name}, in whatever case`, () => {
      for (const spelt of [name, name.toLowerCase(), name.toUpperCase()]) {
        assert.ok(isSecret(spelt) && isSensitive(spelt));
      }
    });
  }
  test('a context is sensitive and no secret', () =>
    assert.deepEqual([isSecret(CONTEXT), isSensitive(CONTEXT)], [false, true]));
  for (const name of OPEN) test(`${name} may be repeated`, () => assert.ok(!isSensitive(name)));
});

/** What cannot be part of anything else in these texts. */
const value = fc.stringMatching(/^[0-9A-Za-z+/]{12,40}$/).map((text) => `<${text}>`);

describe('a canonical request that is shown', () => {
  test('keeps every line, and no value of a header or parameter that is sensitive', () => {
    const name = fc.constantFrom(...SECRETS, CONTEXT, ...OPEN);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), fc.array(fc.tuple(name, value)), (headers, query) => {
        const pairs = query.map(([parameter, text]) => `${parameter}=${encodeURIComponent(text)}`).join('&');
        const lines = headers.map(([header, text]) => `${header.toLowerCase()}:${text}`);
        const canonical = ['GET', '/bucket/key', pairs, ...lines, '', 'host', 'UNSIGNED-PAYLOAD'].join('\n');
        const shown = withoutSensitiveValues(canonical);
        assert.equal(shown.split('\n').length, canonical.split('\n').length);
        for (const [one, text] of [...headers, ...query]) {
          const stands = shown.includes(text) || shown.includes(encodeURIComponent(text));
          assert.equal(stands, !isSensitive(one), one);
          assert.ok(shown.toLowerCase().includes(one.toLowerCase()));
        }
      }),
    );
  });

  test('is left alone where nothing in it is sensitive', () => {
    const canonical =
      'PUT\n/bucket/a%3Db\npartNumber=1&uploadId=u\nhost:h\nx-amz-meta-a:b=c&d\n\nhost;x-amz-meta-a\nabc';
    assert.equal(withoutSensitiveValues(canonical), canonical);
  });

  test('names a parameter whose name is escaped', () => {
    const query = withoutSecrets('%58-Amz-Signature=abc&X-Amz-Security-Token=a%2Bb&key=c&uploads');
    assert.equal(query, '%58-Amz-Signature=redacted&X-Amz-Security-Token=redacted&key=c&uploads');
  });
});
