// Ways 39 to 46: who signed what, and over which channel.
import assert from 'node:assert/strict';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import {
  type Answer,
  type Endpoint,
  type PlainRequest,
  send,
  sendSigned,
  signedHeaders,
} from '../gateway/client.ts';
import { answering, confirming } from '../gateway/fake-backend.ts';
import { startGateway } from '../gateway/gateway.ts';
import { testClient } from '../gateway/setup.ts';
import {
  bytesOf,
  exchangeOne,
  type Headers,
  headLines,
  KEY_ID,
  presign,
  put,
  SIGNATURE_FORMS,
  SSE,
  sendAs,
  signV2,
} from './requests.ts';
import { type Attempt, elements, type Group, IN_THE_CLEAR, SECRET } from './site.ts';

const MINUTE = 60_000;

/** The headers of a request that was signed at another time. */
async function signedAt(to: Endpoint, request: PlainRequest, at: Date): Promise<Headers> {
  const url = new URL(to.endpoint);
  const settings = { region: 'us-east-1', service: 's3', sha256: Sha256, uriEscapePath: false };
  const { headers } = await new SignatureV4({ credentials: to.credentials ?? testClient, ...settings }).sign(
    {
      method: request.method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: request.path,
      headers: { host: url.host, ...request.headers },
      body: request.body,
    },
    { signingDate: at },
  );
  return headers;
}

