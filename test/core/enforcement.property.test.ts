// For any list of rules over any backends, and any write in any form: what goes out is under the first rule that matches, or
// nothing goes out. Which rule that is, and what it demands, is said here a second time, in the plainest words.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Backend,
  type DecisionContext,
  decide,
  type EncryptionRule,
  type ForwardVerdict,
  parseEncryptionContext,
  type ReceivedRequest,
  type Verdict,
} from '../../src/core/index.ts';
import type { Form } from '../../src/core/s3/form-data.ts';
import {
  BACKEND,
  CLIENT,
  type ClientRequest,
  context,
  escapeBytes,
  headersOf,
  NOW,
  presignedRequest,
  REGION,
  rule,
  signedRequest,
  TLS,
} from './fixture.ts';
import { hmacSigner } from './sigv4/chunk-signer.ts';

const SSE = 'x-amz-server-side-encryption';
const KEY_ID = `${SSE}-aws-kms-key-id`;
const CONTEXT = `${SSE}-context`;

const BUCKETS = ['alpha', 'alpha-logs', 'beta', 'gamma.dots'];
const PATTERNS = ['*', 'alpha*', 'alpha', 'alpha*', '*logs', 'beta', '*a', 'gamma.*', 'nobody'];
const PREFIXES = ['', 'a', 'a/', 'a/b', 'é/', '../'];
const KEYS = ['1', '2', '3'].map((id) => `arn:aws:kms:eu-central-1:111122223333:key/${id}`);
const FOREIGN = [
  'arn:aws:kms:eu-central-1:999988887777:key/1',
  'arn:aws:kms:eu-central-1:111122223333:alias/1',
  '1',
];

const rules: fc.Arbitrary<EncryptionRule[]> = fc
  .array(
    fc.record({
      buckets: fc.uniqueArray(fc.constantFrom(...PATTERNS), { minLength: 1, maxLength: 2 }),
      prefixes: fc.oneof(
        fc.constant([]),
        fc.uniqueArray(fc.constantFrom(...PREFIXES.slice(1)), { minLength: 1, maxLength: 2 }),
      ),
      mode: fc.constantFrom('inject', 'require', 'require', 'observe', 'off'),
      algorithm: fc.constantFrom('aws:kms', 'aws:kms', 'aws:kms:dsse'),
      keyId: fc.constantFrom(...KEYS),
      allowedKeyIds: fc.uniqueArray(fc.constantFrom(...KEYS, 'arn:aws:kms:*:111122223333:key/*'), {
        maxLength: 2,
      }),
      context: fc.constantFrom<Record<string, string>>({}, { app: 'ledger' }),
      requiredContext: fc.constantFrom([], [], ['cost-centre']),
      bucketKey: fc.boolean(),
      otherEncryption: fc.constantFrom('refuse', 'upgrade', 'allow'),
    } as const),
    { minLength: 1, maxLength: 4 },
  )
  .map((generated) =>
    generated.map((one, i) =>
      rule({ ...one, name: `rule-${i}`, bucketKey: one.bucketKey && one.algorithm === 'aws:kms' }),
    ),
  );

const backends: fc.Arbitrary<Backend[]> = fc
  .array(
    fc.record({
      buckets: fc.uniqueArray(fc.constantFrom(...PATTERNS), { minLength: 1, maxLength: 2 }),
      partition: fc.constantFrom('aws', 'aws-cn', 'aws-us-gov'),
      addressing: fc.constantFrom('path', 'virtual-hosted'),
      trailers: fc.boolean(),
    } as const),
    { maxLength: 2 },
  )
  .map((generated) => [...generated, { ...BACKEND, addressing: 'path' as const }])
  .map((generated) =>
    generated.map((one, i) => ({ ...BACKEND, ...one, name: `backend-${i}`, hostname: `s3-${i}.example` })),
  );

const key = fc
  .tuple(fc.constantFrom(...PREFIXES), fc.constantFrom('b', 'b/c', 'é', 'x?acl', 'a+b', '%2F', '..'))
  .map((parts) => parts.join(''));

