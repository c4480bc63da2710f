// Headers, query parameters and form fields whose values are not repeated, neither in a log nor in an error document: an
// error travels on into the logs of clients. Knows names only.

/** What lets its holder in or decrypt: credentials, signatures, customer-provided keys. The MD5 of a key counts as the key. */
const SECRETS: ReadonlySet<string> = new Set([
  'authorization',
  'signature',
  'x-amz-s3session-token',
  'x-amz-security-token',
  'x-amz-signature',
  'x-amz-copy-source-server-side-encryption-customer-key',
  'x-amz-copy-source-server-side-encryption-customer-key-md5',
  'x-amz-server-side-encryption-customer-key',
  'x-amz-server-side-encryption-customer-key-md5',
]);

const CONTEXT = 'x-amz-server-side-encryption-context';

/** What stands in place of such a value: S3's own word for it. */
export const REDACTED = 'redacted';

/** Whether the value of this name, in whatever case, is a secret or a signature. */
export function isSecret(name: string): boolean {
  return SECRETS.has(name.toLowerCase());
}

/** Whether the value is a secret, a signature or an encryption context. */
export function isSensitive(name: string): boolean {
  return isSecret(name) || name.toLowerCase() === CONTEXT;
}

/** A query string without the values of secrets. */
export function withoutSecrets(query: string): string {
  return redactQuery(query, isSecret);
}

/**
 * A canonical request, or a string to sign of Signature Version 2, that can be shown: S3 repeats it so that clients can
 * compare it with their own, and these values are not what differs.
 */
export function withoutSensitiveValues(text: string): string {
  return text
    .split('\n')
    .map((line) => {
      const [, name] = /^([a-z0-9-]+):/.exec(line) ?? [];
      if (name === undefined) return redactQuery(line, isSensitive);
      return isSensitive(name) ? `${name}:${REDACTED}` : line;
    })
    .join('\n');
}

function redactQuery(text: string, hides: (name: string) => boolean): string {
  return text.replace(/([^?&=]+)=([^&]*)/g, (pair, name: string) =>
    hides(decoded(name)) ? `${name}=${REDACTED}` : pair,
  );
}

function decoded(name: string): string {
  return name.replace(/%([0-9a-f]{2})/gi, (_escape, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
