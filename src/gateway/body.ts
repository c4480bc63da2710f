// The body on its way to the backend. Its last piece is held back until everything that vouches for it has been proven:
// a body that fails is broken off, so that no backend can complete what it has of it.
import { Transform, type TransformCallback } from 'node:stream';
import type { AwsChunkedPlan, BodyPlan } from '../core/policy/body-plan.ts';
import { isChecksumValue } from '../core/policy/body-plan.ts';
import type { Refusal } from '../core/refusal.ts';
import * as refusals from '../core/refusal.ts';
import { AwsChunkedDecoder, type ChunkedEvent } from '../core/s3/aws-chunked.ts';
import { type RunningDigest, startDigest } from '../core/sigv4/digest.ts';
import { type RunningChecksum, startChecksum } from './checksums.ts';

/** Breaks off a body; carries what the client is to be told. */
export class BodyRefused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(`the request body was refused: ${refusal.code}`);
    this.name = 'BodyRefused';
    this.refusal = refusal;
  }
}

/** What proves a body while it passes. */
interface Proof {
  /** Takes received bytes; gives the bytes to send on, or the refusal. */
  take(bytes: Buffer): readonly Uint8Array[] | Refusal;
  /** At the end of the received body; `undefined` when everything holds. */
  finish(): Promise<Refusal | undefined>;
}

/** The stream between the client's request and the backend's. */
export class ProvenBody extends Transform {
  readonly #proof: Proof;
  #held: Uint8Array | undefined;
  #received = 0;

  constructor(plan: Exclude<BodyPlan, { kind: 'none' }>) {
    super();
    this.#proof = plan.kind === 'plain' ? proveSha256(plan.sha256) : proveAwsChunked(plan);
  }

  /** Bytes taken from the client so far. */
  get received(): number {
    return this.#received;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#received += chunk.length;
    const pieces = this.#proof.take(chunk);
    if ('reason' in pieces) {
      done(new BodyRefused(pieces));
      return;
    }
    for (const piece of pieces) {
      if (piece.length === 0) continue;
      if (this.#held) this.push(this.#held);
      this.#held = piece;
    }
    done();
  }

  override _flush(done: TransformCallback): void {
    this.#proof.finish().then(
      (refusal) => {
        if (refusal) {
          done(new BodyRefused(refusal));
          return;
        }
        if (this.#held) this.push(this.#held);
        done();
      },
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    );
  }
}

/** A plain body. Its length is HTTP's business: Node breaks off what is shorter, the backend's client what is longer. */
function proveSha256(expected: string | undefined): Proof {
  if (expected === undefined) return { take: (bytes) => [bytes], finish: async () => undefined };
  const digest: RunningDigest = startDigest('sha256');
  return {
    take: (bytes) => {
      digest.update(bytes);
      return [bytes];
    },
    finish: async () => {
      const computed = digest.digest().toString('hex');
      return computed === expected ? undefined : refusals.payloadMismatch(expected, computed);
    },
  };
}

function proveAwsChunked(plan: AwsChunkedPlan): Proof {
  const decoder = new AwsChunkedDecoder(false);
  const checksum = plan.checksum && startChecksum(plan.checksum.algorithm);
  const trailers = new Map<string, string>();
  let decoded = 0;
  return {
    take: (bytes) => {
      const pieces: Uint8Array[] = [];
      for (const event of decoder.push(bytes)) {
        if (event.kind === 'malformed')
          return decoder.done ? refusals.trailerMalformed() : refusals.chunkedBodyMalformed();
        if (event.kind === 'trailer') {
          const refusal = takeTrailer(plan, trailers, event);
          if (refusal) return refusal;
        }
        if (event.kind !== 'data') continue;
        decoded += event.bytes.length;
        if (decoded > plan.decodedLength) return refusals.chunkedBodyMalformed();
        checksum?.update(event.bytes);
        pieces.push(event.bytes);
      }
      return plan.decode ? pieces : [bytes];
    },
    finish: async () => {
      if (!decoder.done || decoded !== plan.decodedLength) return refusals.bodyIncomplete();
      return checkChecksum(plan, trailers, checksum);
    },
  };
}

/** Only the announced trailer may come, and once. It never becomes a header. */
function takeTrailer(
  plan: AwsChunkedPlan,
  trailers: Map<string, string>,
  { name, value }: Extract<ChunkedEvent, { kind: 'trailer' }>,
): Refusal | undefined {
  if (name !== plan.checksum?.name || trailers.has(name)) return refusals.trailerMalformed();
  trailers.set(name, value);
  return undefined;
}

async function checkChecksum(
  plan: AwsChunkedPlan,
  trailers: ReadonlyMap<string, string>,
  checksum: RunningChecksum | undefined,
): Promise<Refusal | undefined> {
  if (!plan.checksum || !checksum) return undefined;
  const { name, algorithm, headerValue } = plan.checksum;
  const given = trailers.get(name) ?? headerValue;
  if (given === undefined) return refusals.trailerMalformed();
  if (!isChecksumValue(algorithm, given)) return refusals.checksumInvalid(name);
  return (await checksum.digest()) === given ? undefined : refusals.checksumMismatch(algorithm.toUpperCase());
}
