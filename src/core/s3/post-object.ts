// What a form asks for, as the PutObject it becomes, and how its answer looks. The form itself goes nowhere: what a backend
// would make of it, and of fields added to it, is thereby no question. Must not know signatures or policies.
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
import { isHeaderName, isHeaderValue, trimOws, utf8AsLatin1 } from '../http/headers.ts';
import { encodeComponent } from '../http/target.ts';
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import { SSE_FAMILY } from './sse.ts';
import { taggingHeader } from './tagging.ts';
import { formatElements } from './xml.ts';

type Fields = ReadonlyMap<string, string>;

const FILENAME = '$' + '{filename}';

/**
 * The fields with `${filename}` replaced in the key and the redirect by the name of the file, of which only what follows the
 * last slash or backslash counts. A file part that names no file leaves it as it stands (recorded from S3).
 */
export function withFilename(fields: Fields, filename: string | undefined): Fields {
  if (filename === undefined) return fields;
  const base = filename.slice(Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\')) + 1);
  const replaced = new Map(fields);
  for (const name of ['key', 'success_action_redirect', 'redirect']) {
    const value = fields.get(name);
    // A function, because `$&` in a file's name would be a pattern in a replacement text.
    if (value !== undefined)
      replaced.set(
        name,
        value.replaceAll(FILENAME, () => base),
      );
  }
  return replaced;
}

/** A form read as the request it stands for. */
export type PutObject =
  | { readonly kind: 'put'; readonly key: string; readonly headers: ReadonlyMap<string, string> }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** Longest object key, in bytes of UTF-8. */
const MAX_KEY_BYTES = 1024;

/** The PutObject equivalent to a form sent to this bucket. `fields` are those of {@link withFilename}. */
export function putObjectOf(fields: Fields, bucket: string): PutObject {
  const key = fields.get('key');
  const size = Buffer.byteLength(key ?? '', 'utf8');
  if (key === undefined) return refused(refusals.formFieldMissing('key'));
  if (key === '') return refused(refusals.keyEmpty());
  if (size > MAX_KEY_BYTES) return refused(refusals.keyTooLong(size));
  if (key.includes('\0')) return refused(refusals.argumentInvalid('The key holds NUL.', 'key', ''));
  if (fields.has('bucket') && fields.get('bucket') !== bucket) {
    return refused(refusals.ambiguous('its bucket field names another bucket than its URL'));
  }
  const headers = formHeaders(fields);
  return 'reason' in headers ? refused(headers) : { kind: 'put', key, headers };
}

function refused(refusal: Refusal): PutObject {
  return { kind: 'refused', refusal };
}

/** Fields that say how the form is signed, addressed and answered. */
const NO_HEADER = new Set([
  ...['policy', 'x-amz-algorithm', 'x-amz-credential', 'x-amz-date', 'x-amz-signature'],
  ...['x-amz-security-token', 'awsaccesskeyid', 'signature'],
  ...['key', 'bucket', 'success_action_status', 'success_action_redirect', 'redirect'],
]);

/** Fields whose header has another name. */
const RENAMED: Readonly<Record<string, string>> = {
  acl: 'x-amz-acl',
  tagging: 'x-amz-tagging',
  'x-amz-checksum-algorithm': 'x-amz-sdk-checksum-algorithm',
};

/** Fields that are headers of PutObject by the same name. User metadata come besides. */
const SAME_NAME = new Set([
  ...['cache-control', 'content-type', 'content-disposition', 'content-encoding', 'content-language'],
  ...['expires', 'x-amz-storage-class', 'x-amz-website-redirect-location'],
  ...SSE_FAMILY,
  ...['algorithm', 'key', 'key-md5'].map((name) => `x-amz-server-side-encryption-customer-${name}`),
  ...[
    'crc32',
    'crc32c',
    'crc64nvme',
    'md5',
    'sha1',
    'sha256',
    'sha512',
    'xxhash128',
    'xxhash3',
    'xxhash64',
  ].map((name) => `x-amz-checksum-${name}`),
]);

function headerOf(field: string): string | undefined {
  if (SAME_NAME.has(field)) return field;
  if (field.startsWith('x-amz-meta-') && isHeaderName(field)) return field;
  return Object.hasOwn(RENAMED, field) ? RENAMED[field] : undefined;
}

/**
 * The headers of the equivalent PutObject, lower-case names to latin1 values; a refusal for a field that has none.
 * `x-ignore-*` fields are there to be ignored.
 */
export function formHeaders(fields: Fields): ReadonlyMap<string, string> | Refusal {
  const headers = new Map<string, string>();
  for (const [field, text] of fields) {
    if (NO_HEADER.has(field) || field.startsWith('x-ignore-')) continue;
    const name = headerOf(field);
    if (name === undefined) return refusals.formFieldNotImplemented(field);
    const value = field === 'tagging' ? taggingHeader(text) : headerValue(text);
    if (value === undefined) return field === 'tagging' ? refusals.xmlMalformed() : badValue(field);
    headers.set(name, value);
  }
  return headers;
}

function badValue(field: string): Refusal {
  return refusals.argumentInvalid('The value of this field cannot be sent as a header.', field, '');
}

/** UTF-8 as its bytes. Trimmed here, because the backend trims: what is judged must be what it reads. */
function headerValue(text: string): string | undefined {
  const value = utf8AsLatin1(text);
  return isHeaderValue(value) ? trimOws(value) : undefined;
}

/** What became of the object. */
export interface StoredObject {
  /** URL of the bucket as the client knows it, with a `/` at its end. */
  readonly bucketUrl: string;
  readonly bucket: string;
  readonly key: string;
  /** As the backend wrote it, in its quotes. */
  readonly etag: string;
}

/** The head and body of the answer to a form, in place of PutObject's. */
export interface PostAnswer {
  readonly status: 200 | 201 | 204 | 303;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** The answer a form asks for: a redirect, 200, 201 with a document; 204 where it asks for none of these. */
export function postAnswer(fields: Fields, stored: StoredObject): PostAnswer {
  const location = `${stored.bucketUrl}${encodeComponent(stored.key)}`;
  const redirect = redirectUrl(fields.get('success_action_redirect') ?? fields.get('redirect'), stored);
  const etag = ['etag', stored.etag] as const;
  if (redirect !== undefined) return { status: 303, headers: [['location', redirect], etag], body: '' };
  const headers = [['location', location], etag] as const;
  switch (fields.get('success_action_status')) {
    case '200':
      return { status: 200, headers, body: '' };
    case '201':
      return {
        status: 201,
        headers: [...headers, ['content-type', 'application/xml']],
        body: postResponse(location, stored),
      };
    default:
      return { status: 204, headers, body: '' };
  }
}

function postResponse(location: string, { bucket, key, etag }: StoredObject): string {
  const content = formatElements([
    ['Location', location],
    ['Bucket', bucket],
    ['Key', key],
    ['ETag', etag],
  ]);
  return `<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>${content}</PostResponse>`;
}

/** The redirect with bucket, key and ETag added to its query, form-encoded; `undefined` unless it is a web URL. */
function redirectUrl(text: string | undefined, { bucket, key, etag }: StoredObject): string | undefined {
  if (text === undefined || !/^https?:\/\/[^/\\][^\t\r\n]*$/i.test(text)) return undefined;
  const url = URL.parse(text);
  if (url?.username !== '' || url.password !== '') return undefined;
  const added = Object.entries({ bucket, key, etag }).map(
    ([name, value]) => `${name}=${encodeComponent(value).replaceAll('%20', '+')}`,
  );
  url.search = [url.search.slice(1), ...added].filter((part) => part !== '').join('&');
  return url.href;
}
