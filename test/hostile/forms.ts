// Browser forms whose parts two parsers would find in two ways, or that hold more than their policy says.
import { hmacSigner } from '../core/sigv4/chunk-signer.ts';
import { testClient } from '../gateway/setup.ts';
import { CONTENT, type HostileInput, message, SMUGGLED } from './input.ts';
import type { HostileSite } from './site.ts';

const BOUNDARY = 'boundary-of-a-form';
const BAD = '400 MalformedPOSTRequest, closed';

/** How a form departs from a good one. */
interface FormTwist {
  /** Fields that the policy covers. */
  readonly covered?: Readonly<Record<string, string>>;
  readonly contentType?: string;
  readonly rewrite?: (body: string) => string;
  readonly policy?: (document: Record<string, unknown>) => unknown;
  readonly lines?: readonly string[];
  readonly target?: string;
  /** Its length stands in HTTP chunks. */
  readonly chunked?: boolean;
}

function fieldsOf(
  id: string,
  { covered = {}, policy: edit = (document) => document }: FormTwist,
): [string, string][] {
  const amzDate = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const credential = `${testClient.accessKeyId}/${amzDate.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const fields = {
    key: id,
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': credential,
    'x-amz-date': amzDate,
    ...covered,
  };
  const document = edit({
    expiration: new Date(Date.now() + 60_000).toISOString(),
    conditions: [
      { bucket: 'inject' },
      ...Object.entries(fields).map(([name, value]) => ['eq', `$${name}`, value]),
    ],
  });
  const policy = Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)).toString(
    'base64',
  );
  const signer = hmacSigner(testClient.secretAccessKey, amzDate.slice(0, 8), 'us-east-1');
  return [...Object.entries(fields), ['policy', policy], ['x-amz-signature', signer.sign(policy)]];
}

const field = (name: string, value: string) =>
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const FILE = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n`;
const END = `\r\n--${BOUNDARY}--\r\n`;

function form(
  id: string,
  input: string,
  sees: string,
  twist: FormTwist = {},
  backend: Pick<HostileInput, 'backend'> = {},
): HostileInput {
  const bytes = ({ host }: HostileSite) => {
    const { contentType = `multipart/form-data; boundary=${BOUNDARY}`, rewrite = (body) => body } = twist;
    const fields = fieldsOf(id, twist).map(([name, value]) => field(name, value));
    const body = Buffer.from(rewrite(`${fields.join('')}${FILE}${CONTENT}${END}`));
    const lines = [
      `host: ${host}`,
      `content-type: ${contentType}`,
      twist.chunked ? 'transfer-encoding: chunked' : `content-length: ${body.length}`,
      ...(twist.lines ?? []),
    ];
    return message([`POST ${twist.target ?? '/inject'} HTTP/1.1`, ...lines], body);
  };
  return { id, input, sees, ...backend, bytes };
}

const before = (text: string) => (body: string) => body.replace(FILE, () => `${text}${FILE}`);
const behindFile = (text: string) => (body: string) =>
  body.replace(END, () => `\r\n${text.slice(0, -2)}${END}`);

export const forms: readonly HostileInput[] = [
  form(
    'P01',
    'a good form: so it is the change that is refused below',
    '204, goes on',
    {},
    { backend: { stores: 'P01' } },
  ),
  form('P02', 'no boundary', BAD, { contentType: 'multipart/form-data' }),
  form('P03', 'the boundary twice', BAD, {
    contentType: `multipart/form-data; boundary=${BOUNDARY}; boundary=x`,
  }),
  form('P04', 'a boundary of 71 characters', BAD, {
    contentType: `multipart/form-data; boundary=${'b'.repeat(71)}`,
  }),
  form('P05', 'a boundary that ends in a space', BAD, {
    contentType: `multipart/form-data; boundary="${BOUNDARY} "`,
  }),
  form('P06', 'a boundary with a line break in it', BAD, {
    contentType: 'multipart/form-data; boundary="a%0d%0ab"; x=y',
  }),
  form('P07', 'another boundary than announced', BAD, {
    contentType: 'multipart/form-data; boundary=another',
  }),
  form('P08', 'a charset that is not UTF-8', BAD, {
    contentType: `multipart/form-data; boundary=${BOUNDARY}; charset=utf-16`,
  }),
  form('P09', '`application/x-www-form-urlencoded`', '412 PreconditionFailed, closed', {
    contentType: 'application/x-www-form-urlencoded',
  }),
  form('P10', 'text before the first part', BAD, { rewrite: (body) => `preamble\r\n${body}` }),
  form('P11', 'bare LF as line ends', BAD, { rewrite: (body) => body.replaceAll('\r\n', '\n') }),
  form('P12', 'no end', BAD, { rewrite: (body) => body.replace(END, '') }),
  form('P13', 'a request behind the end', BAD, { rewrite: (body) => `${body}${SMUGGLED}` }),
  form('P14', 'a field twice', BAD, { rewrite: before(field('key', 'another')) }),
  form('P15', 'a field twice, in another case', BAD, { rewrite: before(field('KEY', 'another')) }),
  form('P16', 'a setting that the policy does not name', '403 AccessDenied, closed', {
    rewrite: before(field('X-Amz-Server-Side-Encryption', 'AES256')),
  }),
  form('P17', 'a setting that the policy names and the rule forbids', '403 AccessDenied, closed', {
    covered: { 'x-amz-server-side-encryption': 'AES256' },
  }),
  form('P18', 'a field behind the file', BAD, {
    rewrite: behindFile(field('x-amz-server-side-encryption', 'AES256')),
  }),
  form('P19', 'two files', '400 InvalidArgument, closed', { rewrite: behindFile(`${FILE}x\r\n`) }),
  form('P20', 'no file', '400 InvalidArgument, closed', {
    rewrite: (body) => body.replace(`${FILE}${CONTENT}\r\n`, ''),
  }),
  form('P21', 'a part without a name', BAD, { rewrite: (body) => body.replace('; name="key"', '') }),
  form('P22', 'a part whose name is given twice', BAD, {
    rewrite: (body) => body.replace('name="key"', 'name="key"; name="x"'),
  }),
  form('P23', 'a part whose name holds NUL', BAD, {
    rewrite: (body) => body.replace('name="key"', 'name="k\0ey"'),
  }),
  form('P24', 'a part with a folded header', BAD, {
    rewrite: (body) => body.replace('form-data; name="key"', 'form-data;\r\n name="key"'),
  }),
  form('P25', 'a part that is multipart itself', BAD, {
    rewrite: (body) =>
      body.replace('name="key"\r\n', 'name="key"\r\nContent-Type: multipart/mixed; boundary=x\r\n'),
  }),
  form('P26', 'a part in base64', BAD, {
    rewrite: (body) => body.replace('name="key"\r\n', 'name="key"\r\nContent-Transfer-Encoding: base64\r\n'),
  }),
  form('P27', 'a value that is not UTF-8', BAD, {
    rewrite: (body) => body.replace('name="policy"', 'name="x\ufffd"'),
  }),
  form('P28', 'fields of more than 20 KiB', '400 MaxPostPreDataLengthExceeded, closed', {
    rewrite: before(field('x-ignore-a', 'a'.repeat(21_000))),
  }),
  form('P29', '3000 fields', '400 MaxPostPreDataLengthExceeded, closed', {
    rewrite: before(Array.from({ length: 3000 }, (_, i) => field(`x-ignore-${i}`, '')).join('')),
  }),
  form('P30', 'a part head that never ends', '400 MaxPostPreDataLengthExceeded, closed', {
    rewrite: (body) => body.replace('name="key"', `name="${'k'.repeat(30_000)}"`),
  }),
  form('P31', 'a policy that is no JSON', '400 InvalidPolicyDocument, closed', { policy: () => '{' }),
  form('P32', 'a policy of 1000 levels', '400 InvalidPolicyDocument, closed', {
    policy: () => `${'['.repeat(1000)}${']'.repeat(1000)}`,
  }),
  form('P33', 'a policy whose time is over', '403 AccessDenied, closed', {
    policy: (document) => ({ ...document, expiration: '2020-01-01T00:00:00.000Z' }),
  }),
  form('P34', 'a policy for another bucket', '403 AccessDenied, closed', {
    policy: (document) => ({ ...document, conditions: [{ bucket: 'off' }] }),
  }),
  form('P35', 'the field `bucket` of another bucket', '400 InvalidRequest, closed', {
    rewrite: before(field('bucket', 'off')),
  }),
  form('P36', 'a policy that is not the one that was signed', '403 SignatureDoesNotMatch, closed', {
    rewrite: (body) => body.replace(/(name="policy"\r\n\r\n.*)\r\n/, '$1IA==\r\n'),
  }),
  form('P37', 'a form and `Authorization` at once', '400 InvalidArgument, closed', {
    lines: ['authorization: AWS4-HMAC-SHA256 x'],
  }),
  form('P38', 'a form for an object’s URL', '405 MethodNotAllowed, closed', { target: '/inject/k' }),
  form('P39', 'a form with a subresource', '501 NotImplemented, closed', { target: '/inject?madeup' }),
  form('P40', 'a form in HTTP chunks', '411 MissingContentLength, closed', {
    chunked: true,
    rewrite: (body) => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
  }),
  form(
    'P41',
    'an encryption setting as a header of the form’s request: it is none',
    '204, goes on',
    { lines: ['x-amz-server-side-encryption: AES256'] },
    { backend: { stores: 'P41' } },
  ),
  form(
    'P42',
    'a key with a file name that climbs: it is a name',
    '204, goes on',
    {
      covered: { key: 'P42/$' + '{filename}' },
      policy: (document) => ({
        ...document,
        conditions: [
          { bucket: 'inject' },
          ['starts-with', '$key', 'P42/'],
          ['starts-with', '$x-amz-algorithm', ''],
          ['starts-with', '$x-amz-credential', ''],
          ['starts-with', '$x-amz-date', ''],
        ],
      }),
      rewrite: (body) => body.replace('filename="a.txt"', 'filename="../../a.txt"'),
    },
    { backend: { stores: 'P42/a.txt' } },
  ),
];
