// Which S3 operation a request is. Reads the table in operation-table.ts; must not know signatures, rules or clients.
import type { ReceivedHeaders } from '../http/headers.ts';
import type { QueryParameter } from '../http/target.ts';
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import { OPERATIONS } from './operation-table.ts';

/** What the path addresses. */
export type Resource = 'service' | 'bucket' | 'object';

/** One row of the table. */
export interface Operation {
  /** As in the service model. */
  readonly name: string;
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE' | 'OPTIONS';
  readonly resource: Resource;
  /** Which right it takes. `never`: not through this gateway. `preflight`: unsigned by nature, reveals CORS rules only. */
  readonly access: 'read' | 'write' | 'admin' | 'never' | 'preflight';
  /** Makers other than AWS may lack it, and take it for what is left without its parameter: Ceph deletes the bucket. */
  readonly rare?: boolean;
  /** Query parameters that select the operation, with their exact values. */
  readonly subresource?: Readonly<Record<string, string>>;
  /** Query parameters that must be there, with any value. */
  readonly requires?: readonly string[];
  /** Query parameters that may be there. */
  readonly query?: readonly string[];
  /** `x-amz-*` headers it reads, without the prefix; SSE and SSE-KMS follow from `encryption`. */
  readonly headers?: readonly string[];
  /** Whether it takes `x-amz-meta-*`. */
  readonly metadata?: boolean;
  /** Whether `x-amz-copy-source` selects it. */
  readonly copySource?: boolean;
  /** Selected by `Content-Type: multipart/form-data`. */
  readonly form?: boolean;
  /** `stream`: object bytes; `document`: XML or JSON, bounded; absent: no body. */
  readonly body?: 'stream' | 'document';
  /** `accepts` the SSE-KMS headers; `inherits` the encryption of an upload or object. */
  readonly encryption?: 'accepts' | 'inherits';
  /** Lives at another endpoint than S3's own: routed there alone, and never served. */
  readonly endpoint?: string;
  /** An older name of the same request; never the result of routing. */
  readonly supersededBy?: string;
}

/** The outcome of routing. */
export type Routed =
  | { readonly kind: 'operation'; readonly operation: Operation }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** A row as requests are held against it. */
interface Route {
  readonly operation: Operation;
  /** Query parameters with the value that each must have. */
  readonly subresource: readonly (readonly [name: string, value: string])[];
  /** Query parameters that select the operation. */
  readonly selectors: readonly string[];
  /** Every query parameter it knows. */
  readonly known: ReadonlySet<string>;
  /** Of the rows that a request fits, the one with the most of this is meant. */
  readonly specificity: number;
}

function routeOf(operation: Operation): Route {
  const { subresource = {}, requires = [], query = [], copySource } = operation;
  const selectors = [...Object.keys(subresource), ...requires];
  return {
    operation,
    subresource: Object.entries(subresource),
    selectors,
    known: new Set([...selectors, ...query]),
    specificity: selectors.length * 2 + (copySource ? 1 : 0),
  };
}

/** By method and resource, the most specific first. */
const ROUTES = new Map<string, readonly Route[]>();
for (const operation of OPERATIONS) {
  if (operation.supersededBy !== undefined) continue;
  const place = routeKey(operation.method, operation.resource, operation.endpoint);
  const routes = [...(ROUTES.get(place) ?? []), routeOf(operation)];
  ROUTES.set(
    place,
    routes.sort((a, b) => b.specificity - a.specificity),
  );
}

function routeKey(method: string, resource: Resource, endpoint: string | undefined): string {
  return `${endpoint ?? 's3'} ${method} ${resource}`;
}

/** The operation of this name. Throws where the table has none: a mistake in the caller. */
export function operationNamed(name: string): Operation {
  const found = OPERATIONS.find((operation) => operation.name === name);
  if (!found) throw new Error(`no operation ${name} in the table`);
  return found;
}

/**
 * Finds the one operation that a request can be. Every parameter left over must be known to that operation: S3 ignores
 * what it does not know, so a subresource newer than this table would otherwise pass as the plain operation
 * (and Ceph deletes the bucket on `DELETE /bucket?madeup`). `endpoint` is given where it is not S3's own.
 */
