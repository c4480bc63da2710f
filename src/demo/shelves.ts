// What the operations of the embedded store work on, and what they have in common.
import type { Address } from '../core/s3/address.ts';
import { type Answer, type Fault, fault, type XmlContent } from './answers.ts';
import type { Bucket, Buckets } from './objects.ts';
import type { Payload } from './payload.ts';
import type { Vault } from './vault.ts';

/** What the operations work on. */
export interface Shelves {
  readonly region: string;
  readonly buckets: Buckets;
  readonly vault: Vault;
  readonly newUploadId: () => string;
}

/** A request whose sender is verified. */
export interface VerifiedRequest {
  readonly address: Address;
  readonly fields: ReadonlyMap<string, string>;
  readonly query: ReadonlyMap<string, string>;
  readonly channel: { readonly encrypted: boolean };
  readonly now: Date;
  /** Reads and verifies the body. */
  readonly payload: () => Promise<Payload | Fault>;
}

export type Outcome = Answer | Fault;

export const LEAST_PART: number = 5 * 1024 * 1024;
export const OWNER: XmlContent = { ID: 'demo', DisplayName: 'demo' };

export const NO_SUCH_KEY: Fault = fault(404, 'NoSuchKey', 'The specified key does not exist.');
export const PRECONDITION_FAILED: Fault = fault(
  412,
  'PreconditionFailed',
  'At least one of the pre-conditions you specified did not hold',
);

/** A request for one object, in a bucket that is there. */
export interface AtKey {
  readonly request: VerifiedRequest;
  readonly shelves: Shelves;
  readonly bucket: Bucket;
  readonly key: string;
}

export function noSuchBucket(): Fault {
  return fault(404, 'NoSuchBucket', 'The specified bucket does not exist');
}