const base64 = (pairs: Record<string, string>) => Buffer.from(JSON.stringify(pairs)).toString('base64');

/** What a client asks for; a request that a rule can let through more often than not. */
const asked = fc.record(
  {
    [SSE]: fc.constantFrom('aws:kms', 'aws:kms', 'aws:kms:dsse', 'AES256', '', 'aws:fsx'),
    [KEY_ID]: fc.constantFrom(...KEYS, ...KEYS, ...FOREIGN, ''),
    [CONTEXT]: fc.constantFrom(
      base64({ 'cost-centre': '7' }),
      base64({ 'cost-centre': '7', app: 'ledger' }),
      base64({ app: 'other' }),
      base64({ 'aws:s3:arn': 'arn:aws:s3:::alpha' }),
      'nonsense',
    ),
    [`${SSE}-bucket-key-enabled`]: fc.constantFrom('true', 'false', ''),
    [`${SSE}-customer-algorithm`]: fc.constantFrom('AES256'),
  },
  { requiredKeys: [], noNullPrototype: true },
);
const encryption: fc.Arbitrary<Record<string, string>> = fc.oneof(
  fc.constant({}),
  fc
    .constantFrom(...KEYS)
    .map((keyId) => ({ [SSE]: 'aws:kms', [KEY_ID]: keyId, [CONTEXT]: base64({ 'cost-centre': '7' }) })),
  fc.constantFrom({ [SSE]: 'AES256' }, { [`${SSE}-customer-algorithm`]: 'AES256' }),
  asked as fc.Arbitrary<Record<string, string>>,
);

const OPERATIONS = [
  'PutObject',
  'CopyObject',
  'CreateMultipartUpload',
  'PostObject',
  'UploadPart',
  'UploadPartCopy',
  'CompleteMultipartUpload',
  'PutObjectAnnotation',
] as const;
type OperationName = (typeof OPERATIONS)[number];
const INHERITING: readonly OperationName[] = [
  'UploadPart',
  'UploadPartCopy',
  'CompleteMultipartUpload',
  'PutObjectAnnotation',
];

const write = fc.record({
  operation: fc.constantFrom(...OPERATIONS),
  bucket: fc.constantFrom(...BUCKETS),
  key,
  /** On what takes none, they come seldom: they are refused there. */
  headers: encryption,
  source: fc.constantFrom(...BUCKETS),
  form: fc.constantFrom('header', 'query'),
  hosted: fc.boolean(),
});
type Write = typeof write extends fc.Arbitrary<infer T> ? T : never;

function requestOf({ operation, bucket, key: objectKey, headers, source, hosted }: Write): ClientRequest {
  const path = hosted ? `/${escapeBytes(objectKey, '/')}` : `/${bucket}/${escapeBytes(objectKey, '/')}`;
  const host = hosted ? `${bucket}.s3.gateway.example` : 's3.gateway.example';
  const copied = { 'x-amz-copy-source': `${source}/some%20key` };
  const length = { 'content-length': '5' };
  const part = { partNumber: '1', uploadId: 'u' };
  switch (operation) {
    case 'CopyObject':
      return { method: 'PUT', path, host, headers: { ...headers, ...copied } };
    case 'CreateMultipartUpload':
      return { method: 'POST', path, host, query: { uploads: '' }, headers };
    case 'UploadPart':
      return { method: 'PUT', path, host, query: part, headers: { ...headers, ...length } };
    case 'UploadPartCopy':
      return { method: 'PUT', path, host, query: part, headers: { ...headers, ...copied } };
    case 'CompleteMultipartUpload':
      return { method: 'POST', path, host, query: { uploadId: 'u' }, headers: { ...headers, ...length } };
    case 'PutObjectAnnotation':
      return {
        method: 'PUT',
        path,
        host,
        query: { annotation: '', annotationName: 'n' },
        headers: { ...headers, ...length },
      };
    default:
      return { method: 'PUT', path, host, headers: { ...headers, ...length } };
  }
}

