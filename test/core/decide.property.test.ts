// For any rule, channel and request: what goes out on a write is under the rule's encryption and signed whole, and nothing
// is ever thrown.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  decide,
  type EncryptionRule,
  type ForwardVerdict,
  parseEncryptionContext,
  ReceivedHeaders,
} from '../../src/core/index.ts';
import {
  BACKEND,
  BACKEND_CREDENTIALS,
  context,
  escapeBytes,
  httpRequest,
  KEY_ARN,
  NOW,
  OTHER_KEY_ARN,
  oracle,
  presignedRequest,
  signedRequest,
  unsignedRequest,
  wire,
} from './fixture.ts';
import { channel, key, requestOf, rules, text, write } from './generators.ts';

function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}

/** The Authorization header that the reference implementation gives what goes out. */
async function authorizationOf({ outgoing }: ForwardVerdict): Promise<string | undefined> {
  const [path = '', query = ''] = outgoing.target.split('?');
  const pairs = query === '' ? [] : query.split('&').map((pair) => pair.split('='));
  const parameters = Object.fromEntries(
    pairs.map(([name = '', value = '']) => [decodeURIComponent(name), decodeURIComponent(value)]),
  );
  const headers = Object.fromEntries(outgoing.headers.map(([name, value]) => [name, utf8(value)]));
  const request = { ...httpRequest({ method: outgoing.method, path, query: parameters }), headers };
  const signed = await oracle(BACKEND_CREDENTIALS).sign(request, {
    signingDate: NOW,
    signableHeaders: new Set(['cache-control']),
  });
  return signed.headers['authorization'];
}

function valuesOf(verdict: ForwardVerdict, header: string): string[] {
  return verdict.outgoing.headers.filter(([name]) => name === header).map(([, value]) => value);
}

function assertUnderRule(verdict: ForwardVerdict, under: EncryptionRule, objectKey: string): void {
  assert.deepEqual(valuesOf(verdict, 'x-amz-server-side-encryption'), [under.algorithm]);
  const [keyId, ...more] = valuesOf(verdict, 'x-amz-server-side-encryption-aws-kms-key-id');
  const allowed = under.allowedKeyIds.length === 0 ? [KEY_ARN] : [KEY_ARN, OTHER_KEY_ARN];
  assert.ok(keyId !== undefined && allowed.includes(keyId) && more.length === 0, `${keyId}`);
  const contexts = valuesOf(verdict, 'x-amz-server-side-encryption-context');
  assert.equal(contexts.length, 1);
  const pairs = parseEncryptionContext(contexts[0] ?? '', 1 << 16);
  assert.equal(
    pairs?.get('aws:s3:arn'),
    under.bucketKey ? 'arn:aws:s3:::bucket' : `arn:aws:s3:::bucket/${objectKey}`,
  );
  for (const [name, value] of Object.entries(under.context)) assert.equal(pairs?.get(name), value);
  for (const name of under.requiredContext) assert.ok(pairs?.has(name), name);
  const bucketKey = under.algorithm === 'aws:kms' ? [String(under.bucketKey)] : [];
  assert.deepEqual(valuesOf(verdict, 'x-amz-server-side-encryption-bucket-key-enabled'), bucketKey);
  assert.ok(
    !verdict.outgoing.headers.some(([name]) => name.startsWith('x-amz-server-side-encryption-customer-')),
  );
  assert.deepEqual(verdict.encryption, { algorithm: under.algorithm, keyId });
}

async function assertSignedWhole(verdict: ForwardVerdict): Promise<void> {
  const names = verdict.outgoing.headers.map(([name]) => name);
  assert.deepEqual([...names].sort(), [...new Set(names)].sort(), 'each header once');
  const [authorization = ''] = valuesOf(verdict, 'authorization');
  const signed = /SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(';') ?? [];
  assert.deepEqual(signed, names.filter((name) => name !== 'authorization').sort());
  assert.equal(authorization, await authorizationOf(verdict));
}

describe('any write under inject or require', () => {
  for (const addressing of ['path', 'virtual-hosted'] as const) {
    test(`goes out under its rule and signed whole, or not at all (${addressing})`, async () => {
      let sent = 0;
      await fc.assert(
        fc.asyncProperty(rules, channel, write, async (under, over, generated) => {
          const path = `/bucket/${escapeBytes(generated.key, '/')}`;
          const request = requestOf(generated.write, path, generated.headers);
          const received = await (generated.form === 'header' ? signedRequest : presignedRequest)(
            request,
            over,
          );
          const verdict = decide(
            received,
            context({ rules: [under], backends: [{ ...BACKEND, addressing }] }),
          );
          if (verdict.kind !== 'forward') return;
          sent += 1;
          assert.equal(verdict.facts.operation, generated.write);
          assert.ok(over.encrypted || over.declaredSecure, 'over TLS only');
          assertUnderRule(verdict, under, generated.key);
          await assertSignedWhole(verdict);
          const sentPath = `${addressing === 'path' ? '/bucket' : ''}/${escapeBytes(generated.key, '/')}`;
          assert.equal(verdict.outgoing.target.split('?')[0], sentPath);
        }),
        { numRuns: 1500 },
      );
      assert.ok(sent > 100, `only ${sent} went out: the property says nothing`);
    });
  }
});