export function routeOperation(
  method: string,
  resource: Resource,
  parameters: readonly QueryParameter[],
  headers: ReceivedHeaders,
  endpoint?: string,
): Routed {
  const routes = ROUTES.get(routeKey(method, resource, endpoint));
  if (!routes) return refused(refusals.methodNotAllowed(method, resource));
  // A preflight asks for the URL of the request to come, query included; S3 reads none of it.
  const query = method === 'OPTIONS' ? [] : routingQuery(parameters);
  const repeated = firstRepeated(query);
  if (repeated !== undefined)
    return refused(refusals.ambiguous(`the query parameter ${repeated} is repeated`));
  const [best, second] = routes.filter((route) => selects(route, query, headers));
  if (!best) return refused(explainUnrouted(routes, query, method, resource));
  if (second?.specificity === best.specificity) {
    return refused(refusals.ambiguous('its query names two operations'));
  }
  return checkRest(best, query, headers);
}

function refused(refusal: Refusal): Routed {
  return { kind: 'refused', refusal };
}

/** Query names that say nothing of the operation: `x-amz-*` stand for headers, `x-id` only repeats the operation's name. */
function routingQuery(parameters: readonly QueryParameter[]): QueryParameter[] {
  return parameters.filter(({ name }) => name !== 'x-id' && !/^x-amz-/i.test(name));
}

function firstRepeated(query: readonly QueryParameter[]): string | undefined {
  const seen = new Set<string>();
  for (const { name } of query) {
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}

function selects(
  { operation, subresource, selectors }: Route,
  query: readonly QueryParameter[],
  headers: ReceivedHeaders,
): boolean {
  if (selectors.length > query.length) return false;
  const value = (name: string) => query.find((parameter) => parameter.name === name)?.value;
  if (subresource.some(([name, expected]) => value(name) !== expected)) return false;
  if (operation.requires?.some((name) => !value(name))) return false;
  if (operation.copySource && !headers.has('x-amz-copy-source')) return false;
  return !operation.form || /^multipart\/form-data(;|$)/i.test(headers.get('content-type') ?? '');
}

function checkRest(
  { operation, known }: Route,
  query: readonly QueryParameter[],
  headers: ReceivedHeaders,
): Routed {
  const unknown = query.find(({ name }) => !known.has(name));
  if (unknown?.name === 'partNumber') {
    const text = 'This operation does not accept partNumber without uploadId';
    return refused(refusals.argumentInvalid(text, 'partNumber', unknown.value));
  }
  if (unknown) return refused(refusals.queryNotImplemented(unknown.name));
  if (headers.has('x-amz-copy-source') && !operation.copySource) {
    const text = 'You can only specify a copy source header for copy requests.';
    return refused(
      refusals.argumentInvalid(text, 'x-amz-copy-source', headers.get('x-amz-copy-source') ?? ''),
    );
  }
  return { kind: 'operation', operation };
}

function explainUnrouted(
  routes: readonly Route[],
  query: readonly QueryParameter[],
  method: string,
  resource: Resource,
): Refusal {
  const known = new Set(routes.flatMap(({ selectors }) => selectors));
  const unknown = query.find(({ name }) => !known.has(name));
  if (method === 'POST' && resource === 'bucket' && query.length === 0) return refusals.formNotMultipart();
  return unknown ? refusals.queryNotImplemented(unknown.name) : refusals.methodNotAllowed(method, resource);
}

const ANY_OPERATION = ['expected-bucket-owner'];
const ENCRYPTION = [
  'server-side-encryption',
  'server-side-encryption-aws-kms-key-id',
  'server-side-encryption-bucket-key-enabled',
  'server-side-encryption-context',
];
const KNOWN_ANYWHERE = new Set([
  ...ANY_OPERATION,
  ...ENCRYPTION,
  ...OPERATIONS.filter((row) => row.endpoint === undefined).flatMap((row) => row.headers ?? []),
]);

/** Whether an `x-amz-*` header (lower-case) means something to this operation, to another one only, or to none known here. */
export function headerStanding(operation: Operation, name: string): 'known' | 'elsewhere' | 'unknown' {
  const bare = name.slice('x-amz-'.length);
  if (bare.startsWith('meta-')) return operation.metadata ? 'known' : 'elsewhere';
  if (operation.headers?.includes(bare) || ANY_OPERATION.includes(bare)) return 'known';
  if (operation.encryption === 'accepts' && ENCRYPTION.includes(bare)) return 'known';
  return KNOWN_ANYWHERE.has(bare) ? 'elsewhere' : 'unknown';
}
