// What a copy reads, and whether it may: one of the client's buckets, on the same backend, and not out of the reach of the
// rule that its source is under.
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import { type CopySource, parseCopySource } from '../s3/copy-source.ts';
import type { Operation } from '../s3/operation.ts';
import { backendFor, mayUse } from './access.ts';
import { ruleFor } from './encryption.ts';
import type { Backend, Client, EncryptionRule, Policy } from './policy.ts';

/** A copy to be judged. */
export interface CopyCase {
  readonly operation: Operation;
  /** What it writes. */
  readonly bucket: string;
  readonly key: string;
  readonly fields: ReadonlyMap<string, string>;
  readonly client: Client | undefined;
  readonly backend: Backend;
  /** Where the host decides on it. */
  readonly region: string | undefined;
}

/** The source of a copy that the client may read; `undefined` for what is no copy. */
export function judgeCopySource(copy: CopyCase, policy: Policy): CopySource | undefined | Refusal {
  if (!copy.operation.copySource) return undefined;
  const source = parseCopySource(copy.fields.get('x-amz-copy-source') ?? '');
  if (!source) {
    const name = 'x-amz-copy-source';
    return refusals.argumentInvalid('Invalid copy source object key', name, name);
  }
  const address = { resource: 'bucket', bucket: source.bucket } as const;
  const sourceBackend = backendFor(policy.backends, address, copy.region);
  if (!mayUse(copy.client, source.bucket) || sourceBackend !== copy.backend)
    return refusals.bucketNotAllowed();
  if (copy.operation.name === 'CopyObject' && changesNothing(source, copy)) return refusals.copyOntoItself();
  return source;
}

/** Headers each of which makes a copy of an object onto itself a change. */
const COPY_CHANGES = [
  'x-amz-storage-class',
  'x-amz-website-redirect-location',
  'x-amz-server-side-encryption',
];

/** A copy onto itself that S3 refuses as it stands: the encryption headers added here would make it a rewrite. */
function changesNothing(source: CopySource, { fields, bucket, key }: CopyCase): boolean {
  if (source.versionId !== undefined || source.bucket !== bucket || source.key !== key) return false;
  const replaces = fields.get('x-amz-metadata-directive')?.toUpperCase() === 'REPLACE';
  return !replaces && !COPY_CHANGES.some((name) => fields.has(name));
}

/** What became of the target of a copy. */
export interface CopyTarget {
  readonly rule: string | undefined;
  /** Whether the copy goes out, and is confirmed, under its rule's encryption. */
  readonly encrypted: boolean;
}

/**
 * S3 decrypts the source with the gateway's rights: a copy to where no rule encrypts it would shed what the source's rule
 * stands for. Under one and the same rule that rule alone decides.
 */
export function ruleLeft(
  source: CopySource,
  target: CopyTarget,
  rules: readonly EncryptionRule[],
): EncryptionRule | undefined {
  const rule = ruleFor(rules, source.bucket, source.key);
  if (!rule || rule.mode === 'off' || rule.otherEncryption === 'allow') return undefined;
  return target.encrypted || rule.name === target.rule ? undefined : rule;
}
