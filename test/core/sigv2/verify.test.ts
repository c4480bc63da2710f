import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import { parseTarget } from '../../../src/core/http/target.ts';
import { ReceivedHeaders } from '../../../src/core/index.ts';
import type { Refusal } from '../../../src/core/refusal.ts';
import {
  headerClaim,
  queryClaim,
  type SigV2Claim,
  stringToSignV2,
  unsignedParameter,
  verifySigV2,
} from '../../../src/core/sigv2/verify.ts';

const ACCESS_KEY = 'AKIAIOSFODNN7EXAMPLE';
const CLIENT = { secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', sessionToken: undefined };

interface Message {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly hostedBucket?: string;
  readonly now: string;
}

function raw(message: Message): ReceivedHeaders {
  return ReceivedHeaders.fromRaw(
    message.headers.flatMap(([name, value]) => [name, Buffer.from(value, 'utf8').toString('latin1')]),
  );
}

function signed(message: Message) {
  const target = parseTarget(message.target);
  assert.ok(target);
  return { method: message.method, target, headers: raw(message), hostedBucket: message.hostedBucket };
}

function claimOf(message: Message): SigV2Claim {
  const { headers, target } = signed(message);
  const claimed = headers.has('authorization') ? headerClaim(headers) : queryClaim(target.parameters);
  assert.ok(claimed.kind === 'claim', JSON.stringify(claimed));
  return claimed.claim;
}

function verdict(
  message: Message,
  client: typeof CLIENT | { secretAccessKey: string; sessionToken: string } | undefined = CLIENT,
): Refusal | undefined {
  return verifySigV2(claimOf(message), signed(message), { client, now: new Date(message.now) });
}

/** HMAC-SHA1 of the UTF-8 form, as the documentation has it. */
function signature(stringToSign: string): string {
  return createHmac('sha1', CLIENT.secretAccessKey).update(stringToSign, 'utf8').digest('base64');
}

interface Example extends Omit<Message, 'now'> {
  readonly name: string;
  readonly stringToSign: string;
  readonly signature: string;
  readonly date: string;
}

const BUCKET = 'johnsmith';

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html. Most of its signatures are those of the bucket
 * that older editions name; so is this table. Its Delete example signs the date in a place its own grammar rules out.
 */
const EXAMPLES: readonly Example[] = [
  {
    name: 'Object PUT',
    method: 'PUT',
    target: '/photos/puppy.jpg',
    hostedBucket: BUCKET,
    date: 'Tue, 27 Mar 2007 21:15:45 +0000',
    headers: [
      ['Content-Type', 'image/jpeg'],
      ['Content-Length', '94328'],
      ['Date', 'Tue, 27 Mar 2007 21:15:45 +0000'],
    ],
    stringToSign: 'PUT\n\nimage/jpeg\nTue, 27 Mar 2007 21:15:45 +0000\n/johnsmith/photos/puppy.jpg',
    signature: 'MyyxeRY7whkBe+bq8fHCL/2kKUg=',
  },
  {
    name: 'List',
    method: 'GET',
    target: '/?prefix=photos&max-keys=50&marker=puppy',
    hostedBucket: BUCKET,
    date: 'Tue, 27 Mar 2007 19:42:41 +0000',
    headers: [
      ['User-Agent', 'Mozilla/5.0'],
      ['Date', 'Tue, 27 Mar 2007 19:42:41 +0000'],
    ],
    stringToSign: 'GET\n\n\nTue, 27 Mar 2007 19:42:41 +0000\n/johnsmith/',
    signature: 'htDYFYduRNen8P9ZfE/s9SuKy0U=',
  },
  {
    name: 'Fetch',
    method: 'GET',
    target: '/?acl',
    hostedBucket: BUCKET,
    date: 'Tue, 27 Mar 2007 19:44:46 +0000',
    headers: [['Date', 'Tue, 27 Mar 2007 19:44:46 +0000']],
    stringToSign: 'GET\n\n\nTue, 27 Mar 2007 19:44:46 +0000\n/johnsmith/?acl',
    signature: 'c2WLPFtWHVgbEmeEG93a4cG37dM=',
  },
  {
    name: 'Object GET',
    method: 'GET',
    target: '/photos/puppy.jpg',
    hostedBucket: 'awsexamplebucket1',
    date: 'Tue, 27 Mar 2007 19:36:42 +0000',
    headers: [['Date', 'Tue, 27 Mar 2007 19:36:42 +0000']],
    stringToSign: 'GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\n/awsexamplebucket1/photos/puppy.jpg',
    signature: 'qgk2+6Sv9/oM7G3qLEjTH1a1l1g=',
  },
  {
    name: 'List all my buckets',
    method: 'GET',
    target: '/',
    date: 'Wed, 28 Mar 2007 01:29:59 +0000',
    headers: [['Date', 'Wed, 28 Mar 2007 01:29:59 +0000']],
    stringToSign: 'GET\n\n\nWed, 28 Mar 2007 01:29:59 +0000\n/',
    signature: 'qGdzdERIC03wnaRNKh6OqZehG9s=',
  },
  {
    name: 'Unicode keys, the path as sent',
    method: 'GET',
    target: '/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re',
    date: 'Wed, 28 Mar 2007 01:49:49 +0000',
    headers: [['Date', 'Wed, 28 Mar 2007 01:49:49 +0000']],
    stringToSign: 'GET\n\n\nWed, 28 Mar 2007 01:49:49 +0000\n/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re',
    signature: 'DNEZGsoieTZ92F3bUfSPQcbGmlM=',
  },
  {
    name: 'Upload',
    method: 'PUT',
    target: '/db-backup.dat.gz',
    hostedBucket: 'static.johnsmith.net',
    date: 'Tue, 27 Mar 2007 21:06:08 +0000',
    headers: [
      ['User-Agent', 'curl/7.15.5'],
      ['Date', 'Tue, 27 Mar 2007 21:06:08 +0000'],
      ['x-amz-acl', 'public-read'],
      ['content-type', 'application/x-download'],
      ['Content-MD5', '4gJE4saaMU4BqNR0kLY+lw=='],
      ['X-Amz-Meta-ReviewedBy', 'joe@johnsmith.net'],
      ['X-Amz-Meta-ReviewedBy', 'jane@johnsmith.net'],
      ['X-Amz-Meta-FileChecksum', '0x02661779'],
      ['X-Amz-Meta-ChecksumAlgorithm', 'crc32'],
      ['Content-Disposition', 'attachment; filename=database.dat'],
      ['Content-Encoding', 'gzip'],
      ['Content-Length', '5913339'],
    ],
    stringToSign:
      'PUT\n4gJE4saaMU4BqNR0kLY+lw==\napplication/x-download\nTue, 27 Mar 2007 21:06:08 +0000\n' +
      'x-amz-acl:public-read\nx-amz-meta-checksumalgorithm:crc32\nx-amz-meta-filechecksum:0x02661779\n' +
      'x-amz-meta-reviewedby:joe@johnsmith.net,jane@johnsmith.net\n' +
      '/static.johnsmith.net/db-backup.dat.gz',
    signature: 'ilyl83RwaSoYIEdixDQcA4OnAnc=',
  },
];

describe('Signature Version 2, as the documentation computes it', () => {
  for (const example of EXAMPLES) {
    const now = new Date(example.date).toISOString();
    const headers = [
      ...example.headers,
      ['Authorization', `AWS ${ACCESS_KEY}:${example.signature}`] as const,
    ];
    const message: Message = { ...example, headers, now };

    test(`${example.name}: string to sign`, () => {
      assert.equal(stringToSignV2(claimOf(message), signed(message)), example.stringToSign);
    });
    test(`${example.name}: the printed signature verifies`, () => assert.equal(verdict(message), undefined));
  }

  test('Query string: the printed signature verifies until its end, and no longer', () => {
    const target = `/photos/puppy.jpg?AWSAccessKeyId=${ACCESS_KEY}&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620`;
    const message: Message = {
      method: 'GET',
      target,
      headers: [],
      hostedBucket: BUCKET,
      now: '2007-03-29T03:40:20Z',
    };
    assert.equal(verdict(message), undefined);
    const late = verdict({ ...message, now: '2007-03-29T03:40:21Z' });
    assert.deepEqual([late?.status, late?.code, late?.message], [403, 'AccessDenied', 'Request has expired']);
    assert.deepEqual(late?.details, [
      ['Expires', '2007-03-29T03:40:20Z'],
      ['ServerTime', '2007-03-29T03:40:21Z'],
    ]);
  });
});

const NOW = '2026-11-23T12:00:00Z';
const DATE = 'Mon, 23 Nov 2026 12:00:00 GMT';

interface Vector {
  readonly what: string;
  readonly method?: string;
  readonly target: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly hostedBucket?: string;
  readonly stringToSign: string;
}

function withAuthorization({
  method = 'GET',
  target,
  headers = [['Date', DATE]],
  hostedBucket,
  stringToSign,
}: Vector): Message {
  const authorization = ['Authorization', `AWS ${ACCESS_KEY}:${signature(stringToSign)}`] as const;
  return {
    method,
    target,
    headers: [...headers, authorization],
    now: NOW,
    ...(hostedBucket === undefined ? {} : { hostedBucket }),
  };
}

const OWN: readonly Vector[] = [
  {
    what: 'signs subresources, sorted, and leaves other parameters out',
    target: '/b/k?uploadId=u&prefix=p&partNumber=1',
    stringToSign: `GET\n\n\n${DATE}\n/b/k?partNumber=1&uploadId=u`,
  },
  {
    what: 'signs a subresource without value by its name',
    target: '/b?acl=',
    stringToSign: `GET\n\n\n${DATE}\n/b?acl`,
  },
  {
    what: 'signs values of the query decoded',
    target: '/b/k?response-content-type=text%2Fplain%3B%20charset%3Dx',
    stringToSign: `GET\n\n\n${DATE}\n/b/k?response-content-type=text/plain; charset=x`,
  },
  {
    what: 'signs values of the query as UTF-8',
    target: '/b/k?response-content-disposition=%D0%B6.txt',
    stringToSign: `GET\n\n\n${DATE}\n/b/k?response-content-disposition=ж.txt`,
  },
  {
    what: 'signs the path undecoded',
    target: '/b/a%2Fb%20c%7e',
    stringToSign: `GET\n\n\n${DATE}\n/b/a%2Fb%20c%7e`,
  },
  {
    what: 'puts the bucket of the host before the path',
    target: '/k',
    hostedBucket: 'b',
    stringToSign: `GET\n\n\n${DATE}\n/b/k`,
  },
  {
    what: 'leaves the date line empty where there is x-amz-date',
    target: '/b/k',
    headers: [
      ['Date', 'Mon, 01 Jan 2001 00:00:00 GMT'],
      ['X-Amz-Date', DATE],
    ],
    stringToSign: `GET\n\n\n\nx-amz-date:${DATE}\n/b/k`,
  },
  {
    what: 'signs x-amz headers sorted, Content-MD5 and Content-Type in their places',
    method: 'PUT',
    target: '/b/k',
    headers: [
      ['x-amz-meta-b', ' é '],
      ['Content-Type', 'text/plain'],
      ['Date', DATE],
      ['X-Amz-Acl', 'private'],
      ['Content-MD5', 'm'],
    ],
    stringToSign: `PUT\nm\ntext/plain\n${DATE}\nx-amz-acl:private\nx-amz-meta-b:é\n/b/k`,
  },
];

describe('Signature Version 2', () => {
  for (const vector of OWN) {
    test(vector.what, () => {
      assert.equal(verdict(withAuthorization(vector)), undefined);
    });
  }

  const base: Vector = {
    what: '',
    method: 'PUT',
    target: '/b/k?acl',
    headers: [
      ['Date', DATE],
      ['Content-Type', 'a/b'],
      ['x-amz-acl', 'private'],
    ],
    stringToSign: `PUT\n\na/b\n${DATE}\nx-amz-acl:private\n/b/k?acl`,
  };
  const good = withAuthorization(base);
  const changed = (name: string, value: string): Message => ({
    ...good,
    headers: good.headers.map(([header, old]) => [header, header === name ? value : old]),
  });
  const TAMPERED: readonly (readonly [what: string, message: Message])[] = [
    ['the method', { ...good, method: 'GET' }],
    ['the path', { ...good, target: '/b/l?acl' }],
    ['the escapes of the path', { ...good, target: '/b/%6b?acl' }],
    ['the subresource', { ...good, target: '/b/k?tagging' }],
    ['a subresource added', { ...good, target: '/b/k?acl&versionId=v' }],
    ['the content type', changed('Content-Type', 'a/c')],
    ['an x-amz header', changed('x-amz-acl', 'public-read')],
    ['an x-amz header added', { ...good, headers: [...good.headers, ['x-amz-meta-a', 'b']] }],
    ['an x-amz parameter added', { ...good, target: '/b/k?acl&x-amz-meta-a=b' }],
    ['Content-MD5 added', { ...good, headers: [...good.headers, ['content-md5', 'm']] }],
    ['the date within the skew', changed('Date', 'Mon, 23 Nov 2026 12:00:01 GMT')],
    ['the bucket of the host', { ...good, hostedBucket: 'other' }],
  ];
  test('verifies before anything is changed', () => assert.equal(verdict(good), undefined));
  for (const [what, message] of TAMPERED) {
    test(`refuses when ${what} is changed`, () => {
      const refusal = verdict(message);
      assert.deepEqual([refusal?.status, refusal?.code], [403, 'SignatureDoesNotMatch']);
      assert.deepEqual(
        refusal?.details.map(([name]) => name),
        ['AWSAccessKeyId', 'StringToSign', 'SignatureProvided', 'StringToSignBytes'],
      );
    });
  }

  test('refuses any changed character of the signature', () => {
    const right = signature(base.stringToSign);
    for (let at = 0; at < right.length - 1; at++) {
      const wrong = right.slice(0, at) + (right[at] === 'A' ? 'B' : 'A') + right.slice(at + 1);
      assert.equal(
        verdict(changed('Authorization', `AWS ${ACCESS_KEY}:${wrong}`))?.reason,
        'signature_mismatch',
      );
    }
  });

  test('refuses a subresource whose value only looks the same in its low bytes', () => {
    const vector: Vector = {
      what: '',
      target: '/b/k?response-content-type=6',
      stringToSign: `GET\n\n\n${DATE}\n/b/k?response-content-type=6`,
    };
    const message = withAuthorization(vector);
    assert.equal(verdict(message), undefined);
    assert.equal(
      verdict({ ...message, target: '/b/k?response-content-type=%D0%B6' })?.reason,
      'signature_mismatch',
    );
  });

  test('refuses an unknown access key', () => {
    const message = signed(good);
    const refusal = verifySigV2(claimOf(good), message, { client: undefined, now: new Date(NOW) });
    assert.deepEqual([refusal?.status, refusal?.code], [403, 'InvalidAccessKeyId']);
  });

  for (const [now, expected] of [
    ['2026-11-23T12:15:00Z', undefined],
    ['2026-11-23T12:15:01Z', 'RequestTimeTooSkewed'],
    ['2026-11-23T11:44:59Z', 'RequestTimeTooSkewed'],
  ] as const) {
    test(`at ${now}: ${expected ?? 'accepted'}`, () =>
      assert.equal(verdict({ ...good, now })?.code, expected));
  }

  test('refuses a request without a date', () => {
    const vector: Vector = { what: '', target: '/b/k', headers: [], stringToSign: 'GET\n\n\n\n/b/k' };
    assert.equal(
      verdict(withAuthorization(vector))?.message,
      'AWS authentication requires a valid Date or x-amz-date header',
    );
  });

  test('takes the session token of its key, and no other', () => {
    const vector: Vector = {
      what: '',
      target: '/b/k',
      headers: [
        ['Date', DATE],
        ['x-amz-security-token', 't'],
      ],
      stringToSign: `GET\n\n\n${DATE}\nx-amz-security-token:t\n/b/k`,
    };
    const message = withAuthorization(vector);
    assert.equal(verdict(message, { ...CLIENT, sessionToken: 't' }), undefined);
    assert.equal(verdict(message, { ...CLIENT, sessionToken: 'u' })?.code, 'InvalidToken');
    assert.equal(verdict(message)?.code, 'InvalidToken');
    assert.equal(verdict(good, { ...CLIENT, sessionToken: 't' })?.code, 'InvalidToken');
  });

  test('refuses an Authorization header of another form', () => {
    for (const text of [
      'AWS',
      'AWS ',
      'AWS A',
      'AWS A:',
      'AWS :x',
      'AWS A:x y',
      'AWS A B:x',
      'aws A:x',
      'AWS A:x:y',
    ]) {
      assert.equal(headerClaim(ReceivedHeaders.fromRaw(['authorization', text])).kind, 'refused', text);
    }
  });

  test('refuses a query that lacks or repeats a parameter', () => {
    for (const query of [
      '',
      'AWSAccessKeyId=A&Expires=1',
      'AWSAccessKeyId=A&Signature=x',
      'Expires=1&Signature=x',
      'AWSAccessKeyId=A&Expires=soon&Signature=x',
      'AWSAccessKeyId=A&Expires=-1&Signature=x',
      'AWSAccessKeyId=A&Expires=1&Signature=x&Signature=y',
      'AWSAccessKeyId=&Expires=1&Signature=x',
    ]) {
      const claimed = queryClaim(parseTarget(`/b/k?${query}`)?.parameters ?? []);
      assert.ok(claimed.kind === 'refused', query);
      assert.equal(
        claimed.refusal.message,
        'Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters',
      );
    }
  });
});

describe('a query parameter that Signature Version 2 leaves unsigned', () => {
  for (const name of [
    'encryption',
    'publicAccessBlock',
    'ownershipControls',
    'policyStatus',
    'legal-hold',
    'retention',
    'attributes',
    'annotation',
    'renameObject',
    'session',
    'metadataTable',
    'intelligent-tiering',
    'abac',
    'id',
    'x-id',
    'madeup',
  ]) {
    test(`${name} could make a captured request another operation`, () =>
      assert.equal(unsignedParameter([{ name, value: '' }]), name));
  }
  for (const name of [
    'prefix',
    'list-type',
    'max-keys',
    'acl',
    'uploadId',
    'versionId',
    'response-content-type',
  ]) {
    test(`${name} is signed, or shapes a listing only`, () =>
      assert.equal(unsignedParameter([{ name, value: '' }]), undefined));
  }
});