/** A browser's form that asks for the same, and whose policy covers all of it. */
function formOf({ bucket, key: objectKey, headers, hosted }: Write): {
  received: ReceivedRequest;
  form: Form;
} {
  const date = NOW.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const signed: Record<string, string> = {
    key: objectKey,
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${CLIENT.accessKeyId}/${date.slice(0, 8)}/${REGION}/s3/aws4_request`,
    'x-amz-date': date,
    ...headers,
  };
  const conditions = [
    { bucket },
    ...Object.entries(signed).map(([name, value]) => ['eq', `$${name}`, value]),
  ];
  const expiration = new Date(NOW.getTime() + 60_000).toISOString();
  const policy = Buffer.from(JSON.stringify({ expiration, conditions })).toString('base64');
  const signature = hmacSigner(CLIENT.secretAccessKey, date.slice(0, 8), REGION).sign(policy);
  return {
    received: {
      method: 'POST',
      target: hosted ? '/' : `/${bucket}`,
      headers: headersOf({
        host: hosted ? `${bucket}.s3.gateway.example` : 's3.gateway.example',
        'content-type': 'multipart/form-data; boundary=b',
        'content-length': '5000',
      }),
      channel: TLS,
    },
    form: {
      fields: new Map(Object.entries({ ...signed, policy, 'x-amz-signature': signature })),
      filename: undefined,
      fileSize: 5,
    },
  };
}

async function judge(generated: Write, given: DecisionContext): Promise<Verdict> {
  if (generated.operation === 'PostObject') {
    const { received, form } = formOf(generated);
    return decide(received, given, form && { kind: 'form', form });
  }
  const request = requestOf(generated);
  return decide(await (generated.form === 'header' ? signedRequest : presignedRequest)(request), given);
}

/** `*` as a regular expression says it. */
function matches(pattern: string, text: string): boolean {
  const escaped = pattern.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${escaped.join('.*')}$`, 's').test(text);
}

function firstRule(
  list: readonly EncryptionRule[],
  bucket: string,
  objectKey: string,
): EncryptionRule | undefined {
  return list.find(
    ({ buckets, prefixes }) =>
      buckets.some((pattern) => matches(pattern, bucket)) &&
      (prefixes.length === 0 || prefixes.some((prefix) => objectKey.startsWith(prefix))),
  );
}

function allowedKeys({ keyId, allowedKeyIds }: EncryptionRule): string[] {
  return [...KEYS, ...FOREIGN].filter(
    (one) =>
      one === keyId ||
      (one.split(':')[5]?.startsWith('key/') === true &&
        allowedKeyIds.some((pattern) => matches(pattern, one))),
  );
}

function sseHeaders({ outgoing }: ForwardVerdict): (readonly [string, string])[] {
  return outgoing.headers.filter(([name]) => name.startsWith(SSE));
}

/** Exactly one algorithm, one allowed key and one context with the right ARN. */
function assertOrdered(
  verdict: ForwardVerdict,
  under: EncryptionRule,
  { bucket, key: objectKey }: Write,
  partition: string,
): void {
  const { algorithm, bucketKey } = under;
  const headers = new Map(sseHeaders(verdict));
  assert.equal(headers.size, sseHeaders(verdict).length, 'each header once');
  const names = [SSE, KEY_ID, CONTEXT, ...(algorithm === 'aws:kms' ? [`${SSE}-bucket-key-enabled`] : [])];
  assert.deepEqual([...headers.keys()].sort(), names.sort());
  assert.equal(headers.get(SSE), algorithm);
  const keyId = headers.get(KEY_ID) ?? '';
  assert.ok(allowedKeys(under).includes(keyId), keyId);
  assert.deepEqual(verdict.encryption, { algorithm, keyId });
  assert.deepEqual(verdict.demand?.keyIds, [keyId]);
  assert.equal(verdict.demand?.mayBeSilent, false);
  const pairs = parseEncryptionContext(headers.get(CONTEXT) ?? '', 1 << 16);
  const arn = `arn:${partition}:s3:::${bucket}${bucketKey ? '' : `/${objectKey}`}`;
  assert.equal(pairs?.get('aws:s3:arn'), arn);
  for (const [name, value] of Object.entries(under.context)) assert.equal(pairs?.get(name), value);
  for (const name of under.requiredContext) assert.ok(pairs?.has(name), name);
  if (algorithm === 'aws:kms') assert.equal(headers.get(`${SSE}-bucket-key-enabled`), String(bucketKey));
}

