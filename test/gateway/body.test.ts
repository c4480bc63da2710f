// A body on its way, without sockets: what passes, what is refused, and that nothing refused could be completed.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { Xxh3_64, Xxh3_128, Xxh64 } from '@aws-sdk/checksums/xxh';
import fc from 'fast-check';
import type { AwsChunkedPlan, SignedChunksPlan } from '../../src/core/policy/body-plan.ts';
import { AwsChunkedDecoder, lengthWithTrailer, MAX_SIGNED_CHUNK } from '../../src/core/s3/aws-chunked.ts';
import { BodyRefused, ProvenBody } from '../../src/gateway/body.ts';
import { BufferBudget } from '../../src/gateway/buffer-budget.ts';
import { startChecksum } from '../../src/gateway/checksums.ts';
import { ecdsaSigner, hmacSigner, type Part, seedOf, signBody, wireOf } from '../core/sigv4/chunk-signer.ts';

const CHECKSUM = 'x-amz-checksum-crc32';

function crc(data: Buffer): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(data));
  return bytes.toString('base64');
}

const ROOM = { budget: new BufferBudget(MAX_SIGNED_CHUNK), waitMs: 1000 };

/** What came out, and why no more of it. */
interface Passed {
  readonly out: Buffer;
  readonly code: string | undefined;
}

async function pass(plan: AwsChunkedPlan, pieces: Iterable<Uint8Array>): Promise<Passed> {
  const source = new PassThrough();
  const body = new ProvenBody(source, plan, ROOM);
  const out: Buffer[] = [];
  body.on('data', (piece) => out.push(piece));
  const code = await new Promise<string | undefined>((resolve, reject) => {
    body.once('end', () => resolve(undefined));
    body.once('error', (error) =>
      error instanceof BodyRefused ? resolve(error.refusal.code) : reject(error),
    );
    for (const piece of pieces) source.write(piece);
    source.end();
  });
  return { out: Buffer.concat(out), code };
}

function split(bytes: Buffer, places: Iterable<number>): Buffer[] {
  const cuts = [...new Set([0, ...places, bytes.length])]
    .filter((at) => at <= bytes.length)
    .sort((a, b) => a - b);
  return cuts.slice(1).map((cut, i) => bytes.subarray(cuts[i], cut));
}

const HMAC_ORIGIN = {
  amzDate: '20261123T120000Z',
  scope: '20261123/us-east-1/s3/aws4_request',
  seed: 'a'.repeat(64),
};
const ECDSA_ORIGIN = { ...HMAC_ORIGIN, scope: '20261123/s3/aws4_request', seed: '3006020101020101' };
const HMAC = hmacSigner('the secret', '20261123', 'us-east-1');
const {
  d = '',
  x = '',
  y = '',
} = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
  format: 'jwk',
});
const ECDSA = ecdsaSigner({ d, x, y });

const SCHEMES = {
  hmac: {
    sign: (chunks: Buffer[], trailers?: Record<string, string>) =>
      signBody(HMAC, HMAC_ORIGIN, chunks, trailers),
    chunks: seedOf(HMAC, HMAC_ORIGIN),
  },
  ecdsa: {
    sign: (chunks: Buffer[], trailers?: Record<string, string>) =>
      signBody(ECDSA, ECDSA_ORIGIN, chunks, trailers),
    chunks: seedOf(ECDSA, ECDSA_ORIGIN, { x, y }),
  },
} as const;

type Send = 'decoded' | 'framed';

/** A body in signed chunks, and the plan it has come to. */
function upload(scheme: keyof typeof SCHEMES, chunks: Buffer[], trailer: boolean, send: Send = 'decoded') {
  const data = Buffer.concat(chunks);
  const parts = SCHEMES[scheme].sign(chunks, trailer ? { [CHECKSUM]: crc(data) } : undefined);
  const plan: SignedChunksPlan = {
    kind: 'aws-chunked',
    mode: 'STREAMING',
    decode: send === 'decoded',
    decodedLength: data.length,
    framedLength: send === 'framed' ? lengthWithTrailer(data.length, CHECKSUM, 8) : undefined,
    checksum: trailer ? { name: CHECKSUM, algorithm: 'crc32', headerValue: undefined } : undefined,
    chunks: SCHEMES[scheme].chunks,
    signedTrailer: trailer,
  };
  return { data, parts, wire: wireOf(parts), plan };
}

