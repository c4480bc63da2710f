// The request target, split and percent-decoded exactly once. The only percent-coder of the project.
// Knows RFC 3986 and S3's reading of `+`; must not know buckets, keys or operations.

/** One query parameter, decoded. `?name` and `?name=` are the same to S3: value `''`. */
export interface QueryParameter {
  readonly name: string;
  readonly value: string;
}

/** An origin-form request target. Decoded strings hold valid Unicode and no NUL. */
export interface Target {
  /** The path as received, undecoded, from the leading `/` to before the `?`. */
  readonly rawPath: string;
  readonly parameters: readonly QueryParameter[];
}

/**
 * Reads an origin-form target. `undefined` for anything two servers could read differently: absolute-form, a fragment,
 * bytes outside visible ASCII, broken escapes, escapes that are not UTF-8, NUL, empty query pairs.
 */
export function parseTarget(raw: string): Target | undefined {
  if (!/^\/[\x21-\x22\x24-\x7e]*$/.test(raw)) return undefined;
  const mark = raw.indexOf('?');
  const rawPath = mark < 0 ? raw : raw.slice(0, mark);
  if (decodeComponent(rawPath) === undefined) return undefined;
  const parameters = mark < 0 ? [] : parseQuery(raw.slice(mark + 1));
  return parameters && { rawPath, parameters };
}

function parseQuery(raw: string): QueryParameter[] | undefined {
  if (raw === '') return [];
  const parameters: QueryParameter[] = [];
  for (const pair of raw.split('&')) {
    const equals = pair.indexOf('=');
    const name = decodeComponent(equals < 0 ? pair : pair.slice(0, equals));
    const value = decodeComponent(equals < 0 ? '' : pair.slice(equals + 1));
    if (name === undefined || name === '' || value === undefined) return undefined;
    parameters.push({ name, value });
  }
  return parameters;
}

/**
 * Percent-decodes once. S3 reads a literal `+` as a space, in paths as in queries.
 * `undefined` for a broken escape, bytes that are not UTF-8, or NUL.
 */
export function decodeComponent(text: string): string | undefined {
  if (!/[%+]/.test(text)) return text;
  try {
    const decoded = decodeURIComponent(text.includes('+') ? text.replaceAll('+', ' ') : text);
    return decoded.includes('\0') ? undefined : decoded;
  } catch {
    return undefined;
  }
}

const UNRESERVED = /^[A-Za-z0-9\-._~]*$/;
const UNRESERVED_PATH = /^[A-Za-z0-9\-._~/]*$/;

/**
 * Percent-encodes every byte of the UTF-8 form except `A-Z a-z 0-9 - . _ ~`, hex in upper case: the UriEncode of
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export function encodeComponent(text: string): string {
  if (UNRESERVED.test(text)) return text;
  return encodeURIComponent(text).replace(/[!'()*]/g, percentEncode);
}

/** As {@link encodeComponent}, but leaves `/` alone: object keys are encoded once and never normalised. */
export function encodePath(text: string): string {
  if (UNRESERVED_PATH.test(text)) return text;
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, percentEncode)
    .replaceAll('%2F', '/');
}

function percentEncode(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** The canonical URI of a received path: decoded once, encoded once. */
export function canonicalPath(rawPath: string): string {
  return UNRESERVED_PATH.test(rawPath) ? rawPath : encodePath(decodeComponent(rawPath) ?? '');
}

/** Encoded parameters joined in the order given, as they go on the wire; a parameter without value is sent as `name`. */
export function formatQuery(parameters: readonly QueryParameter[]): string {
  return parameters
    .map(({ name, value }) =>
      value === '' ? encodeComponent(name) : `${encodeComponent(name)}=${encodeComponent(value)}`,
    )
    .join('&');
}
