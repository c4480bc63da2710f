import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AwsChunkedDecoder } from '../../../src/core/s3/aws-chunked.ts';

const SIGNATURE = 'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648';

/** What a body came to: its events with neighbouring data joined, and whether it is complete. */
interface Outcome {
  readonly events: readonly string[];
  readonly done: boolean;
}

function decode(pieces: Iterable<Uint8Array>, signed: boolean): Outcome {
  const decoder = new AwsChunkedDecoder(signed);
  const events: string[] = [];
  let data = '';
  const flush = (): void => {
    if (data !== '') events.push(`data ${data}`);
    data = '';
  };
  for (const piece of pieces) {
    for (const event of decoder.push(piece)) {
      if (event.kind === 'data') {
        data += Buffer.from(event.bytes).toString('latin1');
        continue;
      }
      flush();
      if (event.kind === 'chunk') events.push(`chunk ${event.size} ${event.signature ?? '-'}`);
      else if (event.kind === 'trailer') events.push(`trailer ${event.name}: ${event.value}`);
      else events.push(event.kind);
    }
  }
  flush();
  return { events, done: decoder.done };
}

function whole(body: string, signed = false): Outcome {
  return decode([Buffer.from(body, 'latin1')], signed);
}

describe('a body in aws-chunked framing', () => {
  test('without signatures: chunks, a trailer, the end', () => {
    assert.deepEqual(whole('5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n'), {
      events: [
        'chunk 5 -',
        'data hello',
        'chunk-end',
        'chunk 6 -',
        'data  world',
        'chunk-end',
        'chunk 0 -',
        'chunk-end',
        'trailer x-amz-checksum-crc32: DUoRhQ==',
        'end',
      ],
      done: true,
    });
  });

  test('with signatures, and none of a trailer', () => {
    assert.deepEqual(
      whole(`2;chunk-signature=${SIGNATURE}\r\nab\r\n0;chunk-signature=${SIGNATURE}\r\n\r\n`, true),
      {
        events: [`chunk 2 ${SIGNATURE}`, 'data ab', 'chunk-end', `chunk 0 ${SIGNATURE}`, 'chunk-end', 'end'],
        done: true,
      },
    );
  });

  test('with a signed trailer and the bare line feed of the AWS examples', () => {
    const body = `0;chunk-signature=${SIGNATURE}\r\nx-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:${SIGNATURE}\r\n\r\n`;
    assert.deepEqual(whole(body, true).events, [
      `chunk 0 ${SIGNATURE}`,
      'chunk-end',
      'trailer x-amz-checksum-crc32c: sOO8/Q==',
      `trailer x-amz-trailer-signature: ${SIGNATURE}`,
      'end',
    ]);
  });

  test('with an ECDSA signature padded to 144 characters', () => {
    const padded = '3045022100ab'.padEnd(144, '*');
    assert.equal(whole(`0;chunk-signature=${padded}\r\n\r\n`, true).done, true);
  });

  const ACCEPTED: readonly (readonly [what: string, body: string])[] = [
    ['no data', '0\r\n\r\n'],
    ['hex in upper case', 'A\r\n0123456789\r\n0\r\n\r\n'],
    ['hex in lower case', 'a\r\n0123456789\r\n0\r\n\r\n'],
    ['leading zeros', '000a\r\n0123456789\r\n0000000000000000\r\n\r\n'],
    ['data that looks like framing', '5\r\n0\r\n\r\n\r\n0\r\n\r\n'],
    ['white space around a trailer value', '0\r\nX-Amz-Checksum-CRC32:  AAAAAA==\t\r\n\r\n'],
    ['an empty trailer value', '0\r\nx-amz-checksum-crc32:\r\n\r\n'],
    ['16 trailers', `0\r\n${'a:b\r\n'.repeat(16)}\r\n`],
  ];
  for (const [what, body] of ACCEPTED) {
    test(`is read with ${what}`, () => assert.equal(whole(body).done, true));
  }
});

