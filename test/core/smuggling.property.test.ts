// Whatever stands in a request, and however often: what is forwarded is one thing to every reader, and a write under an
// enforcing rule has its one algorithm, an allowed key and the ARN of where it goes. What is refused goes nowhere.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { certificateKey } from '../../src/core/certificate.ts';
import { decide, ReceivedHeaders, type ReceivedRequest } from '../../src/core/index.ts';
import { CLIENT, context, FOREIGN_KEY_ARN, KEY_ARN, TLS } from './fixture.ts';

const SSE = 'x-amz-server-side-encryption';

const encode = (json: string): string => Buffer.from(json).toString('base64');

/** Names that mean the same to one reader or another. */
const disguised = (name: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constant(name) },
    fc.constantFrom(name.toUpperCase(), name.replaceAll('-', '_'), ` ${name}`, `${name} `, `x-${name}`),
  );

const COPY: readonly string[] = ['X-Amz-Copy-Source', 'bucket/a'];

const header: fc.Arbitrary<readonly [name: string, value: string]> = fc.oneof(
  fc.tuple(
    disguised(SSE),
    fc.constantFrom('aws:kms', 'AES256', 'aws:kms:dsse', '', 'aws:kms,AES256', ' aws:kms'),
  ),
  fc.tuple(disguised(`${SSE}-aws-kms-key-id`), fc.constantFrom(KEY_ARN, FOREIGN_KEY_ARN, 'alias/aws/s3', '')),
  fc.tuple(
    disguised(`${SSE}-context`),
    fc.constantFrom(
      encode('{}'),
      encode('{"aws:s3:arn":"arn:aws:s3:::other"}'),
      encode('{"a":"b","a":"c"}'),
      'x',
    ),
  ),
  fc.tuple(disguised(`${SSE}-bucket-key-enabled`), fc.constantFrom('true', 'false', 'TRUE', '')),
  fc.tuple(disguised(`${SSE}-customer-algorithm`), fc.constant('AES256')),
  fc.tuple(
    disguised('x-amz-copy-source'),
    fc.constantFrom('bucket/a', '/bucket/a', 'bucket/a?versionId=1', 'bucket/key', ''),
  ),
  fc.tuple(
    disguised('connection'),
    fc.constantFrom(SSE, 'close', `${SSE}-aws-kms-key-id, x-amz-acl`, 'host', 'upgrade'),
  ),
  fc.tuple(
    disguised('host'),
    fc.constantFrom('gateway.example', 'other.s3.gateway.example', '169.254.169.254'),
  ),
  fc.tuple(disguised('x-amz-acl'), fc.constantFrom('private', 'public-read')),
  fc.tuple(
    fc.constantFrom(
      'content-length',
      'transfer-encoding',
      'content-encoding',
      'trailer',
      'te',
      'expect',
      'upgrade',
    ),
    fc.constantFrom('0', '5', '-1', '5, 5', 'chunked', 'gzip', 'aws-chunked', '100-continue', 'identity'),
  ),
  fc.tuple(
    fc.constantFrom('x-amz-meta-a', 'x-amz-meta_a', 'x-amz-unheard-of', 'cookie'),
    fc.constantFrom('a', ''),
  ),
);

const path = fc
  .array(
    fc.constantFrom('bucket', 'other', 'key', '', '.', '..', '%2F', '%2e%2e', 'a+b', '%C3%A9', '%25', '%00'),
    {
      minLength: 1,
      maxLength: 4,
    },
  )
  .map((segments) => `/${segments.join('/')}`);
const parameter = fc.constantFrom(
  ...['uploads', 'uploads=', 'uploadId=u', 'partNumber=1', 'acl', 'tagging', 'delete', 'append', 'a=b', ''],
  ...[
    `${SSE}=AES256`,
    `${SSE}=aws:kms`,
    `${SSE.toUpperCase()}=AES256`,
    `${SSE}-aws-kms-key-id=x`,
    'x-amz-acl=private',
  ],
);
const target = fc
  .tuple(
    fc.oneof(fc.constant('/bucket/key'), path),
    fc.oneof(fc.constant([]), fc.constant(['uploads']), fc.array(parameter, { maxLength: 3 })),
  )
  .map(([raw, pairs]) => (pairs.length === 0 ? raw : `${raw}?${pairs.join('&')}`));

