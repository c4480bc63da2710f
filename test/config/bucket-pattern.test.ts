import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { patternCovers, patternsOverlap } from '../../src/config/bucket-pattern.ts';

const CASES: readonly (readonly [left: string, right: string, overlap: boolean, covers: boolean])[] = [
  ['a', 'a', true, true],
  ['a', 'b', false, false],
  ['*', 'a', true, true],
  ['*', '*', true, true],
  ['a*', '*', true, false],
  ['a*', 'ab*', true, true],
  ['a*', '*a', true, false],
  ['a*b', 'b*a', false, false],
  ['a*a', 'a', false, false],
  ['a*a', 'aa', true, true],
  ['*-logs', 'app-*', true, false],
  ['app-*', 'app-*-logs', true, true],
  ['a*b*c', 'axbxc', true, true],
  ['a*b*c', 'a*c', true, false],
  ['**', '*', true, true],
  ['a.c', 'abc', false, false],
];

/** All short names over an alphabet with one letter that no pattern uses. */
const NAMES: readonly string[] = [0, 1, 2, 3, 4, 5, 6].flatMap((length) => words(length));

function words(length: number): readonly string[] {
  if (length === 0) return [''];
  return words(length - 1).flatMap((word) => ['a', 'b', 'z'].map((letter) => word + letter));
}

function matching(pattern: string): ReadonlySet<string> {
  const form = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
  return new Set(NAMES.filter((name) => form.test(name)));
}

describe('bucket patterns', () => {
  for (const [left, right, overlap, covers] of CASES) {
    test(`${left} and ${right}`, () => {
      assert.equal(patternsOverlap(left, right), overlap);
      assert.equal(patternsOverlap(right, left), overlap);
      assert.equal(patternCovers(left, right), covers);
    });
  }

  test('agree with trying every short name', () => {
    const pattern = fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 3 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(pattern, pattern, (left, right) => {
        const [lefts, rights] = [matching(left), matching(right)];
        assert.equal(
          patternsOverlap(left, right),
          [...lefts].some((name) => rights.has(name)),
        );
        assert.equal(
          patternCovers(left, right),
          [...rights].every((name) => lefts.has(name)),
        );
      }),
      { numRuns: 400 },
    );
  });

  test('take no time over many stars', () => {
    const stars = 'a*'.repeat(5000);
    assert.equal(patternCovers(`${stars}b`, 'a'.repeat(20_000)), false);
  });
});
