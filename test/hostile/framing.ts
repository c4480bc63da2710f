// Where a request ends: lengths, codings and chunks that two readers could read in two ways, and what stands behind a request.
import { crc32 } from 'node:zlib';
import { CONTENT, type HostileInput, httpChunks, row, SMUGGLED, stored, type Twist } from './input.ts';

const LENGTH = `content-length: ${CONTENT.length}`;
const CHUNKED = 'transfer-encoding: chunked';
const AMBIGUOUS = '400 InvalidRequest, closed';

/** An upload whose framing is that of these lines; the bytes behind its head end it one way, and begin a request in another. */
function framed(
  id: string,
  input: string,
  sees: string,
  lines: readonly string[],
  body?: string,
): HostileInput {
  return row(id, input, sees, { lines, body: CONTENT, head: withBody(lines), behind: body ?? SMUGGLED });
}

/** Signed over the lines given, which stand in place of the good one. */
function withBody(lines: readonly string[]): NonNullable<Twist['head']> {
  return (head) => [...head.filter((line) => !lines.includes(line)), ...lines];
}

const checksum = Buffer.alloc(4);
checksum.writeUInt32BE(crc32(CONTENT));
const AWS_CHUNKED = `${CONTENT.length.toString(16)}\r\n${CONTENT}\r\n0\r\nx-amz-checksum-crc32:${checksum.toString('base64')}\r\n\r\n`;

/** An upload in HTTP chunks: S3 takes them only around aws-chunked. */
function inChunks(
  id: string,
  input: string,
  sees: string,
  body: string,
  more: Parameters<typeof row>[4] = {},
): HostileInput {
  return row(
    id,
    input,
    sees,
    {
      payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      headers: {
        'content-encoding': 'aws-chunked',
        'x-amz-decoded-content-length': String(CONTENT.length),
        'x-amz-trailer': 'x-amz-checksum-crc32',
      },
      lines: [CHUNKED],
      body,
    },
    more,
  );
}

const GOOD = httpChunks(AWS_CHUNKED);
const SIZE = /^[0-9a-f]+\r\n/;
const lastChunk = (trailers: string) => GOOD.replace(/0\r\n\r\n$/, `0\r\n${trailers}\r\n`);
const get = (id: string, input: string, sees: string, twist: Twist, more = {}): HostileInput =>
  row(id, input, sees, { method: 'GET', ...twist }, more);

