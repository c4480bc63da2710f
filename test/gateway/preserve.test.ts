// `signing: preserve`: clients hold the backend's own credentials, the gateway holds no secret and only enforces.
// The backend verifies the signatures, so whatever the gateway changed would be refused there.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { hmacSha1Base64 } from '../../src/core/sigv4/digest.ts';
import { type Answer, type Endpoint, type PlainRequest, send, sendSigned } from './client.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { DEFAULT_KEY, FOREIGN_KEY, type StoreBackend, startStoreBackend } from './store.ts';

const SSE = 'x-amz-server-side-encryption';
const KEY_ID = `${SSE}-aws-kms-key-id`;
const CONTEXT = `${SSE}-context`;

describe('a listener that preserves signatures', () => {
  let backend: StoreBackend;
  let gateway: TestGateway;
  let tls: Endpoint;
  let plaintext: Endpoint;

  before(async () => {
    backend = await startStoreBackend();
    gateway = await startGateway({
      encrypted: { signing: 'preserve' },
      plaintext: { signing: 'preserve' },
      backends: [{ ...backend.backend, credentials: { provider: 'none' } }],
      clients: [],
      encryption: [
        {
          name: 'context',
          buckets: ['context'],
          mode: 'inject',
          keyId: DEFAULT_KEY,
          context: { app: 'ledger' },
        },
        { name: 'everything', buckets: ['*'], mode: 'inject', keyId: DEFAULT_KEY },
      ],
    });
    const { credentials } = backend.direct;
    tls = { endpoint: gateway.endpoint, ca: gateway.ca, credentials };
    plaintext = { endpoint: gateway.plaintextEndpoint, credentials };
    for (const bucket of ['bucket', 'context']) {
      assert.equal((await sendSigned(backend.direct, { method: 'PUT', path: `/${bucket}` })).status, 200);
    }
  });
  after(async () => {
    await gateway?.close();
    await backend?.close();
  });

  const put = (path: string, headers: Record<string, string> = {}): PlainRequest => ({
    method: 'PUT',
    path,
    headers,
    body: 'content',
  });
  const compliant = { [SSE]: 'aws:kms', [KEY_ID]: DEFAULT_KEY };

  test('a compliant write reaches the backend as it was signed', async () => {
    const answer = await sendSigned(tls, put('/bucket/k', compliant));
    assert.equal(answer.status, 200, answer.body.toString());
    assert.equal(backend.store.stored('bucket', 'k')?.keyId, DEFAULT_KEY);
    const sent = backend.store.requests.at(-1);
    assert.equal(sent?.headers.find(({ name }) => name === 'host')?.value, new URL(gateway.endpoint).host);
    assert.match(sent?.headers.find(({ name }) => name === 'authorization')?.value ?? '', /Credential=STORE/);
    const line = (await gateway.audited()).at(-1);
    assert.deepEqual(
      [line?.['client'], line?.['scheme'], line?.['rule'], line?.['accessKeyId']],
      [undefined, 'sigv4', 'everything', backend.direct.credentials.accessKeyId],
    );
  });

  test('reads, listings and deletions pass', async () => {
    assert.equal((await sendSigned(tls, { method: 'GET', path: '/bucket/k' })).body.toString(), 'content');
    assert.equal(
      (await sendSigned(tls, { method: 'GET', path: '/bucket?list-type=2&prefix=k' })).status,
      200,
    );
    await sendSigned(tls, put('/bucket/gone', compliant));
    assert.equal((await sendSigned(tls, { method: 'DELETE', path: '/bucket/gone' })).status, 204);
  });

  test('multipart uploads pass', async () => {
    const created = await sendSigned(tls, {
      method: 'POST',
      path: '/bucket/parts?uploads=',
      headers: compliant,
    });
    const uploadId = /<UploadId>([^<]+)</.exec(created.body.toString())?.[1] ?? '';
    const part = await sendSigned(tls, put(`/bucket/parts?partNumber=1&uploadId=${uploadId}`));
    assert.equal(part.status, 200);
    const list = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`;
    const complete = { method: 'POST', path: `/bucket/parts?uploadId=${uploadId}`, body: list };
    assert.equal((await sendSigned(tls, complete)).status, 200);
    assert.equal(backend.store.stored('bucket', 'parts')?.keyId, DEFAULT_KEY);
  });

  test('a wrong signature is refused, by the backend', async () => {
    const credentials = { ...backend.direct.credentials, secretAccessKey: 'wrong' };
    const answer = await sendSigned({ ...tls, credentials }, put('/bucket/forged', compliant));
    assert.deepEqual([answer.status, answer.code], [403, 'SignatureDoesNotMatch']);
    assert.equal((await gateway.audited()).at(-1)?.['outcome'], 'forwarded');
    assert.equal(backend.store.stored('bucket', 'forged'), undefined);
  });

  const context = (pairs: Record<string, string>) => Buffer.from(JSON.stringify(pairs)).toString('base64');
  const cases: [string, PlainRequest, number, string, RegExp][] = [
    [
      'no encryption header',
      put('/bucket/r'),
      403,
      'encryption_missing',
      /requires the header x-amz-server-side-encryption: aws:kms/,
    ],
    [
      'no key',
      put('/bucket/r', { [SSE]: 'aws:kms' }),
      403,
      'key_missing',
      /requires the header x-amz-server-side-encryption-aws-kms-key-id/,
    ],
    [
      'another key',
      put('/bucket/r', { ...compliant, [KEY_ID]: FOREIGN_KEY }),
      403,
      'key_not_allowed',
      /does not allow the KMS key/,
    ],
    [
      'AES256',
      put('/bucket/r', { [SSE]: 'AES256' }),
      403,
      'encryption_downgrade',
      /requires x-amz-server-side-encryption: aws:kms/,
    ],
    [
      'a context without the pair of its rule',
      put('/context/r', compliant),
      403,
      'context_missing_pair',
      /requires the context key app/,
    ],
    [
      'a copy without encryption headers',
      { method: 'PUT', path: '/bucket/r', headers: { 'x-amz-copy-source': 'bucket/k' } },
      403,
      'encryption_missing',
      /requires the header/,
    ],
    [
      'an upload without encryption headers',
      { method: 'POST', path: '/bucket/r?uploads=' },
      403,
      'encryption_missing',
      /requires the header/,
    ],
    [
      'an encryption header on a read',
      { method: 'GET', path: '/bucket/k', headers: { [SSE]: 'aws:kms' } },
      400,
      'encryption_headers_on_read',
      /not supported/,
    ],
    [
      'an encryption header in the query',
      put(`/bucket/r?${SSE}=aws%3Akms&${KEY_ID}=${DEFAULT_KEY}`),
      400,
      'ambiguous_request',
      /stands in its query/,
    ],
    [
      'the configuration of a bucket',
      { method: 'PUT', path: '/bucket?policy', body: '{}' },
      403,
      'operation_not_allowed',
      /may not use PutBucketPolicy/,
    ],
  ];
  for (const [what, request, status, reason, message] of cases) {
    test(`${what} is refused, with what to do`, async () => {
      const seen = backend.store.requests.length;
      const answer = await sendSigned(tls, request);
      assert.equal(answer.status, status);
      assert.match(answer.message ?? '', message);
      assert.equal((await gateway.audited()).at(-1)?.['reason'], reason);
      assert.equal(backend.store.requests.length, seen, 'the backend was asked');
    });
  }

  test('a context with its pairs passes', async () => {
    const headers = { ...compliant, [CONTEXT]: context({ app: 'ledger' }) };
    assert.equal((await sendSigned(tls, put('/context/k', headers))).status, 200);
    assert.equal(backend.store.stored('context', 'k')?.context.get('app'), 'ledger');
  });

  test('KMS over plain HTTP is refused, writes and reads', async () => {
    for (const request of [put('/bucket/r', compliant), { method: 'GET', path: '/bucket/k' }]) {
      const answer = await sendSigned(plaintext, request);
      assert.match(answer.message ?? '', /must be made over a secure connection/);
    }
  });

  test('KMS with Signature Version 2, or with none, is refused', async () => {
    for (const answer of [
      await sendV2(tls, put('/bucket/r', compliant)),
      await send(tls, {
        ...put('/bucket/r', compliant),
        headers: { ...compliant, host: new URL(tls.endpoint).host },
      }),
    ]) {
      assert.match(answer.message ?? '', /require AWS Signature Version 4/);
    }
  });

  function sendV2(to: Endpoint, request: PlainRequest): Promise<Answer> {
    const date = new Date().toUTCString();
    const toSign = `${request.method}\n\n\n${date}\n${SSE}:aws:kms\n${KEY_ID}:${DEFAULT_KEY}\n${request.path}`;
    const { accessKeyId, secretAccessKey } = backend.direct.credentials;
    const authorization = `AWS ${accessKeyId}:${hmacSha1Base64(secretAccessKey, toSign)}`;
    return send(to, {
      ...request,
      headers: { ...request.headers, host: new URL(to.endpoint).host, date, authorization },
    });
  }
});
