// Who asks, and over what: authentication said twice or malformed, proxies that nobody trusts, names of TLS.
import { CONTENT, type HostileInput, message, rawRow, replacing, row, SMUGGLED, stored } from './input.ts';

const MALFORMED = '400 AuthorizationHeaderMalformed, closed';
const MISMATCH = '403 SignatureDoesNotMatch, closed';
const length = `content-length: ${CONTENT.length}`;
const authorization = (pattern: RegExp, replacement: string) => (lines: string[]) =>
  lines.map((line) => (line.startsWith('authorization: ') ? line.replace(pattern, replacement) : line));
const without = (name: string) => (lines: string[]) => lines.filter((line) => !line.startsWith(`${name}: `));
const twice = (name: string) => (lines: string[]) =>
  lines.flatMap((line) => (line.startsWith(`${name}: `) ? [line, line] : [line]));
const query = (text: string) => ({ target: `/inject/k?${text}`, head: without('authorization') });
const PRESIGNED =
  'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=GATEWAYTESTER0000001%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-SignedHeaders=host';
const QUERY = '400 AuthorizationQueryParametersError, closed';

export const identity: readonly HostileInput[] = [
  row('A01', '`Authorization` twice, the same', '400 InvalidRequest, closed', {
    head: twice('authorization'),
  }),
  row('A02', '`Authorization` twice, the second for nobody', '400 InvalidRequest, closed', {
    lines: [length, 'authorization: AWS x:y'],
  }),
  row('A03', 'no `Authorization`', '403 AccessDenied, closed', { head: without('authorization') }),
  row('A04', 'an empty `Authorization`', '400 InvalidArgument, closed', { head: authorization(/: .*/, ':') }),
  row('A05', '`Authorization: Bearer`', '400 InvalidArgument, closed', {
    head: authorization(/: .*/, ': Bearer x'),
  }),
  row('A06', '`Authorization: Basic`', '400 InvalidArgument, closed', {
    head: authorization(/: .*/, ': Basic dXNlcjpwYXNz'),
  }),
  row('A07', 'no `Signature`', MALFORMED, { head: authorization(/, *Signature=.*/, '') }),
  row('A08', '`Credential` twice', MALFORMED, { head: authorization(/(Credential=[^,]+)/, '$1, $1') }),
  row('A09', '`Signature` twice', MALFORMED, { head: authorization(/$/, ', Signature=00') }),
  row('A10', 'a credential scope of six parts', MALFORMED, { head: authorization(/\/s3\//, '/s3/x/') }),
  row('A11', 'the algorithm in lower case', '400 InvalidArgument, closed', {
    head: authorization(/AWS4-HMAC-SHA256/, 'aws4-hmac-sha256'),
  }),
  row('A12', 'an algorithm that does not exist', '400 InvalidArgument, closed', {
    head: authorization(/SHA256/, 'SHA512'),
  }),
  row('A13', 'an access key that nobody has', '403 InvalidAccessKeyId, closed', {
    head: authorization(/GATEWAYTESTER/, 'GATEWAYNOBODY'),
  }),
  row('A14', 'another region in the scope', '400 AuthorizationHeaderMalformed, closed', {
    head: authorization(/us-east-1/, 'eu-west-1'),
  }),
  row('A15', 'another service in the scope', MALFORMED, { head: authorization(/\/s3\//, '/ec2/') }),
  row('A16', 'another day in the scope', MALFORMED, { head: authorization(/\/\d{8}\//, '/20200101/') }),
  row('A17', 'a signature in capitals', MALFORMED, {
    head: (lines) =>
      lines.map((line) =>
        line.replace(
          /Signature=(.*)/,
          (all) =>
            `Signature=${all
              .slice(10)
              .toUpperCase()
              .replace(/[0-9]$/, 'A')}`,
        ),
      ),
  }),
  row('A18', 'bytes behind the signature', MALFORMED, { head: authorization(/$/, '00') }),
  row('A19', 'a signature of all zeros', MISMATCH, {
    head: authorization(/Signature=.*/, `Signature=${'0'.repeat(64)}`),
  }),
  row('A20', '`SignedHeaders` without `host`', '403 AccessDenied, closed', {
    head: authorization(/SignedHeaders=host;/, 'SignedHeaders='),
  }),
  row('A21', 'an empty `SignedHeaders`', MALFORMED, {
    head: authorization(/SignedHeaders=[^,]+/, 'SignedHeaders='),
  }),
  row('A22', 'a header in `SignedHeaders` that is not there', MISMATCH, {
    head: authorization(/SignedHeaders=/, 'SignedHeaders=a-header-that-is-not-there;'),
  }),
  row('A23', '`x-amz-date` twice', '400 InvalidRequest, closed', { head: twice('x-amz-date') }),
  row('A24', 'no date at all', '403 AccessDenied, closed', { head: without('x-amz-date') }),
  row('A25', 'a date that is none', '403 AccessDenied, closed', {
    head: replacing(/^x-amz-date: .*/, 'x-amz-date: yesterday'),
  }),
  row('A26', 'a date of last year', '403 RequestTimeTooSkewed, closed', {
    head: (lines) =>
      lines.map((line) =>
        line
          .replace(/^x-amz-date: \d{4}/, 'x-amz-date: 2020')
          .replace(/\/\d{8}\//, (all) => `/2020${all.slice(5)}`),
      ),
  }),
  row('A27', '`x-amz-content-sha256` twice', '400 InvalidRequest, closed', {
    head: twice('x-amz-content-sha256'),
  }),
  row('A28', 'no `x-amz-content-sha256`', '400 InvalidRequest, closed', {
    head: without('x-amz-content-sha256'),
  }),
  row('A29', '`x-amz-content-sha256` in capitals', '400 InvalidArgument, closed', {
    payloadHash: 'A'.repeat(64),
  }),
  row('A30', '`x-amz-content-sha256` that is no hash', '400 InvalidArgument, closed', {
    payloadHash: 'unsigned-payload',
  }),
  row('A31', '`x-amz-content-sha256` of another body', '400 XAmzContentSHA256Mismatch, goes on', {
    payloadHash: '0'.repeat(64),
  }),
  row('A32', 'an `x-amz-*` header that is not signed', '403 AccessDenied, closed', {
    lines: [length, 'x-amz-acl: public-read'],
  }),
  row('A33', 'a session token of a client that has none', '400 InvalidToken, closed', {
    headers: { 'x-amz-security-token': 'x' },
  }),
  row('A34', 'a header and a presigned URL at once', '400 InvalidArgument, closed', {
    target: `/inject/k?${PRESIGNED}&X-Amz-Expires=60&X-Amz-Signature=00`,
  }),
  row(
    'A35',
    'a presigned URL of both versions',
    '400 InvalidArgument, closed',
    query(`${PRESIGNED}&X-Amz-Expires=60&X-Amz-Signature=00&AWSAccessKeyId=x&Expires=1&Signature=x`),
  ),
  row(
    'A36',
    '`X-Amz-Signature` twice',
    '400 InvalidRequest, closed',
    query(`${PRESIGNED}&X-Amz-Expires=60&X-Amz-Signature=00&X-Amz-Signature=11`),
  ),
  row('A37', '`X-Amz-Expires=-1`', QUERY, query(`${PRESIGNED}&X-Amz-Expires=-1&X-Amz-Signature=00`)),
  row(
    'A38',
    '`X-Amz-Expires` of more than a week',
    QUERY,
    query(`${PRESIGNED}&X-Amz-Expires=604801&X-Amz-Signature=00`),
  ),
  row('A39', '`X-Amz-Expires=1e3`', QUERY, query(`${PRESIGNED}&X-Amz-Expires=1e3&X-Amz-Signature=00`)),
  row('A40', 'a presigned URL without `X-Amz-Expires`', QUERY, query(`${PRESIGNED}&X-Amz-Signature=00`)),
  row(
    'A41',
    'a presigned URL whose time is over',
    '403 AccessDenied, closed',
    query(`${PRESIGNED}&X-Amz-Expires=60&X-Amz-Signature=00`),
  ),
  row(
    'A42',
    'a parameter of a presigned URL in lower case beside it',
    '400 InvalidRequest, closed',
    query(`${PRESIGNED}&X-Amz-Expires=60&X-Amz-Signature=00&x-amz-credential=x`),
  ),
  row(
    'A43',
    'a presigned URL of Version 2 without `Expires`',
    '403 AccessDenied, closed',
    query('AWSAccessKeyId=GATEWAYTESTER0000001&Signature=x'),
  ),

  row(
    'N01',
    '`X-Forwarded-Proto: https` from a peer that nobody trusts, without TLS',
    '400 InvalidArgument, closed',
    { headers: { 'x-forwarded-proto': 'https' } },
    { over: 'clear' },
  ),
  row(
    'N02',
    '`Forwarded: proto=https` from such a peer',
    '400 InvalidArgument, closed',
    { headers: { forwarded: 'for=10.0.0.1;proto=https' } },
    { over: 'clear' },
  ),
  row(
    'N03',
    '`Front-End-Https`, `X-Forwarded-Ssl`, `X-Url-Scheme` from such a peer',
    '400 InvalidArgument, closed',
    { headers: { 'front-end-https': 'on', 'x-forwarded-ssl': 'on', 'x-url-scheme': 'https' } },
    { over: 'clear' },
  ),
  row('N04', '`X-Forwarded-Proto` twice', '400 InvalidRequest, closed', {
    lines: [length, 'x-forwarded-proto: https', 'x-forwarded-proto: http'],
  }),
  row(
    'N05',
    '`X-Forwarded-Proto: http` from a peer that nobody trusts: it is dropped',
    '200, goes on',
    { headers: { 'x-forwarded-proto': 'http' } },
    stored('N05'),
  ),
  row(
    'N06',
    '`X-Forwarded-For`, `X-Real-IP` and `Via`: they are dropped',
    '200, goes on',
    { headers: { 'x-forwarded-for': '127.0.0.1', 'x-real-ip': '127.0.0.1', via: '1.1 proxy' } },
    stored('N06'),
  ),
  row(
    'N07',
    'SNI of a name that is not in the certificate: `Host` decides, SNI decides nothing',
    '200, goes on',
    {},
    { ...stored('N07'), over: { servername: 'off.example' } },
  ),
  row(
    'N08',
    'SNI of another bucket than `Host`: `Host` decides',
    '200, goes on',
    {},
    { ...stored('N08'), over: { servername: 'off.localhost' } },
  ),
  row('N09', 'no SNI', '200, goes on', {}, { ...stored('N09'), over: { servername: '' } }),
  rawRow('N10', 'HTTP on the port of a TLS listener', 'closed', SMUGGLED, { over: 'not TLS' }),
  rawRow(
    'N11',
    'a hello of TLS that never ends',
    'closed',
    Buffer.from('16030100ff0100ffffffffffffff', 'hex'),
    { over: 'not TLS' },
  ),
  rawRow(
    'N12',
    'a record of TLS that is longer than any may be',
    'closed',
    Buffer.concat([Buffer.from('160301ffff', 'hex'), Buffer.alloc(0xffff)]),
    { over: 'not TLS' },
  ),
  rawRow('N13', 'TLS 1.1', 'closed', SMUGGLED, { over: { maxVersion: 'TLSv1.1' } }),
  rawRow('N14', 'HTTP/2 by ALPN', 'closed', SMUGGLED, { over: { ALPNProtocols: ['h2'] } }),
  rawRow(
    'N15',
    'the hello of TLS on a plaintext listener',
    '400 InvalidRequest, closed',
    Buffer.from('160301002f0100002b0303', 'hex'),
    { over: 'clear' },
  ),
  rawRow(
    'N16',
    'an anonymous request over TLS',
    '403 AccessDenied, goes on',
    message(['GET /inject/k HTTP/1.1', 'Host: localhost']),
  ),
];
