// The canonical request of Signature Version 4 as S3 reads it: path encoded once, nothing normalised.
// One piece of code for verifying and for signing. Knows strings only.
import { encodeComponent, type QueryParameter } from '../http/target.ts';

/** The parts of a canonical request. Header values are latin1 strings. */
export interface CanonicalParts {
  readonly method: string;
  readonly canonicalPath: string;
  readonly canonicalQuery: string;
  /** Lower-case names in sorted order, each with its joined, folded value. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly payloadHash: string;
}

/** Method, URI, query, headers, signed headers and payload hash, a line each. */
export function canonicalRequest(parts: CanonicalParts): string {
  let headers = '';
  let names = '';
  for (const [name, value] of parts.headers) {
    headers += `${name}:${value}\n`;
    names += names === '' ? name : `;${name}`;
  }
  return `${parts.method}\n${parts.canonicalPath}\n${parts.canonicalQuery}\n${headers}\n${names}\n${parts.payloadHash}`;
}

/** Encoded, sorted by encoded name and then value in byte order; a parameter without value is `name=`; repeats stay. */
export function canonicalQuery(parameters: readonly QueryParameter[]): string {
  if (parameters.length === 0) return '';
  const pairs = parameters.map(({ name, value }): [string, string] => [
    encodeComponent(name),
    encodeComponent(value),
  ]);
  pairs.sort(([n1, v1], [n2, v2]) => (n1 === n2 ? compare(v1, v2) : compare(n1, n2)));
  return pairs.map(([name, value]) => `${name}=${value}`).join('&');
}

/** Order of ASCII strings by byte, whatever the locale. */
export function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Folds the values of one header into the canonical one: trimmed, inner runs of white space as one space, joined with `,`. */
export function canonicalHeaderValue(values: readonly string[]): string {
  const joined = values.length === 1 ? (values[0] ?? '') : values.join(',');
  return /[ \t]{2}|\t/.test(joined) ? joined.replace(/[ \t]+/g, ' ') : joined;
}
