// The rules of AWS that the project exists for, over real sockets: what is refused, in S3's words, and what is counted.
// Texts and codes are S3's, as recorded.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Answer, type Endpoint, type PlainRequest, send, sendSigned, sendV2 } from './client.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { testClient } from './setup.ts';
import { DEFAULT_KEY, FOREIGN_KEY, OTHER_KEY, type StoreBackend, startStoreBackend } from './store.ts';

const SSE = 'x-amz-server-side-encryption';
const KEY_ID = `${SSE}-aws-kms-key-id`;
const CONTEXT = `${SSE}-context`;
const BUCKET_KEY = `${SSE}-bucket-key-enabled`;

const NEEDS_TLS =
  'Requests specifying Server Side Encryption with AWS KMS managed keys must be made over a secure connection.';
const NEEDS_V4 =
  'Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.';

/** A refusal as the client and the operator see it; HEAD has neither code nor message. */
interface Expected {
  readonly status: number;
  readonly code: string | undefined;
  readonly message: string | undefined;
  readonly operation: string;
  readonly reason: string;
}

describe('rules over real sockets', () => {
  let backend: StoreBackend;
  let gateway: TestGateway;
  let tls: Endpoint;
  let plaintext: Endpoint;

  before(async () => {
    backend = await startStoreBackend();
    gateway = await startGateway({
      backends: [backend.backend],
      encryption: [
        { name: 'strict', buckets: ['strict'], mode: 'require', keyId: DEFAULT_KEY },
        { name: 'watched', buckets: ['watched'], mode: 'observe', keyId: DEFAULT_KEY },
        { name: 'free', buckets: ['free'], mode: 'off' },
        {
          name: 'protected',
          buckets: ['protected', 'archive'],
          mode: 'inject',
          keyId: DEFAULT_KEY,
          allowedKeyIds: [OTHER_KEY],
          context: { app: 'ledger' },
          requiredContext: [],
        },
        { name: 'bucket-key', buckets: ['bucket-key'], mode: 'inject', keyId: DEFAULT_KEY, bucketKey: true },
      ],
    });
    tls = { endpoint: gateway.endpoint, ca: gateway.ca };
    plaintext = { endpoint: gateway.plaintextEndpoint };
    for (const bucket of ['protected', 'archive', 'strict', 'watched', 'free', 'bucket-key', 'unruled']) {
      assert.equal((await sendSigned(backend.direct, { method: 'PUT', path: `/${bucket}` })).status, 200);
    }
  });
  after(async () => {
    await gateway?.close();
    await backend?.close();
  });

  /** Asserts a refusal in full: answer, metric, audit line, and a backend that saw nothing. */
  async function refuses(exchange: () => Promise<Answer>, expected: Expected): Promise<void> {
    const sample = `s3_kms_gateway_refusals_total{operation="${expected.operation}",reason="${expected.reason}"}`;
    const [counted, lines, seen] = [
      await gateway.metric(sample),
      (await gateway.audited()).length,
      backend.store.requests.length,
    ];
    const answer = await exchange();
    assert.equal(answer.status, expected.status);
    assert.equal(answer.code, expected.code);
    assert.equal(answer.message, expected.message);
    assert.equal(await gateway.metric(sample), counted + 1);
    const [line, ...more] = (await gateway.audited()).slice(lines);
    assert.deepEqual(more, []);
    assert.equal(line?.['outcome'], 'refused');
    assert.equal(line?.['reason'], expected.reason);
    assert.equal(line?.['requestId'], answer.headers['x-amz-request-id']);
    assert.equal(backend.store.requests.length, seen, 'the backend was asked');
  }

  const put = (path: string, headers: Record<string, string> = {}): PlainRequest => ({
    method: 'PUT',
    path,
    headers,
    body: 'content',
  });

  describe('KMS only over TLS (UsingKMSEncryption.html)', () => {
    const expected = {
      status: 400,
      code: 'InvalidArgument',
      message: NEEDS_TLS,
      reason: 'insecure_transport',
    };

    test('a PUT that asks for KMS over plain HTTP is refused', () =>
      refuses(() => sendSigned(plaintext, put('/free/k', { [SSE]: 'aws:kms', [KEY_ID]: DEFAULT_KEY })), {
        ...expected,
        operation: 'PutObject',
      }));

    test('so is one that asks for nothing where a rule would inject', () =>
      refuses(() => sendSigned(plaintext, put('/protected/k')), { ...expected, operation: 'PutObject' }));

    test('so is a multipart upload', () =>
      refuses(() => sendSigned(plaintext, { method: 'POST', path: '/protected/k?uploads=' }), {
        ...expected,
        operation: 'CreateMultipartUpload',
      }));

    test('so is a part of one', () =>
      refuses(() => sendSigned(plaintext, put('/protected/k?partNumber=1&uploadId=u')), {
        ...expected,
        operation: 'UploadPart',
      }));

    test('X-Forwarded-Proto from a peer that is not trusted changes nothing', () =>
      refuses(() => sendSigned(plaintext, put('/protected/k', { 'x-forwarded-proto': 'https' })), {
        ...expected,
        operation: 'PutObject',
      }));
  });

  describe('KMS only with Signature Version 4', () => {
    const expected = { status: 400, code: 'InvalidArgument', message: NEEDS_V4, reason: 'signature_v2' };

    test('a PUT signed with V2 that a rule would put under KMS is refused', () =>
      refuses(() => sendV2(tls, put('/protected/k')), { ...expected, operation: 'PutObject' }));

    test('so is one that asks for KMS itself', () =>
      refuses(() => sendV2(tls, put('/free/k', { [SSE]: 'aws:kms', [KEY_ID]: DEFAULT_KEY })), {
        ...expected,
        operation: 'PutObject',
      }));
  });

  describe('encryption headers on reads (UsingKMSEncryption.html: "HTTP 400 Bad Request")', () => {
    const family: [string, string][] = [
      [SSE, 'aws:kms'],
      [SSE, 'AES256'],
      [SSE, ''],
      [KEY_ID, DEFAULT_KEY],
      [CONTEXT, 'e30='],
      [BUCKET_KEY, 'true'],
    ];
    for (const [name, value] of family) {
      test(`GET with ${name}: ${value} is refused`, () =>
        refuses(() => sendSigned(tls, { method: 'GET', path: '/protected/k', headers: { [name]: value } }), {
          status: 400,
          code: 'InvalidArgument',
          message: `${name} header is not supported for this operation.`,
          operation: 'GetObject',
          reason: 'encryption_headers_on_read',
        }));
      test(`HEAD with ${name}: ${value} is refused, without a body`, () =>
        refuses(() => sendSigned(tls, { method: 'HEAD', path: '/protected/k', headers: { [name]: value } }), {
          status: 400,
          code: undefined,
          message: undefined,
          operation: 'HeadObject',
          reason: 'encryption_headers_on_read',
        }));
    }

    test('SSE-C headers on GET are passed on', async () => {
      const headers = { [`${SSE}-customer-algorithm`]: 'AES256' };
      const { code } = await sendSigned(tls, { method: 'GET', path: '/protected/k', headers });
      assert.notEqual(code, 'InvalidArgument');
      assert.ok(
        backend.store.requests.at(-1)?.headers.some(({ name }) => name === `${SSE}-customer-algorithm`),
      );
    });

    for (const [operation, request] of [
      ['UploadPart', put('/protected/k?partNumber=1&uploadId=u', { [SSE]: 'aws:kms' })],
      ['DeleteObject', { method: 'DELETE', path: '/protected/k', headers: { [SSE]: 'aws:kms' } }],
    ] as const) {
      test(`${operation} takes none of them either`, () =>
        refuses(() => sendSigned(tls, request), {
          status: 400,
          code: 'InvalidArgument',
          message: `${SSE} header is not supported for this operation.`,
          operation,
          reason: 'encryption_headers_not_supported',
        }));
    }
  });

  describe('injection', () => {
    test('PutObject without headers is stored under the default key, with the object in its context', async () => {
      const answer = await sendSigned(tls, put('/protected/plain.txt'));
      assert.equal(answer.status, 200);
      const stored = backend.store.stored('protected', 'plain.txt');
      assert.equal(stored?.algorithm, 'aws:kms');
      assert.equal(stored?.keyId, DEFAULT_KEY);
      assert.deepEqual(Object.fromEntries(stored?.context ?? []), {
        app: 'ledger',
        'aws:s3:arn': 'arn:aws:s3:::protected/plain.txt',
      });
    });

    test('with a bucket key the context names the bucket', async () => {
      assert.equal((await sendSigned(tls, put('/bucket-key/k'))).status, 200);
      const stored = backend.store.stored('bucket-key', 'k');
      assert.equal(stored?.bucketKey, true);
      assert.equal(stored?.context.get('aws:s3:arn'), 'arn:aws:s3:::bucket-key');
    });

    test('CopyObject is encrypted afresh, under the context of its target', async () => {
      await sendSigned(tls, put('/protected/source'));
      const headers = { 'x-amz-copy-source': 'protected/source' };
      const answer = await sendSigned(tls, { method: 'PUT', path: '/archive/target', headers });
      assert.equal(answer.status, 200);
      const stored = backend.store.stored('archive', 'target');
      assert.equal(stored?.keyId, DEFAULT_KEY);
      assert.equal(stored?.context.get('aws:s3:arn'), 'arn:aws:s3:::archive/target');
    });

    test('CreateMultipartUpload gets the headers, the parts and the completion do not', async () => {
      const created = await sendSigned(tls, { method: 'POST', path: '/protected/parts?uploads=' });
      const uploadId = /<UploadId>([^<]+)</.exec(created.body.toString())?.[1] ?? '';
      const part = await sendSigned(tls, put(`/protected/parts?partNumber=1&uploadId=${uploadId}`));
      const list = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`;
      const path = `/protected/parts?uploadId=${uploadId}`;
      assert.equal((await sendSigned(tls, { method: 'POST', path, body: list })).status, 200);
      const carriers = backend.store.requests
        .slice(-3)
        .map(({ headers }) => headers.some(({ name }) => name === SSE));
      assert.deepEqual(carriers, [true, false, false]);
      assert.equal(backend.store.stored('protected', 'parts')?.keyId, DEFAULT_KEY);
    });

    test('a part of an upload that was created elsewhere without KMS is not confirmed', async () => {
      const created = await sendSigned(backend.direct, {
        method: 'POST',
        path: '/protected/elsewhere?uploads=',
      });
      const uploadId = /<UploadId>([^<]+)</.exec(created.body.toString())?.[1] ?? '';
      const sample = 's3_kms_gateway_unconfirmed_encryption_total{backend="store",operation="UploadPart"}';
      const counted = await gateway.metric(sample);
      const part = await sendSigned(tls, put(`/protected/elsewhere?partNumber=1&uploadId=${uploadId}`));
      assert.deepEqual([part.status, part.code], [502, 'EncryptionNotConfirmed']);
      assert.equal(await gateway.metric(sample), counted + 1);
    });

    test('a client keeps an allowed key and its own context pairs', async () => {
      const context = Buffer.from('{"cost-centre":"42"}').toString('base64');
      const headers = { [SSE]: 'aws:kms', [KEY_ID]: OTHER_KEY, [CONTEXT]: context };
      assert.equal((await sendSigned(tls, put('/protected/own', headers))).status, 200);
      const stored = backend.store.stored('protected', 'own');
      assert.equal(stored?.keyId, OTHER_KEY);
      assert.equal(stored?.context.get('cost-centre'), '42');
    });

    test('`aws:kms` without a key never goes out without one', async () => {
      assert.equal((await sendSigned(tls, put('/protected/no-key', { [SSE]: 'aws:kms' }))).status, 200);
      assert.equal(backend.store.stored('protected', 'no-key')?.keyId, DEFAULT_KEY);
    });

    test('mode off leaves a write as it is', async () => {
      assert.equal((await sendSigned(tls, put('/free/k'))).status, 200);
      assert.ok(!backend.store.requests.at(-1)?.headers.some(({ name }) => name.startsWith(SSE)));
    });

    test('mode observe changes nothing and counts what it would have refused', async () => {
      const sample = 's3_kms_gateway_observed_refusals_total{operation="PutObject",reason="key_not_allowed"}';
      const headers = { [SSE]: 'aws:kms', [KEY_ID]: OTHER_KEY };
      assert.equal((await sendSigned(tls, put('/watched/k', headers))).status, 200);
      assert.equal(backend.store.stored('watched', 'k')?.keyId, OTHER_KEY);
      assert.equal(await gateway.metric(sample), 1);
      assert.equal((await gateway.audited()).at(-1)?.['observedReason'], 'key_not_allowed');
    });
  });

  describe('what contradicts a rule is refused', () => {
    const arn = (text: string) => Buffer.from(JSON.stringify({ 'aws:s3:arn': text })).toString('base64');
    const cases: [string, PlainRequest, number, string, string][] = [
      [
        'another key',
        put('/protected/k', { [SSE]: 'aws:kms', [KEY_ID]: FOREIGN_KEY }),
        403,
        'AccessDenied',
        'key_not_allowed',
      ],
      ['AES256', put('/protected/k', { [SSE]: 'AES256' }), 403, 'AccessDenied', 'encryption_downgrade'],
      [
        'an unknown algorithm',
        put('/protected/k', { [SSE]: 'aws:fsx' }),
        400,
        'InvalidArgument',
        'algorithm_not_allowed',
      ],
      [
        'an empty algorithm',
        put('/protected/k', { [SSE]: '' }),
        400,
        'InvalidArgument',
        'algorithm_not_allowed',
      ],
      [
        'SSE-C',
        put('/protected/k', { [`${SSE}-customer-algorithm`]: 'AES256' }),
        403,
        'AccessDenied',
        'customer_key',
      ],
      [
        'a bucket key',
        put('/protected/k', { [BUCKET_KEY]: 'true' }),
        403,
        'AccessDenied',
        'bucket_key_not_allowed',
      ],
      [
        'a forged ARN',
        put('/protected/k', { [CONTEXT]: arn('arn:aws:s3:::other/k') }),
        400,
        'InvalidArgument',
        'context_arn_mismatch',
      ],
      [
        'a context that is not JSON',
        put('/protected/k', { [CONTEXT]: 'bm90IGpzb24=' }),
        400,
        'InvalidArgument',
        'context_invalid',
      ],
      ['no algorithm under require', put('/strict/k'), 403, 'AccessDenied', 'encryption_missing'],
      ['no key under require', put('/strict/k', { [SSE]: 'aws:kms' }), 403, 'AccessDenied', 'key_missing'],
      ['a bucket without a rule', put('/unruled/k'), 403, 'AccessDenied', 'no_rule'],
    ];
    for (const [what, request, status, code, reason] of cases) {
      test(what, async () => {
        const seen = backend.store.requests.length;
        const answer = await sendSigned(tls, request);
        assert.deepEqual([answer.status, answer.code], [status, code]);
        assert.equal((await gateway.audited()).at(-1)?.['reason'], reason);
        assert.equal(backend.store.requests.length, seen);
      });
    }
  });

  describe('the read side', () => {
    before(async () => {
      await sendSigned(tls, put('/protected/secret'));
      await sendSigned(backend.direct, put('/protected/old-and-plain'));
    });

    /** Asserts that the answer was held back: not a byte of the object passes. */
    async function withholds(answer: Answer, message: string | undefined, reason: string): Promise<void> {
      assert.equal(answer.status, 400);
      assert.equal(answer.message, message);
      assert.ok(!answer.body.includes('content'), 'the object leaked');
      const line = (await gateway.audited()).at(-1);
      assert.deepEqual([line?.['outcome'], line?.['reason']], ['refused', reason]);
    }

    test('GET of an object under KMS over plain HTTP is refused', async () => {
      const answer = await sendSigned(plaintext, { method: 'GET', path: '/protected/secret' });
      await withholds(answer, NEEDS_TLS, 'insecure_transport');
    });

    test('HEAD too', async () => {
      const answer = await sendSigned(plaintext, { method: 'HEAD', path: '/protected/secret' });
      await withholds(answer, undefined, 'insecure_transport');
      assert.equal(answer.headers[KEY_ID], undefined);
    });

    test('GET of an object under KMS with V2 is refused', async () => {
      await withholds(
        await sendV2(tls, { method: 'GET', path: '/protected/secret' }),
        NEEDS_V4,
        'signature_v2',
      );
    });

    test('HEAD with V2 too', async () => {
      await withholds(
        await sendV2(tls, { method: 'HEAD', path: '/protected/secret' }),
        undefined,
        'signature_v2',
      );
    });

    test('what is not under KMS can be read with V2 and over plain HTTP', async () => {
      for (const answer of [
        await sendV2(tls, { method: 'GET', path: '/protected/old-and-plain' }),
        await sendSigned(plaintext, { method: 'GET', path: '/protected/old-and-plain' }),
      ]) {
        assert.equal(answer.status, 200);
        assert.equal(answer.body.toString(), 'content');
      }
    });

    test('over TLS with V4 it is served, with its encryption named', async () => {
      const answer = await sendSigned(tls, { method: 'GET', path: '/protected/secret' });
      assert.equal(answer.body.toString(), 'content');
      assert.equal(answer.headers[KEY_ID], DEFAULT_KEY);
    });
  });

  test('a bucket can be named by the host', async () => {
    const host = `protected.localhost:${gateway.port}`;
    assert.equal((await sendSigned(tls, put('/dir/hosted', { host }))).status, 200);
    const stored = backend.store.stored('protected', 'dir/hosted');
    assert.equal(stored?.context.get('aws:s3:arn'), 'arn:aws:s3:::protected/dir/hosted');
  });

  test('the region of a bucket is the one that clients sign for here', async () => {
    const answer = await sendSigned(tls, { method: 'GET', path: '/protected?location=' });
    assert.match(answer.body.toString(), /<LocationConstraint xmlns="[^"]+"><\/LocationConstraint>$/);
    const elsewhere = await sendSigned(
      { ...tls, region: 'eu-west-1' },
      { method: 'GET', path: '/protected/secret' },
    );
    assert.deepEqual([elsewhere.status, elsewhere.code], [400, 'AuthorizationHeaderMalformed']);
    assert.match(elsewhere.body.toString(), /<Region>us-east-1<\/Region>/);
  });

  describe('authentication', () => {
    test('an anonymous request is refused', () =>
      refuses(
        () =>
          send(tls, {
            method: 'GET',
            path: '/protected/secret',
            headers: { host: new URL(tls.endpoint).host },
          }),
        {
          status: 403,
          code: 'AccessDenied',
          message: 'Access Denied',
          operation: 'GetObject',
          reason: 'anonymous',
        },
      ));

    test('an unknown access key is refused', () =>
      refuses(
        () =>
          sendSigned(
            { ...tls, credentials: { accessKeyId: 'NOBODY', secretAccessKey: 'x' } },
            { method: 'GET', path: '/protected/secret' },
          ),
        {
          status: 403,
          code: 'InvalidAccessKeyId',
          message: 'The AWS Access Key Id you provided does not exist in our records.',
          operation: 'GetObject',
          reason: 'unknown_access_key',
        },
      ));

    test('a wrong secret is refused, and the answer shows the canonical request', async () => {
      const credentials = { accessKeyId: testClient.accessKeyId, secretAccessKey: 'wrong' };
      const answer = await sendSigned({ ...tls, credentials }, { method: 'GET', path: '/protected/secret' });
      assert.deepEqual([answer.status, answer.code], [403, 'SignatureDoesNotMatch']);
      assert.match(answer.body.toString(), /<CanonicalRequest>GET\n\/protected\/secret\n/);
    });
  });
});
