import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ProvenBodyPlan } from '../../../src/core/policy/body-plan.ts';
import type { EncryptionOrder } from '../../../src/core/policy/encryption.ts';
import type { Backend } from '../../../src/core/policy/policy.ts';
import {
  destinationOf,
  type HeaderEdits,
  requestTarget,
  rewriteHeaders,
} from '../../../src/core/policy/rewrite.ts';
import { parseRequest } from '../../../src/core/request.ts';
import type { Address } from '../../../src/core/s3/address.ts';
import { operationNamed } from '../../../src/core/s3/operation.ts';
import { BACKEND, unsignedRequest } from '../fixture.ts';

const SERVICE: Address = { resource: 'service' };
const BUCKET: Address = { resource: 'bucket', bucket: 'bucket' };
const object = (key: string, bucket = 'bucket'): Address => ({ resource: 'object', bucket, key });

describe('where a request goes', () => {
  const hosted: Backend = { ...BACKEND, addressing: 'virtual-hosted' };
  const local: Backend = { ...BACKEND, protocol: 'http', hostname: '127.0.0.1', port: 9000 };
  const TABLE: readonly (readonly [
    what: string,
    backend: Backend,
    address: Address,
    host: string,
    target: string,
  ])[] = [
    ['path style: the service', BACKEND, SERVICE, BACKEND.hostname, '/'],
    ['path style: a bucket', BACKEND, BUCKET, BACKEND.hostname, '/bucket'],
    ['path style: an object', BACKEND, object('a/b c'), BACKEND.hostname, '/bucket/a/b%20c'],
    ['virtual-hosted style: the service', hosted, SERVICE, BACKEND.hostname, '/'],
    ['virtual-hosted style: a bucket', hosted, BUCKET, `bucket.${BACKEND.hostname}`, '/'],
    ['virtual-hosted style: an object', hosted, object('k'), `bucket.${BACKEND.hostname}`, '/k'],
    [
      'a bucket with dots has no certificate, so path style',
      hosted,
      object('k', 'a.b'),
      BACKEND.hostname,
      '/a.b/k',
    ],
    ['a port of its own', local, object('k'), '127.0.0.1:9000', '/bucket/k'],
    ['the other protocol’s port', { ...BACKEND, port: 80 }, BUCKET, `${BACKEND.hostname}:80`, '/bucket'],
    ['a key that starts with a slash', BACKEND, object('/k'), BACKEND.hostname, '/bucket//k'],
    ['a key of dot segments', BACKEND, object('../other/./k'), BACKEND.hostname, '/bucket/../other/./k'],
    ['a key with ? and #', BACKEND, object('k?encryption#x'), BACKEND.hostname, '/bucket/k%3Fencryption%23x'],
    ['a key with an escape', BACKEND, object('%2F'), BACKEND.hostname, '/bucket/%252F'],
    ['a key with + and space', BACKEND, object('a+b c'), BACKEND.hostname, '/bucket/a%2Bb%20c'],
    ['a key beyond the BMP', BACKEND, object('𝄞'), BACKEND.hostname, '/bucket/%F0%9D%84%9E'],
  ];
  for (const [what, backend, address, host, target] of TABLE) {
    test(what, () => {
      const destination = destinationOf(backend, address, []);
      assert.equal(destination.host, host);
      assert.equal(destination.origin, `${backend.protocol}://${host}`);
      assert.equal(requestTarget(destination), target);
    });
  }

  test('keeps the query, encoded afresh, without x-id', () => {
    const query = [
      { name: 'uploads', value: '' },
      { name: 'x-id', value: 'CreateMultipartUpload' },
      { name: 'prefix', value: 'a b/é+' },
    ];
    assert.equal(
      requestTarget(destinationOf(BACKEND, BUCKET, query)),
      '/bucket?uploads&prefix=a%20b%2F%C3%A9%2B',
    );
  });
});

const NONE: ProvenBodyPlan = { kind: 'none' };
const PLAIN: ProvenBodyPlan = { kind: 'plain', length: 5, sha256: undefined };
const CHUNKED: Extract<ProvenBodyPlan, { kind: 'aws-chunked' }> = {
  kind: 'aws-chunked',
  mode: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  decode: false,
  decodedLength: 100,
  framedLength: 150,
  checksum: { name: 'x-amz-checksum-crc32', algorithm: 'crc32', headerValue: undefined },
};
const ORDER: EncryptionOrder = {
  algorithm: 'aws:kms',
  keyId: 'the-key',
  context: 'e30=',
  bucketKey: 'false',
  injected: [],
};