/** Refused, and less has come out than the backend waits for. */
function assertBroken({ out, code }: Passed, plan: AwsChunkedPlan, what: string): void {
  assert.notEqual(code, undefined, what);
  const awaited = plan.decode ? plan.decodedLength : (plan.framedLength ?? 0);
  assert.ok(awaited === 0 || out.length < awaited, `${what}: ${out.length} of ${awaited} bytes came out`);
}

const chunkSizes = fc
  .tuple(
    fc.array(fc.integer({ min: 8192, max: 20_000 }), { maxLength: 3 }),
    fc.integer({ min: 1, max: 9000 }),
  )
  .map(([full, last]) => [...full, last]);
const chunksOf = (sizes: readonly number[], fill: number) =>
  sizes.map((size, i) => Buffer.alloc(size, fill + i));
const scheme = fc.constantFrom('hmac' as const, 'ecdsa' as const);
const places = fc.array(fc.nat({ max: 80_000 }), { maxLength: 12 });

describe('a body in signed chunks', () => {
  test('comes out decoded, whatever its chunks and however it is split', async () => {
    await fc.assert(
      fc.asyncProperty(scheme, chunkSizes, fc.boolean(), places, async (by, sizes, trailer, cuts) => {
        const { data, wire, plan } = upload(by, chunksOf(sizes, 1), trailer);
        const { out, code } = await pass(plan, split(wire, cuts));
        assert.equal(code, undefined);
        assert.ok(out.equals(data));
      }),
      { numRuns: 60 },
    );
  });

  test('comes out byte by byte as well', async () => {
    const { data, wire, plan } = upload('hmac', chunksOf([8192, 10], 1), true);
    const { out, code } = await pass(plan, split(wire, wire.keys()));
    assert.equal(code, undefined);
    assert.ok(out.equals(data));
  });

  test('is empty where it has a final chunk only', async () => {
    for (const by of ['hmac', 'ecdsa'] as const) {
      const { wire, plan } = upload(by, [], false);
      assert.deepEqual(await pass(plan, [wire]), { out: Buffer.alloc(0), code: undefined });
    }
  });

  test('comes out in a framing without signatures, with its checksum behind it', async () => {
    const sizes = fc.constantFrom(
      [],
      [1],
      [8192, 1],
      [1024 ** 2],
      [1024 ** 2 - 1, 2],
      [1024 ** 2, 1024 ** 2, 77],
    );
    await fc.assert(
      fc.asyncProperty(scheme, sizes, places, async (by, chunks, cuts) => {
        const { data, wire, plan } = upload(by, chunksOf(chunks, 1), true, 'framed');
        const { out, code } = await pass(plan, split(wire, cuts));
        assert.equal(code, undefined);
        assert.equal(out.length, plan.framedLength);
        const decoder = new AwsChunkedDecoder(false);
        const events = decoder.push(out);
        assert.equal(decoder.done, true);
        const decoded = events.flatMap((event) => (event.kind === 'data' ? [event.bytes] : []));
        assert.ok(Buffer.concat(decoded).equals(data));
        const trailers = events.filter(({ kind }) => kind === 'trailer');
        assert.deepEqual(trailers, [{ kind: 'trailer', name: CHECKSUM, value: crc(data) }]);
      }),
      { numRuns: 30 },
    );
  });

  test('gives out nothing of a chunk before its signature is proven', async () => {
    const { wire, plan, parts } = upload('hmac', chunksOf([10_000, 10_000, 10_000], 1), false);
    const source = new PassThrough();
    const body = new ProvenBody(source, plan, ROOM);
    let out = 0;
    body.on('data', (piece) => {
      out += piece.length;
    });
    // All of the second chunk but its last byte: the first is proven, but held back as the last piece so far.
    const second = parts.findIndex(({ kind }, i) => kind === 'data' && i > 5);
    const upTo = wireOf(parts.slice(0, second + 1)).length;
    source.write(wire.subarray(0, upTo - 1));
    await new Promise(setImmediate);
    assert.equal(out, 0);
    source.write(wire.subarray(upTo - 1, upTo + 2));
    await new Promise(setImmediate);
    // The last byte of the second chunk came alone, and is what is held back now.
    assert.equal(out, 19_999);
    body.destroy();
  });
});

