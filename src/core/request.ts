// A request as received, and the one reading of it that everything below works on. Refuses what is ambiguous before
// anything is decided; knows forms of authentication, but verifies nothing.
import type { CertificateName } from './certificate.ts';
import {
  isHeaderName,
  isHeaderValue,
  type ReceivedHeaders,
  repeatedHeader,
  trimOws,
  utf8AsLatin1,
} from './http/headers.ts';
import { isHopByHop, nominatedByConnection } from './http/hop-by-hop.ts';
import { parseTarget, type QueryParameter, type Target } from './http/target.ts';
import { parseTraceparent, type TraceContext } from './http/trace-context.ts';
import type { Refusal } from './refusal.ts';
import * as refusals from './refusal.ts';
import { ALGORITHM, ASYMMETRIC_ALGORITHM } from './sigv4/algorithm.ts';

/** The connection a request came in on. */
export interface Channel {
  /** TLS ends at this listener. */
  readonly encrypted: boolean;
  /** The operator counts the listener as secure: a loopback address inside one pod. */
  readonly declaredSecure: boolean;
  /** The peer is one of the listener's trusted proxies, whose X-Forwarded-Proto is believed. */
  readonly peerTrusted: boolean;
  /** `none`: clients of this listener need not sign. `certificate`: nor these, their certificate says who they are. */
  readonly authentication: 'signature' | 'certificate' | 'none';
  /** Of the peer's certificate, which was verified; absent where none was asked for. */
  readonly certificateNames?: readonly CertificateName[] | undefined;
  /** `preserve`: the request goes on as it came, under the client's own signature, which is not verified here. */
  readonly signing: 'replace' | 'preserve';
}

/** A request as it stood on the wire. Nothing changes it. */
export interface ReceivedRequest {
  readonly method: string;
  /** The request target, undecoded. */
  readonly target: string;
  readonly headers: ReceivedHeaders;
  readonly channel: Channel;
}

/** The form of authentication, decided here and nowhere else (CVE-2025-31489, CVE-2026-40344, CVE-2026-41145). */
export type AuthenticationForm =
  | 'sigv4-header'
  | 'sigv4-query'
  | 'sigv4a-header'
  | 'sigv4a-query'
  | 'sigv2-header'
  | 'sigv2-query'
  | 'unsupported'
  | 'none';

/** A request read once. */
export interface ParsedRequest {
  readonly received: ReceivedRequest;
  readonly host: string;
  readonly target: Target;
  readonly form: AuthenticationForm;
  /** Query parameters without those of authentication and without `x-amz-*`. */
  readonly query: readonly QueryParameter[];
  /**
   * End-to-end headers by lower-case name, repeats joined with `,`, and `x-amz-*` query parameters among them:
   * S3 and its SDKs put the one in place of the other (as recorded from S3).
   */
  readonly fields: ReadonlyMap<string, string>;
  readonly secure: boolean;
  readonly trace: TraceContext | undefined;
}

export type Parsed =
  | { readonly kind: 'parsed'; readonly request: ParsedRequest }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** Reads a request. `headerBytes` bounds its header section, as S3 does. */
export function parseRequest(received: ReceivedRequest, headerBytes: number): Parsed {
  const { headers } = received;
  const flaw = headerFlaw(headers, headerBytes);
  if (flaw) return refused(flaw);
  const host = headers.get('host');
  if (host === undefined) return refused(refusals.ambiguous('it has no Host header'));
  const target = parseTarget(received.target);
  if (!target) return refused(refusals.uriInvalid());
  const form = authenticationForm(headers, target.parameters);
  if (form === undefined) return refused(refusals.severalAuthMechanisms());
  const fields = effectiveFields(headers, target.parameters, form);
  if (!fields) return refused(refusals.headerQueryConflict());
  const query = target.parameters.filter(({ name }) => !isAuthParameter(name, form) && !isAmz(name));
  return {
    kind: 'parsed',
    request: {
      received,
      host,
      target,
      form,
      query,
      fields,
      secure: isSecure(received),
      trace: parseTraceparent(fields.get('traceparent')),
    },
  };
}

function refused(refusal: Refusal): Parsed {
  return { kind: 'refused', refusal };
}

function headerFlaw(headers: ReceivedHeaders, headerBytes: number): Refusal | undefined {
  if (headers.byteLength > headerBytes) return refusals.headerSectionTooLarge(headerBytes);
  const repeated = repeatedHeader(headers);
  if (repeated !== undefined) return refusals.ambiguous(`the header ${repeated} is repeated`);
  for (const { name, value } of headers.fields) {
    if (!isHeaderName(name)) return refusals.ambiguous('a header name is not a token');
    if (!isHeaderValue(value)) return refusals.ambiguous('a header value holds control characters');
    // Servers of the CGI kind read `_` as `-`, so such a name could reach them as one that was judged absent.
    if (/^x[_-]amz[_-]/.test(name) && name.includes('_') && !name.startsWith('x-amz-meta-')) {
      return refusals.headerNotImplemented(name);
    }
  }
  if (headers.has('content-length') && headers.has('transfer-encoding')) {
    return refusals.ambiguous('it has both Content-Length and Transfer-Encoding');
  }
  return undefined;
}

