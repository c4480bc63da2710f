// Encryption settings in disguise, contradicting themselves or malformed, and sources of copies that lead elsewhere.
import { CONTENT, type HostileInput, row, stored } from './input.ts';

const SSE = 'x-amz-server-side-encryption';
const CONTEXT = `${SSE}-context`;
/** A key that reads like a query. */
export const SOURCE = 'source?acl';
const length = `content-length: ${CONTENT.length}`;
const INVALID = '400 InvalidArgument, closed';
const DENIED = '403 AccessDenied, closed';

/** A context header of this text, as its base64. */
const context = (id: string, input: string, text: string | Buffer, sees: string = INVALID): HostileInput =>
  row(id, input, sees, {
    headers: { [SSE]: 'aws:kms', [CONTEXT]: Buffer.from(text as string).toString('base64') },
  });
const setting = (id: string, input: string, sees: string, headers: Record<string, string>): HostileInput =>
  row(id, input, sees, { headers });
const copy = (id: string, input: string, sees: string, source: string): HostileInput =>
  row(id, input, sees, { body: '', headers: { 'x-amz-copy-source': source } });

export const encryption: readonly HostileInput[] = [
  row('E01', 'the method twice, the same', '400 InvalidRequest, closed', {
    headers: { [SSE]: 'aws:kms' },
    lines: [length, `${SSE}: aws:kms`],
  }),
  row('E02', 'the method twice, the second AES256', '400 InvalidRequest, closed', {
    headers: { [SSE]: 'aws:kms' },
    lines: [length, `${SSE}: AES256`],
  }),
  setting('E03', 'two methods in one header', INVALID, { [SSE]: 'aws:kms, AES256' }),
  setting('E04', 'an empty method', INVALID, { [SSE]: '' }),
  setting('E05', 'the method in capitals', INVALID, { [SSE]: 'AWS:KMS' }),
  setting('E06', 'AES256', DENIED, { [SSE]: 'AES256' }),
  setting('E07', 'the method with underscores in its name', '501 NotImplemented, closed', {
    x_amz_server_side_encryption: 'AES256',
  }),
  setting('E08', 'one underscore in its name', '501 NotImplemented, closed', {
    'x-amz-server-side_encryption': 'AES256',
  }),
  setting(
    'E09',
    'the misprint of AWS’s own guide: `…-aws-bucket-key-enabled`',
    '501 NotImplemented, closed',
    { [`${SSE}-aws-bucket-key-enabled`]: 'true' },
  ),
  setting('E10', '`Connection` nominates the method, and an added one', '200, goes on', {
    connection: `keep-alive, ${SSE}, ${SSE}-aws-kms-key-id`,
  }),
  setting('E11', '`Connection` nominates a method that is not the rule’s', DENIED, {
    [SSE]: 'AES256',
    connection: SSE,
  }),
  row('E12', 'the method added behind the signature', DENIED, { lines: [length, `${SSE}: AES256`] }),
  row('E13', 'the method added to the query behind the signature', '403 SignatureDoesNotMatch, closed', {
    target: `/inject/E13?${SSE}=AES256`,
  }),
  row('E14', 'a method in the query that contradicts the header', '400 InvalidRequest, closed', {
    path: `/inject/E14?${SSE}=AES256`,
    headers: { [SSE]: 'aws:kms' },
  }),
  setting('E15', 'the method in the name of metadata: it is metadata', '200, goes on', {
    [`x-amz-meta-${SSE}`]: 'AES256',
  }),
  setting('E16', 'a key of the client’s own', DENIED, {
    [`${SSE}-customer-algorithm`]: 'AES256',
    [`${SSE}-customer-key`]: Buffer.alloc(32).toString('base64'),
    [`${SSE}-customer-key-md5`]: 'cLyPS3IoadocXyPaF8WYpg==',
  }),
  setting('E17', 'a key of the client’s own beside KMS', INVALID, {
    [SSE]: 'aws:kms',
    [`${SSE}-customer-algorithm`]: 'AES256',
  }),
  setting('E18', 'a KMS key without a method, which is not the rule’s', DENIED, {
    [`${SSE}-aws-kms-key-id`]: 'a-key-the-rule-does-not-know',
  }),
  setting('E19', 'two KMS keys in one header', DENIED, {
    [SSE]: 'aws:kms',
    [`${SSE}-aws-kms-key-id`]: 'the-default-key, another-key',
  }),
  setting('E20', 'a KMS key that begins like the rule’s', DENIED, {
    [SSE]: 'aws:kms',
    [`${SSE}-aws-kms-key-id`]: 'the-default-key-2',
  }),
  row('E21', 'the method on a read', '400 InvalidArgument, goes on', {
    method: 'GET',
    headers: { [SSE]: 'aws:kms' },
  }),
  row('E22', 'the method on HEAD', '400, goes on', { method: 'HEAD', headers: { [SSE]: 'aws:kms' } }),
  row('E23', 'the method on DELETE', '400 InvalidArgument, goes on', {
    method: 'DELETE',
    headers: { [SSE]: 'AES256' },
  }),
  row('E24', 'the method on a part', INVALID, {
    path: '/inject/E24?partNumber=1&uploadId=x',
    headers: { [SSE]: 'aws:kms' },
  }),
  setting('E25', 'a context that is no base64', INVALID, { [SSE]: 'aws:kms', [CONTEXT]: '{"a":"b"}' }),
  setting('E26', 'a context in base64 with a line break escaped into it', INVALID, {
    [SSE]: 'aws:kms',
    [CONTEXT]: 'eyJh%0d%0aIjoiYiJ9',
  }),
  context('E27', 'a context that is no JSON', '{'),
  context('E28', 'a context with bytes behind its JSON', '{"a":"b"}}'),
  context('E29', 'a context with a name twice', '{"a":"b","a":"c"}'),
  context('E30', 'a context that nests', '{"a":{"b":"c"}}'),
  context('E31', 'a context that is a list', '["a"]'),
  context('E32', 'a context that is `null`', 'null'),
  context('E33', 'a context with a number', '{"a":1}'),
  context('E34', 'a context with a lone surrogate', '{"a":"\\ud800"}'),
  context(
    'E35',
    'a context that is not UTF-8',
    Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x22, 0x22, 0x7d]),
  ),
  context('E36', 'a context with a byte order mark', '\ufeff{"a":"b"}'),
  context('E37', 'a context with another object’s ARN', '{"aws:s3:arn":"arn:aws:s3:::off/k"}'),
  context('E38', 'a context with a name of AWS’s', '{"aws:x":"y"}'),
  context('E39', 'a context of 5000 bytes', JSON.stringify({ a: 'x'.repeat(5000) })),
  context('E40', 'a context of 600 levels', `${'{"a":'.repeat(600)}"b"${'}'.repeat(600)}`),

  copy(
    'G01',
    'a copy from a URL: the metadata service',
    '400 InvalidArgument, goes on',
    'http://169.254.169.254/latest/meta-data',
  ),
  copy('G02', 'a copy from `//host/…`', '400 InvalidArgument, goes on', '//evil.example/k'),
  copy('G03', 'a copy from dots in place of a bucket', '400 InvalidArgument, goes on', '../off/k'),
  copy(
    'G04',
    'a copy from an access point',
    '400 InvalidArgument, goes on',
    'arn:aws:s3:us-east-1:111122223333:accesspoint/a/object/k',
  ),
  copy('G05', 'a copy from `%00`', '400 InvalidArgument, goes on', 'inject/k%00'),
  copy('G06', 'a copy from no key', '400 InvalidArgument, goes on', 'inject/'),
  copy('G07', 'a copy from bytes that are not UTF-8', '400 InvalidArgument, goes on', 'inject/%ff'),
  copy(
    'G08',
    'a copy with another query than a version: it is part of the key',
    '200, goes on',
    `off/${SOURCE}`,
  ),
  copy('G09', 'an empty copy source', '400 InvalidArgument, goes on', ''),
  copy('G10', 'a copy onto itself', '400 InvalidRequest, goes on', 'inject/G10'),
  row('G11', 'the source of a copy twice', '400 InvalidRequest, closed', {
    headers: { 'x-amz-copy-source': 'inject/a' },
    lines: [length, 'x-amz-copy-source: inject/b'],
  }),
  row('G12', 'a copy with a body', '400 InvalidRequest, closed', {
    headers: { 'x-amz-copy-source': 'inject/a' },
  }),
  row('G13', 'an object renamed', '403 AccessDenied, goes on', {
    body: '',
    path: '/inject/G13?renameObject=',
    headers: { 'x-amz-rename-source': '/inject/a' },
  }),
].map((input) => (input.sees === '200, goes on' ? { ...input, ...stored(input.id) } : input));