test('a body whose source has ended before is proven, too', async () => {
  const source = Readable.from([]).resume();
  await once(source, 'end');
  const plan: AwsChunkedPlan = upload('hmac', chunksOf([10], 1), false).plan;
  const body = new ProvenBody(source, plan, ROOM);
  const [error] = await once(body.resume(), 'error');
  assert.equal(error.refusal.code, 'IncompleteBody');
});

describe('the room in memory of a signed chunk', () => {
  const SIZE = 200_000;
  const { wire, plan } = upload('hmac', chunksOf([SIZE], 1), false);
  const begin = (budget: BufferBudget, waitMs = 60_000) => {
    const source = new PassThrough();
    const body = new ProvenBody(source, plan, { budget, waitMs });
    body.on('error', () => {});
    return { source, body };
  };
  /** Where what a socket gives at once ends. */
  const RECORDS = Array.from({ length: 20 }, (_, i) => i * 16_384);
  const head = wire.subarray(0, 1000);
  const rest = wire.subarray(1000);
  const turn = () => new Promise(setImmediate);

  test('is taken with its head, and given back when its reader has taken it', async () => {
    const budget = new BufferBudget(MAX_SIGNED_CHUNK);
    const { source, body } = begin(budget);
    source.write(head);
    await turn();
    assert.equal(budget.used, SIZE);
    for (const piece of split(rest, RECORDS)) source.write(piece);
    source.end();
    await turn();
    assert.equal(budget.used, SIZE, 'nobody has read it');
    body.resume();
    await new Promise((resolve) => body.once('end', resolve));
    assert.equal(budget.used, 0);
  });

  test('is none for a chunk that is no larger than what streams hold', async () => {
    const budget = new BufferBudget(MAX_SIGNED_CHUNK);
    const small = upload('hmac', chunksOf([65_536], 1), false);
    const source = new PassThrough();
    const body = new ProvenBody(source, small.plan, { budget, waitMs: 1 });
    source.write(small.wire.subarray(0, 1000));
    await turn();
    assert.equal(body.received, 1000);
    assert.equal(budget.used, 0);
  });

  test('is waited for, with nothing more read in the meantime', async () => {
    const budget = new BufferBudget(SIZE);
    const [first, second] = [begin(budget), begin(budget)];
    first.source.write(head);
    await turn();
    second.source.write(head);
    second.source.write(rest);
    await turn();
    assert.equal(second.body.received, head.length);
    first.body.destroy();
    await turn();
    assert.equal(second.body.received, wire.length);
    second.body.destroy();
    await turn();
    assert.equal(budget.used, 0);
  });

  test('is waited for no longer than it may take', async () => {
    const budget = new BufferBudget(SIZE);
    const other = budget.request(SIZE);
    const { source, body } = begin(budget, 20);
    source.write(head);
    const error = await new Promise<Error>((resolve) => body.once('error', resolve));
    assert.ok(error instanceof BodyRefused);
    assert.equal(error.refusal.reason, 'overloaded');
    other.release();
    assert.equal(budget.used, 0, 'it waits no more');
  });
});

const flip = (bytes: Buffer, at: number) => {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
};

/** Offsets of the bytes of all parts of a kind. */
function* offsets(parts: readonly Part[], wanted: (kind: Part['kind']) => boolean): Generator<number> {
  let start = 0;
  for (const { kind, bytes } of parts) {
    if (wanted(kind)) for (let i = 0; i < bytes.length; i++) yield start + i;
    start += bytes.length;
  }
}