describe('a malformed body', () => {
  const UNSIGNED: readonly (readonly [what: string, body: string])[] = [
    ['an empty size', '\r\n'],
    ['a size of no hex', 'g\r\n'],
    ['a size with 0x', '0x5\r\nhello\r\n0\r\n\r\n'],
    ['a size with a sign', '+5\r\nhello\r\n0\r\n\r\n'],
    ['a negative size', '-1\r\n'],
    ['a size with white space', ' 5\r\nhello\r\n0\r\n\r\n'],
    ['a size of 17 digits', '00000000000000005\r\nhello\r\n'],
    ['a size beyond 5 GiB', '140000001\r\n'],
    ['the largest size that 16 digits hold', 'ffffffffffffffff\r\n'],
    ['a chunk extension', '5;name=value\r\nhello\r\n0\r\n\r\n'],
    ['a signature where none is expected', `5;chunk-signature=${SIGNATURE}\r\nhello\r\n`],
    ['a bare line feed after the size', '5\nhello\r\n0\r\n\r\n'],
    ['a carriage return in the size', '5\r\r\nhello\r\n0\r\n\r\n'],
    ['data longer than its chunk', '4\r\nhello\r\n0\r\n\r\n'],
    ['data shorter than its chunk', '6\r\nhello\r\n0\r\n\r\n'],
    ['a bare line feed after data', '5\r\nhello\n0\r\n\r\n'],
    ['bytes after the end', '0\r\n\r\nX'],
    ['a second body after the end', '0\r\n\r\n0\r\n\r\n'],
    ['a line feed after the end', '0\r\n\r\n\n'],
    ['a trailer without a colon', '0\r\nabc\r\n\r\n'],
    ['a trailer without a name', '0\r\n:abc\r\n\r\n'],
    ['a trailer name with a space', '0\r\na b:c\r\n\r\n'],
    ['a folded trailer', '0\r\na:b\r\n c\r\n\r\n'],
    ['17 trailers', `0\r\n${'a:b\r\n'.repeat(17)}\r\n`],
    ['a trailer line of more than 1024 bytes', `0\r\na:${'b'.repeat(1024)}\r\n\r\n`],
    ['a size line of more than 1024 bytes', `${'0'.repeat(2000)}`],
    ['a bare line feed as the last line', '0\r\n\n'],
    ['two bare line feeds after a trailer', '0\r\na:b\n\n\r\n'],
    ['a trailer after a bare line feed', '0\r\na:b\nc:d\r\n\r\n'],
  ];
  for (const [what, body] of UNSIGNED) {
    test(`is told by ${what}`, () => {
      const { events, done } = whole(body);
      assert.equal(done, false);
      assert.equal(events.at(-1), 'malformed');
      assert.equal(events.filter((event) => event === 'malformed').length, 1);
      const bytes = Buffer.from(body, 'latin1');
      assert.deepEqual(
        decode(
          split(
            bytes,
            bytes.map((_, i) => i),
          ),
          false,
        ),
        { events, done },
        'byte by byte',
      );
    });
  }

  const SIGNED: readonly (readonly [what: string, head: string])[] = [
    ['no signature', '0'],
    ['a short signature', `0;chunk-signature=${SIGNATURE.slice(1)}`],
    ['a long signature', `0;chunk-signature=${SIGNATURE}a`],
    ['a signature in upper case', `0;chunk-signature=${SIGNATURE.toUpperCase()}`],
    ['another extension', `0;signature=${SIGNATURE}`],
    ['a second extension', `0;chunk-signature=${SIGNATURE};a=b`],
    ['white space', `0; chunk-signature=${SIGNATURE}`],
  ];
  for (const [what, head] of SIGNED) {
    test(`is told by a signed chunk head with ${what}`, () => {
      assert.deepEqual(whole(`${head}\r\n\r\n`, true), { events: ['malformed'], done: false });
    });
  }
});

function split(bytes: Uint8Array, places: Iterable<number>): Uint8Array[] {
  const cuts = [...new Set([0, ...places, bytes.length])]
    .filter((place) => place <= bytes.length)
    .sort((a, b) => a - b);
  return cuts.slice(1).map((cut, i) => bytes.subarray(cuts[i] ?? 0, cut));
}

