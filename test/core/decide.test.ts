// The judgement as a whole: what is forwarded, as what, and what is refused.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import {
  decide,
  type ForwardVerdict,
  type Policy,
  type ReceivedRequest,
  type Refusal,
  type Verdict,
} from '../../src/core/index.ts';
import {
  BACKEND,
  CLIENT,
  type ClientRequest,
  context,
  EMPTY_HASH,
  headersOf,
  httpRequest,
  KEY_ARN,
  NOW,
  OTHER_KEY_ARN,
  oracle,
  PLAINTEXT,
  policy,
  presignedRequest,
  queryString,
  rule,
  signedRequest,
  TLS,
  unsignedRequest,
} from './fixture.ts';

function judge(request: ReceivedRequest, under: Partial<Policy> = {}): Verdict {
  return decide(request, context(under));
}

function forwarded(request: ReceivedRequest, under: Partial<Policy> = {}): ForwardVerdict {
  const verdict = judge(request, under);
  assert.ok(verdict.kind === 'forward', JSON.stringify(verdict));
  return verdict;
}

function refused(request: ReceivedRequest, under: Partial<Policy> = {}): Refusal {
  const verdict = judge(request, under);
  assert.ok(verdict.kind === 'refused', JSON.stringify(verdict));
  return verdict.refusal;
}

function headersSent(verdict: ForwardVerdict): Record<string, string> {
  return Object.fromEntries(verdict.outgoing.headers);
}

const PUT: ClientRequest = { method: 'PUT', path: '/bucket/key', headers: { 'content-length': '5' } };
const GET: ClientRequest = { method: 'GET', path: '/bucket/key' };

function put(more: Readonly<Record<string, string>>, path = '/bucket/key'): ClientRequest {
  return { method: 'PUT', path, headers: { 'content-length': '5', ...more } };
}

function copy(more: Readonly<Record<string, string>>, path = '/bucket/key'): ClientRequest {
  return {
    method: 'PUT',
    path,
    headers: { 'x-amz-copy-source': 'source/key', 'x-amz-content-sha256': EMPTY_HASH, ...more },
  };
}

describe('a write that names no encryption', () => {
  test('goes out under the rule’s, signed as the gateway, with the facts known', async () => {
    const verdict = forwarded(await signedRequest(PUT));
    const { authorization, ...headers } = headersSent(verdict);
    assert.deepEqual(headers, {
      host: 's3.eu-central-1.amazonaws.com',
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': KEY_ARN,
      'x-amz-server-side-encryption-context': Buffer.from(
        '{"aws:s3:arn":"arn:aws:s3:::bucket/key"}',
      ).toString('base64'),
      'x-amz-server-side-encryption-bucket-key-enabled': 'false',
      'content-length': '5',
      'x-amz-date': '20261123T120000Z',
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
      'x-amz-security-token': 'session/token+of=the-gateway',
    });
    assert.match(
      authorization ?? '',
      /^AWS4-HMAC-SHA256 Credential=GATEWAY0000000000001\/20261123\/eu-central-1\/s3\/aws4_request, /,
    );
    assert.deepEqual(
      [verdict.outgoing.method, verdict.outgoing.origin, verdict.outgoing.target],
      ['PUT', 'https://s3.eu-central-1.amazonaws.com', '/bucket/key'],
    );
    assert.deepEqual(verdict.encryption, { algorithm: 'aws:kms', keyId: KEY_ARN });
    assert.deepEqual(verdict.facts, {
      operation: 'PutObject',
      secure: true,
      bucket: 'bucket',
      key: 'key',
      accessKeyId: CLIENT.accessKeyId,
      client: 'billing',
      scheme: 'sigv4',
      verification: 'verified',
      rule: 'all',
      ruleMode: 'inject',
      backend: 'primary',
    });
  });

  test('is not changed by mode observe, which counts what it would have refused', async () => {
    const verdict = forwarded(await signedRequest(put({ 'x-amz-server-side-encryption': 'AES256' })), {
      rules: [rule({ mode: 'observe' })],
    });
    assert.equal(headersSent(verdict)['x-amz-server-side-encryption'], 'AES256');
    assert.equal(verdict.facts.observedReason, 'encryption_downgrade');
    assert.deepEqual([verdict.encryption, verdict.injected], [undefined, []]);
  });

  test('is refused where no rule covers it', async () => {
    assert.equal(
      refused(await signedRequest(PUT), { rules: [rule({ prefixes: ['other/'] })] }).reason,
      'no_rule',
    );
    assert.equal(refused(await signedRequest(PUT), { rules: [] }).reason, 'no_rule');
  });

  test('waits for credentials rather than going out without', async () => {
    const verdict = decide(await signedRequest(PUT), { ...context(), credentials: () => undefined });
    assert.equal(verdict.kind, 'no-credentials');
  });
});

