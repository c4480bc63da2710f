import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  headerClaim,
  parseTarget,
  queryClaim,
  ReceivedHeaders,
  type Refusal,
  SigningKeys,
  verifySigV4,
} from '../../../src/core/index.ts';
import { parseAmzDate, parseHttpDate } from '../../../src/core/sigv4/amz-date.ts';
import { canonicalHeaderValue, canonicalQuery } from '../../../src/core/sigv4/canonical-request.ts';
import {
  CLIENT,
  EMPTY_HASH,
  headersOf,
  httpRequest,
  NOW,
  oracle,
  type Query,
  queryString,
  REGION,
} from '../fixture.ts';

const HEX = 'a'.repeat(64);
const SCOPE = '20261123/eu-central-1/s3/aws4_request';

function claimed(authorization: string, more: Record<string, string> = {}): Refusal | undefined {
  const claim = headerClaim(
    headersOf({
      host: 'gateway.example',
      'x-amz-date': '20261123T120000Z',
      'x-amz-content-sha256': EMPTY_HASH,
      authorization,
      ...more,
    }),
  );
  return claim.kind === 'refused' ? claim.refusal : undefined;
}

function header(parts: { credential?: string; signed?: string; signature?: string } = {}): string {
  const {
    credential = `${CLIENT.accessKeyId}/${SCOPE}`,
    signed = 'host;x-amz-date',
    signature = HEX,
  } = parts;
  return `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signed}, Signature=${signature}`;
}

