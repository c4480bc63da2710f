import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { BucketIndex, bucketIndexOf } from '../../../src/core/policy/bucket-index.ts';
import { matchesAny } from '../../../src/core/policy/pattern.ts';

const pattern = fc.stringMatching(/^[ab*]{1,6}$/);
const owners = fc.array(fc.record({ buckets: fc.array(pattern, { maxLength: 4 }), good: fc.boolean() }), {
  maxLength: 12,
});
const bucket = fc.stringMatching(/^[ab]{0,8}$/);

describe('the index of bucket patterns', () => {
  test('finds what a search through the whole list finds', () => {
    fc.assert(
      fc.property(owners, bucket, (list, name) => {
        const index = new BucketIndex(list);
        assert.equal(
          index.first(name),
          list.find(({ buckets }) => matchesAny(buckets, name)),
        );
        assert.equal(
          index.first(name, ({ good }) => good),
          list.find(({ buckets, good }) => good && matchesAny(buckets, name)),
        );
      }),
      { numRuns: 2000 },
    );
  });

  test('the order of the list decides, not how close a pattern is', () => {
    const [wide, exact] = [{ buckets: ['*'] }, { buckets: ['ledger'] }];
    assert.equal(new BucketIndex([wide, exact]).first('ledger'), wide);
    assert.equal(new BucketIndex([exact, wide]).first('ledger'), exact);
    assert.equal(new BucketIndex([exact, wide]).first('ledgers'), wide);
  });

  test('a list keeps its index, and another list has another', () => {
    const list = [{ buckets: ['a'] }];
    assert.equal(bucketIndexOf(list), bucketIndexOf(list));
    assert.notEqual(bucketIndexOf(list), bucketIndexOf([...list]));
  });
});
