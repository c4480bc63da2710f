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
    if (key === '' || typeof value !== 'string' || value === '') return undefined;
    if (!key.isWellFormed() || !value.isWellFormed()) return undefined;
    if (key.startsWith('aws:') && key !== ARN_KEY) return undefined;
    context.set(key, value);
  }
  return context;
}

/** Members of a JSON object, or `undefined` for any other JSON and for one that repeats a key. */
function parseFlatObject(bytes: Uint8Array): [string, unknown][] | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
    const members = Object.entries(parsed);
    // JSON.parse keeps the last of two equal keys. In a flat object of strings every string is a key or a value,
    // so more strings than two a member betray a repeated key.
    const strings = text.match(/"(?:[^"\\]|\\.)*"/g)?.length ?? 0;
    return strings === members.length * 2 ? members : undefined;
  } catch {
    return undefined;
  }
}

/** The header value of a context: standard base64 of compact JSON. */
export function formatEncryptionContext(context: EncryptionContext): string {
  const members = [...context].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  return Buffer.from(`{${members.join(',')}}`, 'utf8').toString('base64');
}

/** ARN of an object, or of its bucket. The key stands unencoded (contract.md f). */
export function s3Arn(partition: string, bucket: string, key?: string): string {
  const arn = `arn:${partition}:s3:::${bucket}`;
  return key === undefined ? arn : `${arn}/${key}`;
}
