// The request that goes to the backend, built fresh from what was judged: an allow-list of headers, canonical path and
// query, the gateway's own framing. The received request is never changed.
import { isHopByHop, nominatedByConnection } from '../http/hop-by-hop.ts';
import { encodePath, formatQuery, type QueryParameter } from '../http/target.ts';
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import type { ParsedRequest } from '../request.ts';
import type { Address } from '../s3/address.ts';
import { headerStanding, type Operation } from '../s3/operation.ts';
import { SSE_FAMILY } from '../s3/sse.ts';
import type { ProvenBodyPlan } from './body-plan.ts';
import { type EncryptionOrder, encryptionHeaders } from './encryption.ts';
import type { Backend } from './policy.ts';

/** Where a request goes and as what. */
export interface Destination {
  /** `https://host:port` to connect to. */
  readonly origin: string;
  readonly host: string;
  /** Encoded path without the query. */
  readonly path: string;
  readonly parameters: readonly QueryParameter[];
}

/** Host and path for the backend's addressing, made from bucket and key alone: nothing of the client's Host goes on. */
export function destinationOf(
  backend: Backend,
  address: Address,
  query: readonly QueryParameter[],
): Destination {
  const bucket = address.resource === 'service' ? undefined : address.bucket;
  const key = address.resource === 'object' ? encodePath(address.key) : '';
  // A bucket with dots has no certificate that covers it, so there path style is the only way.
  const hosted = backend.addressing === 'virtual-hosted' && bucket !== undefined && !bucket.includes('.');
  const hostname = hosted ? `${bucket}.${backend.hostname}` : backend.hostname;
  const standardPort = backend.port === (backend.protocol === 'https' ? 443 : 80);
  const host = standardPort ? hostname : `${hostname}:${backend.port}`;
  const path =
    hosted || bucket === undefined
      ? `/${key}`
      : `/${bucket}${address.resource === 'object' ? `/${key}` : ''}`;
  return {
    origin: `${backend.protocol}://${host}`,
    host,
    path,
    parameters: query.filter(({ name }) => name !== 'x-id'),
  };
}

/** The first `x-amz-*` header that no operation known here has: S3 could give it a meaning that escapes the rules. */
export function unknownHeader(request: ParsedRequest, operation: Operation): string | undefined {
  return [...request.fields.keys()].find((name) => standingOf(operation, name) === 'unknown');
}

/** Every end-to-end header as it came, Host included: the client's signature covers it. */
export function preservedHeaders({ received }: ParsedRequest): (readonly [string, string])[] {
  const { fields } = received.headers;
  const nominated = nominatedByConnection(received.headers.all('connection'));
  // Expect has been answered here; the framing is that of the body as it is sent on.
  return fields
    .filter(({ name }) => name !== 'expect' && (name.startsWith('x-amz-') || !isHopByHop(name, nominated)))
    .map(({ name, value }) => [name, value]);
}

/** `https://host:port` of a backend. */
export function originOf(backend: Backend): string {
  return `${backend.protocol}://${backend.hostname}:${backend.port}`;
}

/** Path and query as they go on the request line. */
export function requestTarget({ path, parameters }: Destination): string {
  return parameters.length === 0 ? path : `${path}?${formatQuery(parameters)}`;
}

/** End-to-end headers that S3 reads besides `x-amz-*`. `traceparent` is none: it goes on outside the signature. */
const FORWARDED = new Set([
  'access-control-request-headers',
  'access-control-request-method',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-md5',
  'content-type',
  'expires',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'origin',
  'range',
]);

/** `x-amz-*` headers about this connection, this signature or this SDK: spent here, written afresh where needed. */
const SPENT = new Set([
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-decoded-content-length',
  'x-amz-region-set',
  'x-amz-security-token',
  'x-amz-te',
  'x-amz-trailer',
  'x-amz-user-agent',
]);

/** What the judgement changes about the headers. */
export interface HeaderEdits {
  readonly order: EncryptionOrder | undefined;
  /** The copy source in its one canonical form. */
  readonly copySource: string | undefined;
  readonly body: ProvenBodyPlan;
}

export type Rewritten =
  | { readonly kind: 'headers'; readonly headers: (readonly [string, string])[] }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** Every header of the outgoing request but those of its signature. */
export function rewriteHeaders(
  request: ParsedRequest,
  operation: Operation,
  host: string,
  edits: HeaderEdits,
): Rewritten {
  const headers: (readonly [string, string])[] = [['host', host]];
  for (const [name, value] of request.fields) {
    const standing = standingOf(operation, name);
    if (standing === 'unknown') return { kind: 'refused', refusal: refusals.headerNotImplemented(name) };
    if (standing === 'dropped') continue;
    const edited = editedValue(name, value, edits);
    if (edited !== undefined) headers.push([name, edited]);
  }
  if (edits.order) headers.push(...encryptionHeaders(edits.order));
  headers.push(...framingHeaders(operation, edits.body));
  return { kind: 'headers', headers };
}

function standingOf(operation: Operation, name: string): 'forwarded' | 'dropped' | 'unknown' {
  if (!name.startsWith('x-amz-')) return FORWARDED.has(name) ? 'forwarded' : 'dropped';
  if (SPENT.has(name)) return 'dropped';
  // MinIO unpacks the body of such an upload into objects that no rule has seen.
  if (name.startsWith('x-amz-meta-snowball-')) return 'unknown';
  const standing = headerStanding(operation, name);
  if (standing === 'unknown') return 'unknown';
  return standing === 'known' ? 'forwarded' : 'dropped';
}

function editedValue(
  name: string,
  value: string,
  { order, copySource, body }: HeaderEdits,
): string | undefined {
  if (name === 'content-encoding') return withoutAwsChunked(value, body);
  if (name === 'x-amz-copy-source') return copySource;
  if (order && SSE_FAMILY.includes(name)) return undefined;
  // A decoded body has lost the trailer that this header speaks of; its checksum has been verified here instead.
  if (name === 'x-amz-sdk-checksum-algorithm' && body.kind === 'aws-chunked' && body.decode) return undefined;
  return value;
}

/** `aws-chunked` is framing, not an encoding of the object; it stays only while the framing does. */
function withoutAwsChunked(value: string, body: ProvenBodyPlan): string | undefined {
  if (body.kind !== 'aws-chunked' && !/aws-chunked/i.test(value)) return value;
  const codings = value.split(',').map((coding) => coding.trim());
  const rest = codings.filter((coding) => coding !== '' && coding.toLowerCase() !== 'aws-chunked');
  if (body.kind === 'aws-chunked' && !body.decode) rest.unshift('aws-chunked');
  return rest.length === 0 ? undefined : rest.join(',');
}

function framingHeaders(operation: Operation, body: ProvenBodyPlan): (readonly [string, string])[] {
  if (body.kind === 'none')
    return operation.method === 'PUT' || operation.method === 'POST' ? [['content-length', '0']] : [];
  if (body.kind === 'plain') return [['content-length', String(body.length)]];
  if (body.decode) return [['content-length', String(body.decodedLength)]];
  const headers: (readonly [string, string])[] = [
    ['x-amz-decoded-content-length', String(body.decodedLength)],
  ];
  if (body.framedLength !== undefined) headers.push(['content-length', String(body.framedLength)]);
  if (body.checksum && body.checksum.headerValue === undefined)
    headers.push(['x-amz-trailer', body.checksum.name]);
  return headers;
}