for (const by of ['hmac', 'ecdsa'] as const) {
  for (const send of ['decoded', 'framed'] as const) {
    describe(`a body in signed chunks (${by}, sent on ${send}) is refused and cannot be completed`, () => {
      const { wire, plan, parts } = upload(by, chunksOf([8192, 100], 1), true, send);

      for (const kind of ['size', 'signature', 'trailer', 'trailer signature', 'framing'] as const) {
        test(`with any byte of a ${kind} changed`, async () => {
          for (const at of offsets(parts, (one) => one === kind)) {
            assertBroken(await pass(plan, [flip(wire, at)]), plan, `byte ${at}`);
          }
        });
      }

      // An ECDSA verification takes some fifty times as long as an HMAC: there the bytes are drawn at random below.
      if (by === 'hmac') {
        test('with each byte of data changed', async () => {
          for (const at of offsets(parts, (kind) => kind === 'data')) {
            assertBroken(await pass(plan, [flip(wire, at)]), plan, `byte ${at}`);
          }
        });
      }

      test('with any byte of data changed, however the body is split', async () => {
        const data = [...offsets(parts, (kind) => kind === 'data')];
        await fc.assert(
          fc.asyncProperty(fc.nat({ max: data.length - 1 }), places, async (which, cuts) => {
            const changed = flip(wire, data[which] ?? 0);
            const passed = await pass(plan, split(changed, cuts));
            assert.equal(passed.code, 'SignatureDoesNotMatch');
            assertBroken(passed, plan, `byte ${data[which]}`);
          }),
          { numRuns: 60 },
        );
      });

      test('when it ends before its end', async () => {
        const boundaries = [...offsets(parts, (kind) => kind !== 'data')];
        for (const at of [0, ...boundaries, 500, wire.length - 1]) {
          assertBroken(await pass(plan, [wire.subarray(0, at)]), plan, `cut at ${at}`);
        }
      });

      test('when more follows', async () => {
        for (const more of ['\n', '\r\n', 'x', '0\r\n\r\n'])
          assertBroken(await pass(plan, [wire, Buffer.from(more)]), plan, JSON.stringify(more));
      });

      test('when a chunk is left out, repeated or moved', async () => {
        // Size, framing, signature, line end, data, line end.
        const [first, second, rest] = [parts.slice(0, 6), parts.slice(6, 12), parts.slice(12)];
        const orders = [
          [first, rest],
          [second, rest],
          [first, first, second, rest],
          [second, first, rest],
          [rest],
        ];
        for (const order of orders) {
          const changed = wireOf(order.flat());
          const decodedLength = order
            .flat()
            .reduce((sum, { kind, bytes }) => sum + (kind === 'data' ? bytes.length : 0), 0);
          assertBroken(
            await pass({ ...plan, decodedLength }, [changed]),
            { ...plan, decodedLength: Math.max(1, decodedLength) },
            `${order.length} groups`,
          );
        }
      });
    });
  }
}

