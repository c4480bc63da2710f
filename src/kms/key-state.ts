// What a KMS says of a key, and what that means for S3: one table of states, with sentences for people.
// Knows KMS's answers; must not know how they are got.
import type { KeyMetadata } from '@aws-sdk/client-kms';
import { parseKeyArn } from '../config/aws.ts';
import type { KeyUsage } from '../core/policy/policy.ts';

/** Why a key cannot be used: KMS has said so. */
export type Flaw =
  | 'missing'
  | 'disabled'
  | 'pending_deletion'
  | 'unavailable'
  | 'other_region'
  | 'not_symmetric_encryption';

/** Why nothing is known of a key. */
export type Obstacle = 'access_denied' | 'credentials_refused' | 'no_credentials' | 'unreachable';

/** What is known of one key. `detail` is a clause for people, without a full stop; it holds no secret. */
export type KeyState =
  | { readonly kind: 'usable' }
  | {
      readonly kind: 'unusable';
      readonly why: Flaw;
      readonly detail: string;
      /** Of a key that can never be used: neither of the two ever changes. */
      readonly usage?: KeyUsage;
    }
  | { readonly kind: 'unknown'; readonly why: Obstacle; readonly detail: string };

/** What to do about each state. */
export const REMEDIES: Readonly<Record<Flaw | Obstacle, string>> = {
  missing: "Correct the ARN, or create the key: in the bucket's own region.",
  disabled: 'Enable the key, or name another.',
  pending_deletion: 'Cancel the deletion at once: what lies under the key cannot be read without it.',
  unavailable: 'Look at the key in KMS.',
  other_region: "Name a key of the buckets' own region.",
  not_symmetric_encryption: 'Name a symmetric encryption key: S3 takes no other.',
  access_denied: "Allow kms:DescribeKey on the key to the backend's credentials.",
  credentials_refused: "Correct the backend's credentials, or the region.",
  no_credentials: "Correct the backend's credentials.",
  unreachable: 'Correct kms.endpoint or kms.caFile, or let the gateway out to it.',
};

/**
 * What the answer to DescribeKey means for SSE-KMS in a region.
 * https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html
 */
export function stateOfKey(key: KeyMetadata, region: string): KeyState {
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html: symmetric encryption keys alone.
  const { KeySpec: keySpec = 'SYMMETRIC_DEFAULT', KeyUsage: keyUsage = 'ENCRYPT_DECRYPT' } = key;
  if (keySpec !== 'SYMMETRIC_DEFAULT' || keyUsage !== 'ENCRYPT_DECRYPT') {
    const detail = `is no symmetric encryption key: its key spec is ${keySpec}, its key usage ${keyUsage}`;
    return { ...unusable('not_symmetric_encryption', detail), usage: { keySpec, keyUsage } };
  }
  const at = parseKeyArn(key.Arn ?? '')?.region ?? region;
  if (at !== region) return unusable('other_region', `is in ${at}, but the backend is in ${region}`);
  return stateNamed(key);
}

/** https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html: while `Updating`, a key encrypts. */
function stateNamed({ KeyState: state = 'Enabled', DeletionDate: date }: KeyMetadata): KeyState {
  switch (state) {
    case 'Enabled':
    case 'Updating':
      return { kind: 'usable' };
    case 'Disabled':
      return unusable('disabled', 'is disabled');
    case 'PendingDeletion':
    case 'PendingReplicaDeletion': {
      const when = date === undefined ? '' : ` on ${date.toISOString().slice(0, 10)}`;
      return unusable('pending_deletion', `will be deleted${when}`);
    }
    default:
      return unusable('unavailable', `cannot be used: KMS says that its state is ${state}`);
  }
}

function unusable(why: Flaw, detail: string): Extract<KeyState, { kind: 'unusable' }> {
  return { kind: 'unusable', why, detail };
}

/** KMS's own names for the ways a key can be absent. */
const MISSING = new Set(['NotFoundException', 'InvalidArnException']);
const DENIED = new Set(['AccessDeniedException', 'AccessDenied']);
/**
 * The signature, or what it was made with, was refused.
 * https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html
 */
const REFUSED = new Set([
  'UnrecognizedClientException',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'IncompleteSignature',
  'IncompleteSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'ExpiredTokenException',
  'ExpiredToken',
  'RequestExpired',
  'OptInRequired',
]);

/** What a failed DescribeKey says of the key. */
export function stateOfFailure(error: unknown): KeyState {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  if (MISSING.has(name)) return unusable('missing', `does not exist: KMS says "${message}"`);
  if (DENIED.has(name)) return unknown('access_denied', `could not be looked at: KMS says "${message}"`);
  if (REFUSED.has(name)) return unknown('credentials_refused', `KMS refuses the credentials: ${message}`);
  if (name === 'TimeoutError' || name === 'AbortError') {
    return unknown('unreachable', 'KMS did not answer in time');
  }
  return unknown('unreachable', `KMS cannot be asked: ${message || name}`);
}

/** Nothing could be asked, as there is nothing to sign with. */
export const WITHOUT_CREDENTIALS: KeyState = unknown(
  'no_credentials',
  'KMS cannot be asked: the backend has no credentials yet',
);

function unknown(why: Obstacle, detail: string): KeyState {
  return { kind: 'unknown', why, detail };
}
