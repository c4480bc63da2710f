// The worked examples of AWS's documentation, intermediate by intermediate.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  headerClaim,
  parseTarget,
  queryClaim,
  SigningKeys,
  sign,
  verifySigV4,
} from '../../../src/core/index.ts';
import type { SigV4Claim } from '../../../src/core/sigv4/claim.ts';
import { sha256Hex } from '../../../src/core/sigv4/digest.ts';
import { deriveSigningKey } from '../../../src/core/sigv4/signing-key.ts';
import { stringToSign } from '../../../src/core/sigv4/string-to-sign.ts';
import { canonicalRequestOf, type SignedMessage } from '../../../src/core/sigv4/verify.ts';
import { EMPTY_HASH, headersOf } from '../fixture.ts';

const ACCESS_KEY = 'AKIAIOSFODNN7EXAMPLE';
const CLIENT = { secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', sessionToken: undefined };
const SCOPE = { date: '20130524', region: 'us-east-1', service: 's3' };
const NOW = new Date('2013-05-24T00:00:00Z');

const HOST = 'examplebucket.s3.amazonaws.com';
const WELCOME_HASH = '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072';

interface Example {
  readonly name: string;
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signedHeaders: string;
  readonly canonicalRequest: readonly string[];
  readonly canonicalRequestHash: string;
  readonly signature: string;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
const HEADER_EXAMPLES: readonly Example[] = [
  {
    name: 'GET Object with a range',
    method: 'GET',
    target: '/test.txt',
    headers: { Range: 'bytes=0-9', 'x-amz-content-sha256': EMPTY_HASH },
    signedHeaders: 'host;range;x-amz-content-sha256;x-amz-date',
    canonicalRequest: [
      'GET',
      '/test.txt',
      '',
      `host:${HOST}`,
      'range:bytes=0-9',
      `x-amz-content-sha256:${EMPTY_HASH}`,
      'x-amz-date:20130524T000000Z',
      '',
      'host;range;x-amz-content-sha256;x-amz-date',
      EMPTY_HASH,
    ],
    canonicalRequestHash: '7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972',
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
  {
    name: 'PUT Object',
    method: 'PUT',
    target: '/test$file.text',
    headers: {
      Date: 'Fri, 24 May 2013 00:00:00 GMT',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      'x-amz-content-sha256': WELCOME_HASH,
    },
    signedHeaders: 'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
    canonicalRequest: [
      'PUT',
      '/test%24file.text',
      '',
      'date:Fri, 24 May 2013 00:00:00 GMT',
      `host:${HOST}`,
      `x-amz-content-sha256:${WELCOME_HASH}`,
      'x-amz-date:20130524T000000Z',
      'x-amz-storage-class:REDUCED_REDUNDANCY',
      '',
      'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
      WELCOME_HASH,
    ],
    canonicalRequestHash: '9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d',
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  },
  {
    name: 'GET Bucket Lifecycle',
    method: 'GET',
    target: '/?lifecycle',
    headers: { 'x-amz-content-sha256': EMPTY_HASH },
    signedHeaders: 'host;x-amz-content-sha256;x-amz-date',
    canonicalRequest: [
      'GET',
      '/',
      'lifecycle=',
      `host:${HOST}`,
      `x-amz-content-sha256:${EMPTY_HASH}`,
      'x-amz-date:20130524T000000Z',
      '',
      'host;x-amz-content-sha256;x-amz-date',
      EMPTY_HASH,
    ],
    canonicalRequestHash: '9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca',
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  },
  {
    name: 'GET Bucket (List Objects)',
    method: 'GET',
    target: '/?max-keys=2&prefix=J',
    headers: { 'x-amz-content-sha256': EMPTY_HASH },
    signedHeaders: 'host;x-amz-content-sha256;x-amz-date',
    canonicalRequest: [
      'GET',
      '/',
      'max-keys=2&prefix=J',
      `host:${HOST}`,
      `x-amz-content-sha256:${EMPTY_HASH}`,
      'x-amz-date:20130524T000000Z',
      '',
      'host;x-amz-content-sha256;x-amz-date',
      EMPTY_HASH,
    ],
    canonicalRequestHash: 'df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7',
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
];

function received(example: Example): { message: SignedMessage; claim: SigV4Claim } {
  const authorization =
    `AWS4-HMAC-SHA256 Credential=${ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,` +
    `SignedHeaders=${example.signedHeaders},Signature=${example.signature}`;
  const headers = headersOf({
    Host: HOST,
    ...example.headers,
    'x-amz-date': '20130524T000000Z',
    Authorization: authorization,
  });
  const target = parseTarget(example.target);
  const claimed = headerClaim(headers);
  assert.ok(target && claimed.kind === 'claim');
  return { message: { method: example.method, target, headers }, claim: claimed.claim };
}

function assertIntermediates(
  claim: SigV4Claim,
  message: SignedMessage,
  expected: Pick<Example, 'canonicalRequest' | 'canonicalRequestHash'>,
): void {
  const canonical = canonicalRequestOf(claim, message);
  assert.equal(canonical, expected.canonicalRequest.join('\n'));
  assert.equal(sha256Hex(canonical), expected.canonicalRequestHash);
  assert.equal(
    stringToSign(claim.amzDate, claim.scope, canonical),
    `AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n${expected.canonicalRequestHash}`,
  );
}

describe('Signature Version 4, as the S3 API reference computes it', () => {
  test('derives the signing key', () => {
    const key = deriveSigningKey(CLIENT.secretAccessKey, SCOPE).toString('hex');
    assert.equal(key, 'dbb893acc010964918f1fd433add87c70e8b0db6be30c1fbeafefa5ec6ba8378');
  });

  for (const example of HEADER_EXAMPLES) {
    test(`${example.name}: canonical request and string to sign`, () => {
      const { claim, message } = received(example);
      assertIntermediates(claim, message, example);
    });

    test(`${example.name}: the printed signature verifies`, () => {
      const { claim, message } = received(example);
      const place = { client: CLIENT, regions: ['us-east-1'], now: NOW, keys: new SigningKeys() };
      assert.equal(verifySigV4(claim, message, place), undefined);
    });

    test(`${example.name}: signing gives the printed signature`, () => {
      const { message, claim } = received(example);
      const signed = sign(
        {
          method: example.method,
          path: example.target.split('?')[0]?.replace('$', '%24') ?? '',
          parameters: message.target.parameters,
          headers: message.headers.fields
            .filter(({ name }) => !['authorization', 'x-amz-date', 'x-amz-content-sha256'].includes(name))
            .map(({ name, value }) => [name, value]),
          payloadHash: claim.payloadHash,
        },
        {
          credentials: { accessKeyId: ACCESS_KEY, ...CLIENT },
          region: 'us-east-1',
          now: NOW,
          keys: new SigningKeys(),
        },
      );
      const authorization = new Map(signed).get('authorization') ?? '';
      assert.ok(
        authorization.endsWith(`SignedHeaders=${example.signedHeaders}, Signature=${example.signature}`),
      );
    });
  }
});

/** https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html */
describe('a presigned URL, as the S3 API reference computes it', () => {
  const target = parseTarget(
    '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256' +
      '&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request' +
      '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
      '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  );
  assert.ok(target);
  const headers = headersOf({ Host: HOST });
  const message = { method: 'GET', target, headers };
  const claimed = queryClaim(target.parameters, headers);
  assert.ok(claimed.kind === 'claim');
  const { claim } = claimed;

  test('canonical request and string to sign', () => {
    assertIntermediates(claim, message, {
      canonicalRequest: [
        'GET',
        '/test.txt',
        'X-Amz-Algorithm=AWS4-HMAC-SHA256' +
          '&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request' +
          '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host',
        `host:${HOST}`,
        '',
        'host',
        'UNSIGNED-PAYLOAD',
      ],
      canonicalRequestHash: '3bfa292879f6447bbcda7001decf97f4a54dc650c8942174ae0a9121cf58ad04',
    });
  });

  const TIMES: readonly (readonly [now: string, verdict: string])[] = [
    ['2013-05-24T00:00:00Z', 'accepted'],
    ['2013-05-25T00:00:00Z', 'accepted'],
    ['2013-05-25T00:00:01Z', 'Request has expired'],
    ['2013-05-23T23:45:00Z', 'accepted'],
    ['2013-05-23T23:44:59Z', 'Request is not valid yet'],
  ];
  for (const [now, verdict] of TIMES) {
    test(`at ${now}: ${verdict}`, () => {
      const place = { client: CLIENT, regions: ['us-east-1'], now: new Date(now), keys: new SigningKeys() };
      assert.equal(verifySigV4(claim, message, place)?.message ?? 'accepted', verdict);
    });
  }
});
