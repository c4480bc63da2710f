import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addLife, isHopeless, NO_LIVES, restartDelay } from '../../src/workers/restart.ts';

/** Delays after each of these lives, given in milliseconds of service; `undefined` for none at all. */
function delays(...lives: (number | undefined)[]): number[] {
  let past = NO_LIVES;
  return lives.map((life) => {
    past = addLife(past, life);
    return restartDelay(past);
  });
}

describe('a worker that has ended', () => {
  test('is replaced at once after a sound life', () => assert.deepEqual(delays(10_000, 3_600_000), [0, 0]));

  test('is replaced later and later when it ends at once, and never later than after half a minute', () =>
    assert.deepEqual(
      delays(...Array.from({ length: 8 }, () => undefined)),
      [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000],
    ));

  test('waits as long when it served, but briefly', () => assert.deepEqual(delays(1, 9_999), [1000, 2000]));

  test('is replaced at once again when one has been sound in between', () =>
    assert.deepEqual(delays(undefined, 5, 60_000, undefined), [1000, 2000, 0, 1000]));

  const after = (...lives: (number | undefined)[]) => lives.reduce(addLife, NO_LIVES);

  test('is given up with all others when none can serve, five times in a row', () => {
    const four = after(...Array.from({ length: 4 }, () => undefined));
    const five = addLife(four, undefined);
    assert.equal(isHopeless([five, five]), true);
    assert.equal(isHopeless([five, four]), false);
    assert.equal(isHopeless([five, NO_LIVES]), false);
    assert.equal(isHopeless([addLife(five, 1)]), false);
  });
});
