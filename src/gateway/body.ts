// The body on its way to the backend. Its last piece is held back until everything that vouches for it has been proven:
// a body that fails is broken off, so that no backend can complete what it has of it. A signed chunk is held back whole.
import { Readable } from 'node:stream';
import type { AwsChunkedPlan, BodyPlan } from '../core/policy/body-plan.ts';
import { isChecksumValue } from '../core/policy/body-plan.ts';
import type { Refusal } from '../core/refusal.ts';
import * as refusals from '../core/refusal.ts';
import {
  AwsChunkedDecoder,
  AwsChunkedEncoder,
  type ChunkedEvent,
  ChunkSizes,
  MAX_SIGNED_CHUNK,
} from '../core/s3/aws-chunked.ts';
import { type ChunkProof, type ChunkSeed, ChunkSignatures } from '../core/sigv4/chunk-signatures.ts';
import { type RunningDigest, startDigest } from '../core/sigv4/digest.ts';
import type { BufferBudget, BufferShare } from './buffer-budget.ts';
import { type RunningChecksum, startChecksum } from './checksums.ts';
import type { FormUpload } from './form.ts';
import { bodyPassed } from './garbage.ts';
import { Pieces } from './pieces.ts';

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
export interface Proof {
  /** Takes received bytes; gives the bytes to send on, or the refusal. */
  take(bytes: Buffer): readonly Uint8Array[] | Refusal;
  /** At the end of the received body: what is still to be sent when everything holds, or the refusal. */
  finish(): Promise<readonly Uint8Array[] | Refusal>;
}

/** Room in memory for signed chunks, and how long a body waits for it. */
export interface BodyRoom {
  readonly budget: BufferBudget;
  readonly waitMs: number;
}

/** The body of a client's request as the backend's is to read it: proven, as it comes. */
export class ProvenBody extends Readable {
  readonly #source: Readable;
  readonly #proof: Proof;
  readonly #room: ChunkRoom | undefined;
  #held: Uint8Array | undefined;
  #received = 0;
  /** Whoever reads has enough for now. */
  #full = false;
  /** A signed chunk waits for room in memory. */
  #crowded = false;

  /** `form` is set where the body is the file of a form: part of it has been read with the fields. */
  constructor(
    source: Readable,
    plan: Exclude<BodyPlan, { kind: 'none' }>,
    room: BodyRoom,
    form?: FormUpload,
  ) {
    super();
    this.#source = source;
    if (plan.kind === 'aws-chunked') this.#room = new ChunkRoom(room);
    this.#proof = form ? proveForm(form) : proofOf(plan, this.#room);
    this.#pass(form?.read ?? []);
    // All of a small form comes with its fields.
    if (source.readableEnded) this.#finish();
    else source.on('data', this.#take).once('end', this.#finish).resume();
  }

  /** Bytes taken from the client so far. */
  get received(): number {
    return this.#received;
  }

  /** Whether nothing is taken from the client at the moment, and not for its own sake. */
  get waits(): boolean {
    return this.#full || this.#crowded;
  }

  readonly #take = (chunk: Buffer): void => {
    this.#received += chunk.length;
    bodyPassed(chunk.length);
    const pieces = this.#proof.take(chunk);
    if ('reason' in pieces) {
      this.destroy(new BodyRefused(pieces));
      return;
    }
    if (!this.#pass(pieces)) this.#full = true;
    if (this.#room) this.#waitForRoom(this.#room);
    if (this.waits) this.#source.pause();
  };

  #waitForRoom(room: ChunkRoom): void {
    this.#crowded = true;
    room.whenThere((refused) => {
      this.#crowded = false;
      if (refused) this.destroy(refused);
      else this.#goOn();
    });
  }

  #goOn(): void {
    if (!this.waits && !this.destroyed) this.#source.resume();
  }

  override _read(): void {
    this.#room?.passed();
    this.#full = false;
    this.#goOn();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#source.off('data', this.#take).off('end', this.#finish).pause();
    this.#room?.close();
    done(error);
  }

  /** Pushes all but the last piece; says whether whoever reads wants more. */
  #pass(pieces: readonly Uint8Array[]): boolean {
    let wanted = true;
    for (const piece of pieces) {
      if (piece.length === 0) continue;
      if (this.#held) wanted = this.push(this.#held);
      this.#held = piece;
    }
    return wanted;
  }

  readonly #finish = (): void => {
    this.#proof.finish().then(
      (pieces) => {
        if (this.destroyed) return;
        if ('reason' in pieces) {
          this.destroy(new BodyRefused(pieces));
          return;
        }
        this.#pass(pieces);
        if (this.#held) this.push(this.#held);
        this.push(null);
      },
      (error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))),
    );
  };
}

