import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { payloadModeOf } from '../../../src/core/s3/payload-mode.ts';

const HEX = '0123456789abcdef'.repeat(4);

describe('x-amz-content-sha256', () => {
  test('a lower-case SHA-256 is literal', () =>
    assert.deepEqual(payloadModeOf(HEX), { kind: 'literal', sha256: HEX }));
  test('UNSIGNED-PAYLOAD is unsigned', () =>
    assert.deepEqual(payloadModeOf('UNSIGNED-PAYLOAD'), { kind: 'unsigned' }));

  const CHUNKED = [
    ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'none', true],
    ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'hmac', false],
    ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', 'hmac', true],
    ['STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD', 'ecdsa', false],
    ['STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER', 'ecdsa', true],
  ] as const;
  for (const [value, chunkSignature, trailer] of CHUNKED) {
    test(`${value} is aws-chunked`, () => {
      assert.deepEqual(payloadModeOf(value), { kind: 'aws-chunked', value, chunkSignature, trailer });
    });
  }

  const UNKNOWN = [
    '',
    HEX.toUpperCase(),
    HEX.slice(1),
    `${HEX}0`,
    `${HEX}\n`,
    'unsigned-payload',
    'UNSIGNED-PAYLOAD ',
    'STREAMING-UNSIGNED-PAYLOAD',
    'STREAMING-AWS4-HMAC-SHA256-EVENTS',
    'toString',
    'ＵNSIGNED-PAYLOAD',
  ];
  for (const value of UNKNOWN) {
    test(`${JSON.stringify(value)} is nothing S3 knows`, () => assert.equal(payloadModeOf(value), undefined));
  }
});