describe('a signed trailer', () => {
  const { data, plan, parts } = upload('hmac', chunksOf([8192, 100], 1), true);
  const text = wireOf(parts).toString('latin1');
  const refusedWith = async (changed: string, wanted: string, other: SignedChunksPlan = plan) => {
    const passed = await pass(other, [Buffer.from(changed, 'latin1')]);
    assert.equal(passed.code, wanted);
    assertBroken(passed, other, changed.slice(-200));
  };
  const line = `${CHECKSUM}:${crc(data)}\r\n`;
  const signature = /x-amz-trailer-signature:[0-9a-f]+\r\n/.exec(text)?.[0] ?? '';

  test('is refused without its signature', () =>
    refusedWith(text.replace(signature, ''), 'MalformedTrailerError'));
  test('is refused behind its signature', () =>
    refusedWith(text.replace(line + signature, signature + line), 'MalformedTrailerError'));
  test('is refused with two signatures', () =>
    refusedWith(text.replace(signature, signature + signature), 'MalformedTrailerError'));
  test('is refused when it is left out', () => refusedWith(text.replace(line, ''), 'SignatureDoesNotMatch'));
  test('is refused when it is left out with its signature', () =>
    refusedWith(text.replace(line + signature, ''), 'MalformedTrailerError'));
  test('is refused under another name', () =>
    refusedWith(text.replace(line, line.replace('crc32', 'crc33')), 'MalformedTrailerError'));
  test('is refused twice', () => refusedWith(text.replace(line, line + line), 'MalformedTrailerError'));
  test('is refused beside another', () =>
    refusedWith(text.replace(line, `${line}x-amz-meta-a:b\r\n`), 'MalformedTrailerError'));
  test('is refused where the payload mode has none', () =>
    refusedWith(text, 'MalformedTrailerError', { ...plan, signedTrailer: false, checksum: undefined }));
  test('may end in the bare line feed of the AWS examples', async () => {
    const { code } = await pass(plan, [
      Buffer.from(text.replace(line, line.replace('\r\n', '\n\r\n')), 'latin1'),
    ]);
    assert.equal(code, undefined);
  });
  test('is refused when it is signed well and wrong', async () => {
    const wrong = SCHEMES.hmac.sign(chunksOf([8192, 100], 1), { [CHECKSUM]: crc(Buffer.from('other')) });
    const passed = await pass(plan, [wireOf(wrong)]);
    assert.equal(passed.code, 'BadDigest');
    assertBroken(passed, plan, 'wrong checksum');
  });
  test('need not be there where a header has the checksum', async () => {
    const bare = SCHEMES.hmac.sign(chunksOf([8192, 100], 1));
    const inHeader = { ...plan, checksum: { name: CHECKSUM, algorithm: 'crc32', headerValue: crc(data) } };
    assert.equal((await pass(inHeader, [wireOf(bare)])).code, undefined);
    const wrong = { ...inHeader, checksum: { ...inHeader.checksum, headerValue: 'AAAAAA==' } };
    assert.equal((await pass(wrong, [wireOf(bare)])).code, 'BadDigest');
  });
});

describe('the sizes of chunks', () => {
  const plain = (sizes: number[]): [AwsChunkedPlan, Buffer] => {
    const framed = sizes.map((size) => `${size.toString(16)}\r\n${'a'.repeat(size)}\r\n`).join('');
    const decodedLength = sizes.reduce((sum, size) => sum + size, 0);
    const plan = {
      kind: 'aws-chunked',
      mode: 'x',
      decode: true,
      decodedLength,
      framedLength: undefined,
      checksum: undefined,
    } as const;
    return [plan, Buffer.from(`${framed}0\r\n\r\n`)];
  };
  const TABLE: readonly (readonly [sizes: number[], code: string | undefined])[] = [
    [[8192, 1], undefined],
    [[8192, 8192], undefined],
    [[8191], undefined],
    [[1], undefined],
    [[8191, 1], 'InvalidChunkSizeError'],
    [[8192, 8191, 8192], 'InvalidChunkSizeError'],
    [[1, 1], 'InvalidChunkSizeError'],
  ];
  for (const [sizes, expected] of TABLE) {
    test(`${sizes.join(' and ')} are ${expected ? 'refused' : 'taken'}, signed or not`, async () => {
      const [plan, wire] = plain(sizes);
      assert.equal((await pass(plan, [wire])).code, expected);
      const signed = upload('hmac', chunksOf(sizes, 1), false);
      assert.equal((await pass(signed.plan, [signed.wire])).code, expected);
    });
  }

  test('a signed chunk that would not fit into memory is refused by its head alone', async () => {
    const decodedLength = 5 * 1024 ** 3;
    const { plan } = upload('hmac', [], false);
    const head = (size: number) => Buffer.from(`${size.toString(16)};chunk-signature=${'a'.repeat(64)}\r\n`);
    assert.equal(
      (await pass({ ...plan, decodedLength }, [head(MAX_SIGNED_CHUNK + 1)])).code,
      'InvalidChunkSizeError',
    );
    assert.equal((await pass({ ...plan, decodedLength }, [head(MAX_SIGNED_CHUNK)])).code, 'IncompleteBody');
  });

  test('a chunk that goes beyond the decoded length is refused by its head alone', async () => {
    const { plan } = upload('hmac', [], false);
    const head = Buffer.from(`a;chunk-signature=${'a'.repeat(64)}\r\n`);
    assert.equal((await pass({ ...plan, decodedLength: 9 }, [head])).code, 'InvalidRequest');
  });
});