/** Parts carry nothing; what the answer to them must state is of the rule's. */
function assertInherited(verdict: ForwardVerdict, under: EncryptionRule): void {
  if (under.otherEncryption === 'allow') return;
  assert.deepEqual(sseHeaders(verdict), []);
  assert.equal(verdict.demand?.algorithm, under.algorithm);
  assert.deepEqual([...(verdict.demand?.keyIds ?? [])].sort(), [under.keyId, ...under.allowedKeyIds].sort());
}

/** As the client sent it, which only a rule that allows it lets through. */
function assertAllowedOther(verdict: ForwardVerdict, under: EncryptionRule): void {
  assert.equal(under.otherEncryption, 'allow');
  const headers = Object.fromEntries(sseHeaders(verdict));
  assert.equal(headers[KEY_ID] ?? headers[CONTEXT], undefined);
  assert.ok(headers[SSE] === 'AES256' || headers[`${SSE}-customer-algorithm`] === 'AES256');
  assert.ok(headers[SSE] === undefined || headers[`${SSE}-customer-algorithm`] === undefined);
}

function isOtherEncryption(verdict: ForwardVerdict): boolean {
  return sseHeaders(verdict).some(
    ([name, value]) => (name === SSE && value === 'AES256') || name === `${SSE}-customer-algorithm`,
  );
}

describe('any write, under any list of rules, to any backends', () => {
  test('goes out under the first rule that matches, with one algorithm, one allowed key and its own ARN; or not at all', async () => {
    const sent = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(rules, backends, write, async (list, served, generated) => {
        const verdict = await judge(generated, context({ rules: list, backends: served }));
        if (verdict.kind !== 'forward') return;
        const backend = served.find(({ buckets }) =>
          buckets.some((pattern) => matches(pattern, generated.bucket)),
        );
        assert.equal(verdict.backend.name, backend?.name);
        const under = firstRule(list, generated.bucket, generated.key);
        assert.ok(under, 'a write without a rule went out');
        assert.equal(verdict.facts.rule, under.name);
        assert.ok(!verdict.outgoing.target.toLowerCase().includes(SSE), 'a setting in the query');
        if (under.mode !== 'inject' && under.mode !== 'require') return;
        if (INHERITING.includes(generated.operation)) assertInherited(verdict, under);
        else if (isOtherEncryption(verdict)) assertAllowedOther(verdict, under);
        else assertOrdered(verdict, under, generated, backend?.partition ?? '');
        const kind = `${under.mode} ${generated.operation}`;
        sent.set(kind, (sent.get(kind) ?? 0) + 1);
      }),
      { numRuns: 6000 },
    );
    for (const mode of ['inject', 'require']) {
      for (const operation of OPERATIONS)
        assert.ok(
          (sent.get(`${mode} ${operation}`) ?? 0) > 3,
          `hardly any ${operation} went out under ${mode}: the property says nothing`,
        );
    }
  });

  test('under observe and off changes no encryption header of the client’s', async () => {
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('observe', 'off'), write, async (mode, generated) => {
        const verdict = await judge(generated, context({ rules: [rule({ mode })] }));
        // An annotation has no header of SSE-C: it does not go on.
        if (verdict.kind !== 'forward' || generated.operation === 'PutObjectAnnotation') return;
        sent += 1;
        const asSent = Object.entries(generated.headers).filter(([name]) => name.startsWith(SSE));
        assert.deepEqual(
          sseHeaders(verdict)
            .map(([name, value]) => `${name}: ${value}`)
            .sort(),
          asSent.map(([name, value]) => `${name}: ${value}`).sort(),
        );
        assert.equal(verdict.demand, undefined);
      }),
      { numRuns: 800 },
    );
    assert.ok(sent > 100, `only ${sent} went out`);
  });
});