describe('who may send it', () => {
  test('nobody who does not sign', () => {
    const refusal = refused({
      method: 'GET',
      target: '/bucket/key',
      headers: headersOf({ host: 'gateway.example' }),
      channel: TLS,
    });
    assert.deepEqual([refusal.status, refusal.code, refusal.message], [403, 'AccessDenied', 'Access Denied']);
  });

  test('nobody with another scheme', () => {
    const headers = headersOf({ host: 'gateway.example', authorization: 'Bearer x' });
    const refusal = refused({ method: 'GET', target: '/bucket/key', headers, channel: TLS });
    assert.deepEqual([refusal.code, refusal.message], ['InvalidArgument', 'Unsupported Authorization Type']);
  });

  test('nobody for a bucket that is not theirs', async () => {
    const clients = new Map([[CLIENT.accessKeyId, { ...CLIENT, buckets: ['billing-*'] }]]);
    assert.equal(refused(await signedRequest(GET), { clients }).reason, 'bucket_not_allowed');
  });

  test('nobody for a bucket that no backend serves', async () => {
    assert.equal(
      refused(await signedRequest(GET), { backends: [{ ...BACKEND, buckets: ['other'] }] }).reason,
      'bucket_not_allowed',
    );
  });

  test('no writer through a client that may only read', async () => {
    const clients = new Map([[CLIENT.accessKeyId, { ...CLIENT, access: 'read-only' as const }]]);
    assert.equal(refused(await signedRequest(PUT), { clients }).reason, 'operation_not_allowed');
    assert.equal(forwarded(await signedRequest(GET), { clients }).facts.operation, 'GetObject');
  });

  test('whoever reaches a listener that asks for no signature, its Authorization header notwithstanding', () => {
    const verdict = forwarded(
      unsignedRequest('GET', '/bucket/key', { authorization: 'AWS4-HMAC-SHA256 nonsense' }),
    );
    assert.deepEqual([verdict.facts.scheme, verdict.facts.client], ['none', undefined]);
    assert.equal(
      refused(unsignedRequest('PUT', '/bucket?policy', { 'content-length': '2' })).reason,
      'operation_not_allowed',
    );
  });

  test('a browser, for its preflight', () => {
    const headers = headersOf({
      host: 'gateway.example',
      origin: 'https://app.example',
      'access-control-request-method': 'PUT',
    });
    const verdict = forwarded({ method: 'OPTIONS', target: '/bucket/key', headers, channel: TLS });
    assert.equal(verdict.facts.operation, 'CORSPreflight');
    assert.equal(headersSent(verdict)['origin'], 'https://app.example');
  });

  test('a client that does not know the region may ask for it at us-east-1, and do nothing else there', async () => {
    const at = async (path: string, query = {}) => {
      const signed = await oracle(CLIENT, 'us-east-1').sign(httpRequest({ method: 'GET', path, query }), {
        signingDate: NOW,
      });
      return {
        method: 'GET',
        target: path + queryString(query),
        headers: headersOf(signed.headers),
        channel: TLS,
      };
    };
    assert.equal(forwarded(await at('/bucket', { location: '' })).facts.operation, 'GetBucketLocation');
    assert.equal(refused(await at('/bucket/key')).code, 'AuthorizationHeaderMalformed');
  });
});

