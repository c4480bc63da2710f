import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { matchesAny, matchesKeyId, matchesPattern } from '../../../src/core/policy/pattern.ts';
import { FOREIGN_KEY_ARN, KEY_ARN } from '../fixture.ts';

describe('a pattern', () => {
  const TABLE: readonly (readonly [pattern: string, text: string, matches: boolean])[] = [
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['*', 'anything', true],
    ['**', 'anything', true],
    ['a', 'a', true],
    ['a', 'A', false],
    ['a', 'ab', false],
    ['a*', 'a', true],
    ['a*', 'ab', true],
    ['a*', 'ba', false],
    ['*a', 'ba', true],
    ['*a', 'ab', false],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['a*b*c', 'a-b-c', true],
    ['a*b*c', 'acb', false],
    ['a*bc*c', 'abc', false],
    ['*ab*ab*', 'abab', true],
    ['*ab*ab*', 'aab', false],
    ['a.c', 'abc', false],
    ['a?c', 'abc', false],
    ['[a]*', 'a', false],
    ['$*^', '$x^', true],
  ];
  for (const [pattern, text, matches] of TABLE) {
    test(`${pattern || '(empty)'} ${matches ? 'matches' : 'does not match'} ${text || '(empty)'}`, () => {
      assert.equal(matchesPattern(pattern, text), matches);
      assert.equal(matchesAny(['never', pattern], text), matches);
    });
  }

  test('agrees with a regular expression', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 });
    fc.assert(
      fc.property(letters, fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 }), (pattern, text) => {
        assert.equal(
          matchesPattern(pattern, text),
          new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(text),
        );
      }),
      { numRuns: 2000 },
    );
  });

  test('takes no exponential time', () => {
    assert.equal(matchesPattern(`${'*a'.repeat(500)}*b`, 'a'.repeat(50_000)), false);
  });
});

describe('a KMS key ID', () => {
  const region = 'arn:aws:kms:eu-central-1:111122223333';
  const TABLE: readonly (readonly [pattern: string, keyId: string, matches: boolean])[] = [
    [KEY_ARN, KEY_ARN, true],
    [KEY_ARN, KEY_ARN.toUpperCase(), false],
    [KEY_ARN, `${KEY_ARN}0`, false],
    [KEY_ARN, `${KEY_ARN} `, false],
    [KEY_ARN, FOREIGN_KEY_ARN, false],
    [KEY_ARN, '1234abcd-12ab-34cd-56ef-1234567890ab', false],
    [`${region}:key/*`, KEY_ARN, true],
    [`${region}:key/*`, `${region}:key/mrk-0123`, true],
    [`${region}:key/*`, FOREIGN_KEY_ARN, false],
    [`${region}:key/*`, `${region}:alias/mine`, false],
    [`${region}:key/*`, `${region}:key/x:key/y`, false],
    ['arn:aws:kms:*:111122223333:key/*', KEY_ARN, true],
    ['arn:aws:kms:*:111122223333:key/*', FOREIGN_KEY_ARN, false],
    ['arn:aws:kms:*:111122223333:key/*', 'arn:aws:kms:eu:999999999999:x:111122223333:key/y', false],
    ['arn:aws:kms:*:key/*', KEY_ARN, false],
    ['arn:*', KEY_ARN, false],
    ['*', KEY_ARN, false],
    ['*', 'testkey-1', true],
    ['testkey-*', 'testkey-1', true],
    ['testkey-1', 'testkey-10', false],
    ['alias/*', 'alias/mine', true],
    [`${region}:key/*`, 'alias/mine', false],
    [`${region}:key/*`, '', false],
  ];
  for (const [pattern, keyId, matches] of TABLE) {
    test(`${keyId || '(empty)'} ${matches ? 'is' : 'is not'} one of ${pattern}`, () => {
      assert.equal(matchesKeyId(pattern, keyId), matches);
    });
  }

  test('that is an alias ARN matches no pattern: an alias can be pointed at another key', () => {
    assert.equal(matchesKeyId(`${region}:*`, `${region}:alias/mine`), false);
  });
});
