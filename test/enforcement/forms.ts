// Ways 27 to 31: browser forms, and whoever sends no signature at all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PutBucketAclCommand } from '@aws-sdk/client-s3';
import { hmacSigner } from '../core/sigv4/chunk-signer.ts';
import { type Answer, type Endpoint, send } from '../gateway/client.ts';
import { testClient } from '../gateway/setup.ts';
import { customerKeyHeaders, type Headers, KEY_ID, put, SSE } from './requests.ts';
import { type Attempt, type Group, IN_THE_CLEAR, SECRET, type Site } from './site.ts';

type Fields = readonly (readonly [name: string, value: string])[];

/** What makes one form differ from a good one. */
interface FormOptions {
  readonly bucket?: string;
  readonly key?: string;
  /** Fields that the policy covers. */
  readonly fields?: Fields;
  /** Fields that it does not. */
  readonly uncovered?: Fields;
  /** Conditions beside those of the fields. */
  readonly conditions?: readonly unknown[];
}

const BOUNDARY = 'boundary-of-the-form';

/** The fields of a form, signed with Version 4. https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html */
function signForm({ credentials = testClient }: Endpoint, options: FormOptions): Fields {
  const { bucket = 'inject', key = 'form', fields = [], uncovered = [], conditions = [] } = options;
  const now = new Date();
  const amzDate = now.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const scope = `${amzDate.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const covered: Fields = [
    ['key', key],
    ['x-amz-algorithm', 'AWS4-HMAC-SHA256'],
    ['x-amz-credential', `${credentials.accessKeyId}/${scope}`],
    ['x-amz-date', amzDate],
    ...fields,
  ];
  const document = {
    expiration: new Date(now.getTime() + 60_000).toISOString(),
    // The key as a template may become any: what is signed for is its beginning.
    conditions: [
      { bucket },
      ...covered.map(([name, value]) =>
        name === 'key' ? ['starts-with', '$key', ''] : ['eq', `$${name}`, value],
      ),
      ...conditions,
    ],
  };
  const policy = Buffer.from(JSON.stringify(document)).toString('base64');
  const signature = hmacSigner(credentials.secretAccessKey, amzDate.slice(0, 8), 'us-east-1').sign(policy);
  return [...covered, ...uncovered, ['policy', policy], ['x-amz-signature', signature]];
}

/** How a form stands on the wire. */
interface Wire {
  readonly path?: string;
  readonly headers?: Headers;
  readonly contentType?: string | undefined;
  readonly filename?: string;
  readonly file?: string;
  /** In place of the end. */
  readonly tail?: string;
  /** Of the whole body. */
  readonly rewrite?: (body: string) => string;
}

const field = (name: string, value: string) =>
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const END = `\r\n--${BOUNDARY}--\r\n`;

function post(to: Endpoint, fields: Fields, wire: Wire = {}): Promise<Answer> {
  const { path = '/inject', filename = 'file.txt', file = SECRET, tail = END } = wire;
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="${filename}"\r\n\r\n`;
  const text = `${fields.map(([name, value]) => field(name, value)).join('')}${head}${file}${tail}`;
  const body = Buffer.from(wire.rewrite?.(text) ?? text);
  const contentType = 'contentType' in wire ? wire.contentType : `multipart/form-data; boundary=${BOUNDARY}`;
  const headers: Record<string, string> = {
    host: new URL(to.endpoint).host,
    'content-length': String(body.length),
    ...(contentType === undefined ? {} : { 'content-type': contentType }),
    ...wire.headers,
  };
  return send(to, { method: 'POST', path, headers, body });
}

