// Finds the first of a list whose bucket patterns match, in time that does not grow with the list.
// Knows patterns, not what the list is of.
import { matchesPattern } from './pattern.ts';
import type { BucketPattern } from './policy.ts';

/** What has bucket patterns: a rule, a backend. */
export interface BucketOwner {
  readonly buckets: readonly BucketPattern[];
}

interface Entry<Owner> {
  readonly pattern: BucketPattern;
  readonly owner: Owner;
  readonly position: number;
}

/**
 * The patterns of a list by their heads: what stands before the first `*`, or the whole. A name can match only patterns
 * whose head it begins with, so as many looks are taken as heads have lengths: a bucket name has 63 at most.
 */
export class BucketIndex<Owner extends BucketOwner> {
  readonly #byHead = new Map<string, Entry<Owner>[]>();
  readonly #lengths: readonly number[];

  constructor(owners: readonly Owner[]) {
    for (const [position, owner] of owners.entries()) {
      for (const pattern of owner.buckets) {
        const [head = ''] = pattern.split('*', 1);
        const entries = this.#byHead.get(head);
        if (entries) entries.push({ pattern, owner, position });
        else this.#byHead.set(head, [{ pattern, owner, position }]);
      }
    }
    this.#lengths = [...new Set([...this.#byHead.keys()].map((head) => head.length))].sort((a, b) => a - b);
  }

  /** The first in the order of the list that matches and is accepted. */
  first(bucket: string, accepts: (owner: Owner) => boolean = () => true): Owner | undefined {
    let best: Entry<Owner> | undefined;
    for (const length of this.#lengths) {
      if (length > bucket.length) break;
      for (const entry of this.#byHead.get(bucket.slice(0, length)) ?? []) {
        if (best && entry.position >= best.position) break;
        if (matchesPattern(entry.pattern, bucket) && accepts(entry.owner)) best = entry;
      }
    }
    return best?.owner;
  }
}

const INDEXES = new WeakMap<readonly BucketOwner[], BucketIndex<BucketOwner>>();

/** The index of a list that nobody changes any more, made when it is first asked for. */
export function bucketIndexOf<Owner extends BucketOwner>(owners: readonly Owner[]): BucketIndex<Owner> {
  let index = INDEXES.get(owners) as BucketIndex<Owner> | undefined;
  if (!index) {
    index = new BucketIndex(owners);
    INDEXES.set(owners, index as unknown as BucketIndex<BucketOwner>);
  }
  return index;
}
