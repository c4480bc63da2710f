// Every parser that reads what strangers write: from damaged samples and from noise it makes a value or a refusal, never
// an exception, and in time that grows with the input alone. Parsers of streams are tested beside their own vectors.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isHopByHop, nominatedByConnection } from '../../src/core/http/hop-by-hop.ts';
import { parseTarget } from '../../src/core/http/target.ts';
import { decide, ReceivedHeaders, type ReceivedRequest } from '../../src/core/index.ts';
import { parseRequest } from '../../src/core/request.ts';
import { addressOf } from '../../src/core/s3/address.ts';
import { HOST_FORMS } from '../../src/core/s3/aws-host.ts';
import { parseCopySource } from '../../src/core/s3/copy-source.ts';
import { parseEncryptionContext } from '../../src/core/s3/encryption-context.ts';
import { withMessage } from '../../src/core/s3/error-document.ts';
import { formBoundary } from '../../src/core/s3/form-data.ts';
import { payloadModeOf } from '../../src/core/s3/payload-mode.ts';
import { taggingHeader } from '../../src/core/s3/tagging.ts';
import { escapeXml, unescapeXml } from '../../src/core/s3/xml.ts';
import * as sigv2 from '../../src/core/sigv2/verify.ts';
import { ALGORITHM, ASYMMETRIC_ALGORITHM } from '../../src/core/sigv4/algorithm.ts';
import { formatAmzDate, parseAmzDate, parseHttpDate } from '../../src/core/sigv4/amz-date.ts';
import { headerClaim, queryClaim } from '../../src/core/sigv4/claim.ts';
import { context, PLAINTEXT, TLS } from './fixture.ts';

const SIGNATURE = 'a'.repeat(64);
const SCOPE = '20261123/eu-central-1/s3/aws4_request';
const AUTHORIZATION = `AWS4-HMAC-SHA256 Credential=AKID/${SCOPE}, SignedHeaders=host;x-amz-date, Signature=${SIGNATURE}`;
const PRESIGNED = `/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F${SCOPE.replaceAll('/', '%2F')}&X-Amz-Date=20261123T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=${SIGNATURE}`;
const TAGGING = '<Tagging><TagSet><Tag><Key>a</Key><Value>b &amp; c</Value></Tag></TagSet></Tagging>';

const headersOf = (text: string) =>
  ReceivedHeaders.fromRaw(['Host', 'gateway.example', 'Authorization', text]);
const parametersOf = (text: string) => parseTarget(text)?.parameters ?? [];

const PARSERS: readonly (readonly [name: string, parse: (text: string) => unknown, sample: string])[] = [
  ['the request target', parseTarget, PRESIGNED],
  [
    'Host',
    (text) => addressOf(text, { rawPath: '/a/b', parameters: [] }, ['s3.example']),
    'bucket.s3.example:8443',
  ],
  [
    'Host, of AWS',
    (text) => addressOf(text, { rawPath: '/a/b', parameters: [] }, [], HOST_FORMS),
    'bu.cket.s3-fips.dualstack.eu-west-1.amazonaws.com',
  ],
  ['Connection', (text) => isHopByHop('te', nominatedByConnection([text])), 'keep-alive, Upgrade, x-a'],
  ['Authorization, V4', (text) => headerClaim(headersOf(text)), AUTHORIZATION],
  [
    'Authorization, V4A',
    (text) => headerClaim(headersOf(text), ASYMMETRIC_ALGORITHM),
    AUTHORIZATION.replace(ALGORITHM, ASYMMETRIC_ALGORITHM),
  ],
  ['Authorization, V2', (text) => sigv2.headerClaim(headersOf(text)), 'AWS AKID:c2lnbmF0dXJl'],
  ['presigned URLs, V4', (text) => queryClaim(parametersOf(text), headersOf('')), PRESIGNED],
  [
    'presigned URLs, V4A',
    (text) => queryClaim(parametersOf(text), headersOf(''), ASYMMETRIC_ALGORITHM),
    PRESIGNED.replace(ALGORITHM, ASYMMETRIC_ALGORITHM),
  ],
  [
    'presigned URLs, V2',
    (text) => sigv2.queryClaim(parametersOf(text)),
    '/b/k?AWSAccessKeyId=A&Expires=1&Signature=c2ln',
  ],
  ['x-amz-date', parseAmzDate, '20261123T120000Z'],
  ['Date', parseHttpDate, 'Mon, 23 Nov 2026 12:00:00 GMT'],
  ['x-amz-content-sha256', payloadModeOf, 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'],
  ['x-amz-copy-source', parseCopySource, '/bucket/key%20%C3%BC?versionId=v%201'],
  [
    'the encryption context',
    (text) => parseEncryptionContext(text, 4096),
    Buffer.from('{"a":"b"}').toString('base64'),
  ],
  ['the boundary of a form', formBoundary, 'multipart/form-data; charset=utf-8; boundary="a b"'],
  ['the Tagging document', taggingHeader, TAGGING],
  ['XML text', unescapeXml, 'a &lt; b &#38; &#x26;'],
  ['error documents', withMessage, '<Error><Code>A</Code><Message/></Error>'],
];

const NOISE = [
  '%',
  '%00',
  '%2',
  '+',
  '&',
  '=',
  '/',
  '//',
  '..',
  '?',
  '#',
  ';',
  ',',
  '"',
  '\\',
  ' ',
  '\t',
  '\r\n',
  '\0',
  'é',
  '\ud800',
  '<',
  '>',
  '&amp',
  ']]>',
  '0'.repeat(20),
  'x-amz-',
];

/** A sample with pieces taken out, put in, doubled. */
function damaged(sample: string): fc.Arbitrary<string> {
  const piece = fc.oneof(fc.constantFrom(...NOISE), fc.string({ unit: 'binary', maxLength: 5 }));
  const cut = fc.tuple(fc.nat(sample.length), fc.nat(12), piece);
  return fc.array(cut, { minLength: 1, maxLength: 4 }).map((cuts) => {
    let text = sample;
    for (const [at, length, put] of cuts) text = text.slice(0, at) + put + text.slice(at + length);
    return text;
  });
}

describe('no parser throws', () => {
  for (const [name, parse, sample] of PARSERS) {
    test(name, () => {
      assert.notEqual(parse(sample), undefined, 'the sample is not good');
      fc.assert(
        fc.property(fc.oneof(damaged(sample), fc.string({ unit: 'binary' })), (text) => {
          parse(text);
        }),
        { numRuns: 2_000 },
      );
    });
  }
});

describe('no parser takes more than its input is worth', () => {
  // 8 KiB is what a header section holds: a parser of quadratic or worse effort shows at a hundred times that.
  const LENGTH = 800 * 1024;
  for (const [name, parse, sample] of PARSERS) {
    test(name, { timeout: 20_000 }, () => {
      for (const unit of [...new Set([...NOISE, ...sample])]) {
        parse(sample + unit.repeat(Math.ceil(LENGTH / unit.length)));
        parse(unit.repeat(Math.ceil(LENGTH / unit.length)) + sample);
      }
    });
  }
});

test('a date is read back as it was written', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }), (date) => {
      const whole = new Date(Math.floor(date.getTime() / 1000) * 1000);
      assert.deepEqual(parseAmzDate(formatAmzDate(whole)), whole);
      assert.deepEqual(parseHttpDate(whole.toUTCString()), whole);
    }),
  );
});