/** Names of the query parameters that make a presigned URL, in lower case. */
const SIGV4_QUERY = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-signedheaders',
  'x-amz-signature',
  'x-amz-security-token',
  'x-amz-content-sha256',
  'x-amz-region-set',
  'x-amz-s3session-token',
]);
const SIGV2_QUERY = new Set(['AWSAccessKeyId', 'Signature', 'Expires']);

/** `undefined` where two forms are there at once. Even an empty Authorization header is one: S3 refuses it too. */
function authenticationForm(
  headers: ReceivedHeaders,
  parameters: readonly QueryParameter[],
): AuthenticationForm | undefined {
  const authorization = headers.get('authorization');
  const queryV4 = parameters.some(({ name }) => SIGV4_QUERY.has(name.toLowerCase()));
  const queryV2 = parameters.some(({ name }) => SIGV2_QUERY.has(name));
  if (Number(authorization !== undefined) + Number(queryV4) + Number(queryV2) > 1)
    return sigv2Token(headers, parameters);
  if (queryV4) return namesSigV4A(parameters) ? 'sigv4a-query' : 'sigv4-query';
  if (queryV2) return 'sigv2-query';
  if (authorization === undefined) return 'none';
  if (authorization.startsWith(ALGORITHM)) return 'sigv4-header';
  if (authorization.startsWith(ASYMMETRIC_ALGORITHM)) return 'sigv4a-header';
  return authorization.startsWith('AWS ') ? 'sigv2-header' : 'unsupported';
}

function namesSigV4A(parameters: readonly QueryParameter[]): boolean {
  return parameters.some(({ name, value }) => name === 'X-Amz-Algorithm' && value === ASYMMETRIC_ALGORITHM);
}

/** The one overlap that is no contradiction: a V2 presigned URL carries its session token as `x-amz-security-token`. */
function sigv2Token(
  headers: ReceivedHeaders,
  parameters: readonly QueryParameter[],
): AuthenticationForm | undefined {
  if (headers.has('authorization')) return undefined;
  const v4 = parameters.filter(({ name }) => SIGV4_QUERY.has(name.toLowerCase()));
  return v4.every(({ name }) => name.toLowerCase() === 'x-amz-security-token') ? 'sigv2-query' : undefined;
}

function isAuthParameter(name: string, form: AuthenticationForm): boolean {
  if (form === 'sigv4-query' || form === 'sigv4a-query') return SIGV4_QUERY.has(name.toLowerCase());
  return form === 'sigv2-query' && (SIGV2_QUERY.has(name) || name.toLowerCase() === 'x-amz-security-token');
}

function isAmz(name: string): boolean {
  return /^x-amz-/i.test(name);
}

/** `undefined` where the query contradicts a header, or holds what no header can. */
function effectiveFields(
  headers: ReceivedHeaders,
  parameters: readonly QueryParameter[],
  form: AuthenticationForm,
): Map<string, string> | undefined {
  const fields = endToEndFields(headers);
  const meant = parameters.filter(({ name }) => isAmz(name) && !isAuthParameter(name, form));
  for (const { name, value } of meant.filter((parameter) => !isIgnored(parameter.name, parameters))) {
    const header = name.toLowerCase();
    const text = trimOws(utf8AsLatin1(value));
    if (!isHeaderName(header) || !isHeaderValue(text)) return undefined;
    if (fields.has(header) && fields.get(header) !== text) return undefined;
    fields.set(header, text);
  }
  return fields;
}

function endToEndFields(headers: ReceivedHeaders): Map<string, string> {
  const nominated = nominatedByConnection(headers.all('connection'));
  const fields = new Map<string, string>();
  for (const { name, value } of headers.fields) {
    if (isHopByHop(name, nominated) && !isAmz(name)) continue;
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : `${before},${value}`);
  }
  return fields;
}

/**
 * The SDK for JavaScript puts the checksum of an empty body into presigned upload URLs. S3 reads a checksum in the query
 * only where X-Amz-SignedHeaders names it, as recorded.
 */
function isIgnored(name: string, parameters: readonly QueryParameter[]): boolean {
  const header = name.toLowerCase();
  if (!header.startsWith('x-amz-checksum-') && header !== 'x-amz-sdk-checksum-algorithm') return false;
  const signed = parameters.find((parameter) => parameter.name === 'X-Amz-SignedHeaders')?.value;
  return !signed?.split(';').includes(header);
}

/**
 * Whether the client's hop counts as TLS. X-Forwarded-Proto can be set by anyone, so it counts only from a trusted proxy,
 * and only as the one word that proxy wrote.
 */
function isSecure({ channel, headers }: ReceivedRequest): boolean {
  const told = channel.peerTrusted ? forwardedProtocols(headers) : [];
  if (told.length > 0) return told.every((protocol) => protocol === 'https');
  return channel.encrypted || channel.declaredSecure;
}

/** What a proxy says of the client's hop: X-Forwarded-Proto, and each `proto` of Forwarded (RFC 7239). */
function forwardedProtocols(headers: ReceivedHeaders): string[] {
  const pairs = headers.all('forwarded').flatMap((value) => value.split(/[,;]/).map((pair) => trimOws(pair)));
  const protocols = pairs
    .filter((pair) => /^proto=/i.test(pair))
    .map((pair) => pair.slice('proto='.length).replaceAll('"', ''));
  return [...headers.all('x-forwarded-proto'), ...protocols].map((protocol) => protocol.toLowerCase());
}
