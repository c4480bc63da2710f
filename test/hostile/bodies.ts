// Bodies in aws-chunked framing that are not what was announced, by grammar, length, trailer or signature.
import { crc32 } from 'node:zlib';
import { hmacSigner, signBody, wireOf } from '../core/sigv4/chunk-signer.ts';
import { signedHeaders } from '../gateway/client.ts';
import { testClient } from '../gateway/setup.ts';
import { CONTENT, type HostileInput, message, row, SMUGGLED, stored } from './input.ts';
import type { HostileSite } from './site.ts';

const SSE = 'x-amz-server-side-encryption';
const INCOMPLETE = '400 IncompleteBody, goes on';
// Refused before their last byte has been read, they cost the connection.
const BROKEN_OFF = '400 InvalidRequest, closed';
const BAD_TRAILER = '400 MalformedTrailerError, closed';
const TRAILER = '400 MalformedTrailerError, goes on';

const sum = Buffer.alloc(4);
sum.writeUInt32BE(crc32(CONTENT));
const trailer = `x-amz-checksum-crc32:${sum.toString('base64')}\r\n`;
const chunk = `${CONTENT.length.toString(16)}\r\n${CONTENT}\r\n`;
const GOOD = `${chunk}0\r\n${trailer}\r\n`;

const unsigned = (
  id: string,
  input: string,
  sees: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): HostileInput =>
  row(id, input, sees, {
    body,
    payloadHash: headers['x-amz-content-sha256'] ?? 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    headers: {
      'content-encoding': 'aws-chunked',
      'x-amz-decoded-content-length': String(CONTENT.length),
      'x-amz-trailer': 'x-amz-checksum-crc32',
      ...headers,
    },
  });

const MODE = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';

/** An upload in signed chunks; `twist` gets its framed body. */
function signed(
  id: string,
  input: string,
  sees: string,
  twist: (wire: string) => string,
  more = {},
): HostileInput {
  const bytes = async ({ to }: HostileSite) => {
    const request = {
      method: 'PUT',
      path: `/inject/${id}`,
      payloadHash: MODE,
      headers: { 'content-encoding': 'aws-chunked', 'x-amz-decoded-content-length': String(CONTENT.length) },
    };
    const headers = await signedHeaders(to, request);
    const { authorization = '', 'x-amz-date': amzDate = '' } = headers;
    const seed = /Signature=([0-9a-f]+)/.exec(authorization)?.[1] ?? '';
    const scope = /Credential=[^/]+\/([^,]+)/.exec(authorization)?.[1] ?? '';
    const signer = hmacSigner(testClient.secretAccessKey, amzDate.slice(0, 8), 'us-east-1');
    const body = twist(wireOf(signBody(signer, { amzDate, scope, seed }, [Buffer.from(CONTENT)])).toString());
    const lines = Object.entries({ ...headers, 'content-length': String(body.length) });
    return message(
      [`PUT ${request.path} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`)],
      body,
    );
  };
  return { id, input, sees, bytes, ...more };
}