describe('one verification stage (CVE-2025-31489, CVE-2026-40344, CVE-2026-41145)', () => {
  const streaming = {
    'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    'x-amz-decoded-content-length': '5',
    'x-amz-trailer': 'x-amz-checksum-crc32',
    'content-length': '50',
  };
  const query =
    `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${CLIENT.accessKeyId}%2F20261123%2Feu-central-1%2Fs3%2Faws4_request` +
    `&X-Amz-Date=20261123T120000Z&X-Amz-Expires=300&X-Amz-Signature=${'a'.repeat(64)}`;

  test('a streaming upload with credentials in the query is verified', () => {
    const names = 'host%3Bx-amz-content-sha256%3Bx-amz-decoded-content-length%3Bx-amz-trailer';
    const headers = headersOf({ host: 'gateway.example', ...streaming });
    const target = `/bucket/key?${query}&X-Amz-SignedHeaders=${names}`;
    assert.equal(refused({ method: 'PUT', target, headers, channel: TLS }).reason, 'signature_mismatch');
  });

  test('its headers must be signed', () => {
    const headers = headersOf({ host: 'gateway.example', ...streaming });
    const refusal = refused({
      method: 'PUT',
      target: `/bucket/key?${query}&X-Amz-SignedHeaders=host`,
      headers,
      channel: TLS,
    });
    assert.equal(refusal.reason, 'unsigned_header');
  });

  test('a streaming upload with an Authorization header is verified', async () => {
    const request = await signedRequest(put(streaming));
    assert.equal(forwarded(request).body.kind, 'aws-chunked');
    const authorization = (request.headers.get('authorization') ?? '').replace(
      /Signature=.{4}/,
      'Signature=0000',
    );
    const headers = headersOf({
      ...Object.fromEntries(request.headers.fields.map(({ name, value }) => [name, value])),
      authorization,
    });
    assert.equal(refused({ ...request, headers }).reason, 'signature_mismatch');
  });

  test('the payload hash of an unsigned header means nothing to a presigned URL', async () => {
    const request = await presignedRequest(GET);
    const fields = [
      ...request.headers.fields.map(({ name, value }) => [name, value]),
      ['x-amz-content-sha256', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'],
    ];
    assert.equal(forwarded({ ...request, headers: headersOf(Object.fromEntries(fields)) }).body.kind, 'none');
  });
});

describe('the client’s channel', () => {
  test('without TLS takes no write under a rule of KMS', async () => {
    assert.equal(refused(await signedRequest(PUT, PLAINTEXT)).reason, 'insecure_transport');
    assert.equal(
      refused(await signedRequest({ ...PUT, query: { partNumber: '1', uploadId: 'u' } }, PLAINTEXT)).reason,
      'insecure_transport',
    );
  });

  test('without TLS takes no request for KMS even where the rule is off', async () => {
    const request = await signedRequest(put({ 'x-amz-server-side-encryption': 'aws:kms' }), PLAINTEXT);
    assert.equal(refused(request, { rules: [rule({ mode: 'off' })] }).reason, 'insecure_transport');
  });

  test('without TLS takes a read, unless its answer turns out to be under KMS', async () => {
    assert.equal(
      forwarded(await signedRequest(GET, PLAINTEXT)).ifAnswerUnderKms?.reason,
      'insecure_transport',
    );
    assert.equal(forwarded(await signedRequest(GET)).ifAnswerUnderKms, undefined);
  });
});

describe('encryption headers in a presigned URL', () => {
  test('are taken from the query and sent as headers', async () => {
    const headers = { 'x-amz-server-side-encryption': 'aws:kms', 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD' };
    const signed = await oracle(CLIENT).presign(
      httpRequest({ method: 'PUT', path: '/bucket/key', headers }),
      { signingDate: NOW },
    );
    const target = signed.path + queryString((signed.query ?? {}) as Record<string, string>);
    assert.match(target, /x-amz-server-side-encryption=aws%3Akms/, 'hoisted');
    const verdict = forwarded({
      method: 'PUT',
      target,
      headers: headersOf({ ...signed.headers, 'content-length': '5' }),
      channel: TLS,
    });
    assert.equal(verdict.outgoing.target, '/bucket/key');
    assert.equal(headersSent(verdict)['x-amz-server-side-encryption'], 'aws:kms');
    assert.deepEqual([...verdict.injected].sort(), ['bucket_key', 'context', 'key_id']);
  });
});

describe('a copy', () => {
  test('goes out with its source in one form and the rule’s encryption', async () => {
    const headers = headersSent(forwarded(await signedRequest(copy({ 'x-amz-copy-source': '/source/a+b' }))));
    assert.equal(headers['x-amz-copy-source'], 'source/a%2Bb');
    assert.equal(headers['x-amz-server-side-encryption'], 'aws:kms');
  });

  test('is refused from a bucket that is not the client’s', async () => {
    const clients = new Map([[CLIENT.accessKeyId, { ...CLIENT, buckets: ['bucket'] }]]);
    assert.equal(refused(await signedRequest(copy({})), { clients }).reason, 'bucket_not_allowed');
  });

  test('is refused across backends', async () => {
    const backends = [{ ...BACKEND, name: 'other', buckets: ['source'] }, BACKEND];
    assert.equal(refused(await signedRequest(copy({})), { backends }).reason, 'bucket_not_allowed');
  });

  for (const source of [
    '',
    'source',
    'source/',
    '.minio.sys/x',
    'arn:aws:s3:eu-central-1:1:accesspoint/a/object/k',
    'source/%zz',
  ]) {
    test(`is refused from ${JSON.stringify(source)}`, async () => {
      const refusal = refused(await signedRequest(copy({ 'x-amz-copy-source': source })));
      assert.deepEqual(
        [refusal.status, refusal.code, refusal.message],
        [400, 'InvalidArgument', 'Invalid copy source object key'],
      );
      assert.deepEqual(refusal.details, [
        ['ArgumentName', 'x-amz-copy-source'],
        ['ArgumentValue', 'x-amz-copy-source'],
      ]);
    });
  }

  test('whose source stands in the query is never taken for an upload', () => {
    const verdict = judge(
      unsignedRequest('PUT', '/bucket/key?x-amz-copy-source=source%2Fkey', { 'content-length': '0' }),
    );
    assert.ok(
      verdict.kind === 'refused' || verdict.facts.operation === 'CopyObject',
      verdict.facts.operation,
    );
  });

  const SELF = { 'x-amz-copy-source': 'bucket/key' };
  test('onto itself that changes nothing is refused as S3 refuses it: the gateway’s headers would make it a rewrite', async () => {
    const refusal = refused(await signedRequest(copy(SELF)));
    assert.deepEqual([refusal.status, refusal.code], [400, 'InvalidRequest']);
    assert.equal(
      refusal.message,
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  });
  const CHANGES = [
    { 'x-amz-metadata-directive': 'REPLACE' },
    { 'x-amz-storage-class': 'STANDARD_IA' },
    { 'x-amz-website-redirect-location': '/x' },
    { 'x-amz-server-side-encryption': 'aws:kms' },
    { 'x-amz-copy-source': 'bucket/key?versionId=v' },
  ];
  for (const change of CHANGES) {
    test(`onto itself with ${Object.keys(change)[0]} goes on`, async () => {
      assert.equal(
        forwarded(await signedRequest(copy({ ...SELF, ...change }))).facts.operation,
        'CopyObject',
      );
    });
  }
});

describe('"Amazon S3 supports only symmetric encryption KMS keys" (UsingKMSEncryption)', () => {
  const SIGNS = { keySpec: 'RSA_2048', keyUsage: 'SIGN_VERIFY' };
  const RSA = { keySpec: 'RSA_2048', keyUsage: 'ENCRYPT_DECRYPT' };

  /** The judgement where KMS has said what a key is for. */
  function judgeWith(request: ReceivedRequest, usage: typeof SIGNS, under: Partial<Policy> = {}): Verdict {
    return decide(request, {
      ...context(under),
      unusableKeys: (backend) => new Map(backend === BACKEND ? [[KEY_ARN, usage]] : []),
    });
  }

  for (const mode of ['inject', 'require'] as const) {
    test(`a key that KMS says is for something else is refused in its words, in mode ${mode}`, async () => {
      const headers = {
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': KEY_ARN,
      };
      const verdict = judgeWith(await signedRequest(put(headers)), SIGNS, { rules: [rule({ mode })] });
      assert.deepEqual(verdict.kind === 'refused' && verdict.refusal, {
        reason: 'key_not_usable',
        status: 400,
        code: 'KMS.InvalidKeyUsageException',
        message: `${KEY_ARN} key usage is SIGN_VERIFY which is not valid for GenerateDataKey.`,
        details: [],
      });
    });
  }

  test('so is an asymmetric key that encrypts, and one that the rule injects', async () => {
    const verdict = judgeWith(await signedRequest(PUT), RSA);
    assert.match(
      verdict.kind === 'refused' ? verdict.refusal.message : '',
      /key spec is RSA_2048 which is not valid for GenerateDataKey\.$/,
    );
    assert.equal(verdict.facts.rule, 'all');
  });

  test('observe counts it and lets it through, off does not look', async () => {
    const observed = judgeWith(await signedRequest(PUT), SIGNS, { rules: [rule({ mode: 'observe' })] });
    assert.deepEqual([observed.kind, observed.facts.observedReason], ['forward', 'key_not_usable']);
    const off = judgeWith(await signedRequest(PUT), SIGNS, { rules: [rule({ mode: 'off' })] });
    assert.deepEqual([off.kind, off.facts.observedReason], ['forward', undefined]);
  });

  test('a preserved write under it is refused, and one under another key goes on', async () => {
    const channel = { ...TLS, signing: 'preserve' } as const;
    const headers = (keyId: string) => ({
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': keyId,
    });
    const rules = [rule({ allowedKeyIds: [OTHER_KEY_ARN] })];
    const first = judgeWith(await signedRequest(put(headers(KEY_ARN)), channel), SIGNS, { rules });
    assert.equal(first.kind === 'refused' && first.refusal.reason, 'key_not_usable');
    const other = judgeWith(await signedRequest(put(headers(OTHER_KEY_ARN)), channel), SIGNS, { rules });
    assert.equal(other.kind, 'forward');
  });

  test('what is known of the keys of one backend says nothing of another', async () => {
    const verdict = judgeWith(await signedRequest(PUT), SIGNS, { backends: [{ ...BACKEND }] });
    assert.equal(verdict.kind, 'forward');
  });

  test('the rule comes first: a key that it does not allow is refused for that', async () => {
    const headers = {
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': KEY_ARN,
    };
    const verdict = judgeWith(await signedRequest(put(headers)), SIGNS, {
      rules: [rule({ keyId: OTHER_KEY_ARN })],
    });
    assert.equal(verdict.kind === 'refused' && verdict.refusal.reason, 'key_not_allowed');
  });
});

describe('encryption headers where they do not belong', () => {
  const TABLE: readonly (readonly [what: string, request: ClientRequest, reason: string])[] = [
    ['GetObject', GET, 'encryption_headers_on_read'],
    ['HeadObject', { method: 'HEAD', path: '/bucket/key' }, 'encryption_headers_on_read'],
    [
      'ListObjectsV2',
      { method: 'GET', path: '/bucket', query: { 'list-type': '2' } },
      'encryption_headers_on_read',
    ],
    ['UploadPart', { ...PUT, query: { partNumber: '1', uploadId: 'u' } }, 'encryption_headers_not_supported'],
    [
      'CompleteMultipartUpload',
      { method: 'POST', path: '/bucket/key', query: { uploadId: 'u' } },
      'encryption_headers_not_supported',
    ],
    ['DeleteObject', { method: 'DELETE', path: '/bucket/key' }, 'encryption_headers_not_supported'],
  ];
  for (const [what, request, reason] of TABLE) {
    test(`are refused on ${what}`, async () => {
      const headers = { ...request.headers, 'x-amz-server-side-encryption': 'aws:kms' };
      const refusal = refused(await signedRequest({ ...request, headers }), {
        rules: [rule({ mode: 'off' })],
      });
      assert.deepEqual([refusal.reason, refusal.status, refusal.code], [reason, 400, 'InvalidArgument']);
      assert.equal(
        refusal.message,
        'x-amz-server-side-encryption header is not supported for this operation.',
      );
    });
  }
});

describe('out of reach whatever the client’s rights', () => {
  const TABLE: readonly (readonly [what: string, request: ClientRequest])[] = [
    ['CreateSession, which vends credentials', { method: 'GET', path: '/bucket', query: { session: '' } }],
  ];
  for (const [what, request] of TABLE) {
    test(what, async () =>
      assert.equal(refused(await signedRequest(request)).reason, 'operation_not_allowed'),
    );
  }
});

describe('Signature Version 2', () => {
  const date = 'Mon, 23 Nov 2026 12:00:00 GMT';
  function v2(method: string, target: string, amz: Readonly<Record<string, string>> = {}): ReceivedRequest {
    const lines = Object.entries(amz).map(([name, value]) => `${name}:${value}\n`);
    const stringToSign = `${method}\n\n\n${date}\n${lines.join('')}${target}`;
    const signature = createHmac('sha1', CLIENT.secretAccessKey).update(stringToSign).digest('base64');
    const headers = {
      host: 'gateway.example',
      date,
      'content-length': '0',
      ...amz,
      authorization: `AWS ${CLIENT.accessKeyId}:${signature}`,
    };
    return { method, target, headers: headersOf(headers), channel: TLS };
  }

  test('takes reads, unless their answer turns out to be under KMS', () => {
    const verdict = forwarded(v2('GET', '/bucket/key'));
    assert.equal(verdict.facts.scheme, 'sigv2');
    assert.equal(verdict.ifAnswerUnderKms?.reason, 'signature_v2');
  });

  test('takes no write under a rule of KMS, and says so in S3’s words without the signature', () => {
    const refusal = refused(v2('PUT', '/bucket/key'));
    assert.deepEqual(
      [refusal.reason, refusal.status, refusal.code],
      ['signature_v2', 400, 'InvalidArgument'],
    );
    assert.equal(refusal.details[0]?.[1], 'Authorization');
    assert.doesNotMatch(
      JSON.stringify(refusal),
      /AWS BILLING\w+:\S/,
      'catalogue: the scheme, never the signature',
    );
  });

  test('takes no request for KMS where the rule is off', () => {
    const request = v2('PUT', '/bucket/key', { 'x-amz-server-side-encryption': 'aws:kms' });
    assert.equal(refused(request, { rules: [rule({ mode: 'off' })] }).reason, 'signature_v2');
    assert.equal(
      forwarded(v2('PUT', '/bucket/key'), { rules: [rule({ mode: 'off' })] }).facts.operation,
      'PutObject',
    );
  });

  test('is refused altogether where the configuration says so, after it has been verified', () => {
    const refusal = refused(v2('GET', '/bucket/key'), { signatureV2: 'refuse' });
    assert.equal(
      refusal.message,
      'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
    );
  });

  test('takes no parameter that it leaves unsigned', () => {
    const captured = v2('PUT', '/bucket');
    assert.equal(refused({ ...captured, target: '/bucket?encryption' }).reason, 'unsigned_header');
  });
});

describe('limits', () => {
  test('a header section beyond its bound is refused', async () => {
    const under = { limits: { ...policy().limits, headerBytes: 100 } };
    assert.equal(refused(await signedRequest(GET), under).code, 'RequestHeaderSectionTooLarge');
  });
});
