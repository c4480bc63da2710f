// Small bodies: read whole they come to what the same bytes come to as a stream, and a client that leaves comes to nothing.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { crc32 } from 'node:zlib';
import * as fc from 'fast-check';
import { BodyRefused, ProvenBody } from '../../src/gateway/body.ts';
import { BufferBudget } from '../../src/gateway/buffer-budget.ts';
import { isSmall, readWhole, type WholeBodyPlan } from '../../src/gateway/whole-body.ts';

const IDLE_MS = 5_000;

function framed(data: Buffer, checksum: string): Buffer {
  const chunk = data.length === 0 ? '' : `${data.length.toString(16)}\r\n${data.toString('latin1')}\r\n`;
  return Buffer.from(`${chunk}0\r\nx-amz-checksum-crc32:${checksum}\r\n\r\n`, 'latin1');
}

function checksumOf(data: Buffer): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(data));
  return bytes.toString('base64');
}

function chunkedPlan(wire: Buffer, decodedLength: number, decode: boolean): WholeBodyPlan {
  return {
    kind: 'aws-chunked',
    mode: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    decode,
    decodedLength,
    framedLength: wire.length,
    checksum: { name: 'x-amz-checksum-crc32', algorithm: 'crc32', headerValue: undefined },
  };
}

function pieces(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
}

/** What came out, or the code of the refusal. */
async function whole(plan: WholeBodyPlan, sent: readonly Buffer[]): Promise<Buffer | string | undefined> {
  const request = new PassThrough();
  const reading = readWhole(request, plan, IDLE_MS, () => {});
  for (const piece of sent) request.write(piece);
  request.end();
  const result = await reading;
  if (!result) return undefined;
  return 'bytes' in result ? result.bytes : result.refusal.code;
}

async function streamed(plan: WholeBodyPlan, sent: readonly Buffer[]): Promise<Buffer | string> {
  const source = new PassThrough();
  const body = new ProvenBody(source, plan, { budget: new BufferBudget(0), waitMs: IDLE_MS });
  const out: Buffer[] = [];
  body.on('data', (piece) => out.push(piece));
  for (const piece of sent) source.write(piece);
  source.end();
  try {
    await once(body, 'end');
    return Buffer.concat(out);
  } catch (error) {
    assert.ok(error instanceof BodyRefused);
    return error.refusal.code;
  }
}

describe('a small body', () => {
  const data = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  const flaw = fc.option(fc.nat({ max: 400 }), { nil: undefined });

  test('read whole, plain, is what it is as a stream', async () => {
    await fc.assert(
      fc.asyncProperty(data, fc.boolean(), fc.integer({ min: 1, max: 64 }), async (body, right, size) => {
        const sha256 = createHash('sha256')
          .update(right ? body : 'something else')
          .digest('hex');
        const plan: WholeBodyPlan = { kind: 'plain', length: body.length, sha256 };
        const result = await whole(plan, pieces(body, size));
        assert.deepEqual(result, await streamed(plan, pieces(body, size)));
        assert.equal(typeof result === 'string', !right);
      }),
    );
  });

  test('read whole, with a trailer, is what it is as a stream, whatever is wrong with it', async () => {
    await fc.assert(
      fc.asyncProperty(
        data,
        flaw,
        fc.boolean(),
        fc.integer({ min: 1, max: 64 }),
        async (body, flip, decode, size) => {
          const wire = framed(body, checksumOf(body));
          if (flip !== undefined) wire[flip % wire.length] = (wire[flip % wire.length] ?? 0) ^ 1;
          const plan = chunkedPlan(wire, body.length, decode);
          const result = await whole(plan, pieces(wire, size));
          assert.deepEqual(result, await streamed(plan, pieces(wire, size)));
          if (flip === undefined) assert.deepEqual(result, decode ? body : wire);
        },
      ),
    );
  });

  test('of a client that leaves in the middle comes to nothing', async () => {
    const request = new PassThrough();
    const plan: WholeBodyPlan = { kind: 'plain', length: 10, sha256: undefined };
    const reading = readWhole(request, plan, IDLE_MS, () => {});
    request.write('half');
    request.destroy();
    assert.equal(await reading, undefined);
  });

  test('of a client that stops sending is cut off', async () => {
    const request = new PassThrough();
    request.on('error', () => {});
    const reading = readWhole(request, { kind: 'plain', length: 10, sha256: undefined }, 20, () => {});
    request.write('half');
    assert.equal(await reading, undefined);
    assert.equal(request.destroyed, true);
  });

  test('is told from a large one, and from one that goes on with HTTP chunks', () => {
    assert.equal(isSmall({ kind: 'plain', length: 16_384, sha256: undefined }), true);
    assert.equal(isSmall({ kind: 'plain', length: 16_385, sha256: undefined }), false);
    assert.equal(isSmall({ kind: 'raw', length: 1 }), false);
    const plan = chunkedPlan(Buffer.alloc(100), 10, false);
    assert.equal(isSmall(plan), true);
    assert.equal(isSmall({ ...plan, framedLength: undefined } as WholeBodyPlan), false);
    assert.equal(isSmall({ ...plan, framedLength: undefined, decode: true } as WholeBodyPlan), true);
  });
});