describe('reading the Authorization header', () => {
  const ACCEPTED: readonly (readonly [what: string, text: string])[] = [
    ['spaces after the commas', header()],
    ['no spaces', header().replaceAll(', ', ',')],
    [
      'components in another order',
      `AWS4-HMAC-SHA256 Signature=${HEX},SignedHeaders=host,Credential=A/${SCOPE}`,
    ],
    ['an access key with slashes', header({ credential: `a/b/c/${SCOPE}` })],
  ];
  for (const [what, text] of ACCEPTED) {
    test(`accepts ${what}`, () => assert.equal(claimed(text), undefined));
  }

  const malformed = 'The authorization header is malformed; ';
  const credential = `${malformed}the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`;
  const REFUSED: readonly (readonly [what: string, text: string, code: string, message: string])[] = [
    [
      'nothing after the algorithm',
      'AWS4-HMAC-SHA256',
      'InvalidArgument',
      "Authorization header is invalid -- one and only one ' ' (space) required.",
    ],
    [
      'a missing credential',
      `AWS4-HMAC-SHA256 SignedHeaders=host, Signature=${HEX}`,
      'AuthorizationHeaderMalformed',
      `${malformed}missing Credential.`,
    ],
    [
      'missing signed headers',
      `AWS4-HMAC-SHA256 Credential=A/${SCOPE}, Signature=${HEX}`,
      'AuthorizationHeaderMalformed',
      `${malformed}missing SignedHeaders.`,
    ],
    [
      'a missing signature',
      `AWS4-HMAC-SHA256 Credential=A/${SCOPE}, SignedHeaders=host`,
      'AuthorizationHeaderMalformed',
      `${malformed}missing Signature.`,
    ],
    [
      'a fourth component',
      `${header()}, Extra=1`,
      'AuthorizationHeaderMalformed',
      `${malformed}the authorization header requires three components: Credential, SignedHeaders, and Signature.`,
    ],
    [
      'a repeated component',
      `${header()}, Signature=${HEX}`,
      'AuthorizationHeaderMalformed',
      `${malformed}the authorization component "Signature=redacted" is malformed.`,
    ],
    ['a short credential', header({ credential: SCOPE }), 'AuthorizationHeaderMalformed', credential],
    ['an empty access key', header({ credential: `/${SCOPE}` }), 'AuthorizationHeaderMalformed', credential],
    [
      'another service',
      header({ credential: 'A/20261123/eu-central-1/sts/aws4_request' }),
      'AuthorizationHeaderMalformed',
      `${malformed}incorrect service "sts". This endpoint belongs to "s3".`,
    ],
    [
      'another terminal',
      header({ credential: 'A/20261123/eu-central-1/s3/aws5_request' }),
      'AuthorizationHeaderMalformed',
      `${malformed}incorrect terminal "aws5_request". This endpoint uses "aws4_request".`,
    ],
    [
      'a date of another form',
      header({ credential: 'A/2026-11-23/eu-central-1/s3/aws4_request' }),
      'AuthorizationHeaderMalformed',
      `${malformed}incorrect date format "2026-11-23". This date in the credential must be in the format "yyyyMMdd".`,
    ],
    [
      'a scope of another day',
      header({ credential: 'A/20261122/eu-central-1/s3/aws4_request' }),
      'AuthorizationHeaderMalformed',
      `${malformed}Invalid credential date. Date is not the same as X-Amz-Date.`,
    ],
    ...['b;a', 'a;a', 'Host', 'a;', '', 'a b'].map(
      (signed) =>
        [
          `the signed headers ${JSON.stringify(signed)}`,
          header({ signed }),
          'AuthorizationHeaderMalformed',
          signed === '' || signed === 'a b'
            ? `${malformed}the authorization component "SignedHeaders=${signed}" is malformed.`
            : `${malformed}the authorization component "SignedHeaders" is malformed.`,
        ] as const,
    ),
    ...[HEX.toUpperCase(), HEX.slice(1), `${HEX}a`].map(
      (signature) =>
        [
          `the signature ${signature.slice(0, 4)}… of ${signature.length} characters`,
          header({ signature }),
          'AuthorizationHeaderMalformed',
          `${malformed}the authorization component "Signature" is malformed.`,
        ] as const,
    ),
  ];
  for (const [what, text, code, message] of REFUSED) {
    test(`refuses ${what}`, () => {
      const refusal = claimed(text);
      assert.deepEqual([refusal?.code, refusal?.message], [code, message]);
    });
  }

  test('refuses a scheme of the same length as the one it reads', () => {
    assert.notEqual(claimed(header().replace('AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA999')), undefined);
  });

  test('refuses a request without x-amz-content-sha256', () => {
    const headers = headersOf({ host: 'h', 'x-amz-date': '20261123T120000Z', authorization: header() });
    const claim = headerClaim(headers);
    assert.ok(claim.kind === 'refused');
    assert.equal(claim.refusal.message, 'Missing required header for this request: x-amz-content-sha256');
  });

  test('refuses a request without a date', () => {
    for (const date of ['', '2026-11-23T12:00:00Z', '20261323T120000Z']) {
      assert.equal(claimed(header(), { 'x-amz-date': date })?.code, 'AccessDenied', date);
    }
  });

  test('reads the Date header where there is no x-amz-date', () => {
    const headers = headersOf({
      host: 'h',
      date: 'Mon, 23 Nov 2026 12:00:00 GMT',
      'x-amz-content-sha256': EMPTY_HASH,
      authorization: header(),
    });
    const claim = headerClaim(headers);
    assert.ok(claim.kind === 'claim');
    assert.equal(claim.claim.amzDate, '20261123T120000Z');
  });
});

const QUERY: Query = {
  'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
  'X-Amz-Credential': `${CLIENT.accessKeyId}/${SCOPE}`,
  'X-Amz-Date': '20261123T120000Z',
  'X-Amz-Expires': '300',
  'X-Amz-SignedHeaders': 'host',
  'X-Amz-Signature': HEX,
};

function presigned(change: Query): Refusal | undefined {
  const target = parseTarget(`/bucket/key${queryString({ ...QUERY, ...change })}`);
  assert.ok(target);
  const claim = queryClaim(target.parameters, headersOf({ host: 'gateway.example' }));
  return claim.kind === 'refused' ? claim.refusal : undefined;
}

