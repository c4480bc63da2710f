// Who may do what to which bucket, and which backend serves it. Fails closed. Must not know encryption.
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import type { Address } from '../s3/address.ts';
import type { Operation } from '../s3/operation.ts';
import { matchesAny } from './pattern.ts';
import type { Access, Backend, Client } from './policy.ts';

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
  const { buckets, access } = client ?? UNSIGNED;
  // A listing of all buckets would name those of others.
  const bucketAllowed =
    address.resource === 'service' ? buckets.includes('*') : matchesAny(buckets, address.bucket);
  if (!bucketAllowed) return refusals.bucketNotAllowed();
  return RIGHTS[access].includes(operation.access) ? undefined : refusals.operationNotAllowed(operation.name);
}

/** Whether the client may read objects of the bucket that a copy reads from. */
export function mayRead(client: Client | undefined, bucket: string): boolean {
  return matchesAny((client ?? UNSIGNED).buckets, bucket);
}

/** The first backend whose buckets match; the first of all for what addresses no bucket. */
export function backendFor(backends: readonly Backend[], address: Address): Backend | undefined {
  if (address.resource === 'service') return backends[0];
  return backends.find((backend) => matchesAny(backend.buckets, address.bucket));
}
