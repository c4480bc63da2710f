// HMAC-SHA256 over one-shot hashes, held against Node's own.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HmacKey } from '../../../src/core/sigv4/digest.ts';

const expected = (key: Uint8Array, text: string) =>
  createHmac('sha256', key).update(text, 'latin1').digest('hex');
const latin1 = fc.string({ unit: fc.integer({ max: 255 }).map((code) => String.fromCharCode(code)) });

describe('a key of HMAC-SHA256', () => {
  test('signs as Node does, again and again', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(latin1), (bytes, texts) => {
        const key = new HmacKey(bytes);
        for (const text of texts) assert.equal(key.signHex(text), expected(bytes, text));
      }),
    );
  });

  test('keeps to the vectors of RFC 4231', () => {
    const hiThere = new HmacKey(Buffer.alloc(20, 0x0b)).signHex('Hi There');
    assert.equal(hiThere, 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7');
    const jefe = new HmacKey(Buffer.from('Jefe')).signHex('what do ya want for nothing?');
    assert.equal(jefe, '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
  });

  test('is no longer than a block', () => {
    assert.throws(() => new HmacKey(Buffer.alloc(65)), RangeError);
  });
});
