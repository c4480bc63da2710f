// Signs a request that goes out: returns the headers to send and changes nothing.
import type { QueryParameter } from '../http/target.ts';
import { ALGORITHM } from './algorithm.ts';
import { formatAmzDate } from './amz-date.ts';
import { canonicalHeaderValue, canonicalQuery, canonicalRequest, compare } from './canonical-request.ts';
import { type CredentialScope, formatScope, type SigningKeys } from './signing-key.ts';
import { stringToSign } from './string-to-sign.ts';

/** A request before its signature. Every header in it is signed; names are lower-case and unique. */
export interface UnsignedRequest {
  readonly method: string;
  /** Encoded once, as it is sent. */
  readonly path: string;
  readonly parameters: readonly QueryParameter[];
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The value of `x-amz-content-sha256`. */
  readonly payloadHash: string;
}

/** Credentials under which the gateway signs to a backend. */
export interface SigningCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

/** What to sign with, for and when. */
export interface SigningContext {
  readonly credentials: SigningCredentials;
  readonly region: string;
  readonly now: Date;
  readonly keys: SigningKeys;
}

/** The headers of the request with date, payload hash, session token and `authorization` added. */
export function sign(request: UnsignedRequest, context: SigningContext): (readonly [string, string])[] {
  const { credentials, region, keys } = context;
  const amzDate = formatAmzDate(context.now);
  const scope: CredentialScope = { date: amzDate.slice(0, 8), region, service: 's3' };
  const headers = [
    ...request.headers,
    ['x-amz-date', amzDate],
    ['x-amz-content-sha256', request.payloadHash],
  ] as [string, string][];
  if (credentials.sessionToken !== undefined)
    headers.push(['x-amz-security-token', credentials.sessionToken]);
  const signed = headers
    .map(([name, value]): [string, string] => [name, canonicalHeaderValue([value])])
    .sort(([a], [b]) => compare(a, b));
  const canonical = canonicalRequest({
    method: request.method,
    canonicalPath: request.path,
    canonicalQuery: canonicalQuery(request.parameters),
    headers: signed,
    payloadHash: request.payloadHash,
  });
  const signature = keys.get(credentials, scope).signHex(stringToSign(amzDate, scope, canonical));
  headers.push([
    'authorization',
    `${ALGORITHM} Credential=${credentials.accessKeyId}/${formatScope(scope)}, ` +
      `SignedHeaders=${signed.map(([name]) => name).join(';')}, Signature=${signature}`,
  ]);
  return headers;
}