export const forms: Group = (stage, site) => {
  if (stage === 'fake') return;
  const form = (options: FormOptions = {}, wire: Wire = {}): Promise<Answer> =>
    post(site().writer, signForm(site().writer, options), wire);
  const attempt = (what: string, comesTo: string, options: FormOptions = {}, wire: Wire = {}): Attempt => [
    what,
    () => form(options, wire),
    comesTo,
  ];

  async function stores(key: string, options: FormOptions, wire: Wire = {}): Promise<void> {
    const answer = await form(options, wire);
    assert.equal(answer.status, 204, answer.body.toString());
    const lies = await site().encryptionOf('inject', key);
    assert.deepEqual(lies, { method: 'aws:kms', keyId: site().keys.default }, key);
  }

  test('way 27: a form asks for nothing that a request may not, and only in fields that its policy covers', async () => {
    const { keys } = site();
    const trio = Object.entries(customerKeyHeaders());
    const twice = (first: string, second: string): FormOptions => ({
      fields: [[SSE, first]],
      uncovered: [[SSE, second]],
    });
    await site().repels([
      attempt('AES256', '403 encryption_downgrade', { fields: [[SSE, 'AES256']] }),
      attempt('AES256 under another case', '403 encryption_downgrade', {
        fields: [['X-Amz-Server-Side-Encryption', 'AES256']],
      }),
      attempt('an empty method', '400 algorithm_not_allowed', { fields: [[SSE, '']] }),
      attempt('aws:fsx', '400 algorithm_not_allowed', { fields: [[SSE, 'aws:fsx']] }),
      attempt('SSE-C', '403 customer_key', { fields: trio }),
      attempt('SSE-C and KMS', '400 customer_key', { fields: [...trio, [SSE, 'aws:kms']] }),
      attempt('a foreign key', '403 key_not_allowed', {
        fields: [
          [SSE, 'aws:kms'],
          [KEY_ID, keys.foreign],
        ],
      }),
      attempt('AES256 that the policy does not cover', '403 form_policy', { uncovered: [[SSE, 'AES256']] }),
      attempt('KMS that the policy does not cover', '403 form_policy', { uncovered: [[SSE, 'aws:kms']] }),
      attempt('a method that the policy covers otherwise', '403 form_policy', {
        uncovered: [[SSE, 'AES256']],
        conditions: [['eq', `$${SSE}`, 'aws:kms']],
      }),
      attempt('a condition without its field', '403 form_policy', {
        conditions: [['eq', `$${SSE}`, 'aws:kms']],
      }),
      attempt(
        'a condition whose value stands in a header',
        '403 form_policy',
        { conditions: [['eq', `$${SSE}`, 'aws:kms']] },
        { headers: { [SSE]: 'aws:kms' } },
      ),
      attempt('the method twice', '400 malformed_request', twice('aws:kms', 'AES256')),
      attempt('the method twice, the same', '400 malformed_request', twice('aws:kms', 'aws:kms')),
      attempt('the method twice, in two cases', '400 malformed_request', {
        fields: [
          [SSE, 'aws:kms'],
          ['X-AMZ-Server-Side-Encryption', 'AES256'],
        ],
      }),
      attempt(
        'the method behind the file',
        '400 malformed_request',
        {},
        { tail: `\r\n${field(SSE, 'AES256')}--${BOUNDARY}--\r\n` },
      ),
      attempt('a field that no operation has', '501 operation_not_allowed', {
        fields: [['x-amz-write-offset-bytes', '0']],
      }),
      attempt('a header’s name with _', '501 operation_not_allowed', {
        fields: [['x-amz-server-side_encryption', 'AES256']],
      }),
      attempt('a copy', '501 operation_not_allowed', { fields: [['x-amz-copy-source', 'others/secret']] }),
      attempt('an ACL of everybody', '403 operation_not_allowed', { fields: [['acl', 'public-read']] }),
    ]);
  });

  test('way 27: what stands beside the form’s fields is no setting, and the object is encrypted', async () => {
    await stores('form-headers', { key: 'form-headers' }, { headers: { [SSE]: 'AES256' } });
    await stores('form-query', { key: 'form-query' }, { path: `/inject?${SSE}=AES256` });
    await stores('form-ignored', { key: 'form-ignored', uncovered: [[`x-ignore-${SSE}`, 'AES256']] });
    await stores(
      'form-part',
      { key: 'form-part' },
      { rewrite: (body) => body.replace('\r\n\r\nfile', `\r\n${SSE}: AES256\r\n\r\nfile`) },
    );
  });

  // The others read HTTP headers there, or know no forms.
  if (stage === 'pacific') {
    test('way 27: without the gateway, Ceph 16 stores a form in the clear that asks by HTTP headers', async () => {
      const { direct, keys } = site();
      const headers = { [SSE]: 'aws:kms', [KEY_ID]: keys.default };
      const fields = signForm(direct, { bucket: 'control', key: 'form' });
      const answer = await post(direct, fields, { path: '/control', headers, file: IN_THE_CLEAR });
      assert.equal(answer.status, 204, answer.body.toString());
      assert.equal((await site().encryptionOf('control', 'form'))?.method, 'none');
    });
  }

  test('way 28: a form that two servers could read in two ways reaches none', async () => {
    const type = (text: string) => ({ contentType: `multipart/form-data; ${text}` });
    const other = 'another-boundary';
    const typed = (what: string, text: string): Attempt =>
      attempt(what, '400 malformed_request', {}, type(text));
    const rewritten = (what: string, rewrite: (body: string) => string): Attempt =>
      attempt(what, '400 malformed_request', {}, { rewrite });
    const disposition = (text: string) => (body: string) => body.replace('form-data; name="key"', text);
    const { writer } = site();
    const authorization =
      'AWS4-HMAC-SHA256 Credential=a/20261123/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0';
    await site().repels([
      attempt('to the URL of an object', '405 operation_not_allowed', {}, { path: '/inject/form' }),
      attempt('with a subresource', '501 operation_not_allowed', {}, { path: '/inject?acl=' }),
      attempt('as DeleteObjects', '403 anonymous', {}, { path: '/inject?delete=' }),
      attempt('with a parameter that is none', '501 operation_not_allowed', {}, { path: '/inject?madeup=' }),
      attempt(
        'URL-encoded',
        '412 malformed_request',
        {},
        { contentType: 'application/x-www-form-urlencoded' },
      ),
      attempt('without a type', '412 malformed_request', {}, { contentType: undefined }),
      attempt(
        'multipart/mixed',
        '412 malformed_request',
        {},
        { contentType: `multipart/mixed; boundary=${BOUNDARY}` },
      ),
      attempt(
        'multipart/form-data2',
        '412 malformed_request',
        {},
        { contentType: `multipart/form-data2; boundary=${BOUNDARY}` },
      ),
      attempt('no boundary', '400 malformed_request', {}, { contentType: 'multipart/form-data' }),
      typed('an empty boundary', 'boundary='),
      typed('an empty quoted boundary', 'boundary=""'),
      typed('two boundaries', `boundary=${BOUNDARY}; boundary=${other}`),
      typed('two boundaries in two cases', `boundary=${BOUNDARY}; Boundary=${other}`),
      typed('a boundary in parts', `boundary*0=${BOUNDARY.slice(0, 5)}; boundary*1=${BOUNDARY.slice(5)}`),
      typed('an extended boundary', `boundary*=utf-8''${BOUNDARY}`),
      typed('a comma and another', `boundary=${BOUNDARY}, multipart/form-data; boundary=${other}`),
      typed('a boundary with a space at its end', `boundary="${BOUNDARY} "`),
      typed('a longer boundary', `boundary=${BOUNDARY}x`),
      typed('a shorter boundary', `boundary=${BOUNDARY.slice(0, -1)}`),
      typed('a boundary of 71 characters', `boundary=${'x'.repeat(71)}`),
      typed('another charset', `boundary=${BOUNDARY}; charset=utf-7`),
      rewritten('a preamble', (body) => `preamble\r\n${body}`),
      rewritten('bare line feeds', (body) => body.replaceAll('\r\n', '\n')),
      rewritten('one bare line feed', (body) => body.replace('\r\n', '\n')),
      rewritten('space behind a boundary', (body) => body.replace(`--${BOUNDARY}\r\n`, `--${BOUNDARY} \r\n`)),
      rewritten('an epilogue', (body) => `${body}epilogue`),
      rewritten('no end', (body) => body.slice(0, -END.length)),
      rewritten('an end without CRLF', (body) => body.slice(0, -2)),
      rewritten('two files', (body) =>
        body.replace(END, `\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"\r\n\r\nx${END}`),
      ),
      rewritten('no file', (body) => body.replace('name="file"', 'name="other"')),
      rewritten('two names', disposition('form-data; name="key"; name="x"')),
      rewritten('a name in parts', disposition('form-data; name*0="key"')),
      rewritten('a name without quotes and more', disposition('form-data; name=key"')),
      rewritten('another disposition', disposition('attachment; name="key"')),
      rewritten('a folded line', disposition('form-data;\r\n name="key"')),
      rewritten('a header twice', (body) =>
        body.replace('\r\n\r\n', '\r\nContent-Disposition: form-data; name="x"\r\n\r\n'),
      ),
      rewritten('base64', (body) =>
        body.replace('\r\n\r\n', '\r\nContent-Transfer-Encoding: base64\r\n\r\n'),
      ),
      rewritten('a multipart within', (body) =>
        body.replace('\r\n\r\n', '\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n'),
      ),
      rewritten('UTF-16 text', (body) =>
        body.replace('\r\n\r\n', '\r\nContent-Type: text/plain; charset=utf-16\r\n\r\n'),
      ),
      attempt('a signature in the header too', '400 ambiguous_request', {}, { headers: { authorization } }),
      attempt(
        'a signature in the query too',
        '400 ambiguous_request',
        {},
        { path: '/inject?X-Amz-Signature=0&X-Amz-Date=1' },
      ),
      ['of HTTP chunks', () => chunkedForm(writer), '411 malformed_request'],
    ]);
  });

  async function chunkedForm(to: Endpoint): Promise<Answer> {
    const headers = {
      host: new URL(to.endpoint).host,
      'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
      'transfer-encoding': 'chunked',
    };
    return send({ ...to }, { method: 'POST', path: '/inject', headers, body: field('key', 'form') });
  }

  test('way 29: the bucket is that of the URL, whatever a field says', async () => {
    const inBucket = (bucket: string, named: string): FormOptions => ({
      bucket,
      uncovered: [['bucket', named]],
    });
    await site().repels([
      attempt('another bucket in the field', '400 ambiguous_request', inBucket('inject', 'off')),
      attempt('a bucket that is not the client’s', '400 ambiguous_request', inBucket('inject', 'others')),
      attempt('signed for another bucket', '403 form_policy', { bucket: 'off' }),
      attempt('signed for another bucket, and the field says so', '403 form_policy', inBucket('off', 'off')),
      attempt('signed for this bucket, sent to another', '403 form_policy', {}, { path: '/off' }),
      attempt(
        'sent to a bucket that is not the client’s',
        '403 bucket_not_allowed',
        { bucket: 'others' },
        { path: '/others' },
      ),
      attempt('the field twice', '400 malformed_request', {
        uncovered: [
          ['bucket', 'inject'],
          ['Bucket', 'off'],
        ],
      }),
    ]);
    await stores('form-bucket', { key: 'form-bucket', uncovered: [['bucket', 'inject']] });
  });

  // biome-ignore lint/suspicious/noTemplateCurlyInString: S3's own placeholder
  const FILENAME = '${filename}';

  test('way 30: the key is the one that the rule is chosen by, and redirects lead where the policy says', async () => {
    await site().repels([
      attempt('a file’s name that makes another rule’s key', '403 context_missing_pair', {
        key: `context/${FILENAME}`,
      }),
      attempt(
        'a prefix in the template',
        '403 context_missing_pair',
        { key: FILENAME.replace('$', 'context/$') },
        { filename: 'C:\\x\\y' },
      ),
      attempt('no key', '400 malformed_request', { key: '' }),
      attempt('a key of 1025 bytes', '400 too_large', { key: 'k'.repeat(1025) }),
      attempt('an uncovered redirect', '403 form_policy', {
        uncovered: [['success_action_redirect', 'https://evil.example/']],
      }),
      attempt('an uncovered redirect of old', '403 form_policy', {
        uncovered: [['redirect', 'https://evil.example/']],
      }),
      attempt('an uncovered website redirect', '403 form_policy', {
        uncovered: [['x-amz-website-redirect-location', 'https://evil.example/']],
      }),
      attempt('a website redirect of two lines', '400 malformed_request', {
        fields: [['x-amz-website-redirect-location', 'https://a.example/\r\nx: y']],
      }),
    ]);
    await stores('form/passwd', { key: `form/${FILENAME}` }, { filename: '../../../etc/passwd' });
    await stores('form/$&', { key: `form/${FILENAME}` }, { filename: '$&' });
    await stores('../off/form', { key: '../off/form' });
    await stores('form%2Fencoded', { key: 'form%2Fencoded' });
    for (const target of [
      'javascript:alert(1)',
      '//evil.example',
      'https://user@evil.example/',
      'https://a.example/\r\nx: y',
    ]) {
      const answer = await form({ key: 'form-redirect', fields: [['success_action_redirect', target]] });
      assert.equal(answer.status, 204, target);
      assert.equal(answer.headers.location, `${site().gateway.endpoint}/inject/form-redirect`);
    }
  });

  test('way 31: nobody writes without a signature, not even where the backend would let anybody', async () => {
    const { writer } = site();
    await openToAll(site());
    const bare =
      (method: string, path: string, headers: Headers = {}): Attempt[1] =>
      () =>
        send(writer, {
          method,
          path,
          headers: { host: new URL(writer.endpoint).host, ...headers },
          ...(method === 'GET' ? {} : { body: SECRET }),
        });
    await site().repels([
      ['PutObject', bare('PUT', '/inject/k'), '403 anonymous'],
      ['PutObject where no rule encrypts', bare('PUT', '/off/k'), '403 anonymous'],
      ['PutObject with KMS', bare('PUT', '/inject/k', { [SSE]: 'aws:kms' }), '403 anonymous'],
      ['GetObject', bare('GET', '/off/k'), '403 anonymous'],
      ['CreateMultipartUpload', bare('POST', '/inject/k?uploads='), '403 anonymous'],
      ['DeleteObjects', bare('POST', '/inject?delete='), '403 anonymous'],
      [
        'an empty Authorization header',
        bare('PUT', '/inject/k', { authorization: '' }),
        '400 malformed_request',
      ],
      [
        'an Authorization header of another kind',
        bare('PUT', '/inject/k', { authorization: 'Bearer x' }),
        '400 malformed_request',
      ],
      ['a form without a policy', () => post(writer, [['key', 'form']]), '403 anonymous'],
      [
        'a form with a policy that nobody signed',
        () =>
          post(writer, [
            ['key', 'form'],
            ['policy', 'e30='],
          ]),
        '403 anonymous',
      ],
    ]);
  });

  if (stage !== 'store') {
    test('way 31: without the gateway, Ceph lets anybody write in the clear there', async () => {
      const { direct } = site();
      await openToAll(site());
      const headers = { host: new URL(direct.endpoint).host };
      const answer = await send(direct, { ...put('/control/anybody', headers, IN_THE_CLEAR) });
      assert.equal(answer.status, 200, answer.body.toString());
      assert.equal((await site().encryptionOf('control', 'anybody'))?.method, 'none');
    });
  }
};

/** Lets anybody write at the backend: for Ceph only. */
async function openToAll({ ceph }: Site): Promise<void> {
  for (const Bucket of ['off', 'inject', 'control'])
    await ceph?.s3.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read-write' }));
}
