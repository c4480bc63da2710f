import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isChecksumValue, type Planned, planBody } from '../../../src/core/policy/body-plan.ts';
import { parseRequest } from '../../../src/core/request.ts';
import { operationNamed } from '../../../src/core/s3/operation.ts';
import { payloadModeOf } from '../../../src/core/s3/payload-mode.ts';
import { EMPTY_HASH, unsignedRequest } from '../fixture.ts';

const HASH = 'a'.repeat(64);
const TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';

type Headers = Readonly<Record<string, string>>;

function plan(operation: string, mode: string, headers: Headers, trailers = true): Planned {
  const parsed = parseRequest(unsignedRequest('PUT', '/bucket/key', headers), 8192);
  const payload = payloadModeOf(mode);
  assert.ok(parsed.kind === 'parsed' && payload);
  return planBody(parsed.request, operationNamed(operation), payload, { trailers });
}

function planned(operation: string, mode: string, headers: Headers, trailers = true): readonly unknown[] {
  const result = plan(operation, mode, headers, trailers);
  assert.ok(result.kind === 'planned', JSON.stringify(result));
  return [result.plan, result.payloadHash];
}

describe('a body that is sent on as it comes', () => {
  const TABLE: readonly (readonly [
    what: string,
    operation: string,
    mode: string,
    headers: Headers,
    expected: readonly unknown[],
  ])[] = [
    [
      'with its hash',
      'PutObject',
      HASH,
      { 'content-length': '5' },
      [{ kind: 'plain', length: 5, sha256: HASH }, HASH],
    ],
    [
      'with none',
      'PutObject',
      'UNSIGNED-PAYLOAD',
      { 'content-length': '5' },
      [{ kind: 'plain', length: 5, sha256: undefined }, 'UNSIGNED-PAYLOAD'],
    ],
    [
      'empty',
      'PutObject',
      EMPTY_HASH,
      { 'content-length': '0' },
      [{ kind: 'plain', length: 0, sha256: EMPTY_HASH }, EMPTY_HASH],
    ],
    [
      '5 TiB',
      'PutObject',
      'UNSIGNED-PAYLOAD',
      { 'content-length': '5497558138880' },
      [{ kind: 'plain', length: 5497558138880, sha256: undefined }, 'UNSIGNED-PAYLOAD'],
    ],
    [
      'a document',
      'CompleteMultipartUpload',
      HASH,
      { 'content-length': '9' },
      [{ kind: 'plain', length: 9, sha256: HASH }, HASH],
    ],
    [
      'a document without a length is none',
      'PutObjectTagging',
      EMPTY_HASH,
      {},
      [{ kind: 'plain', length: 0, sha256: EMPTY_HASH }, EMPTY_HASH],
    ],
  ];
  for (const [what, operation, mode, headers, expected] of TABLE) {
    test(what, () => assert.deepEqual(planned(operation, mode, headers), expected));
  }

  for (const operation of [
    'GetObject',
    'DeleteObject',
    'CopyObject',
    'CreateMultipartUpload',
    'HeadBucket',
  ]) {
    test(`${operation} has none, and is signed so`, () => {
      assert.deepEqual(planned(operation, 'UNSIGNED-PAYLOAD', { 'content-length': '0' }), [
        { kind: 'none' },
        EMPTY_HASH,
      ]);
      assert.deepEqual(planned(operation, EMPTY_HASH, {}), [{ kind: 'none' }, EMPTY_HASH]);
    });
  }
});

describe('an aws-chunked body', () => {
  const headers = {
    'x-amz-decoded-content-length': '100',
    'x-amz-trailer': 'X-Amz-Checksum-CRC32',
    'content-encoding': 'aws-chunked',
  };
  const checksum = { name: 'x-amz-checksum-crc32', algorithm: 'crc32', headerValue: undefined };
  const framed = {
    kind: 'aws-chunked',
    mode: TRAILER,
    decodedLength: 100,
    framedLength: undefined,
    checksum,
  };

  test('keeps its framing for a backend that knows it', () => {
    assert.deepEqual(planned('PutObject', TRAILER, headers), [{ ...framed, decode: false }, TRAILER]);
  });
  test('is decoded for one that does not', () => {
    assert.deepEqual(planned('UploadPart', TRAILER, headers, false), [
      { ...framed, decode: true },
      'UNSIGNED-PAYLOAD',
    ]);
  });
  test('has its framed length where the client gave it', () => {
    const [body] = planned('PutObject', TRAILER, { ...headers, 'content-length': '150' });
    assert.deepEqual(body, { ...framed, framedLength: 150, decode: false });
  });
  test('comes in HTTP chunks where the client gave none', () => {
    const [body] = planned('PutObject', TRAILER, { ...headers, 'transfer-encoding': 'chunked' });
    assert.deepEqual(body, { ...framed, decode: false });
  });
  test('may have its checksum in a header', () => {
    const [body] = planned('PutObject', TRAILER, { ...headers, 'x-amz-checksum-crc32': 'AAAAAA==' });
    assert.deepEqual(body, { ...framed, decode: false, checksum: { ...checksum, headerValue: 'AAAAAA==' } });
  });
  for (const algorithm of ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256']) {
    test(`may have a trailer of ${algorithm}`, () => {
      const [body] = planned('PutObject', TRAILER, {
        ...headers,
        'x-amz-trailer': `x-amz-checksum-${algorithm}`,
      });
      assert.deepEqual(body, {
        ...framed,
        decode: false,
        checksum: { name: `x-amz-checksum-${algorithm}`, algorithm, headerValue: undefined },
      });
    });
  }
});