describe('signatures that nobody asked for', () => {
  test('are read over, and whatever they are the body comes out decoded', async () => {
    const { data, wire, plan, parts } = upload('hmac', chunksOf([8192, 100], 1), true);
    const ignoring = { ...plan, chunks: 'ignored' } as const;
    assert.ok((await pass(ignoring, [wire])).out.equals(data));
    const [at = 0] = offsets(parts, (kind) => kind === 'signature');
    const changed = Buffer.from(wire);
    changed[at] = changed[at] === 0x30 ? 0x31 : 0x30;
    assert.ok((await pass(ignoring, [changed])).out.equals(data));
  });
  test('do not make a wrong checksum right', async () => {
    const { wire, plan, parts } = upload('hmac', chunksOf([8192, 100], 1), true);
    const [at = 0] = offsets(parts, (kind) => kind === 'data');
    const passed = await pass({ ...plan, chunks: 'ignored' }, [flip(wire, at)]);
    assert.equal(passed.code, 'BadDigest');
    assertBroken(passed, plan, 'wrong checksum');
  });
});

describe('checksums', () => {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const hashed = (name: string) => async (data: Buffer) => createHash(name).update(data).digest('base64');
  const sdk =
    (make: () => { update(data: Uint8Array): void; digest(): Promise<Uint8Array> }) =>
    async (data: Buffer) => {
      const checksum = make();
      checksum.update(data);
      return base64(await checksum.digest());
    };
  const ORACLES: Readonly<Record<string, (data: Buffer) => Promise<string>>> = {
    crc32: async (data) => crc(data),
    md5: hashed('md5'),
    sha1: hashed('sha1'),
    sha256: hashed('sha256'),
    sha512: hashed('sha512'),
    xxhash64: sdk(() => new Xxh64()),
    xxhash3: sdk(() => new Xxh3_64()),
    xxhash128: sdk(() => new Xxh3_128()),
  };
  for (const [algorithm, oracle] of Object.entries(ORACLES)) {
    test(`${algorithm} of any bytes, however split and beside another body's`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), places, async (bytes, cuts) => {
          const data = Buffer.from(bytes);
          const [one, other] = [startChecksum(algorithm), startChecksum(algorithm)];
          for (const piece of split(
            data,
            cuts.map((cut) => cut % 2000),
          )) {
            one.update(piece);
            other.update(Buffer.from('x'));
          }
          assert.equal(await one.digest(), await oracle(data));
        }),
        { numRuns: 60 },
      );
    });
  }

  // "123456789" for the CRCs; nothing for xxHash: the check values of their specifications.
  const PUBLISHED: readonly (readonly [algorithm: string, data: string, hex: string])[] = [
    ['crc32', '123456789', 'cbf43926'],
    ['crc32c', '123456789', 'e3069283'],
    ['crc64nvme', '123456789', 'ae8b14860a799888'],
    ['xxhash64', '', 'ef46db3751d8e999'],
    ['xxhash3', '', '2d06800538d394c2'],
    ['xxhash128', '', '99aa06d3014798d86001c324468d497f'],
  ];
  for (const [algorithm, data, hex] of PUBLISHED) {
    test(`${algorithm} has the published value, big-endian`, async () => {
      const checksum = startChecksum(algorithm);
      checksum.update(Buffer.from(data));
      assert.equal(await checksum.digest(), Buffer.from(hex, 'hex').toString('base64'));
    });
  }
});
