import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseTraceparent } from '../../../src/core/http/trace-context.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('traceparent (https://www.w3.org/TR/trace-context/)', () => {
  test('of version 00 goes on as it came', () => {
    for (const flags of ['00', '01', 'ff']) {
      const value = `00-${TRACE}-${SPAN}-${flags}`;
      assert.deepEqual(parseTraceparent(value), { traceId: TRACE, spanId: SPAN, traceparent: value });
    }
  });

  test('of a later version goes on as version 00, with the one flag that is known', () => {
    for (const [value, flags] of [
      [`01-${TRACE}-${SPAN}-01`, '01'],
      [`cc-${TRACE}-${SPAN}-fe-what-the-future-will-be-like`, '00'],
    ] as const) {
      assert.equal(parseTraceparent(value)?.traceparent, `00-${TRACE}-${SPAN}-${flags}`);
    }
  });

  for (const [what, value] of [
    ['nothing', undefined],
    ['an empty one', ''],
    ['a trace ID of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['a parent ID of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['version ff', `ff-${TRACE}-${SPAN}-01`],
    ['upper case', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['an ID that is too short', `00-${TRACE.slice(1)}-${SPAN}-01`],
    ['version 00 with more behind it', `00-${TRACE}-${SPAN}-01-more`],
    ['a later version with more behind it, and no dash', `01-${TRACE}-${SPAN}-01more`],
    ['two of them', `00-${TRACE}-${SPAN}-01,00-${TRACE}-${SPAN}-01`],
    ['a line break', `00-${TRACE}-${SPAN}-01\n`],
    ['a secret in its place', 'Bearer abc'],
  ] as const) {
    test(`counts as absent: ${what}`, () => assert.equal(parseTraceparent(value), undefined));
  }

  test('whatever is sent, what goes on is 55 characters of hex and dashes, and says what was read', () => {
    const hex = (length: number) =>
      fc.array(fc.constantFrom(...'0123456789abcdefAG'), { minLength: length, maxLength: length });
    const nearly = fc
      .tuple(
        fc.constantFrom('00', '01', 'fe', 'ff', '0'),
        hex(32),
        hex(16),
        hex(2),
        fc.constantFrom('', '-', '-x'),
      )
      .map(
        ([version, trace, span, flags, more]) =>
          `${version}-${trace.join('')}-${span.join('')}-${flags.join('')}${more}`,
      );
    const sound = fc
      .tuple(fc.bigInt({ min: 1n, max: (1n << 128n) - 1n }), fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }))
      .map(
        ([trace, span]) =>
          `00-${trace.toString(16).padStart(32, '0')}-${span.toString(16).padStart(16, '0')}-01`,
      );
    let read = 0;
    fc.assert(
      fc.property(fc.oneof(nearly, sound, fc.string()), (value) => {
        const context = parseTraceparent(value);
        if (context === undefined) return;
        read += 1;
        assert.match(context.traceparent, /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/);
        assert.deepEqual(context.traceparent.split('-').slice(1, 3), [context.traceId, context.spanId]);
        assert.deepEqual(parseTraceparent(context.traceparent), context);
      }),
      { numRuns: 2000 },
    );
    assert.ok(read > 100);
  });
});