export const transport: Group = (stage, site) => {
  if (stage === 'fake') return redirects(site);

  test('way 39: a Signature Version 2 that was captured cannot be turned into another operation, nor carry KMS', async () => {
    const { writer, admin, keys } = site();
    assert.equal((await sendSigned(writer, put('/inject/under-kms'))).status, 200);
    const v2 =
      (place: 'header' | 'query', to: Endpoint, request: PlainRequest): Attempt[1] =>
      () =>
        send(to, signV2(place, to, request));
    /** Signed for the plain operation, sent with a subresource that Version 2 leaves unsigned. */
    const turned =
      (method: string, path: string, query: string): Attempt[1] =>
      () => {
        const signed = signV2('header', admin, {
          method,
          path,
          body: method === 'DELETE' ? undefined : IN_THE_CLEAR,
        } as PlainRequest);
        return send(admin, { ...signed, path: `${path}?${query}` });
      };
    const unsigned = [
      'encryption=',
      'publicAccessBlock=',
      'ownershipControls=',
      'abac=',
      'metadataTable=',
      'intelligent-tiering=&id=x',
    ];
    await site().repels([
      ...unsigned
        .slice(0, 4)
        .map((query): Attempt => [`PUT /off?${query}`, turned('PUT', '/off', query), '403 unsigned_header']),
      ...unsigned
        .slice(0, 3)
        .map(
          (query): Attempt => [
            `DELETE /off?${query}`,
            turned('DELETE', '/off', query),
            '403 unsigned_header',
          ],
        ),
      [
        'PUT with another metadata configuration',
        turned('PUT', '/off', unsigned[5] ?? ''),
        '403 unsigned_header',
      ],
      ['PUT of an object, with encryption', turned('PUT', '/off/k', 'encryption='), '403 unsigned_header'],
      [
        'PUT of an object, as an annotation',
        turned('PUT', '/off/k', 'annotation=&annotationName=x'),
        '403 unsigned_header',
      ],
      ['PUT of an object, as a legal hold', turned('PUT', '/off/k', 'legal-hold='), '403 unsigned_header'],
      ['PUT of an object, as a retention', turned('PUT', '/off/k', 'retention='), '403 unsigned_header'],
      ['PUT of an object, as an ACL', turned('PUT', '/off/k', 'acl='), '403 signature_mismatch'],
      [
        'PUT of an object, as a part',
        turned('PUT', '/off/k', 'partNumber=1&uploadId=x'),
        '403 signature_mismatch',
      ],
      ['PUT of a bucket, as its policy', turned('PUT', '/off', 'policy='), '403 signature_mismatch'],
      ['PUT under inject', v2('header', writer, put('/inject/k')), '400 signature_v2'],
      ['PUT under inject, by URL', v2('query', writer, put('/inject/k')), '400 signature_v2'],
      [
        'PUT with KMS of its own',
        v2('header', writer, put('/off/k', { [SSE]: 'aws:kms', [KEY_ID]: keys.default })),
        '400 signature_v2',
      ],
      ['PUT of a part', v2('header', writer, put('/inject/k?partNumber=1&uploadId=x')), '400 signature_v2'],
      [
        'GET of what lies under KMS',
        v2('header', writer, { method: 'GET', path: '/inject/under-kms' }),
        '400 signature_v2',
      ],
      [
        'GET of it, by URL',
        v2('query', writer, { method: 'GET', path: '/inject/under-kms' }),
        '400 signature_v2',
      ],
      [
        'chunks',
        v2('header', writer, put('/off/k', { 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' })),
        '400 malformed_request',
      ],
    ]);
  });

  test('way 40: no payload mode, operation or form of signature goes unverified', async () => {
    const { writer } = site();
    const forger = {
      ...writer,
      credentials: { accessKeyId: writer.credentials?.accessKeyId ?? '', secretAccessKey: 'guessed' },
    };
    const stranger = { ...writer, credentials: { accessKeyId: 'NOBODY', secretAccessKey: 'guessed' } };
    const modes = [
      'UNSIGNED-PAYLOAD',
      'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
      'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD',
    ];
    const operations: [string, PlainRequest][] = [
      ['PutObject', put('/inject/k')],
      ['UploadPart', put('/inject/k?partNumber=1&uploadId=x')],
      ['PutObjectAnnotation', put('/inject/k?annotation=&annotationName=x')],
      ['PutObjectTagging', put('/inject/k?tagging=')],
      ['PutBucketPolicy', put('/inject?policy=')],
      ['CompleteMultipartUpload', { method: 'POST', path: '/inject/k?uploadId=x', body: '<x/>' }],
      ['DeleteObjects', { method: 'POST', path: '/inject?delete=', body: '<Delete/>' }],
      ['SelectObjectContent', { method: 'POST', path: '/inject/k?select=&select-type=2', body: '<x/>' }],
      ['GetObject', { method: 'GET', path: '/inject/source' }],
    ];
    const withMode = ({ headers, ...request }: PlainRequest, mode: string): PlainRequest => ({
      ...request,
      headers: {
        ...headers,
        'x-amz-content-sha256': mode,
        'x-amz-decoded-content-length': String(SECRET.length),
        'x-amz-trailer': 'x-amz-checksum-crc32',
      },
    });
    const attempts = operations.flatMap(([operation, request]) =>
      SIGNATURE_FORMS.flatMap((form) =>
        modes
          .flatMap((mode): Attempt[] => [
            [
              `${operation}, ${form}, ${mode}`,
              () => sendAs(form, forger, form === 'header' ? withMode(request, mode) : request),
              '403 signature_mismatch',
            ],
          ])
          .slice(0, form === 'header' ? modes.length : 1),
      ),
    );
    const presigned = await presign('presigned', writer, put('/inject/k'));
    const without = (name: string): Attempt => [
      `a presigned URL without ${name}`,
      () =>
        send(writer, {
          ...presigned,
          path: presigned.path
            .replace(new RegExp(`[?&]${name}=[^&]*`), (found) => (found.startsWith('?') ? '?' : ''))
            .replace('?&', '?'),
        }),
      '400 malformed_request',
    ];
    const streamed = (mode: string): Attempt => [
      `a presigned URL of a forger, and ${mode} as a header`,
      async () => {
        const forged = await presign('presigned', forger, put('/inject/k'));
        return send(writer, { ...forged, headers: { ...forged.headers, 'x-amz-content-sha256': mode } });
      },
      '403 signature_mismatch',
    ];
    await site().repels([
      ...attempts,
      ...[
        'X-Amz-Signature',
        'X-Amz-Credential',
        'X-Amz-Date',
        'X-Amz-Expires',
        'X-Amz-SignedHeaders',
        'X-Amz-Algorithm',
      ].map(without),
      ...modes.map(streamed),
      ...SIGNATURE_FORMS.map(
        (form): Attempt => [
          `a stranger, ${form}`,
          () => sendAs(form, stranger, put('/inject/k')),
          '403 unknown_access_key',
        ],
      ),
      [
        'a signature of nothing',
        async () => withAuthorization((value) => value.replace(/Signature=.*/, 'Signature=')),
        '400 malformed_request',
      ],
      [
        'no signature',
        async () => withAuthorization((value) => value.replace(/, Signature=.*/, '')),
        '400 malformed_request',
      ],
      [
        'an algorithm that is none',
        async () => withAuthorization((value) => value.replace('AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA1')),
        '400 malformed_request',
      ],
      [
        'two forms at once',
        async () =>
          send(writer, { ...presigned, headers: { ...presigned.headers, authorization: 'AWS a:b' } }),
        '400 ambiguous_request',
      ],
      [
        'MinIO’s handler for archives',
        () => sendSigned(forger, put('/inject/k', { 'x-amz-meta-snowball-auto-extract': 'true' })),
        '403 signature_mismatch',
      ],
    ]);
  });

  async function withAuthorization(change: (value: string) => string): Promise<Answer> {
    const { writer } = site();
    const headers = await signedHeaders(writer, put('/inject/k'));
    return send(
      writer,
      put('/inject/k', { ...headers, authorization: change(headers['authorization'] ?? '') }),
    );
  }

  /** Headers that somebody on the way could add. */
  const ADDED: Headers = {
    [SSE]: 'AES256',
    [KEY_ID]: 'x',
    [`${SSE}-customer-algorithm`]: 'AES256',
    'x-amz-acl': 'public-read',
    'x-amz-meta-a': 'b',
    'x-amz-tagging': 'a=b',
    'x-amz-storage-class': 'STANDARD_IA',
    'x-amz-copy-source': 'inject/source',
    'x-amz-website-redirect-location': 'https://evil.example/',
    'x-amz-security-token': 'x',
    'x-amz-expected-bucket-owner': '111122223333',
    'x-amz-decoded-content-length': '1',
    'x-amz-object-lock-legal-hold': 'ON',
  };

  test('way 41: an x-amz-* header that was not signed is refused, also on a presigned URL', async () => {
    const { writer } = site();
    const headers = await signedHeaders(writer, put('/inject/k'));
    const presigned = await presign('presigned', writer, put('/inject/k'));
    await site().repels(
      Object.entries(ADDED).flatMap(([name, value]): Attempt[] => [
        [
          `${name} added`,
          () => send(writer, put('/inject/k', { ...headers, [name]: value })),
          '403 unsigned_header',
        ],
        [
          `${name} added to a URL`,
          () => send(writer, { ...presigned, headers: { ...presigned.headers, [name]: value } }),
          '403 unsigned_header',
        ],
      ]),
    );
    const signed = await signedHeaders(writer, put('/inject/k', { 'x-amz-meta-a': 'b' }));
    await site().repels([
      [
        'a signed header taken away',
        () =>
          send(
            writer,
            put(
              '/inject/k',
              Object.fromEntries(Object.entries(signed).filter(([name]) => name !== 'x-amz-meta-a')),
            ),
          ),
        '403 signature_mismatch',
      ],
      [
        'a signed header changed',
        () => send(writer, put('/inject/k', { ...signed, 'x-amz-meta-a': 'c' })),
        '403 signature_mismatch',
      ],
    ]);
  });

  // Ceph 20 refuses such headers too.
  if (stage === 'pacific') {
    test('way 41: without the gateway, Ceph 16 acts on a header that was not signed', async () => {
      const { direct, keys } = site();
      const signed = await signedHeaders(direct, put('/control/unsigned', {}, IN_THE_CLEAR));
      const headers = { ...signed, [SSE]: 'aws:kms', [KEY_ID]: keys.foreign };
      assert.equal((await send(direct, put('/control/unsigned', headers, IN_THE_CLEAR))).status, 200);
      assert.equal((await site().encryptionOf('control', 'unsigned'))?.keyId, keys.foreign);
    });
  }

  test('way 42: nothing goes under KMS, or comes from there, over plaintext; a replaced body is not stored', async () => {
    const { plaintext, writer, keys } = site();
    assert.equal((await sendSigned(writer, put('/inject/under-kms'))).status, 200);
    const unsigned = { payloadHash: 'UNSIGNED-PAYLOAD' };
    const replaced = async (request: PlainRequest): Promise<Answer> => {
      const headers = await signedHeaders(plaintext, request);
      return send(plaintext, { ...request, headers, body: 'x'.repeat(SECRET.length) });
    };
    await site().repels([
      ['PutObject', () => sendSigned(plaintext, put('/inject/k')), '400 insecure_transport'],
      [
        'PutObject of an unsigned body',
        () => sendSigned(plaintext, { ...put('/inject/k'), ...unsigned }),
        '400 insecure_transport',
      ],
      ...(['presigned', 'hoisted'] as const).map(
        (form): Attempt => [
          `PutObject, ${form}`,
          () => sendAs(form, plaintext, put('/inject/k')),
          '400 insecure_transport',
        ],
      ),
      [
        'PutObject with KMS of its own',
        () => sendSigned(plaintext, put('/off/k', { [SSE]: 'aws:kms', [KEY_ID]: keys.default })),
        '400 insecure_transport',
      ],
      [
        'CreateMultipartUpload',
        () => sendSigned(plaintext, { method: 'POST', path: '/inject/k?uploads=' }),
        '400 insecure_transport',
      ],
      [
        'UploadPart',
        () => sendSigned(plaintext, put('/inject/k?partNumber=1&uploadId=x')),
        '400 insecure_transport',
      ],
      [
        'CopyObject',
        () =>
          sendSigned(plaintext, {
            method: 'PUT',
            path: '/inject/k',
            headers: { 'x-amz-copy-source': 'inject/under-kms' },
          }),
        '400 insecure_transport',
      ],
      [
        'GetObject',
        () => sendSigned(plaintext, { method: 'GET', path: '/inject/under-kms' }),
        '400 insecure_transport',
      ],
      [
        'HeadObject',
        () => sendSigned(plaintext, { method: 'HEAD', path: '/inject/under-kms' }),
        '400 insecure_transport',
      ],
      ['a body that is not the one that was signed', () => replaced(put('/off/k')), '400 payload_mismatch'],
    ]);
    const read = await sendSigned(plaintext, { method: 'GET', path: '/inject/under-kms' });
    assert.ok(!read.body.includes(SECRET));
  });

  test('way 43: a request that is sent again comes to the same, within its time, and under the rules of whom it reaches', async () => {
    const { writer, keys, backend } = site();
    const headers = await signedHeaders(writer, put('/inject/replayed'));
    const again = (to: Endpoint) => send(to, put('/inject/replayed', headers));
    for (let i = 0; i < 2; i++) {
      assert.equal((await again(writer)).status, 200);
      assert.deepEqual(await site().encryptionOf('inject', 'replayed'), {
        method: 'aws:kms',
        keyId: keys.default,
      });
    }
    const now = Date.now();
    const old =
      (minutes: number): Attempt[1] =>
      async () =>
        send(
          writer,
          put('/inject/k', await signedAt(writer, put('/inject/k'), new Date(now - minutes * MINUTE))),
        );
    const url =
      (minutes: number): Attempt[1] =>
      async () =>
        send(writer, await presign('presigned', writer, put('/inject/k'), new Date(now - minutes * MINUTE)));
    const presigned = await presign('presigned', writer, put('/inject/replayed'));
    await site().repels([
      ['16 minutes later', old(16), '403 clock_skew'],
      ['16 minutes too early', old(-16), '403 clock_skew'],
      ['a day later', old(24 * 60), '403 clock_skew'],
      ['a URL after its end', url(11), '403 expired'],
      ['a URL from the future', url(-16), '403 clock_skew'],
      ['another key', () => send(writer, put('/inject/k', headers)), '403 signature_mismatch'],
      ['another bucket', () => send(writer, put('/off/replayed', headers)), '403 signature_mismatch'],
      [
        'another method',
        () => send(writer, { method: 'DELETE', path: '/inject/replayed', headers }),
        '403 signature_mismatch',
      ],
      [
        'a URL for another method',
        () =>
          send(writer, {
            method: 'DELETE',
            path: presigned.path,
            headers: { host: new URL(writer.endpoint).host },
          }),
        '403 signature_mismatch',
      ],
      [
        'a URL that was given more time',
        () => send(writer, { ...presigned, path: presigned.path.replace('Expires=600', 'Expires=6000') }),
        '403 signature_mismatch',
      ],
    ]);
    const replica = await startGateway({
      backends: [backend],
      clients: [{ ...writer.credentials, name: 'writer', buckets: ['*'], access: 'read-write' }],
      encryption: [{ name: 'stricter', buckets: ['*'], mode: 'require', keyId: keys.default }],
    });
    try {
      const { port } = new URL(replica.endpoint);
      // What reaches the other gateway is the request as it was signed: Host still names the first.
      const to = { endpoint: `https://localhost:${port}`, ca: replica.ca };
      const held = await site().holdings();
      const answer = await again(to);
      assert.equal(answer.status, 403);
      assert.match(answer.message ?? '', /encryption rule stricter requires the header/);
      assert.deepEqual(await site().holdings(), held);
    } finally {
      await replica.close();
    }
  });

  test('way 44: what a client says of its own hop is not believed', async () => {
    const { plaintext, writer, keys } = site();
    const claims: Headers[] = [
      { 'x-forwarded-proto': 'https' },
      { 'x-forwarded-proto': 'https, https' },
      { forwarded: 'proto=https' },
      { forwarded: 'for=127.0.0.1;proto="https";by=127.0.0.1' },
      { 'x-forwarded-ssl': 'on' },
      { 'x-forwarded-scheme': 'https' },
      { 'front-end-https': 'on' },
      { 'x-forwarded-port': '443' },
      { 'x-forwarded-for': '127.0.0.1' },
      { 'x-url-scheme': 'https' },
      { 'cloudfront-forwarded-proto': 'https' },
    ];
    await site().repels(
      claims.map(
        (headers): Attempt => [
          JSON.stringify(headers),
          () => sendSigned(plaintext, put('/inject/k', headers)),
          '400 insecure_transport',
        ],
      ),
    );
    const places: Headers[] = [
      { 'x-forwarded-host': 'off.localhost' },
      { forwarded: 'host=off.localhost' },
      { 'x-original-url': '/off/place' },
      { 'x-rewrite-url': '/off/place' },
      { 'x-forwarded-prefix': '/off' },
      { 'x-http-method-override': 'DELETE' },
      { 'x-method-override': 'DELETE' },
    ];
    for (const headers of places) {
      assert.equal((await sendSigned(writer, put('/inject/place', headers))).status, 200);
      assert.deepEqual(await site().encryptionOf('inject', 'place'), {
        method: 'aws:kms',
        keyId: keys.default,
      });
    }
    assert.equal(await site().encryptionOf('off', 'place'), undefined);
  });

  test('way 45: Host and path name one bucket, and never another server', async () => {
    const { writer, keys } = site();
    const { host, port } = new URL(writer.endpoint);
    const hosted =
      (name: string, path = '/k'): Attempt[1] =>
      () =>
        sendSigned(writer, put(path, { host: name }));
    const raw = async (
      target: string,
      change: (lines: string[]) => string[] = (lines) => lines,
    ): Promise<Answer> => {
      const headers = await signedHeaders(
        writer,
        put('/inject/k', { 'content-length': String(SECRET.length), connection: 'close' }),
      );
      return exchangeOne(writer, bytesOf(change(headLines('PUT', target, headers)), SECRET));
    };
    await site().repels([
      ['another’s bucket', hosted(`others.localhost:${port}`), '403 bucket_not_allowed'],
      ['another’s bucket in capitals', hosted(`OTHERS.localhost:${port}`), '403 bucket_not_allowed'],
      ['another’s bucket with a dot behind', hosted(`others.localhost.:${port}`), '403 bucket_not_allowed'],
      ['a name with @', hosted(`inject@evil.example:${port}`), '400 ambiguous_request'],
      ['a name with /', hosted('inject/evil.example'), '400 ambiguous_request'],
      ['two ports', hosted('localhost:1:2'), '400 ambiguous_request'],
      [
        'an empty name',
        () => raw('/inject/k', (lines) => lines.map((line) => (line.startsWith('host:') ? 'host:' : line))),
        '400 ambiguous_request',
      ],
      [
        'no name',
        () => raw('/inject/k', (lines) => lines.filter((line) => !line.startsWith('host:'))),
        '400 ambiguous_request',
      ],
      [
        'two names',
        () => raw('/inject/k', (lines) => [...lines, 'host: off.localhost']),
        '400 ambiguous_request',
      ],
      [
        'the same name twice',
        () => raw('/inject/k', (lines) => [...lines, `host: ${host}`]),
        '400 ambiguous_request',
      ],
      ['absolute form', () => raw(`https://${host}/inject/k`), '400 malformed_request'],
      [
        'absolute form of another server',
        () => raw('http://169.254.169.254/inject/k'),
        '400 malformed_request',
      ],
      ['authority form', () => raw(`${host}`), '400 ambiguous_request'],
      ['asterisk form', () => raw('*'), '400 malformed_request'],
      ['no bucket', () => raw('//inject/k'), '400 malformed_request'],
      ['a bucket that is encoded', () => raw('/%69nject/k'), '400 malformed_request'],
      ['a backslash', () => raw('\\inject\\k'), '400 ambiguous_request'],
      [
        'another name than the one that was signed',
        () =>
          raw('/inject/k', (lines) =>
            lines.map((line) => (line.startsWith('host:') ? 'host: localhost' : line)),
          ),
        '403 signature_mismatch',
      ],
      ['a name that was not signed', () => unsignedHost(), '403 unsigned_header'],
    ]);
    // The path is the key, also where it begins like another bucket.
    assert.equal((await hosted(`inject.localhost:${port}`, '/off/hosted')()).status, 200);
    assert.deepEqual(await site().encryptionOf('inject', 'off/hosted'), {
      method: 'aws:kms',
      keyId: keys.default,
    });
    assert.equal(await site().encryptionOf('off', 'hosted'), undefined);
  });

  test('a listing of all buckets names the client’s own alone', async () => {
    const { writer, admin } = site();
    const named = async (to: Endpoint) => {
      const answer = await sendSigned(to, { method: 'GET', path: '/' });
      assert.equal(answer.status, 200, answer.body.toString());
      return elements(answer.body.toString(), 'Name');
    };
    const all = await named(admin);
    for (const bucket of ['inject', 'others', 'control']) assert.ok(all.includes(bucket), bucket);
    const own = await named(writer);
    assert.ok(own.includes('inject') && own.includes('off'));
    assert.deepEqual(
      own.filter((bucket) => bucket === 'others' || bucket === 'control'),
      [],
    );
  });

  async function unsignedHost(): Promise<Answer> {
    const { writer } = site();
    const headers = await signedHeaders(writer, put('/inject/k'));
    const authorization = headers['authorization']?.replace('host;', '') ?? '';
    return send(writer, put('/inject/k', { ...headers, authorization }));
  }
};

function redirects(site: Parameters<Group>[1]): void {
  test('way 45: a host of AWS’s that is not configured is refused', async () => {
    const { admin, fake } = site();
    const hosts = [
      'inject.s3.amazonaws.com',
      's3.amazonaws.com',
      's3.us-east-1.amazonaws.com',
      'inject.s3.us-east-1.amazonaws.com',
      'inject.s3-us-west-2.amazonaws.com',
      'inject.s3.dualstack.us-east-1.amazonaws.com',
      'inject.s3-fips.us-east-1.amazonaws.com',
      'inject.s3.cn-north-1.amazonaws.com.cn',
      'inject.s3-accelerate.amazonaws.com',
      'door-111122223333.s3-accesspoint.us-east-1.amazonaws.com',
      'door--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com',
      'inject.s3-website-us-east-1.amazonaws.com',
    ];
    const held = fake?.received.length;
    for (const host of hosts) {
      const answer = await sendSigned(admin, put('/inject/k', { host }));
      assert.ok([400, 403].includes(answer.status), `${host}: ${answer.status}`);
    }
    assert.equal(fake?.received.length, held);
  });

  test('way 46: a redirect of the backend is not followed, nor passed on for a client to follow', async () => {
    const { writer, fake } = site();
    const reached: string[] = [];
    const elsewhere = http.createServer((request, response) => {
      reached.push(`${request.method} ${request.url}`);
      response.end();
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    const { port } = elsewhere.address() as AddressInfo;
    try {
      for (const status of [301, 302, 303, 307, 308]) {
        const location = `http://127.0.0.1:${port}/inject/k`;
        fake?.behave(
          answering(
            status,
            { location, 'x-amz-bucket-region': 'eu-west-1' },
            `<Error><Endpoint>127.0.0.1:${port}</Endpoint></Error>`,
          ),
        );
        for (const request of [
          put('/inject/k'),
          put('/inject/k', { expect: '100-continue', 'content-length': String(SECRET.length) }),
          { method: 'GET', path: '/inject/k' },
        ]) {
          const answer = await sendSigned(writer, request);
          assert.deepEqual([answer.status, answer.code], [502, 'BackendRedirect']);
          assert.deepEqual(
            [answer.headers.location, answer.headers['x-amz-bucket-region']],
            [undefined, undefined],
          );
          assert.ok(!answer.body.includes(String(port)));
        }
      }
    } finally {
      fake?.behave(confirming);
      await new Promise((resolve) => elsewhere.close(resolve));
    }
    assert.deepEqual(reached, []);
  });
}