describe('a body is refused', () => {
  const ROWS: readonly (readonly [
    what: string,
    operation: string,
    mode: string,
    headers: Headers,
    code: string,
    message?: string,
  ])[] = [
    [
      'without a length',
      'PutObject',
      HASH,
      {},
      'MissingContentLength',
      'You must provide the Content-Length HTTP header.',
    ],
    [
      'in HTTP chunks without framing of its own',
      'PutObject',
      'UNSIGNED-PAYLOAD',
      { 'transfer-encoding': 'chunked' },
      'MissingContentLength',
    ],
    ['with a length of no number', 'PutObject', HASH, { 'content-length': '5a' }, 'InvalidRequest'],
    ['with a signed length', 'PutObject', HASH, { 'content-length': '+5' }, 'InvalidRequest'],
    ['with a negative length', 'GetObject', HASH, { 'content-length': '-5' }, 'InvalidRequest'],
    ['with an empty length', 'PutObject', HASH, { 'content-length': '' }, 'InvalidRequest'],
    ['on a read', 'GetObject', HASH, { 'content-length': '5' }, 'InvalidRequest'],
    ['on a read in HTTP chunks', 'GetObject', HASH, { 'transfer-encoding': 'chunked' }, 'InvalidRequest'],
    ['on a copy', 'CopyObject', HASH, { 'content-length': '5' }, 'InvalidRequest'],
    [
      'of nothing with the hash of something',
      'PutObject',
      HASH,
      { 'content-length': '0' },
      'XAmzContentSHA256Mismatch',
    ],
    [
      'of a document beyond 8 MiB',
      'PutBucketPolicy',
      HASH,
      { 'content-length': String(8 * 1024 ** 2 + 1) },
      'EntityTooLarge',
    ],
    [
      'that says aws-chunked in one place only',
      'PutObject',
      HASH,
      { 'content-length': '5', 'content-encoding': 'gzip, AWS-Chunked' },
      'InvalidRequest',
    ],
    [
      'aws-chunked on a document',
      'PutBucketPolicy',
      TRAILER,
      { 'x-amz-decoded-content-length': '5' },
      'InvalidRequest',
      'The value of x-amz-content-sha256 header is invalid.',
    ],
    [
      'aws-chunked on a read',
      'GetObject',
      TRAILER,
      {},
      'InvalidRequest',
      'The value of x-amz-content-sha256 header is invalid.',
    ],
    [
      'aws-chunked on a copy',
      'CopyObject',
      TRAILER,
      {},
      'InvalidRequest',
      'The value of x-amz-content-sha256 header is invalid.',
    ],
    [
      'aws-chunked without its decoded length',
      'PutObject',
      TRAILER,
      { 'content-length': '5' },
      'MissingContentLength',
    ],
    [
      'aws-chunked with a decoded length of no number',
      'PutObject',
      TRAILER,
      { 'x-amz-decoded-content-length': '1e3' },
      'MissingContentLength',
    ],
    [
      'with an announced trailer that is no checksum',
      'PutObject',
      TRAILER,
      { 'x-amz-decoded-content-length': '5', 'x-amz-trailer': 'x-amz-server-side-encryption' },
      'InvalidRequest',
      'The value specified in the x-amz-trailer header is not supported',
    ],
    [
      'with two announced trailers',
      'PutObject',
      TRAILER,
      { 'x-amz-decoded-content-length': '5', 'x-amz-trailer': 'x-amz-checksum-crc32,x-amz-checksum-sha1' },
      'InvalidRequest',
    ],
    [
      'with an unknown checksum',
      'PutObject',
      TRAILER,
      { 'x-amz-decoded-content-length': '5', 'x-amz-trailer': 'x-amz-checksum-crc31' },
      'InvalidRequest',
    ],
    [
      'with an empty announcement',
      'PutObject',
      TRAILER,
      { 'x-amz-decoded-content-length': '5', 'x-amz-trailer': '' },
      'InvalidRequest',
    ],
  ];
  for (const [what, operation, mode, headers, code, message] of ROWS) {
    test(what, () => {
      const result = plan(operation, mode, headers);
      assert.ok(result.kind === 'refused', JSON.stringify(result));
      assert.equal(result.refusal.code, code);
      if (message !== undefined) assert.equal(result.refusal.message, message);
    });
  }
});

describe('the value of a checksum', () => {
  const TABLE: readonly (readonly [algorithm: string, text: string, valid: boolean])[] = [
    ['crc32', 'AAAAAA==', true],
    ['crc32', 'AAAAAAA=', false],
    ['crc32', 'AAAAAB==', false],
    ['crc32', 'AAAA', false],
    ['crc32', '', false],
    ['crc32', 'AAAAA*==', false],
    ['crc64nvme', 'AAAAAAAAAAA=', true],
    ['sha1', '2jmj7l5rSw0yVb/vlWAYkK/YBwk=', true],
    ['sha256', '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=', true],
    ['sha256', '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=', false],
    ['madeup', 'AAAAAA==', false],
  ];
  for (const [algorithm, text, valid] of TABLE) {
    test(`${text || '(empty)'} is ${valid ? 'one' : 'none'} of ${algorithm}`, () =>
      assert.equal(isChecksumValue(algorithm, text), valid));
  }
});
