// What people have at hand, read into a question: what is understood, what is not, and that noise harms nothing.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { readPasted } from '../../src/page/paste.ts';

const URL = 'https://s3.example/bucket/key';
const PREPARED =
  "2026-11-24 08:00:00 - MainThread - botocore.endpoint - DEBUG - Sending http request: <AWSPreparedRequest stream_output=False, method=PUT, url=https://b.s3.amazonaws.com/k?x=1, headers={'x-amz-acl': b'private', 'User-Agent': b\"it's\", 'Content-Length': '5'}>";

const READ: readonly (readonly [
  what: string,
  text: string,
  method: string,
  url: string,
  headers: string[],
])[] = [
  ['a request line', 'PUT /bucket/key', 'PUT', '/bucket/key', []],
  ['a request line in lower case', 'put /bucket/key', 'PUT', '/bucket/key', []],
  ['a key with spaces', 'GET /bucket/a key HTTP/1.1', 'GET', '/bucket/a key', []],
  ['a whole URL', `GET ${URL}?acl HTTP/2`, 'GET', `${URL}?acl`, []],
  [
    'a request as on the wire, its body apart',
    'PUT /b/k HTTP/1.1\r\nHost: h\r\nx-amz-acl: private\r\n\r\nno: header',
    'PUT',
    '/b/k',
    ['Host: h', 'x-amz-acl: private'],
  ],
  ['curl', `curl ${URL}`, 'GET', URL, []],
  ['curl with a prompt', `$ curl ${URL}`, 'GET', URL, []],
  ['curl without a scheme', 'curl s3.example/bucket/key', 'GET', 'http://s3.example/bucket/key', []],
  ['curl that uploads', `curl -T file ${URL}`, 'PUT', URL, []],
  ['curl that uploads, long', `curl --upload-file=file ${URL}`, 'PUT', URL, []],
  ['curl that posts', `curl --data-binary @x ${URL}`, 'POST', URL, []],
  ['curl that asks for the head', `curl -sI ${URL}`, 'HEAD', URL, []],
  ['curl with a method in one word', `curl -sSXDELETE ${URL}`, 'DELETE', URL, []],
  [
    'curl in several lines, in both quotations',
    `curl -X PUT \\\n  -H 'a: it is' \\\r\n --header "b: \\"c\\"" --url ${URL}`,
    'PUT',
    URL,
    ['a: it is', 'b: "c"'],
  ],
  ['curl whose header looks like an option', `curl -H -x:y ${URL}`, 'GET', URL, ['-x:y']],
  ['curl with an empty header', `curl -H 'x-amz-acl;' ${URL}`, 'GET', URL, ['x-amz-acl:']],
  [
    'aws --debug',
    PREPARED,
    'PUT',
    'https://b.s3.amazonaws.com/k?x=1',
    ['x-amz-acl: private', "User-Agent: it's", 'Content-Length: 5'],
  ],
];

const NOT_READ: readonly (readonly [what: string, text: string, error: RegExp])[] = [
  ['nothing', ' \n ', /There is no request/],
  ['a word', 'hello', /no request line/],
  ['a header first', 'host: a', /no request line/],
  ['a curl command without a URL', 'curl -s', /names no URL/],
  ['an option that is not known', 'curl --config x', /curl option --config is not understood/],
  ['a quotation that does not end', `curl 'x`, /is not closed/],
  ['half a line of aws --debug', '<AWSPreparedRequest method=PUT', /is not whole/],
];

describe('a pasted request', () => {
  for (const [what, text, method, url, headers] of READ) {
    test(`is read: ${what}`, () => assert.deepEqual(readPasted(text), { method, url, headers }));
  }
  for (const [what, text, error] of NOT_READ) {
    test(`is not read: ${what}`, () => {
      const read = readPasted(text);
      assert.match('error' in read ? read.error : 'it was read', error);
    });
  }

  test('loses the credentials that a curl command names', () => {
    const read = readPasted(
      `curl --user AKID:planted --aws-sigv4 aws:amz:x:s3 -u x:planted -uy:planted ${URL}`,
    );
    assert.deepEqual(read, { method: 'GET', url: URL, headers: [] });
    assert.doesNotMatch(JSON.stringify(readPasted('curl --planted-option=planted-value x')), /planted-value/);
  });
});

/** As a shell has it in single quotation marks. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
const printable = fc.string({ unit: fc.constantFrom(...'abc XYZ019:"\'\\$`;&-=<>é') });
const value = printable.map((text) => text.trim());

describe('whatever is pasted', () => {
  test('words of curl come out as they were quoted', () => {
    fc.assert(
      fc.property(fc.array(value), (values) => {
        const headers = values.map((text, i) => `x-${i}: ${text}`);
        const command = ['curl', ...headers.flatMap((line) => ['-H', quoted(line)]), quoted(URL)].join(' ');
        assert.deepEqual(readPasted(command), { method: 'GET', url: URL, headers });
      }),
    );
  });

  test('header lines come out as they were written', () => {
    fc.assert(
      fc.property(fc.array(value), fc.constantFrom('\n', '\r\n'), (values, end) => {
        const headers = values.map((text, i) => `x-${i}: ${text}`.trim());
        assert.deepEqual(readPasted(['GET /b/k HTTP/1.1', ...headers, '', 'body'].join(end)), {
          method: 'GET',
          url: '/b/k',
          headers,
        });
      }),
    );
  });

  test('noise is read or refused, and never thrown at', () => {
    const start = fc.constantFrom('', 'curl ', 'curl -', '<AWSPreparedRequest ', 'PUT /');
    fc.assert(
      fc.property(start, fc.string({ unit: 'binary' }), (first, rest) => {
        const read = readPasted(first + rest);
        assert.ok('error' in read || typeof read.url === 'string');
      }),
    );
  });

  // So long that work which grows with the square of it would take minutes.
  const LONG: readonly (readonly [what: string, text: string])[] = [
    ['spaces', `GET ${' '.repeat(1_000_000)}x`],
    ['spaces at the end', `GET /x${' '.repeat(1_000_000)}y z`],
    ['quotation marks', `curl ${`''`.repeat(500_000)}`],
    ['words', `curl ${'-s '.repeat(500_000)}`],
    ['letters of options', `curl -${'s'.repeat(1_000_000)} x`],
    ['beginnings of aws --debug', '<AWSPreparedRequest method=a, url=b, headers={'.repeat(20_000)],
    [
      'pairs of aws --debug',
      `<AWSPreparedRequest method=a, url=b, headers={${`'a': b'\\`.repeat(120_000)}}>`,
    ],
  ];
  for (const [what, text] of LONG) {
    test(`a long run of ${what} is read in time that grows with it alone`, () => {
      // A timeout of the test could not end what never yields; that of a script does.
      runInNewContext('read()', { read: () => readPasted(text) }, { timeout: 60_000 });
    });
  }
});