describe('anything at all', () => {
  const method = fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'PATCH', '');
  const noise = fc.string({
    unit: fc.constantFrom(...'/?&=%+;:.-_#abx0123456789 \t\u00e9\u00ff'.split('')),
    maxLength: 30,
  });
  const query = fc.array(
    fc.tuple(
      fc.oneof(
        noise,
        fc.constantFrom(
          'acl',
          'uploads',
          'uploadId',
          'partNumber',
          'x-amz-meta-a',
          'X-Amz-Signature',
          'X-Amz-Date',
          'X-Amz-Credential',
          'X-Amz-Expires',
          'Expires',
          'Signature',
          'AWSAccessKeyId',
          'x-amz-copy-source',
        ),
      ),
      fc.oneof(noise, text, fc.constantFrom('', '1', '999999999999', 'AWS4-HMAC-SHA256', '20261123T120000Z')),
    ),
    { maxLength: 4 },
  );
  const target = fc.oneof(
    noise.map((value) => `/${value}`),
    fc
      .tuple(key, query)
      .map(
        ([name, pairs]) =>
          `/bucket/${escapeBytes(name, '/')}?${pairs.map(([a, b]) => `${escapeBytes(a)}=${escapeBytes(b)}`).join('&')}`,
      ),
  );
  const header = fc.tuple(
    fc.oneof(
      noise,
      fc.constantFrom(
        'host',
        'authorization',
        'date',
        'x-amz-date',
        'x-amz-content-sha256',
        'content-length',
        'transfer-encoding',
        'connection',
        'content-encoding',
        'x-amz-copy-source',
        'x-amz-trailer',
        'x-amz-decoded-content-length',
        'x-amz-server-side-encryption',
        'x-amz-server-side-encryption-context',
        'x-amz-meta-a',
      ),
    ),
    fc.oneof(
      noise,
      text.map(wire),
      fc.constantFrom(
        '',
        'AWS a:b',
        'AWS4-HMAC-SHA256 Credential=a/20261123/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=x',
        '20261123T120000Z',
        'Mon, 23 Nov 2026 12:00:00 GMT',
        'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        '5',
        'aws:kms',
        'chunked',
      ),
    ),
  );
  const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
  const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

  test('is judged without throwing, and what goes out can stand on the wire', () => {
    fc.assert(
      fc.property(method, target, fc.array(header, { maxLength: 8 }), channel, (verb, raw, lines, over) => {
        const headers = ReceivedHeaders.fromRaw(['Host', 'gateway.example', ...lines.flat()]);
        const verdict = decide({ method: verb, target: raw, headers, channel: over }, context());
        if (verdict.kind !== 'forward') return;
        assert.match(verdict.outgoing.target, /^\/[\x21-\x22\x24-\x7e]*$/);
        for (const [name, value] of verdict.outgoing.headers) {
          assert.match(name, HEADER_NAME);
          assert.match(value, HEADER_VALUE);
        }
      }),
      { numRuns: 5000 },
    );
  });

  test('in an x-amz-* query parameter goes out as one header that can stand on the wire, or not at all', async () => {
    const parameter = fc.tuple(
      fc.oneof(
        text.map((name) => `x-amz-meta-${name}`),
        fc.constantFrom('x-amz-acl', 'x-amz-server-side-encryption', 'X-Amz-Meta-A'),
      ),
      fc.oneof(text, fc.constantFrom(' a ', 'two  spaces', 'é', '')),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(parameter, { maxLength: 3 }), async (parameters) => {
        const pairs = parameters
          .map(([name, value]) => `${escapeBytes(name)}=${escapeBytes(value)}`)
          .join('&');
        const verdict = decide(
          unsignedRequest('PUT', `/bucket/key?${pairs}`, { 'content-length': '5' }),
          context(),
        );
        if (verdict.kind !== 'forward') return;
        assert.equal(verdict.outgoing.target, '/bucket/key');
        for (const [name, value] of verdict.outgoing.headers) {
          assert.match(name, HEADER_NAME);
          assert.match(value, HEADER_VALUE);
        }
        await assertSignedWhole(verdict);
      }),
      { numRuns: 500 },
    );
  });
});
