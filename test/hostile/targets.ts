// Paths and queries: forms of the target, escapes, dots, doubles, and names that route in two ways.
import { type HostileInput, row, type Twist } from './input.ts';

const URI = '400 InvalidURI, closed';
/** Signed for the path of the row's own ID, and sent with another target. */
const spelled = (id: string, input: string, sees: string, target: string, path?: string): HostileInput =>
  row(id, input, sees, { target, ...(path === undefined ? {} : { path }) });
/** Signed over the canonical path, sent in another spelling, and stored under the key that it names. */
const stores = (id: string, input: string, raw: string, canonical: string, key: string): HostileInput =>
  row(
    id,
    input,
    '200, goes on',
    { target: `/inject/${raw}`, path: `/inject/${canonical}` },
    { backend: { stores: key } },
  );
const asks = (id: string, input: string, sees: string, path: string, twist: Twist = {}): HostileInput =>
  row(id, input, sees, { path, ...twist });

export const targets: readonly HostileInput[] = [
  spelled('T01', 'absolute form', URI, 'http://localhost/inject/T01'),
  spelled('T02', 'absolute form with another host than `Host`', URI, 'http://off.localhost/T02'),
  spelled('T03', 'absolute form of another scheme', URI, 'ftp://localhost/inject/T03'),
  spelled('T04', 'authority form', '400 InvalidRequest, closed', 'localhost:443'),
  spelled('T05', 'asterisk form on PUT', URI, '*'),
  spelled('T06', 'a fragment', URI, '/inject/T06#x'),
  spelled('T07', 'a space in the path', '400 InvalidRequest, closed', '/inject/T07 x'),
  spelled('T08', 'bytes beyond ASCII in the path', '400 InvalidRequest, closed', '/inject/\xfc'),
  spelled('T09', 'NUL in the path', '400 InvalidRequest, closed', '/inject/T09\0'),
  spelled('T10', 'a control character in the path', '400 InvalidRequest, closed', '/inject/T10\x01'),
  spelled('T11', '`%00`', URI, '/inject/T11%00'),
  spelled('T12', 'a percent sign at the end', URI, '/inject/T12%'),
  spelled('T13', 'half an escape', URI, '/inject/T13%2'),
  spelled('T14', 'an escape that is not hexadecimal', URI, '/inject/T14%zz'),
  spelled('T15', 'an escape that is not UTF-8', URI, '/inject/T15%ff'),
  spelled('T16', 'UTF-8 that is overlong: `%C0%AF`', URI, '/inject/T16%C0%AF'),
  spelled('T17', 'a lone surrogate: `%ED%A0%80`', URI, '/inject/T17%ED%A0%80'),
  spelled('T18', 'UTF-8 that is cut short', URI, '/inject/T18%C3%28'),
  spelled('T19', 'a code point beyond Unicode: `%F4%90%80%80`', URI, '/inject/T19%F4%90%80%80'),
  spelled('T20', '`%u002F`', URI, '/inject/T20%u002F'),
  stores('T21', 'dot segments: part of the key, as at S3', '../T21', '../T21', '../T21'),
  stores('T22', '`%2e%2e/`', '%2e%2e/off/T22', '../off/T22', '../off/T22'),
  stores('T23', '`..%2F`', '..%2Foff%2FT23', '../off/T23', '../off/T23'),
  stores('T24', 'a double slash', 'a//T24', 'a//T24', 'a//T24'),
  stores('T25', 'a key that begins with a slash', '/T25', '/T25', '/T25'),
  stores('T26', 'a backslash', '..\\T26', '..%5CT26', '..\\T26'),
  stores('T27', '`+`, which is a space to S3', 'T27+x', 'T27%20x', 'T27 x'),
  stores('T28', '`%252F`: decoded once, never twice', '%252FT28', '%252FT28', '%2FT28'),
  stores('T29', '`%3Facl`: a key, no query', 'T29%3Facl', 'T29%3Facl', 'T29?acl'),
  stores('T30', '`%3Fencryption`: a key, no query', 'T30%3Fencryption', 'T30%3Fencryption', 'T30?encryption'),
  stores(
    'T31',
    '`%3FuploadId=…%26partNumber=1`: a key, no part',
    'T31%3FuploadId%3Dx%26partNumber%3D1',
    'T31%3FuploadId%3Dx%26partNumber%3D1',
    'T31?uploadId=x&partNumber=1',
  ),
  stores(
    'T32',
    '`%0d%0a`: a key, no header',
    'T32%0d%0ax-amz-acl:public-read',
    'T32%0D%0Ax-amz-acl%3Apublic-read',
    'T32\r\nx-amz-acl:public-read',
  ),
  stores('T33', '`%23`: a key, no fragment', 'T33%23x', 'T33%23x', 'T33#x'),
  stores('T34', 'a path parameter: `;acl`', 'T34;acl', 'T34%3Bacl', 'T34;acl'),
  asks('T35', 'an empty bucket: `//inject/k`', '400 InvalidBucketName, closed', '//inject/T35'),
  asks('T36', 'the bucket’s slash escaped: `/inject%2Fk`', '400 InvalidBucketName, closed', '/inject%2FT36'),
  asks('T37', 'a bucket in escapes: `/%69nject`', '400 InvalidBucketName, closed', '/x', {
    target: '/%69nject/T37',
  }),
  asks('T38', 'a bucket in capitals', '400 InvalidBucketName, closed', '/INJECT/T38'),
  asks('T39', 'a bucket of dots: `/../off/k`', '400 InvalidBucketName, closed', '/../off/T39'),
  asks('T40', 'an IP address as bucket', '400 InvalidBucketName, closed', '/169.254.169.254/latest'),
  asks(
    'T41',
    'a bucket that would be another host: `evil.example%2F`',
    '400 InvalidBucketName, closed',
    '/evil.example%2F/T41',
  ),
  asks('T42', 'a bucket with a user: `a@evil.example`', '400 InvalidBucketName, closed', '/x', {
    target: '/a@evil.example/T42',
  }),
  asks('T43', 'a bucket with a port', '400 InvalidBucketName, closed', '/x', { target: '/inject:80/T43' }),
  asks('T44', 'an ARN as bucket', '400 InvalidBucketName, closed', '/x', {
    target: '/arn:aws:s3:us-east-1:111122223333:accesspoint/a/T44',
  }),
  asks(
    'T45',
    'an access point alias as bucket',
    '400 InvalidBucketName, closed',
    '/access-abcdefgh-s3alias/T45',
  ),
  asks('T46', 'a directory bucket', '400 InvalidBucketName, closed', '/bucket--use1-az4--x-s3/T46'),
  asks('T50', 'a subresource twice', '400 InvalidRequest, closed', '/inject/T50?acl=&acl=', {
    target: '/inject/T50?acl&acl',
  }),
  asks('T51', 'two subresources', '400 InvalidRequest, closed', '/inject/T51?acl=&encryption='),
  asks('T52', '`uploadId` twice', '400 InvalidRequest, closed', '/inject/T52?partNumber=1&uploadId=a', {
    target: '/inject/T52?partNumber=1&uploadId=a&uploadId=b',
  }),
  asks(
    'T53',
    '`partNumber` in another case beside it',
    '501 NotImplemented, closed',
    '/inject/T53?PartNumber=2&partNumber=1&uploadId=a',
  ),
  asks('T54', '`UPLOADS` in capitals', '501 NotImplemented, closed', '/inject/T54?UPLOADS=', {
    method: 'POST',
  }),
  asks('T55', 'a subresource that S3 does not know', '501 NotImplemented, closed', '/inject/T55?madeup='),
  asks(
    'T56',
    'a subresource with a space behind its name',
    '501 NotImplemented, closed',
    '/inject/T56?acl%20=',
  ),
  asks('T57', 'an empty pair in the query', URI, '/inject/T57?acl=', { target: '/inject/T57?&acl' }),
  asks('T58', 'a query without a name', URI, '/inject/T58', { target: '/inject/T58?=acl' }),
  asks('T59', '`%00` in the query', URI, '/inject/T59', { target: '/inject/T59?versionId=%00' }),
  asks('T60', 'a query that is not UTF-8', URI, '/inject/T60', { target: '/inject/T60?versionId=%ff' }),
  asks('T61', '`;` between parameters', '501 NotImplemented, closed', '/inject/T61?acl%3Bencryption=', {
    target: '/inject/T61?acl;encryption',
  }),
  asks('T62', 'a second `?`', '501 NotImplemented, closed', '/inject/T62?x%3Facl=', {
    target: '/inject/T62?x?acl',
  }),
  asks(
    'T63',
    'a line break in a parameter',
    '400 InvalidRequest, closed',
    '/inject/T63?x-amz-meta-a=b%0D%0Ax-amz-acl%3Apublic-read',
  ),
  asks(
    'T64',
    '`?encryption` of an object, which re-encrypts it',
    '400 MalformedXML, goes on',
    '/inject/T64?encryption=',
  ),
  asks('T65', 'Ceph’s `?append&position=0`', '501 NotImplemented, closed', '/inject/T65?append=&position=0'),
  asks('T66', 'MinIO’s own bucket', '400 InvalidBucketName, goes on', '/x', {
    method: 'GET',
    target: '/.minio.sys/config',
  }),
];