describe('reading a presigned URL', () => {
  test('accepts one that is complete', () => assert.equal(presigned({}), undefined));

  for (const name of Object.keys(QUERY)) {
    test(`refuses one without ${name}`, () => {
      const refusal = presigned({ [name]: '' });
      assert.equal(refusal?.code, 'AuthorizationQueryParametersError');
      assert.equal(
        refusal?.message,
        'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
      );
    });
    test(`refuses one that repeats ${name}, in whatever case`, () => {
      assert.equal(presigned({ [name.toLowerCase()]: 'x' })?.reason, 'ambiguous_request');
      assert.equal(presigned({ [name]: ['x', 'y'] })?.reason, 'ambiguous_request');
    });
  }

  const REFUSED: readonly (readonly [what: string, change: Query, message: string])[] = [
    ['an expiry of no number', { 'X-Amz-Expires': 'soon' }, 'X-Amz-Expires should be a number'],
    ['an expiry with a fraction', { 'X-Amz-Expires': '1.5' }, 'X-Amz-Expires should be a number'],
    ['a negative expiry', { 'X-Amz-Expires': '-1' }, 'X-Amz-Expires must be non-negative'],
    [
      'more than a week',
      { 'X-Amz-Expires': '604801' },
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    ],
    [
      'another algorithm',
      { 'X-Amz-Algorithm': 'AWS4-HMAC-SHA1' },
      'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"',
    ],
    [
      'another form of date',
      { 'X-Amz-Date': '2026-11-23' },
      "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
    ],
    [
      'a scope of another day',
      { 'X-Amz-Date': '20261124T000000Z' },
      'Invalid credential date "20261123". This date is not the same as X-Amz-Date: "20261124".',
    ],
    [
      'a short credential',
      { 'X-Amz-Credential': 'A/20261123' },
      'Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    ],
  ];
  for (const [what, change, message] of REFUSED) {
    test(`refuses ${what}`, () => {
      const refusal = presigned(change);
      assert.deepEqual([refusal?.status, refusal?.code], [400, 'AuthorizationQueryParametersError']);
      assert.equal(refusal?.message, message);
    });
  }

  test('takes a week to the second', () => assert.equal(presigned({ 'X-Amz-Expires': '604800' }), undefined));
});

async function signedAt(
  date: Date,
  form: 'header' | 'query',
  { headers = {}, expiresIn = 300, sessionToken, region = REGION }: SignedOptions = {},
): Promise<{ target: string; headers: ReceivedHeaders }> {
  const body: Record<string, string> = form === 'query' ? { 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD' } : {};
  const request = httpRequest({ method: 'GET', path: '/bucket/key', headers: { ...headers, ...body } });
  const signer = oracle({ ...CLIENT, sessionToken }, region);
  const signed =
    form === 'header'
      ? await signer.sign(request, { signingDate: date })
      : await signer.presign(request, { signingDate: date, expiresIn });
  return {
    target: signed.path + queryString((signed.query ?? {}) as Query),
    headers: headersOf(signed.headers),
  };
}

interface SignedOptions {
  readonly headers?: Record<string, string>;
  readonly expiresIn?: number;
  readonly sessionToken?: string;
  readonly region?: string;
}

type Holder = { readonly secretAccessKey: string; readonly sessionToken: string | undefined };

function verdict(
  form: 'header' | 'query',
  { target: raw, headers }: { target: string; headers: ReceivedHeaders },
  client: Holder | undefined = CLIENT,
): Refusal | undefined {
  const target = parseTarget(raw);
  assert.ok(target);
  const claim = form === 'header' ? headerClaim(headers) : queryClaim(target.parameters, headers);
  assert.ok(claim.kind === 'claim');
  const place = { client, regions: [REGION], now: NOW, keys: new SigningKeys() };
  return verifySigV4(claim.claim, { method: 'GET', target, headers }, place);
}

function secondsFromNow(seconds: number): Date {
  return new Date(NOW.getTime() + seconds * 1000);
}

describe('the date of a signature', () => {
  for (const seconds of [-900, 0, 900]) {
    test(`accepts an Authorization header dated ${seconds} s from now`, async () => {
      assert.equal(verdict('header', await signedAt(secondsFromNow(seconds), 'header')), undefined);
    });
  }
  for (const seconds of [-901, 901]) {
    test(`refuses an Authorization header dated ${seconds} s from now`, async () => {
      const refusal = verdict('header', await signedAt(secondsFromNow(seconds), 'header'));
      assert.deepEqual([refusal?.status, refusal?.code], [403, 'RequestTimeTooSkewed']);
      assert.deepEqual(refusal?.details, [
        ['RequestTime', seconds < 0 ? '20261123T114459Z' : '20261123T121501Z'],
        ['ServerTime', '2026-11-23T12:00:00Z'],
        ['MaxAllowedSkewMilliseconds', '900000'],
      ]);
    });
  }

  test('refuses a presigned URL dated in the future', async () => {
    const refusal = verdict('query', await signedAt(secondsFromNow(901), 'query'));
    assert.deepEqual([refusal?.code, refusal?.message], ['AccessDenied', 'Request is not valid yet']);
  });

  test('refuses a presigned URL past its expiry, and says when that was', async () => {
    const refusal = verdict('query', await signedAt(secondsFromNow(-301), 'query'));
    assert.deepEqual([refusal?.status, refusal?.message], [403, 'Request has expired']);
    assert.deepEqual(refusal?.details, [
      ['X-Amz-Expires', '300'],
      ['Expires', '2026-11-23T11:59:59Z'],
      ['ServerTime', '2026-11-23T12:00:00Z'],
    ]);
  });

  test('accepts a presigned URL to its last second', async () => {
    assert.equal(verdict('query', await signedAt(secondsFromNow(-300), 'query')), undefined);
  });

  test('takes an expiry of 0 as expired', async () => {
    const refusal = verdict('query', await signedAt(NOW, 'query', { expiresIn: 0 }));
    assert.equal(refusal?.message, 'Request has expired');
  });
});

describe('what a signature must cover', () => {
  for (const form of ['header', 'query'] as const) {
    test(`refuses an x-amz-* header that is not signed (${form})`, async () => {
      const { target, headers } = await signedAt(NOW, form);
      const fields = [
        ...headers.fields,
        { name: 'x-amz-acl', value: 'public-read' },
        { name: 'x-amz-tagging', value: 'a=b' },
      ];
      const refusal = verdict(form, {
        target,
        headers: new ReceivedHeaders(fields),
      });
      assert.deepEqual([refusal?.status, refusal?.code], [403, 'AccessDenied']);
      assert.equal(refusal?.message, 'There were headers present in the request which were not signed');
      assert.deepEqual(refusal?.details, [['HeadersNotSigned', 'x-amz-acl, x-amz-tagging']]);
    });

    test(`refuses when a signed header is gone (${form})`, async () => {
      const { target, headers } = await signedAt(NOW, form, { headers: { range: 'bytes=0-1' } });
      const fields = headers.fields.filter(({ name }) => name !== 'range');
      const refusal = verdict(form, {
        target,
        headers: new ReceivedHeaders(fields),
      });
      assert.equal(refusal?.code, 'SignatureDoesNotMatch');
    });
  }

  test('lets a presigned request carry x-amz-content-sha256 unsigned', async () => {
    const { target, headers } = await signedAt(NOW, 'query');
    const fields = [...headers.fields, { name: 'x-amz-content-sha256', value: EMPTY_HASH }];
    assert.equal(verdict('query', { target, headers: new ReceivedHeaders(fields) }), undefined);
  });
});

describe('who signs, and where', () => {
  test('refuses another region and names the right one', async () => {
    const refusal = verdict('header', await signedAt(NOW, 'header', { region: 'us-west-2' }));
    assert.deepEqual([refusal?.status, refusal?.code], [400, 'AuthorizationHeaderMalformed']);
    assert.equal(
      refusal?.message,
      "The authorization header is malformed; the region 'us-west-2' is wrong; expecting 'eu-central-1'",
    );
    assert.deepEqual(refusal?.details, [['Region', REGION]]);
  });

  test('refuses a presigned URL of another region in the words for presigned URLs', async () => {
    const refusal = verdict('query', await signedAt(NOW, 'query', { region: 'us-west-2' }));
    assert.equal(refusal?.code, 'AuthorizationQueryParametersError');
    assert.deepEqual(refusal?.details, [['Region', REGION]]);
  });

  test('refuses a signature made with another secret, and shows what it was held against', async () => {
    const refusal = verdict('header', await signedAt(NOW, 'header'), {
      secretAccessKey: 'x',
      sessionToken: undefined,
    });
    assert.deepEqual([refusal?.status, refusal?.code], [403, 'SignatureDoesNotMatch']);
    assert.deepEqual(
      refusal?.details.map(([name]) => name),
      [
        'AWSAccessKeyId',
        'StringToSign',
        'SignatureProvided',
        'StringToSignBytes',
        'CanonicalRequest',
        'CanonicalRequestBytes',
      ],
    );
  });

  test('refuses an unknown access key even where its signature would hold for nobody', async () => {
    const forged = oracle({ accessKeyId: 'NOBODY', secretAccessKey: 'nobody' });
    const signed = await forged.sign(httpRequest({ method: 'GET', path: '/bucket/key' }), {
      signingDate: NOW,
    });
    const target = parseTarget('/bucket/key');
    const headers = headersOf(signed.headers);
    const claim = headerClaim(headers);
    assert.ok(target && claim.kind === 'claim');
    const place = { client: undefined, regions: [REGION], now: NOW, keys: new SigningKeys() };
    const refusal = verifySigV4(claim.claim, { method: 'GET', target, headers }, place);
    assert.deepEqual([refusal?.status, refusal?.code], [403, 'InvalidAccessKeyId']);
  });

  for (const form of ['header', 'query'] as const) {
    const holder = { ...CLIENT, sessionToken: 'the-token' };
    test(`accepts the session token of its key, refuses another, none, and one too many (${form})`, async () => {
      const right = await signedAt(NOW, form, { sessionToken: 'the-token' });
      const wrong = await signedAt(NOW, form, { sessionToken: 'another' });
      const none = await signedAt(NOW, form);
      assert.equal(verdict(form, right, holder), undefined);
      assert.equal(verdict(form, wrong, holder)?.code, 'InvalidToken');
      assert.equal(verdict(form, none, holder)?.code, 'InvalidToken');
      assert.equal(verdict(form, right, CLIENT)?.code, 'InvalidToken');
    });
  }
});

describe('dates', () => {
  test('reads yyyymmddThhmmssZ and nothing else', () => {
    assert.equal(parseAmzDate('20261123T120000Z')?.getTime(), NOW.getTime());
    for (const text of [
      '',
      '20261123',
      '20261123T120000',
      '2026-11-23T12:00:00Z',
      '20260230T000000Z',
      '20261123T240000Z',
      ' 20261123T120000Z',
      '20261123T120000Z\n',
    ]) {
      assert.equal(parseAmzDate(text), undefined, JSON.stringify(text));
    }
  });

  test('reads HTTP dates in UTC and nothing else', () => {
    for (const zone of ['GMT', 'UTC', '+0000', '-0000']) {
      assert.equal(parseHttpDate(`Mon, 23 Nov 2026 12:00:00 ${zone}`)?.getTime(), NOW.getTime(), zone);
    }
    for (const text of [
      '',
      'Mon, 23 Nov 2026 12:00:00',
      'Mon, 23 Nov 2026 12:00:00 CET',
      'Mon, 23 Nov 2026 12:00:00 +0100',
      '2026-11-23T12:00:00Z',
      'Mon, 99 Nov 2026 12:00:00 GMT',
    ]) {
      assert.equal(parseHttpDate(text), undefined, text);
    }
  });
});

describe('canonical forms', () => {
  const QUERIES: readonly (readonly [target: string, canonical: string])[] = [
    ['/', ''],
    ['/?', ''],
    ['/?a', 'a='],
    ['/?a=', 'a='],
    ['/?b=2&a=1', 'a=1&b=2'],
    ['/?a=2&a=1', 'a=1&a=2'],
    ['/?a=b=c', 'a=b%3Dc'],
    ['/?a=%2f/~!', 'a=%2F%2F~%21'],
    ['/?a=x+y', 'a=x%20y'],
    ['/?a=%2B', 'a=%2B'],
    ['/?B=1&a=1&A=1', 'A=1&B=1&a=1'],
    ['/?a-b=1&a=1', 'a=1&a-b=1'],
    ['/?%F0%9D%84%9E=1&%EF%BC%A1=1', '%EF%BC%A1=1&%F0%9D%84%9E=1'],
  ];
  for (const [target, canonical] of QUERIES) {
    test(`the query of ${target}`, () => {
      assert.equal(canonicalQuery(parseTarget(target)?.parameters ?? []), canonical);
    });
  }

  const VALUES: readonly (readonly [values: readonly string[], canonical: string])[] = [
    [['a'], 'a'],
    [[''], ''],
    [['a  b'], 'a b'],
    [['a\tb'], 'a b'],
    [['"a   b"'], '"a b"'],
    [['a', 'b', 'a'], 'a,b,a'],
    [['a', ''], 'a,'],
  ];
  for (const [values, canonical] of VALUES) {
    test(`the header value ${JSON.stringify(values)}`, () =>
      assert.equal(canonicalHeaderValue(values), canonical));
  }
});
