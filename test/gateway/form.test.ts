// POST Object forms over real sockets: what browsers send, what is stored, what they are answered.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { S3Client } from '@aws-sdk/client-s3';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { hmacSha1Base64 } from '../../src/core/sigv4/digest.ts';
import { type Answer, send, sendSigned } from './client.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { testClient } from './setup.ts';
import { DEFAULT_KEY, OTHER_KEY, REGION, type StoreBackend, startStoreBackend } from './store.ts';

const SSE = 'x-amz-server-side-encryption';
const MIB = 1024 * 1024;

describe('POST Object forms', () => {
  let backend: StoreBackend;
  let gateway: TestGateway;
  let s3: S3Client;

  before(async () => {
    backend = await startStoreBackend();
    gateway = await startGateway({
      backends: [backend.backend],
      encryption: [
        { name: 'plain', buckets: ['uploads'], prefixes: ['plain/'], mode: 'off' },
        {
          name: 'uploads',
          buckets: ['uploads'],
          mode: 'inject',
          keyId: DEFAULT_KEY,
          allowedKeyIds: [OTHER_KEY],
        },
      ],
    });
    s3 = new S3Client({
      endpoint: gateway.endpoint,
      region: REGION,
      credentials: testClient,
      forcePathStyle: true,
    });

    assert.equal((await sendSigned(backend.direct, { method: 'PUT', path: '/uploads' })).status, 200);
  });
  after(async () => {
    s3?.destroy();
    await gateway?.close();
    await backend?.close();
  });

  type Fields = Record<string, string>;

  /** Fields as the SDK signs them; `extra` are fields that the policy covers. */
  async function sign(key: string, extra: Fields = {}, conditions: unknown[] = []): Promise<Fields> {
    const { fields } = await createPresignedPost(s3, {
      Bucket: 'uploads',
      Key: key,
      Fields: extra,
      Conditions: [
        ...Object.entries(extra).map(([name, value]) => ({ [name]: value })),
        ...conditions,
      ] as never,
      Expires: 60,
    });
    return fields;
  }

  function post(
    fields: Fields,
    file: Buffer,
    options: { tail?: string; filename?: string; headers?: Fields } = {},
  ): Promise<Answer> {
    const boundary = '----form-boundary-of-the-test';
    const parts = Object.entries(fields).map(
      ([name, value]) =>
        `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    );
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${options.filename ?? 'a.txt'}"\r\nContent-Type: text/plain\r\n\r\n`;
    const tail = options.tail ?? `\r\n--${boundary}--\r\n`;
    const body = Buffer.concat([Buffer.from(parts.join('') + head), file, Buffer.from(tail)]);
    return send(
      { endpoint: gateway.endpoint, ca: gateway.ca },
      {
        method: 'POST',
        path: '/uploads',
        headers: {
          host: new URL(gateway.endpoint).host,
          'content-type': `multipart/form-data; boundary=${boundary}`,
          'content-length': String(body.length),
          ...options.headers,
        },
        body,
      },
    );
  }

  for (const size of [0, 1, 100_000, 20 * MIB]) {
    test(`a file of ${size} bytes is stored under the default key`, async () => {
      const key = `size-${size}`;
      const answer = await post(await sign(key), Buffer.alloc(size, 'x'));
      assert.equal(answer.status, 204, answer.body.toString());
      const stored = backend.store.stored('uploads', key);
      assert.deepEqual([stored?.size, stored?.algorithm, stored?.keyId], [size, 'aws:kms', DEFAULT_KEY]);
      assert.equal(stored?.context.get('aws:s3:arn'), `arn:aws:s3:::uploads/${key}`);
      assert.match(String(answer.headers.etag), /^".+"$/);
      assert.equal(answer.headers.location, `${gateway.endpoint}/uploads/${key}`);
    });
  }

  test('the audit line names the form', async () => {
    await post(await sign('audited'), Buffer.from('x'));
    const line = (await gateway.audited()).at(-1);
    assert.deepEqual(
      [line?.['operation'], line?.['scheme'], line?.['client'], line?.['key'], line?.['status']],
      ['PostObject', 'post-policy', 'tester', 'audited', 204],
    );
  });

  test('an allowed key in a field is kept', async () => {
    const fields = await sign('own-key', { [SSE]: 'aws:kms', [`${SSE}-aws-kms-key-id`]: OTHER_KEY });
    assert.equal((await post(fields, Buffer.from('x'))).status, 204);
    assert.equal(backend.store.stored('uploads', 'own-key')?.keyId, OTHER_KEY);
  });

  // biome-ignore lint/suspicious/noTemplateCurlyInString: S3's own placeholder
  test('${filename} is the name of the file', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: S3's own placeholder
    const fields = await sign('in/${filename}');
    assert.equal((await post(fields, Buffer.from('x'), { filename: 'C:\\\\dir\\\\b.txt' })).status, 204);
    assert.ok(backend.store.stored('uploads', 'in/b.txt'));
  });

  test('201 brings the document, 303 the redirect', async () => {
    const created = await post(await sign('created', { success_action_status: '201' }), Buffer.from('x'));
    assert.equal(created.status, 201);
    assert.match(created.body.toString(), /<PostResponse>.*<Bucket>uploads<\/Bucket><Key>created<\/Key>/);
    const redirect = { success_action_redirect: 'https://app.example/done?a=b' };
    const moved = await post(await sign('moved', redirect), Buffer.from('x'));
    assert.equal(moved.status, 303);
    assert.match(
      String(moved.headers.location),
      /^https:\/\/app\.example\/done\?a=b&bucket=uploads&key=moved&etag=/,
    );
  });

  test('the origin of the page goes on, so that the backend can answer for it', async () => {
    await post(await sign('origin'), Buffer.from('x'), { headers: { origin: 'https://app.example' } });
    const sent = backend.store.requests.at(-1);
    assert.equal(sent?.method, 'PUT');
    assert.equal(sent.headers.find(({ name }) => name === 'origin')?.value, 'https://app.example');
  });

  test('an error of the backend is passed on whole', async () => {
    const answer = await post(
      await sign('plain/bad', { [`${SSE}`]: 'aws:kms', [`${SSE}-aws-kms-key-id`]: 'unknown' }),
      Buffer.from('x'),
    );
    assert.equal(answer.status, 400);
    assert.equal(answer.code, 'KMS.NotFoundException');
  });

  describe('refused, with nothing stored:', () => {
    const cases: [string, () => Promise<Answer>, number, string, string][] = [
      [
        'a wrong signature',
        async () => post({ ...(await sign('r')), 'X-Amz-Signature': '0'.repeat(64) }, Buffer.from('x')),
        403,
        'SignatureDoesNotMatch',
        'signature_mismatch',
      ],
      [
        'a field that the policy does not cover',
        async () => post({ ...(await sign('r')), [SSE]: 'AES256' }, Buffer.from('x')),
        403,
        'AccessDenied',
        'form_policy',
      ],
      [
        'a file that is too large',
        async () => post(await sign('r', {}, [['content-length-range', 0, 10]]), Buffer.alloc(11)),
        400,
        'EntityTooLarge',
        'too_large',
      ],
      [
        'AES256 in a covered field',
        async () => post(await sign('r', { [SSE]: 'AES256' }), Buffer.from('x')),
        403,
        'AccessDenied',
        'encryption_downgrade',
      ],
      ['no signature at all', () => post({ key: 'r' }, Buffer.from('x')), 403, 'AccessDenied', 'anonymous'],
      [
        'a form that is cut off',
        async () => post(await sign('r'), Buffer.alloc(100_000), { tail: '\r\n--' }),
        400,
        'MalformedPOSTRequest',
        'malformed_request',
      ],
      [
        'a part after the file',
        async () =>
          post(await sign('r'), Buffer.alloc(100_000), {
            tail: '\r\n------form-boundary-of-the-test\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n------form-boundary-of-the-test--\r\n',
          }),
        400,
        'MalformedPOSTRequest',
        'malformed_request',
      ],
      [
        'a V2 signature, where the object would lie under KMS',
        async () => post(signV2('r'), Buffer.from('x')),
        400,
        'InvalidArgument',
        'signature_v2',
      ],
    ];
    for (const [what, attempt, status, code, reason] of cases) {
      test(what, async () => {
        const answer = await attempt();
        assert.deepEqual([answer.status, answer.code], [status, code], answer.body.toString());
        assert.equal((await gateway.audited()).at(-1)?.['reason'], reason);
        assert.equal(backend.store.stored('uploads', 'r'), undefined);
      });
    }
  });

  test('a V2 form stores what is not under KMS', async () => {
    assert.equal((await post(signV2('plain/v2'), Buffer.from('x'))).status, 204);
    assert.ok(backend.store.stored('uploads', 'plain/v2'));
  });
});

/** Fields of a form with Signature Version 2 (HTTPPOSTForms.html). */
function signV2(key: string): Record<string, string> {
  const policy = Buffer.from(
    JSON.stringify({
      expiration: new Date(Date.now() + 60_000).toISOString(),
      conditions: [{ bucket: 'uploads' }, { key }],
    }),
  ).toString('base64');
  const signature = hmacSha1Base64(testClient.secretAccessKey, policy);
  return { key, AWSAccessKeyId: testClient.accessKeyId, policy, signature };
}