/** What proves a body of this plan. Without `room` its chunks must be small enough to need none. */
export function proofOf(plan: Exclude<BodyPlan, { kind: 'none' }>, room?: ChunkRoom): Proof {
  if (plan.kind === 'aws-chunked') return new ChunkedProof(plan, room);
  return proveSha256(plan.kind === 'plain' ? plan.sha256 : undefined);
}

/** A plain body. Its length is HTTP's business: Node breaks off what is shorter, the backend's client what is longer. */
function proveSha256(expected: string | undefined): Proof {
  if (expected === undefined) return { take: (bytes) => [bytes], finish: async () => [] };
  const digest: RunningDigest = startDigest('sha256');
  return {
    take: (bytes) => {
      digest.update(bytes);
      return [bytes];
    },
    finish: async () => {
      const computed = digest.digest().toString('hex');
      return computed === expected ? [] : refusals.payloadMismatch(expected, computed);
    },
  };
}

/** The file of a form; the parser lets its last byte go only once the form has ended as it must. */
function proveForm({ parser }: FormUpload): Proof {
  return {
    take: (bytes) => {
      const pieces: Uint8Array[] = [];
      for (const event of parser.push(bytes)) {
        if (event.kind === 'refused') return event.refusal;
        if (event.kind === 'data') pieces.push(event.bytes);
      }
      return pieces;
    },
    finish: async () => (parser.done ? [] : refusals.bodyIncomplete()),
  };
}

/** An aws-chunked body: its grammar, lengths, signatures and checksum. */
class ChunkedProof implements Proof {
  readonly #plan: AwsChunkedPlan;
  readonly #decoder: AwsChunkedDecoder;
  readonly #sizes: ChunkSizes;
  readonly #checksum: RunningChecksum | undefined;
  readonly #signed: SignedChunks | undefined;
  /** `undefined` where the body is decoded, or keeps the framing it came in. */
  readonly #encoder: AwsChunkedEncoder | undefined;
  readonly #trailers = new Map<string, string>();
  #trailerSignature: string | undefined;
  #announced = 0;
  #decoded = 0;
  #inTrailers = false;

  constructor(plan: AwsChunkedPlan, room: ChunkRoom | undefined) {
    const signed = 'chunks' in plan;
    const seed = signed && plan.chunks !== 'ignored' ? plan.chunks : undefined;
    this.#plan = plan;
    this.#decoder = new AwsChunkedDecoder(signed);
    this.#sizes = new ChunkSizes(seed ? MAX_SIGNED_CHUNK : Number.POSITIVE_INFINITY);
    this.#checksum = plan.checksum && startChecksum(plan.checksum.algorithm);
    this.#signed = seed && new SignedChunks(seed, room);
    this.#encoder = signed && !plan.decode ? new AwsChunkedEncoder(plan.decodedLength) : undefined;
  }