const NAME = { kind: 'uri', value: 'spiffe://cluster/app' } as const;
const channel = fc.constantFrom(
  { ...TLS, authentication: 'none' } as const,
  { ...TLS, authentication: 'certificate', certificateNames: [NAME] } as const,
  { ...TLS, authentication: 'certificate', certificateNames: [] } as const,
  { ...TLS, encrypted: false, authentication: 'none' } as const,
);

const request: fc.Arbitrary<ReceivedRequest> = fc
  .tuple(
    fc.constantFrom('PUT', 'PUT', 'POST', 'GET', 'DELETE', 'HEAD'),
    target,
    fc.constantFrom(['Content-Length', '5'], [], COPY).map((more) => ['Host', 'gateway.example', ...more]),
    fc.array(header, { maxLength: 3 }),
    channel,
  )
  .map(([method, raw, sent, lines, over]) => ({
    method,
    target: raw,
    headers: ReceivedHeaders.fromRaw([...sent, ...lines.flat()]),
    channel: over,
  }));

const certificateClients = new Map([[certificateKey(NAME), { ...CLIENT, certificate: NAME }]]);
const ENCRYPTED = new Set(['PutObject', 'CopyObject', 'CreateMultipartUpload']);

test('what is forwarded can be read in one way only, and a write is under its rule', () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(request, (received) => {
      const verdict = decide(received, context({ certificateClients }));
      if (verdict.kind !== 'forward') {
        assert.ok(!('outgoing' in verdict));
        return;
      }
      const { outgoing, facts } = verdict;
      seen.set(facts.operation, (seen.get(facts.operation) ?? 0) + 1);
      const { channel: over } = received;
      if (over.authentication === 'certificate') assert.equal(over.certificateNames?.length, 1);
      const headers = new Map(outgoing.headers);
      assert.equal(headers.size, outgoing.headers.length, 'each header once');
      for (const [name, value] of outgoing.headers) {
        assert.match(name, /^[a-z0-9-]+$/);
        assert.match(value, /^[\t\x20-\x7e\x80-\xff]*$/);
        assert.notEqual(name, 'connection');
      }
      assert.equal(headers.get('host'), 's3.eu-central-1.amazonaws.com');
      assert.ok(!(headers.has('content-length') && headers.has('transfer-encoding')));
      const [sent = '', query = ''] = outgoing.target.split('?');
      assert.doesNotMatch(query, /x-amz-/i);
      const encryption = outgoing.headers.filter(([name]) => name.startsWith(SSE));
      if (!ENCRYPTED.has(facts.operation)) {
        // Reads may name the customer's own key (SSE-C): the object can be of an older day.
        const more = encryption.filter(([name]) => !name.startsWith(`${SSE}-customer-`));
        assert.deepEqual(more, []);
        return;
      }
      assert.ok(over.encrypted);
      const pairs = JSON.parse(Buffer.from(headers.get(`${SSE}-context`) ?? '', 'base64').toString());
      assert.equal(pairs['aws:s3:arn'], `arn:aws:s3:::${decodeURIComponent(sent.slice(1))}`);
      assert.deepEqual(Object.fromEntries(encryption), {
        [SSE]: 'aws:kms',
        [`${SSE}-aws-kms-key-id`]: KEY_ARN,
        [`${SSE}-context`]: headers.get(`${SSE}-context`),
        [`${SSE}-bucket-key-enabled`]: 'false',
      });
    }),
    { numRuns: 10_000 },
  );
  for (const operation of ENCRYPTED)
    assert.ok((seen.get(operation) ?? 0) > 0, `no ${operation} went out: the property says nothing`);
});
