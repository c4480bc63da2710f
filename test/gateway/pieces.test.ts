import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Pieces } from '../../src/gateway/pieces.ts';

/** Bytes that are kept alive by these pieces. */
function held(pieces: readonly Uint8Array[]): number {
  const buffers = new Set(pieces.map(({ buffer }) => buffer));
  return [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** Pieces as sockets give them: each in a buffer of its own. */
function piecesOf(sizes: readonly number[]): Uint8Array[] {
  return sizes.map((size, i) => new Uint8Array(size).map((_, at) => i + at));
}

describe('pieces', () => {
  test('give out what they took, in order, and then hold nothing', () => {
    const sizes = fc.array(fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 5000 })), { maxLength: 60 });
    fc.assert(
      fc.property(fc.array(sizes, { maxLength: 4 }), (rounds) => {
        const pieces = new Pieces();
        for (const round of rounds) {
          const given = piecesOf(round);
          for (const piece of given) pieces.add(piece);
          const taken = pieces.take();
          assert.ok(Buffer.concat(taken).equals(Buffer.concat(given)));
          assert.ok(taken.every(({ length }) => length > 0));
          assert.deepEqual(pieces.take(), []);
        }
      }),
    );
  });

  test('give out bytes that later ones leave alone', () => {
    const pieces = new Pieces();
    pieces.add(Buffer.from('first'));
    const [first] = pieces.take();
    pieces.add(Buffer.from('second'));
    assert.equal(String(first), 'first');
  });

  test('are not copied where they are long', () => {
    const pieces = new Pieces();
    const long = new Uint8Array(16_384);
    pieces.add(long);
    assert.equal(pieces.take()[0], long);
  });

  test('take little more memory than their bytes, in few buffers, whatever the sizes they come in', () => {
    const TOTAL = 1024 ** 2;
    for (const round of [[1], [1023], [1, 1024], [1023, 1024], [700], [500, 2000, 3]]) {
      const pieces = new Pieces();
      for (let [sent, i] = [0, 0]; sent < TOTAL; i++) {
        const size = round[i % round.length] ?? 1;
        pieces.add(new Uint8Array(size));
        sent += size;
      }
      const taken = pieces.take();
      assert.ok(held(taken) < 1.5 * TOTAL, `${round}: ${held(taken)} bytes are held`);
      assert.ok(taken.length <= (2 * TOTAL) / 1024 + 1, `${round}: ${taken.length} pieces`);
    }
  });
});
