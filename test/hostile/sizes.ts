// Too much of everything that a request may bring.
import { type HostileInput, message, rawRow, row } from './input.ts';

const HEADERS = '400 RequestHeaderSectionTooLarge, closed';
const many = (count: number) => Array.from({ length: count }, (_, i) => `x-${i}: y`);

export const sizes: readonly HostileInput[] = [
  row('S01', 'a key of 1025 bytes', '400 KeyTooLongError, closed', { path: `/inject/${'k'.repeat(1025)}` }),
  row('S02', 'a key of 1025 bytes in 342 characters', '400 KeyTooLongError, closed', {
    path: `/inject/${'%E2%82%AC'.repeat(342)}`,
  }),
  row('S03', 'a target of 40 KiB', '400 KeyTooLongError, closed', {
    path: '/inject/k',
    target: `/inject/${'k'.repeat(40 * 1024)}`,
  }),
  row('S04', 'a query of 40 KiB', '501 NotImplemented, closed', {
    path: '/inject/k',
    target: `/inject/k?${'a'.repeat(40 * 1024)}`,
  }),
  row('S05', '10,000 parameters', '400 InvalidRequest, closed', {
    path: '/inject/k',
    target: `/inject/k?${'a=b&'.repeat(10_000)}c`,
  }),
  rawRow(
    'S06',
    'a target of 100 KiB',
    HEADERS,
    message([`GET /${'k'.repeat(100 * 1024)} HTTP/1.1`, 'Host: localhost']),
  ),
  row('S07', 'one header of 9 KiB', HEADERS, { headers: { 'x-amz-meta-a': 'b'.repeat(9 * 1024) } }),
  row('S08', 'headers of 9 KiB in all', HEADERS, {
    headers: Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`x-amz-meta-${i}`, 'b'.repeat(1024)])),
  }),
  rawRow(
    'S09',
    'headers of 100 KiB',
    HEADERS,
    message(['GET /inject/k HTTP/1.1', 'Host: localhost', `x-a: ${'b'.repeat(100 * 1024)}`]),
  ),
  rawRow(
    'S10',
    '3000 headers',
    HEADERS,
    message(['GET /inject/k HTTP/1.1', 'Host: localhost', ...many(3000)]),
  ),
  rawRow(
    'S11',
    'a header name of 70 KiB',
    HEADERS,
    message(['GET /inject/k HTTP/1.1', 'Host: localhost', `${'a'.repeat(70 * 1024)}: b`]),
  ),
  rawRow(
    'S12',
    'a method of 70 KiB',
    '400 InvalidRequest, closed',
    message([`${'A'.repeat(70 * 1024)} / HTTP/1.1`, 'Host: localhost']),
  ),
  row('S13', '`Authorization` of 9 KiB', HEADERS, {
    lines: ['content-length: 29', `authorization: AWS4-HMAC-SHA256 ${'x'.repeat(9 * 1024)}`],
    head: (lines) => lines.filter((line) => !line.includes('Credential=')),
  }),
  row(
    'S14',
    '`SignedHeaders` of 1000 names, one name over and over',
    '400 AuthorizationHeaderMalformed, closed',
    {
      head: (lines) =>
        lines.map((line) => line.replace('SignedHeaders=', `SignedHeaders=${'a;'.repeat(1000)}`)),
    },
  ),
  row('S15', '1000 names in `Connection`', '403 AccessDenied, goes on', {
    method: 'GET',
    head: () => ['GET /inject/k HTTP/1.1', 'Host: localhost', `Connection: ${'a,'.repeat(1000)}b`],
  }),
  row('S16', '`Content-Length` of 16 digits', '400 InvalidRequest, closed', {
    lines: ['content-length: 1000000000000000'],
  }),
  row('S17', 'a million GiB announced, and 29 bytes sent', 'closed', {
    lines: ['content-length: 999999999999999'],
  }),
  row('S18', 'a document of more than 8 MiB', '400 EntityTooLarge, closed', {
    path: '/inject?encryption=',
    lines: ['content-length: 9000000'],
  }),
];
