// Who may do what to which bucket, and which backend serves it. Fails closed. Must not know encryption.
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import type { Address } from '../s3/address.ts';
import { GLOBAL_REGION } from '../s3/aws-host.ts';
import type { Operation } from '../s3/operation.ts';
import { bucketIndexOf } from './bucket-index.ts';
import { matchesAny } from './pattern.ts';
import type { Access, Backend, Client, Policy } from './policy.ts';

const RIGHTS: Readonly<Record<Access, readonly Operation['access'][]>> = {
  'read-only': ['preflight', 'read'],
  'read-write': ['preflight', 'read', 'write'],
  admin: ['preflight', 'read', 'write', 'admin'],
};

/** Rights of whoever reaches a listener that asks for no signature: objects of every bucket, no configuration. */
const UNSIGNED: Pick<Client, 'buckets' | 'access'> = { buckets: ['*'], access: 'read-write' };

/** `undefined` where the client may use the operation on what it addresses. `client` is absent where none need sign. */
export function authorize(
  client: Client | undefined,
  operation: Operation,
  address: Address,
): Refusal | undefined {
  const { access } = client ?? UNSIGNED;
  if (address.resource !== 'service' && !mayUse(client, address.bucket)) return refusals.bucketNotAllowed();
  return RIGHTS[access].includes(operation.access) ? undefined : refusals.operationNotAllowed(operation.name);
}

/**
 * An operation that the backend may not know. Servers drop a parameter that they do not know and do what is left: Ceph
 * deletes the bucket on `DELETE /bucket?metrics`, and stores the document of `PUT /bucket/key?encryption` as the object.
 */
export function refuseRare({ name, rare }: Operation, { rareOperations }: Backend): Refusal | undefined {
  if (!rare || rareOperations === 'all' || rareOperations.has(name)) return undefined;
  return refusals.operationNotImplemented(name);
}

/** Canned ACLs that give nobody a right whom the bucket's owner does not know. */
const HARMLESS_ACLS = new Set(['private', 'bucket-owner-read', 'bucket-owner-full-control']);

/**
 * S3 would carry these out with the gateway's own rights: who else may read or write an object, and what overrides a
 * protection of it, is for an `admin` to say.
 */
export function authorizeHeaders(
  client: Client | undefined,
  fields: ReadonlyMap<string, string>,
): Refusal | undefined {
  if ((client ?? UNSIGNED).access === 'admin') return undefined;
  for (const [name, value] of fields) {
    const acl = name === 'x-amz-acl' && !HARMLESS_ACLS.has(value);
    const bypass = name === 'x-amz-bypass-governance-retention' && value.toLowerCase() !== 'false';
    if (acl || bypass || name === 'x-amz-mfa' || name.startsWith('x-amz-grant-')) {
      return refusals.headerNeedsAdmin(name);
    }
  }
  return undefined;
}

/** Whether the bucket is one of the client's: the one a request addresses, a copy reads from or a report goes to. */
export function mayUse(client: Client | undefined, bucket: string): boolean {
  return matchesAny((client ?? UNSIGNED).buckets, bucket);
}

/** The buckets that a listing may name; `undefined` where it may name all. */
export function listedBuckets(client: Client | undefined): readonly string[] | undefined {
  const { buckets } = client ?? UNSIGNED;
  return buckets.includes('*') ? undefined : buckets;
}

/** The first backend whose buckets match, of those in the region if one is given; the first of them for what addresses no bucket. */
export function backendFor(
  backends: readonly Backend[],
  address: Address,
  region?: string,
): Backend | undefined {
  const there = (backend: Backend) => region === undefined || backend.region === region;
  if (address.resource === 'service') return backends.find(there);
  return bucketIndexOf(backends).first(address.bucket, there);
}

/** Which backend takes a request, and the region that its signature must be for. */
export interface Place {
  /** Where the host decides on the region. */
  readonly region: string | undefined;
  readonly backend: Backend | undefined;
  readonly signingRegion: string;
}

/**
 * `named` is the region of the host, `claimed` gives that of the client's signature. Where no backend takes the request
 * the signature must be for a region all the same, until it is known whose it is.
 */
export function placeOf(
  { backends, egress }: Pick<Policy, 'backends' | 'egress'>,
  address: Address,
  operation: Operation,
  named: string | undefined,
  claimed: () => string | undefined,
): Place {
  const globalRegion = () => (egress?.globalRegion === 'signed' ? claimed() : 'us-east-1');
  const region = named === GLOBAL_REGION ? globalRegion() : named;
  const there = backendFor(backends, address, region);
  // us-east-1 tells the region of every bucket: that is how clients find it.
  const located = operation.name === 'GetBucketLocation' && region === 'us-east-1';
  const backend = there ?? (located ? backendFor(backends, address) : undefined);
  const signingRegion = region ?? backend?.region ?? backends[0]?.region ?? 'us-east-1';
  return { region, backend, signingRegion };
}

/** Why no backend takes what this client may ask for. */
export function refuseUnserved(
  backends: readonly Backend[],
  address: Address,
  { region }: Pick<Place, 'region'>,
): Refusal {
  const elsewhere = backendFor(backends, address) !== undefined;
  return region !== undefined && elsewhere ? refusals.regionNotAllowed(region) : refusals.bucketNotAllowed();
}