type Headers = Readonly<Record<string, string>>;

function rewritten(operation: string, headers: Headers, edits: Partial<HeaderEdits> = {}) {
  const parsed = parseRequest(unsignedRequest('PUT', '/bucket/key', headers), 1 << 20);
  assert.ok(parsed.kind === 'parsed', JSON.stringify(parsed));
  return rewriteHeaders(parsed.request, operationNamed(operation), 'backend.example', {
    order: undefined,
    copySource: undefined,
    body: NONE,
    ...edits,
  });
}

function sent(operation: string, headers: Headers, edits: Partial<HeaderEdits> = {}): Record<string, string> {
  const result = rewritten(operation, headers, edits);
  assert.ok(result.kind === 'headers', JSON.stringify(result));
  const names = result.headers.map(([name]) => name);
  assert.deepEqual(names, [...new Set(names)], 'each name once');
  return Object.fromEntries(result.headers);
}

describe('headers that go on', () => {
  test('the backend’s host in place of the client’s', () =>
    assert.deepEqual(sent('GetObject', {}), { host: 'backend.example' }));

  const KEPT: readonly (readonly [operation: string, header: string, value: string])[] = [
    ['GetObject', 'range', 'bytes=0-9'],
    ['GetObject', 'if-none-match', '"etag"'],
    ['GetObject', 'x-amz-checksum-mode', 'ENABLED'],
    ['GetObject', 'x-amz-server-side-encryption-customer-algorithm', 'AES256'],
    ['PutObject', 'content-type', 'text/plain'],
    ['PutObject', 'content-md5', 'XrY7u+Ae7tCTyyK7j1rNww=='],
    ['PutObject', 'content-encoding', 'gzip'],
    ['PutObject', 'content-encoding', 'gzip, br'],
    ['PutObject', 'cache-control', 'no-cache'],
    ['PutObject', 'expires', 'Mon, 23 Nov 2026 12:00:00 GMT'],
    ['PutObject', 'x-amz-meta-a', 'é'],
    ['PutObject', 'x-amz-meta-x-amz-key-v2', 'wrapped'],
    ['PutObject', 'x-amz-tagging', 'a=b'],
    ['PutObject', 'x-amz-expected-bucket-owner', '111122223333'],
    ['CopyObject', 'x-amz-copy-source-server-side-encryption-customer-algorithm', 'AES256'],
  ];
  for (const [operation, header, value] of KEPT) {
    test(`${header}: ${value} on ${operation}`, () => {
      const headers = Object.entries(sent(operation, { [header]: value })).filter(
        ([name]) => name === header,
      );
      assert.deepEqual(headers, [[header, Buffer.from(value, 'utf8').toString('latin1')]]);
    });
  }
});

describe('headers that end here', () => {
  const DROPPED = [
    'authorization',
    'accept-encoding',
    'amz-sdk-invocation-id',
    'amz-sdk-request',
    'cookie',
    'date',
    'expect',
    'forwarded',
    'te',
    'trailer',
    'user-agent',
    'via',
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-minio-extract',
    'x-amz-content-sha256',
    'x-amz-date',
    'x-amz-security-token',
    'x-amz-te',
    'x-amz-trailer',
    'x-amz-user-agent',
    'x-amz-decoded-content-length',
    'x-amz-region-set',
    'x-amz-copy-source-if-match',
    'x_other',
  ];
  for (const header of DROPPED) {
    test(header, () =>
      assert.deepEqual(Object.keys(sent('PutObject', { [header]: 'x' }, { body: PLAIN })), [
        'host',
        'content-length',
      ]),
    );
  }
});

describe('headers that no one here knows are refused', () => {
  for (const header of [
    'x-amz-madeup',
    'x-amz-server-side-encryption-aws-bucket-key-enabled',
    'x-amz-fwd-status',
  ]) {
    test(header, () => {
      const result = rewritten('PutObject', { [header]: 'x' });
      assert.ok(result.kind === 'refused');
      assert.deepEqual([result.refusal.status, result.refusal.code], [501, 'NotImplemented']);
      assert.deepEqual(result.refusal.details, [['Header', header]]);
    });
  }

  test('x-amz-meta-snowball-auto-extract, which makes MinIO unpack the body into objects that no rule has seen', () => {
    assert.equal(rewritten('PutObject', { 'x-amz-meta-snowball-auto-extract': 'true' }).kind, 'refused');
  });
});