test('XML text is read back as it was written', () => {
  const legal = fc.string({
    unit: fc.constantFrom('a', '<', '>', '&', '"', "'", '\r', '\n', ';', '#', 'é', '😀'),
  });
  fc.assert(fc.property(legal, (text) => assert.equal(unescapeXml(escapeXml(text)), text)));
});

describe('the whole judgement', () => {
  const header = fc.tuple(
    fc.oneof(
      fc.constantFrom(
        'host',
        'authorization',
        'x-amz-date',
        'x-amz-content-sha256',
        'content-length',
        'content-type',
        'connection',
        'transfer-encoding',
        'x-amz-copy-source',
        'x-amz-server-side-encryption',
        'x-amz-server-side-encryption-context',
        'x-amz-meta-a',
        'x-amz-decoded-content-length',
        'x-amz-trailer',
      ),
      fc.string({ unit: 'grapheme-ascii', maxLength: 8 }),
    ),
    fc.oneof(
      damaged(AUTHORIZATION),
      fc.constantFrom('aws:kms', 'UNSIGNED-PAYLOAD', '5', 'gateway.example', 'b/k'),
      fc.string({ unit: 'binary', maxLength: 20 }),
    ),
  );
  const request: fc.Arbitrary<ReceivedRequest> = fc.record({
    method: fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'PATCH', ''),
    target: fc.oneof(
      damaged(PRESIGNED),
      damaged('/bucket/key?uploadId=u&partNumber=1'),
      fc.string({ unit: 'binary' }),
    ),
    headers: fc
      .array(header, { maxLength: 8 })
      .map((lines) => ReceivedHeaders.fromRaw(['Host', 'gateway.example', ...lines.flat()])),
    channel: fc.constantFrom(
      TLS,
      PLAINTEXT,
      { ...TLS, authentication: 'none' } as const,
      { ...TLS, signing: 'preserve' } as const,
    ),
  });

  test('of any request is a verdict', () => {
    fc.assert(
      fc.property(request, (received) => {
        const verdict = decide(received, context());
        assert.ok(['forward', 'refused', 'read-form', 'no-credentials'].includes(verdict.kind));
      }),
      { numRuns: 5_000 },
    );
  });

  test('of a request that cannot be read is a refusal', () => {
    fc.assert(
      fc.property(request, (received) => {
        const parsed = parseRequest(received, 8192);
        if (parsed.kind === 'refused') assert.equal(decide(received, context()).kind, 'refused');
      }),
      { numRuns: 2_000 },
    );
  });
});