export const framing: readonly HostileInput[] = [
  framed('F01', '`Content-Length` twice, the same', AMBIGUOUS, [LENGTH, LENGTH]),
  framed('F02', '`Content-Length` twice, the second 0', AMBIGUOUS, [LENGTH, 'content-length: 0']),
  framed('F03', 'a list as `Content-Length`', AMBIGUOUS, [`${LENGTH}, ${CONTENT.length}`]),
  framed('F04', '`Content-Length` with `+`', AMBIGUOUS, [`content-length: +${CONTENT.length}`]),
  framed('F05', '`Content-Length: -1`', AMBIGUOUS, ['content-length: -1']),
  framed('F06', '`Content-Length` in hexadecimal', AMBIGUOUS, ['content-length: 0x1d']),
  framed('F07', '`Content-Length` with `_` between its digits', AMBIGUOUS, ['content-length: 2_9']),
  framed('F08', '`Content-Length` beyond 64 bits', AMBIGUOUS, ['content-length: 18446744073709551645']),
  framed('F09', 'an empty `Content-Length`', AMBIGUOUS, ['content-length:']),
  framed('F10', '`Content-Length` with a letter behind', AMBIGUOUS, [`${LENGTH}a`]),
  framed('F11', '`Content-Length` with a decimal point', AMBIGUOUS, [`${LENGTH}.0`]),
  framed('F12', '`Content-Length` with a space between its digits', AMBIGUOUS, ['content-length: 2 9']),
  framed('F13', '`Content-Length` and `Transfer-Encoding: chunked`', AMBIGUOUS, [LENGTH, CHUNKED]),
  framed('F14', '`Transfer-Encoding: chunked` and `Content-Length`', AMBIGUOUS, [CHUNKED, LENGTH]),
  framed('F15', '`Transfer-Encoding: chunked, identity`', AMBIGUOUS, [
    'transfer-encoding: chunked, identity',
  ]),
  framed('F16', '`Transfer-Encoding: identity`', '411 MissingContentLength, closed', [
    'transfer-encoding: identity',
  ]),
  framed('F17', '`Transfer-Encoding: xchunked`', '411 MissingContentLength, closed', [
    'transfer-encoding: xchunked',
  ]),
  framed('F18', '`Transfer-Encoding: chunked;q=1`', '411 MissingContentLength, closed', [
    'transfer-encoding: chunked;q=1',
  ]),
  framed('F19', '`Transfer-Encoding: "chunked"`', '411 MissingContentLength, closed', [
    'transfer-encoding: "chunked"',
  ]),
  framed('F20', '`Transfer-Encoding` behind a vertical tab', AMBIGUOUS, ['transfer-encoding: \x0bchunked']),
  framed('F21', '`Transfer-Encoding` with a space before its colon', AMBIGUOUS, [
    'transfer-encoding : chunked',
  ]),
  framed('F22', '`Transfer-Encoding` folded onto the next line', AMBIGUOUS, [
    'transfer-encoding:',
    ' chunked',
  ]),
  framed('F23', '`Transfer-Encoding: chunked` twice', AMBIGUOUS, [CHUNKED, CHUNKED], `0\r\n\r\n${SMUGGLED}`),
  framed(
    'F24',
    '`Transfer-Encoding: gzip, chunked`',
    '411 MissingContentLength, closed',
    ['transfer-encoding: gzip, chunked'],
    `0\r\n\r\n${SMUGGLED}`,
  ),
  framed(
    'F25',
    '`Transfer-Encoding: CHUNKED` behind a tab, around a plain body',
    '411 MissingContentLength, closed',
    ['transfer-encoding:\tCHUNKED'],
    `0\r\n\r\n${SMUGGLED}`,
  ),
  framed('F26', 'no length at all', '411 MissingContentLength, 400 InvalidRequest, closed', []),
  row(
    'F27',
    '`transfer_encoding: chunked` beside a good length: it is another header, and goes nowhere',
    '200, goes on',
    {
      lines: [LENGTH, 'transfer_encoding: chunked'],
    },
    stored('F27'),
  ),
  inChunks(
    'F30',
    'aws-chunked in HTTP chunks, well-formed: so it is the change that is refused below',
    '200, goes on',
    GOOD,
    stored('F30'),
  ),
  inChunks(
    'F31',
    'an HTTP chunk extension: it ends here',
    '200, goes on',
    GOOD.replace('\r\n', ';a="b"\r\n'),
    stored('F31'),
  ),
  inChunks('F32', 'an HTTP chunk size in `0x`', AMBIGUOUS, GOOD.replace(SIZE, '0x48\r\n')),
  inChunks('F33', 'an HTTP chunk size that is none', AMBIGUOUS, GOOD.replace(SIZE, 'zz\r\n')),
  inChunks('F34', 'a negative HTTP chunk size', AMBIGUOUS, GOOD.replace(SIZE, '-1\r\n')),
  inChunks(
    'F35',
    'an HTTP chunk size beyond 64 bits',
    AMBIGUOUS,
    GOOD.replace(SIZE, '10000000000000048\r\n'),
  ),
  inChunks(
    'F36',
    'an HTTP chunk without its CRLF',
    AMBIGUOUS,
    GOOD.replace('\r\n\r\n0\r\n\r\n', '\r\n0\r\n\r\n'),
  ),
  inChunks('F37', 'an HTTP chunk size ended by a bare LF', AMBIGUOUS, GOOD.replace('\r\n', '\n')),
  inChunks('F38', 'a space before an HTTP chunk size', AMBIGUOUS, ` ${GOOD}`),
  inChunks('F39', 'an HTTP chunk size of no digits', AMBIGUOUS, GOOD.replace(SIZE, '\r\n')),
  inChunks(
    'F40',
    'an HTTP trailer `x-amz-server-side-encryption: AES256`: it is dropped',
    '200, goes on',
    lastChunk('x-amz-server-side-encryption: AES256\r\n'),
    stored('F40'),
  ),
  inChunks(
    'F41',
    'an HTTP trailer `Authorization`: it is dropped',
    '200, goes on',
    lastChunk('authorization: AWS4-HMAC-SHA256 x\r\n'),
    stored('F41'),
  ),
  inChunks('F42', 'an HTTP trailer `Content-Length`', AMBIGUOUS, lastChunk('content-length: 5\r\n')),
  inChunks('F43', 'an HTTP trailer with a space before its colon', AMBIGUOUS, lastChunk('x : y\r\n')),
  inChunks(
    'F44',
    'HTTP trailers of 70 KiB',
    '400 RequestHeaderSectionTooLarge, closed',
    lastChunk(`x-a: ${'a'.repeat(70 * 1024)}\r\n`),
  ),
  inChunks(
    'F45',
    'an HTTP chunk extension of 20 KiB',
    AMBIGUOUS,
    GOOD.replace('\r\n', `;a=${'b'.repeat(20 * 1024)}\r\n`),
  ),
  inChunks(
    'F46',
    'a request behind the last HTTP chunk: it is judged as one',
    '200, 403 AccessDenied, goes on',
    `${GOOD}${SMUGGLED}`,
    stored('F46'),
  ),
  get('F50', 'a body on GET, as a length', AMBIGUOUS, { body: SMUGGLED }),
  get('F51', 'a body on GET, in chunks', AMBIGUOUS, {
    body: '',
    lines: [CHUNKED],
    behind: httpChunks(SMUGGLED),
  }),
  row('F52', 'a body on HEAD', '400, closed', { method: 'HEAD', body: SMUGGLED }),
  row('F53', 'a body on DELETE', AMBIGUOUS, { method: 'DELETE', body: SMUGGLED }),
  row(
    'F54',
    'more bytes than `Content-Length` says: they are judged as a request',
    '200, 403 AccessDenied, goes on',
    { behind: SMUGGLED },
    stored('F54'),
  ),
  row(
    'F55',
    'more bytes than `Content-Length` says, and no request',
    '200, 400 InvalidRequest, closed',
    { behind: 'x=1\r\n\r\n' },
    stored('F55'),
  ),
  row(
    'F56',
    'a request as the body of a refused upload: it is never read as one',
    '403 AccessDenied, closed',
    { path: '/unruled/k', body: SMUGGLED },
  ),
  row('F57', 'the same behind `Expect: 100-continue`, without waiting', '403 AccessDenied, closed', {
    path: '/unruled/k',
    body: SMUGGLED,
    headers: { expect: '100-continue' },
  }),
  row(
    'F58',
    'a refused upload in chunks that hold a request, and a bad chunk',
    '411 MissingContentLength, closed',
    { lines: [CHUNKED], body: `${httpChunks(SMUGGLED).slice(0, -5)}zz\r\n` },
  ),
  get('F59', 'a request behind one that ends the connection: it is not begun', '403 AccessDenied, closed', {
    path: '/unserved%00',
    target: '/',
    head: () => ['GET / HTTP/1.1', 'Host: localhost', 'Connection: close'],
    behind: SMUGGLED,
  }),
];