  take(bytes: Buffer): readonly Uint8Array[] | Refusal {
    const data: Uint8Array[] = [];
    for (const event of this.#decoder.push(bytes)) {
      const refusal = this.#read(event, data);
      if (refusal) return refusal;
    }
    const { decode } = this.#plan;
    if (this.#encoder) return data.flatMap((piece) => this.#encoder?.push(piece) ?? []);
    return decode ? data : [bytes];
  }

  #read(event: ChunkedEvent, data: Uint8Array[]): Refusal | undefined {
    switch (event.kind) {
      case 'chunk':
        return this.#startChunk(event.size, event.signature ?? '');
      case 'data':
        this.#decoded += event.bytes.length;
        this.#checksum?.update(event.bytes);
        if (this.#signed) this.#signed.take(event.bytes);
        else data.push(event.bytes);
        return undefined;
      case 'chunk-end':
        return this.#signed?.endChunk(data);
      case 'trailer':
        return this.#takeTrailer(event.name, event.value);
      case 'end':
        this.#inTrailers = false;
        return this.#proveTrailers();
      case 'malformed':
        return this.#inTrailers ? refusals.trailerMalformed() : refusals.chunkedBodyMalformed();
    }
  }

  #startChunk(size: number, signature: string): Refusal | undefined {
    this.#announced += size;
    this.#inTrailers = size === 0;
    if (this.#announced > this.#plan.decodedLength) return refusals.chunkedBodyMalformed();
    const refusal = this.#sizes.check(size);
    if (!refusal) this.#signed?.startChunk(size, signature);
    return refusal;
  }

  /** Only the announced trailer may come, and once, and behind it a signature where there is one. It never becomes a header. */
  #takeTrailer(name: string, value: string): Refusal | undefined {
    if (this.#trailerSignature !== undefined) return refusals.trailerMalformed();
    if (name === TRAILER_SIGNATURE && 'chunks' in this.#plan && this.#plan.signedTrailer) {
      this.#trailerSignature = value;
      return undefined;
    }
    if (name !== this.#plan.checksum?.name || this.#trailers.has(name)) return refusals.trailerMalformed();
    this.#trailers.set(name, value);
    return undefined;
  }

  #proveTrailers(): Refusal | undefined {
    if (!this.#signed) return undefined;
    const signature = this.#trailerSignature;
    if (signature !== undefined) return this.#signed.proveTrailers(this.#trailers, signature);
    return this.#trailers.size === 0 ? undefined : refusals.trailerMalformed();
  }

  async finish(): Promise<readonly Uint8Array[] | Refusal> {
    const { checksum, decodedLength } = this.#plan;
    if (!this.#decoder.done || this.#decoded !== decodedLength) return refusals.bodyIncomplete();
    if (!checksum || !this.#checksum) return [];
    const { name, algorithm, headerValue } = checksum;
    const given = this.#trailers.get(name) ?? headerValue;
    if (given === undefined) return refusals.trailerMalformed();
    if (!isChecksumValue(algorithm, given)) return refusals.checksumInvalid(name);
    if ((await this.#checksum.digest()) !== given) return refusals.checksumMismatch(algorithm.toUpperCase());
    return this.#encoder ? [this.#encoder.end(name, given)] : [];
  }
}

const TRAILER_SIGNATURE = 'x-amz-trailer-signature';

/** Keeps each chunk until its signature is proven. Holds one chunk. */
class SignedChunks {
  readonly #seed: ChunkSeed;
  readonly #chain: ChunkSignatures;
  readonly #room: ChunkRoom | undefined;
  readonly #pieces = new Pieces();
  #signature = '';

  constructor(seed: ChunkSeed, room: ChunkRoom | undefined) {
    this.#seed = seed;
    this.#chain = new ChunkSignatures(seed);
    this.#room = room;
  }

  /** `size` is at most MAX_SIGNED_CHUNK. */
  startChunk(size: number, signature: string): void {
    this.#room?.start(size);
    this.#signature = signature;
  }

  take(bytes: Uint8Array): void {
    this.#chain.update(bytes);
    this.#pieces.add(bytes);
  }

  /** Puts the chunk into `data` if its signature holds. */
  endChunk(data: Uint8Array[]): Refusal | undefined {
    const refusal = this.#refusalOf(this.#chain.proveChunk(this.#signature), this.#signature);
    if (refusal) return refusal;
    for (const piece of this.#pieces.take()) data.push(piece);
    this.#room?.proven();
    return undefined;
  }

  proveTrailers(trailers: ReadonlyMap<string, string>, signature: string): Refusal | undefined {
    return this.#refusalOf(this.#chain.proveTrailers(trailers, signature), signature);
  }

  #refusalOf(proof: ChunkProof, signatureProvided: string): Refusal | undefined {
    if (proof.kind === 'proven') return undefined;
    const { accessKeyId } = this.#seed;
    const { stringToSign } = proof;
    return refusals.signatureMismatch({
      accessKeyId,
      stringToSign,
      signatureProvided,
      canonicalRequest: undefined,
    });
  }
}

/** Largest chunk that needs no room of its own, in bytes: as much as a stream holds anyway. */
const FREE_CHUNK = 64 * 1024;

/** The room of one body: for the chunk that waits for its proof, and for those that wait for the backend. */
class ChunkRoom {
  readonly #given: BodyRoom;
  #current: BufferShare | undefined;
  #leaving: BufferShare[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(given: BodyRoom) {
    this.#given = given;
  }

  /** A chunk begins. */
  start(size: number): void {
    if (size > FREE_CHUNK) this.#current = this.#given.budget.request(size);
  }

  /** The chunk is proven; its bytes go on. */
  proven(): void {
    if (this.#current) this.#leaving.push(this.#current);
    this.#current = undefined;
  }

  /** All bytes but a few have gone on. */
  passed(): void {
    if (this.#leaving.length === 0) return;
    for (const share of this.#leaving.splice(0)) share.release();
  }

  /** Goes on once there is room for the chunk that has begun; until then nothing more is read of the body. */
  whenThere(done: (refused?: BodyRefused) => void): void {
    const share = this.#current;
    if (!share || share.granted) {
      done();
      return;
    }
    this.#timer = setTimeout(() => done(new BodyRefused(refusals.overloaded())), this.#given.waitMs);
    share.whenGranted(() => {
      clearTimeout(this.#timer);
      // Not here and now: whoever made room is in the middle of its own work.
      queueMicrotask(done);
    });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#current?.release();
    this.#current = undefined;
    this.passed();
  }
}