describe('encryption headers', () => {
  test('of an order stand in place of the client’s', () => {
    const client = {
      'x-amz-server-side-encryption': 'AES256',
      'x-amz-server-side-encryption-aws-kms-key-id': 'other',
      'x-amz-server-side-encryption-context': 'other',
      'x-amz-server-side-encryption-bucket-key-enabled': 'true',
    };
    assert.deepEqual(sent('PutObject', client, { order: ORDER }), {
      host: 'backend.example',
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'the-key',
      'x-amz-server-side-encryption-context': 'e30=',
      'x-amz-server-side-encryption-bucket-key-enabled': 'false',
      'content-length': '0',
    });
  });

  test('of an order without bucket key leave none of the client’s', () => {
    const headers = sent(
      'PutObject',
      { 'x-amz-server-side-encryption-bucket-key-enabled': 'true' },
      { order: { ...ORDER, bucketKey: undefined } },
    );
    assert.equal(headers['x-amz-server-side-encryption-bucket-key-enabled'], undefined);
  });

  test('without an order go on as sent', () => {
    assert.equal(
      sent('PutObject', { 'x-amz-server-side-encryption': 'AES256' })['x-amz-server-side-encryption'],
      'AES256',
    );
  });
});

describe('a copy source', () => {
  test('goes on in its one form', () => {
    const headers = sent('CopyObject', { 'x-amz-copy-source': '/src/a+b' }, { copySource: 'src/a%2Bb' });
    assert.equal(headers['x-amz-copy-source'], 'src/a%2Bb');
  });
});

describe('framing is the gateway’s own', () => {
  const client = {
    'content-encoding': 'aws-chunked,gzip',
    'content-length': '999',
    'x-amz-decoded-content-length': '7',
    'x-amz-trailer': 'x-other',
    'x-amz-sdk-checksum-algorithm': 'CRC32',
  };
  const TABLE: readonly (readonly [
    what: string,
    operation: string,
    body: ProvenBodyPlan,
    expected: Readonly<Record<string, string>>,
  ])[] = [
    [
      'a plain body',
      'PutObject',
      PLAIN,
      { 'content-encoding': 'gzip', 'content-length': '5', 'x-amz-sdk-checksum-algorithm': 'CRC32' },
    ],
    [
      'an aws-chunked body',
      'PutObject',
      CHUNKED,
      {
        'content-encoding': 'aws-chunked,gzip',
        'content-length': '150',
        'x-amz-decoded-content-length': '100',
        'x-amz-trailer': 'x-amz-checksum-crc32',
        'x-amz-sdk-checksum-algorithm': 'CRC32',
      },
    ],
    [
      'an aws-chunked body in HTTP chunks',
      'PutObject',
      { ...CHUNKED, framedLength: undefined },
      {
        'content-encoding': 'aws-chunked,gzip',
        'x-amz-decoded-content-length': '100',
        'x-amz-trailer': 'x-amz-checksum-crc32',
        'x-amz-sdk-checksum-algorithm': 'CRC32',
      },
    ],
    [
      'a decoded body',
      'PutObject',
      { ...CHUNKED, decode: true },
      { 'content-encoding': 'gzip', 'content-length': '100' },
    ],
    ['no body of a PUT', 'CopyObject', NONE, { 'content-encoding': 'gzip', 'content-length': '0' }],
    [
      'no body of a POST',
      'CreateMultipartUpload',
      NONE,
      { 'content-encoding': 'gzip', 'content-length': '0' },
    ],
    ['no body of a GET', 'GetObject', NONE, { 'content-encoding': 'gzip' }],
    ['no body of a DELETE', 'DeleteObject', NONE, { 'content-encoding': 'gzip' }],
  ];
  for (const [what, operation, body, expected] of TABLE) {
    test(what, () =>
      assert.deepEqual(sent(operation, client, { body }), { host: 'backend.example', ...expected }),
    );
  }

  test('aws-chunked alone leaves no Content-Encoding once decoded', () => {
    const headers = sent(
      'PutObject',
      { 'content-encoding': 'AWS-Chunked' },
      { body: { ...CHUNKED, decode: true } },
    );
    assert.equal(headers['content-encoding'], undefined);
  });
});
