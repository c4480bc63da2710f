// The encryption context: base64 of one flat JSON object of strings. Knows its form and S3's ARN, no rule of the operator's.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#encryption-context

/** Pairs in order. A Map, so that a key such as `__proto__` is a key like any other. */
export type EncryptionContext = ReadonlyMap<string, string>;

/** The context key that S3 fills in itself and holds against the object, or against the bucket with a bucket key. */
export const ARN_KEY = 'aws:s3:arn';

/**
 * Reads the header value. `undefined` unless it is canonical base64 of UTF-8 JSON text of one object whose keys differ,
 * whose keys and values are strings and not empty, and at most `maxBytes` long decoded. `aws:` is reserved for AWS:
 * of its keys only {@link ARN_KEY} may be there.
 */
export function parseEncryptionContext(header: string, maxBytes: number): EncryptionContext | undefined {
  const bytes = Buffer.from(header, 'base64');
  if (bytes.length > maxBytes || bytes.toString('base64') !== header) return undefined;
  const members = parseFlatObject(bytes);
  if (!members) return undefined;
  const context = new Map<string, string>();
  for (const [key, value] of members) {
    if (key === '' || value === '' || context.has(key)) return undefined;
    if (!key.isWellFormed() || !value.isWellFormed()) return undefined;
    if (key.startsWith('aws:') && key !== ARN_KEY) return undefined;
    context.set(key, value);
  }
  return context;
}

/** A string of JSON (RFC 8259 section 7). */
const STRING = String.raw`"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"`;
const SPACE = String.raw`[ \t\n\r]*`;
const MEMBER = `${SPACE}${STRING}${SPACE}:${SPACE}${STRING}${SPACE}`;
const FLAT_OBJECT = new RegExp(`^${SPACE}\\{(?:${SPACE}|${MEMBER}(?:,${MEMBER})*)\\}${SPACE}$`);

/**
 * Members of a JSON object of strings, repeated keys included; `undefined` for any other text. Only strings go through
 * JSON.parse: of an object it would keep the last of two equal keys, and Node.js 26.10 takes keys that begin with an escape
 * for others.
 */
function parseFlatObject(bytes: Uint8Array): [string, string][] | undefined {
  const text = decodeUtf8(bytes);
  if (text === undefined || !FLAT_OBJECT.test(text)) return undefined;
  const strings = (text.match(new RegExp(STRING, 'g')) ?? []).map((token) => String(JSON.parse(token)));
  const members: [string, string][] = [];
  for (let i = 0; i + 1 < strings.length; i += 2) members.push([strings[i] ?? '', strings[i + 1] ?? '']);
  return members;
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** The header value of a context: standard base64 of compact JSON. */
export function formatEncryptionContext(context: EncryptionContext): string {
  const members = [...context].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  return Buffer.from(`{${members.join(',')}}`, 'utf8').toString('base64');
}

/** ARN of an object, or of its bucket. The key stands unencoded. */
export function s3Arn(partition: string, bucket: string, key?: string): string {
  const arn = `arn:${partition}:s3:::${bucket}`;
  return key === undefined ? arn : `${arn}/${key}`;
}
