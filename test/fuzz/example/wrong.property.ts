// A property that does not hold, beside one that does: what test/fuzz/fuzz.test.ts shows the runner.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';

describe('numbers', () => {
  test('are below a thousand, or so it is said', () => {
    fc.assert(
      fc.property(fc.nat({ max: 5_000_000 }), (number) => {
        assert.ok(number < 1_000 || process.env['WRONG_PROPERTY_MENDED'] === 'yes');
      }),
    );
  });

  test('are what they are', () => {
    fc.assert(fc.property(fc.nat(), (number) => assert.equal(number, number)));
  });
});