const body = fc
  .record({
    chunks: fc.array(
      fc.string({ unit: fc.constantFrom('\r', '\n', '0', 'a', ';', '\u00ff'), minLength: 1, maxLength: 20 }),
      { maxLength: 4 },
    ),
    trailers: fc.array(fc.constantFrom('x-amz-checksum-crc32:AAAAAA==\r\n', 'a:b\n\r\n', 'a: \r\n'), {
      maxLength: 3,
    }),
    signed: fc.boolean(),
  })
  .map(({ chunks, trailers, signed }) => {
    const extension = signed ? `;chunk-signature=${SIGNATURE}` : '';
    const framed = chunks.map((data) => `${data.length.toString(16)}${extension}\r\n${data}\r\n`).join('');
    const bytes = Buffer.from(`${framed}0${extension}\r\n${trailers.join('')}\r\n`, 'latin1');
    return { bytes, signed, decoded: chunks.join('') };
  });

describe('any valid body', () => {
  test('decodes to its data', () => {
    fc.assert(
      fc.property(body, ({ bytes, signed, decoded }) => {
        const { events, done } = decode([bytes], signed);
        assert.equal(done, true);
        const data = events.filter((event) => event.startsWith('data ')).map((event) => event.slice(5));
        assert.equal(data.join(''), decoded);
      }),
    );
  });

  test('gives the same events however it is split', () => {
    fc.assert(
      fc.property(body, fc.array(fc.nat({ max: 400 }), { maxLength: 8 }), ({ bytes, signed }, places) => {
        const expected = decode([bytes], signed);
        assert.deepEqual(decode(split(bytes, places), signed), expected);
        assert.deepEqual(decode(split(bytes, bytes.keys()), signed), expected, 'byte by byte');
      }),
    );
  });

  test('is not done before its last byte', () => {
    fc.assert(
      fc.property(body, ({ bytes, signed }) => {
        for (let length = 0; length < bytes.length; length++) {
          const { events, done } = decode([bytes.subarray(0, length)], signed);
          assert.equal(done, false, `${length} of ${bytes.length} bytes`);
          assert.ok(!events.includes('end') && !events.includes('malformed'));
        }
      }),
      { numRuns: 50 },
    );
  });

  test('is malformed with a byte after its end, in the same piece or the next', () => {
    fc.assert(
      fc.property(body, fc.integer({ min: 0, max: 255 }), ({ bytes, signed }, byte) => {
        const extra = Uint8Array.of(byte);
        assert.equal(decode([Buffer.concat([bytes, extra])], signed).done, false);
        assert.equal(decode([bytes, extra], signed).events.at(-1), 'malformed');
      }),
    );
  });
});

describe('any bytes at all', () => {
  test('give the same events however they are split, and never throw', () => {
    const noise = fc.string({
      unit: fc.constantFrom('0', '1', '5', 'a', ':', ';', '\r', '\n', '\r\n', '0\r\n'),
      maxLength: 40,
    });
    fc.assert(
      fc.property(noise, fc.array(fc.nat({ max: 80 }), { maxLength: 8 }), (text, places) => {
        const bytes = Buffer.from(text, 'latin1');
        assert.deepEqual(decode(split(bytes, places), false), decode([bytes], false));
      }),
      { numRuns: 1000 },
    );
  });

  test('are given on as views of what came in: no byte of data is kept', () => {
    const decoder = new AwsChunkedDecoder(false);
    decoder.push(Buffer.from('100000\r\n'));
    const piece = new Uint8Array(65536);
    for (let i = 0; i < 16; i++) {
      const [event, ...rest] = decoder.push(piece);
      assert.ok(event?.kind === 'data' && rest.length === 0);
      assert.equal(event.bytes.buffer, piece.buffer);
      assert.equal(event.bytes.length, piece.length);
    }
  });

  test('without a line end break the body once a line is too long', () => {
    const decoder = new AwsChunkedDecoder(false);
    const piece = Buffer.alloc(64, '0');
    let pushed = 0;
    while (pushed < 4096) {
      pushed += piece.length;
      if (decoder.push(piece).some(({ kind }) => kind === 'malformed')) break;
    }
    assert.ok(pushed <= 1024 + piece.length, `${pushed} bytes held`);
  });
});
