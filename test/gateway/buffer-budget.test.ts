import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BufferBudget, type BufferShare } from '../../src/gateway/buffer-budget.ts';

describe('room for bytes in memory', () => {
  test('is granted while there is some, and then in turn', () => {
    const budget = new BufferBudget(10);
    const [one, two, three] = [budget.request(6), budget.request(6), budget.request(4)];
    assert.deepEqual([one.granted, two.granted, three.granted], [true, false, false]);
    // The third would fit, but a small one that goes first, and another, could keep the second out for ever.
    const told: string[] = [];
    two.whenGranted(() => told.push('two'));
    three.whenGranted(() => told.push('three'));
    one.release();
    assert.deepEqual(told, ['two', 'three']);
    assert.equal(budget.used, 10);
    two.release();
    three.release();
    assert.equal(budget.used, 0);
  });

  test('goes to the next when one in front gives up waiting', () => {
    const budget = new BufferBudget(10);
    const [one, two, three] = [budget.request(6), budget.request(6), budget.request(4)];
    two.release();
    assert.equal(three.granted, true);
    one.release();
    three.release();
    assert.equal(budget.used, 0);
  });

  test('cannot be asked for in a size that will never be there', () =>
    assert.throws(() => new BufferBudget(10).request(11), RangeError));

  test('is never more than there is, goes to whoever is first, and is there again in the end', () => {
    const step = fc.oneof(
      fc.record({ ask: fc.integer({ min: 0, max: 10 }) }),
      fc.record({ release: fc.nat({ max: 30 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const budget = new BufferBudget(10);
        let held: { readonly bytes: number; readonly share: BufferShare }[] = [];
        const check = () => {
          const granted = held.filter(({ share }) => share.granted);
          const sum = granted.reduce((total, { bytes }) => total + bytes, 0);
          assert.equal(budget.used, sum);
          assert.ok(sum <= 10);
          const first = held.find(({ share }) => !share.granted);
          assert.ok(!first || sum + first.bytes > 10, 'the first could have it');
          const order = held.map(({ share }) => share.granted);
          assert.deepEqual(
            order,
            [...order].sort((a, b) => Number(b) - Number(a)),
            'granted out of turn',
          );
        };
        for (const one of steps) {
          if ('ask' in one) held.push({ bytes: one.ask, share: budget.request(one.ask) });
          else if (held.length > 0) {
            const index = one.release % held.length;
            held[index]?.share.release();
            held = held.filter((_, other) => other !== index);
          }
          check();
        }
        for (const { share } of held) share.release();
        assert.equal(budget.used, 0);
      }),
    );
  });
});