export const bodies: readonly HostileInput[] = [
  {
    ...unsigned(
      'C01',
      'a good body with its checksum: so it is the change that is refused below',
      '200, goes on',
      GOOD,
    ),
    ...stored('C01'),
  },
  unsigned('C02', 'more than `x-amz-decoded-content-length`', BROKEN_OFF, GOOD, {
    'x-amz-decoded-content-length': String(CONTENT.length - 1),
  }),
  unsigned('C03', 'less than `x-amz-decoded-content-length`', INCOMPLETE, GOOD, {
    'x-amz-decoded-content-length': String(CONTENT.length + 1),
  }),
  unsigned('C04', 'an empty `x-amz-decoded-content-length`', '411 MissingContentLength, closed', GOOD, {
    'x-amz-decoded-content-length': '',
  }),
  unsigned('C05', 'a negative `x-amz-decoded-content-length`', '411 MissingContentLength, closed', GOOD, {
    'x-amz-decoded-content-length': '-1',
  }),
  unsigned('C06', '`x-amz-decoded-content-length` in hexadecimal', '411 MissingContentLength, closed', GOOD, {
    'x-amz-decoded-content-length': '0x1d',
  }),
  unsigned('C07', '`x-amz-decoded-content-length` of 6 GiB', INCOMPLETE, GOOD, {
    'x-amz-decoded-content-length': '6442450944',
  }),
  unsigned('C08', 'a chunk size in `0x`', BROKEN_OFF, `0x${GOOD}`),
  unsigned('C09', 'a chunk size of 17 digits', BROKEN_OFF, `0000000000000000${GOOD}`),
  unsigned('C10', 'a negative chunk size', BROKEN_OFF, `-${GOOD}`),
  unsigned('C11', 'a chunk size with a space before it', BROKEN_OFF, ` ${GOOD}`),
  unsigned('C12', 'a chunk size that is none', BROKEN_OFF, GOOD.replace(/^../, 'zz')),
  unsigned('C13', 'a chunk of 2⁶³ bytes', BROKEN_OFF, GOOD.replace(/^../, '8000000000000000')),
  unsigned('C14', 'a chunk longer than it says', BROKEN_OFF, GOOD.replace(/^../, '1')),
  unsigned('C15', 'a chunk shorter than it says', BROKEN_OFF, GOOD.replace(/^../, 'ff')),
  unsigned('C16', 'a chunk extension', BROKEN_OFF, GOOD.replace('\r\n', ';a=b\r\n')),
  unsigned(
    'C17',
    'a chunk signature where none is expected',
    BROKEN_OFF,
    GOOD.replace('\r\n', `;chunk-signature=${'0'.repeat(64)}\r\n`),
  ),
  unsigned('C18', 'bare LF as line ends', BROKEN_OFF, GOOD.replaceAll('\r\n', '\n')),
  unsigned('C19', 'bytes behind the end', BROKEN_OFF, `${GOOD}x`),
  unsigned('C20', 'a request behind the end', BROKEN_OFF, `${GOOD}${SMUGGLED}`),
  unsigned('C21', 'a second body behind the end', BROKEN_OFF, `${GOOD}${GOOD}`),
  unsigned('C22', 'no last chunk', INCOMPLETE, chunk),
  unsigned('C23', 'no line behind the trailers', INCOMPLETE, GOOD.slice(0, -2)),
  unsigned('C24', 'no trailer', TRAILER, `${chunk}0\r\n\r\n`),
  unsigned('C25', 'the trailer twice', BAD_TRAILER, `${chunk}0\r\n${trailer}${trailer}\r\n`),
  unsigned('C26', 'another trailer than announced', BAD_TRAILER, GOOD.replace('crc32:', 'crc32c:')),
  unsigned(
    'C27',
    'an encryption setting as a trailer',
    BAD_TRAILER,
    `${chunk}0\r\n${trailer}${SSE}:AES256\r\n\r\n`,
  ),
  unsigned(
    'C28',
    'an encryption setting announced as the trailer',
    '400 InvalidRequest, closed',
    `${chunk}0\r\n${SSE}:AES256\r\n\r\n`,
    { 'x-amz-trailer': SSE },
  ),
  unsigned('C29', '`authorization` announced as the trailer', '400 InvalidRequest, closed', GOOD, {
    'x-amz-trailer': 'authorization',
  }),
  unsigned('C30', 'two trailers announced', '400 InvalidRequest, closed', GOOD, {
    'x-amz-trailer': 'x-amz-checksum-crc32, x-amz-checksum-sha1',
  }),
  unsigned('C31', '17 trailers', BAD_TRAILER, `${chunk}0\r\n${'x-a:b\r\n'.repeat(17)}\r\n`),
  unsigned(
    'C32',
    'a trailer of 2 KiB',
    BAD_TRAILER,
    `${chunk}0\r\nx-amz-checksum-crc32:${'A'.repeat(2048)}\r\n\r\n`,
  ),
  unsigned('C33', 'a chunk size of 2 KiB', BROKEN_OFF, `${'0'.repeat(2048)}${GOOD}`),
  unsigned(
    'C34',
    'a checksum of something else',
    '400 BadDigest, goes on',
    GOOD.replace(/crc32:.*\r\n/, 'crc32:AAAAAA==\r\n'),
  ),
  unsigned(
    'C35',
    'a checksum that is none',
    '400 InvalidRequest, goes on',
    GOOD.replace(/crc32:.*\r\n/, 'crc32:AAAA\r\n'),
  ),
  unsigned('C36', 'a body without framing', INCOMPLETE, CONTENT),
  unsigned('C37', 'framing that `x-amz-content-sha256` does not name', '400 InvalidRequest, closed', GOOD, {
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
  }),
  unsigned('C38', 'a mode of framing that does not exist', '400 InvalidArgument, closed', GOOD, {
    'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD',
  }),
  unsigned(
    'C39',
    'a small chunk before the last',
    '400 InvalidChunkSizeError, closed',
    `1\r\n${CONTENT[0]}\r\n1\r\n${CONTENT[1]}\r\n0\r\n${trailer}\r\n`,
  ),
  row('C40', 'framing on a document', '400 InvalidRequest, closed', {
    path: '/inject?tagging=',
    payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    body: GOOD,
    headers: { 'content-encoding': 'aws-chunked', 'x-amz-decoded-content-length': String(CONTENT.length) },
  }),
  signed(
    'C50',
    'signed chunks: so it is the change that is refused below',
    '200, goes on',
    (wire) => wire,
    stored('C50'),
  ),
  signed('C51', 'a chunk signature that is another', '403 SignatureDoesNotMatch, closed', (wire) =>
    wire.replace(/signature=./, (all) => (all.endsWith('0') ? 'signature=1' : 'signature=0')),
  ),
  signed('C52', 'a chunk signature in capitals', BROKEN_OFF, (wire) =>
    wire.replace(/[0-9a-f]{64}/, 'A'.repeat(64)),
  ),
  signed('C53', 'a chunk without a signature', BROKEN_OFF, (wire) =>
    wire.replace(/;chunk-signature=[0-9a-f]{64}/, ''),
  ),
  signed('C54', 'no last chunk of signed ones, which Ceph would store', INCOMPLETE, (wire) =>
    wire.slice(0, wire.indexOf('\r\n0;') + 2),
  ),
  signed('C55', 'chunk data that are others', '403 SignatureDoesNotMatch, closed', (wire) =>
    wire.replace('may', 'MAY'),
  ),
  signed('C56', 'a signed chunk of 17 MiB, announced', BROKEN_OFF, (wire) =>
    wire.replace(/^[0-9a-f]+/, '1100000'),
  ),
];
