// The aws-chunked framing inside a body: read as bytes in, events out, split anywhere, and
// written without signatures. Checks the grammar and bounds only; digests and signatures are checked by whoever reads
// the events.
import { trimOws } from '../http/headers.ts';
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';

/** What the decoder found, in order. `data` is a view of the bytes it was given, valid until they are reused. */
export type ChunkedEvent =
  | { readonly kind: 'chunk'; readonly size: number; readonly signature: string | undefined }
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'chunk-end' }
  | { readonly kind: 'trailer'; readonly name: string; readonly value: string }
  | { readonly kind: 'end' }
  /** The body breaks the grammar; nothing follows. */
  | { readonly kind: 'malformed' };

/** Longest line of the framing in bytes: a chunk head is about 100, a trailer about 200. */
const MAX_LINE = 1024;
/** Trailer lines a body may carry. */
const MAX_TRAILERS = 16;
/** Largest chunk, in bytes: the largest single upload of S3. */
const MAX_CHUNK = 5 * 1024 ** 3;

type State = 'chunk-head' | 'data' | 'data-end' | 'trailers' | 'done' | 'broken';

/** Decodes one aws-chunked body. Memory is bounded by one line, whatever arrives. */
export class AwsChunkedDecoder {
  readonly #signed: boolean;
  #state: State = 'chunk-head';
  #line = '';
  #remaining = 0;
  #trailers = 0;
  #heldTrailer: string | undefined;

  /** `signed`: every chunk head must carry a `chunk-signature`; otherwise none may. */
  constructor(signed: boolean) {
    this.#signed = signed;
  }

  /** Whether the final chunk and the closing line have been read. A body that ends before is incomplete. */
  get done(): boolean {
    return this.#state === 'done';
  }

  /** Reads the next bytes. After `malformed` and after `end` any further byte is malformed. */
  push(bytes: Uint8Array): ChunkedEvent[] {
    const events: ChunkedEvent[] = [];
    let offset = 0;
    while (offset < bytes.length && this.#state !== 'broken') {
      offset =
        this.#state === 'data'
          ? this.#takeData(bytes, offset, events)
          : this.#takeLine(bytes, offset, events);
    }
    return events;
  }

  #takeData(bytes: Uint8Array, offset: number, events: ChunkedEvent[]): number {
    const end = Math.min(bytes.length, offset + this.#remaining);
    events.push({ kind: 'data', bytes: bytes.subarray(offset, end) });
    this.#remaining -= end - offset;
    if (this.#remaining === 0) this.#state = 'data-end';
    return end;
  }

  #takeLine(bytes: Uint8Array, offset: number, events: ChunkedEvent[]): number {
    const newline = bytes.indexOf(0x0a, offset);
    const end = newline < 0 ? bytes.length : newline + 1;
    if (this.#state === 'done' || this.#line.length + (end - offset) > MAX_LINE) {
      this.#break(events);
      return end;
    }
    this.#line += Buffer.from(bytes.buffer, bytes.byteOffset + offset, end - offset).toString('latin1');
    if (newline >= 0) {
      const line = this.#line;
      this.#line = '';
      this.#readLine(line, events);
    }
    return end;
  }

  #readLine(line: string, events: ChunkedEvent[]): void {
    const text = line.endsWith('\r\n') ? line.slice(0, -2) : undefined;
    if (this.#state === 'trailers') this.#readTrailerLine(line, text, events);
    else if (text === undefined) this.#break(events);
    else if (this.#state === 'chunk-head') this.#readChunkHead(text, events);
    else this.#readDataEnd(text, events);
  }

  #readChunkHead(text: string, events: ChunkedEvent[]): void {
    const match = /^([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}|[0-9a-f*]{144}))?$/.exec(text);
    const size = Number.parseInt(match?.[1] ?? '', 16);
    const signature = match?.[2];
    if (!match || size > MAX_CHUNK || (signature !== undefined) !== this.#signed) {
      this.#break(events);
      return;
    }
    events.push({ kind: 'chunk', size, signature });
    this.#remaining = size;
    this.#state = size === 0 ? 'trailers' : 'data';
    if (size === 0) events.push({ kind: 'chunk-end' });
  }

  #readDataEnd(text: string, events: ChunkedEvent[]): void {
    if (text === '') {
      events.push({ kind: 'chunk-end' });
      this.#state = 'chunk-head';
    } else {
      this.#break(events);
    }
  }

  // AWS's examples of signed trailers put a bare line feed right before the CRLF; it is not part of the value.
  #readTrailerLine(line: string, text: string | undefined, events: ChunkedEvent[]): void {
    const held = this.#heldTrailer;
    this.#heldTrailer = undefined;
    if (held === undefined && text === undefined && line !== '\n') this.#heldTrailer = line.slice(0, -1);
    else if (text === undefined || (held !== undefined && text !== '')) this.#break(events);
    else this.#readTrailer(held ?? text, events);
  }

  #readTrailer(text: string, events: ChunkedEvent[]): void {
    if (text === '') {
      this.#state = 'done';
      events.push({ kind: 'end' });
      return;
    }
    const colon = text.indexOf(':');
    const name = text.slice(0, Math.max(colon, 0)).toLowerCase();
    this.#trailers += 1;
    if (!/^[a-z0-9-]+$/.test(name) || this.#trailers > MAX_TRAILERS) this.#break(events);
    else events.push({ kind: 'trailer', name, value: trimOws(text.slice(colon + 1)) });
  }

  #break(events: ChunkedEvent[]): void {
    this.#state = 'broken';
    events.push({ kind: 'malformed' });
  }
}

/** Smallest chunk that another with data may follow, in bytes. */
const MIN_CHUNK = 8192;
/** Largest signed chunk, in bytes: it waits in memory until its signature is proven. SDKs sign 64 KiB to 1 MiB at once. */
export const MAX_SIGNED_CHUNK: number = 16 * 1024 ** 2;

/**
 * Holds the sizes of chunks to S3's rule, as each is announced: only the last one with data may have less than 8 KiB.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
 */
export class ChunkSizes {
  readonly #maximum: number;
  #count = 0;
  #previous = MIN_CHUNK;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  check(size: number): Refusal | undefined {
    if (size > 0 && this.#previous < MIN_CHUNK) return refusals.chunkTooSmall(this.#count, this.#previous);
    this.#count += 1;
    this.#previous = size;
    return size > this.#maximum ? refusals.chunkTooLarge(this.#count, size, this.#maximum) : undefined;
  }
}

/** Size of the chunks the gateway writes, in bytes; the last one may be smaller. Stores of other makers take up to 16 MiB. */
const WRITTEN_CHUNK = 1024 ** 2;

/** Frames a body whose length is known, without signatures and with one trailer. Copies no data. */
export class AwsChunkedEncoder {
  #unwritten: number;
  #inChunk = 0;

  constructor(decodedLength: number) {
    this.#unwritten = decodedLength;
  }

  /** Frames the next bytes; all of them together come to the length given. */
  push(bytes: Uint8Array): Uint8Array[] {
    const out: Uint8Array[] = [];
    let offset = 0;
    while (offset < bytes.length) {
      if (this.#inChunk === 0) this.#startChunk(out);
      const end = Math.min(bytes.length, offset + this.#inChunk);
      out.push(bytes.subarray(offset, end));
      this.#inChunk -= end - offset;
      if (this.#inChunk === 0) out.push(Buffer.from('\r\n'));
      offset = end;
    }
    return out;
  }

  #startChunk(out: Uint8Array[]): void {
    if (this.#unwritten === 0) throw new Error('more data than the length that was announced');
    this.#inChunk = Math.min(WRITTEN_CHUNK, this.#unwritten);
    this.#unwritten -= this.#inChunk;
    out.push(Buffer.from(`${this.#inChunk.toString(16)}\r\n`));
  }

  /** What follows the last byte of data. */
  end(name: string, value: string): Uint8Array {
    return Buffer.from(`0\r\n${name}:${value}\r\n\r\n`, 'latin1');
  }
}

/** What a body comes to in the framing of `AwsChunkedEncoder`. */
export function lengthWithTrailer(decodedLength: number, name: string, valueLength: number): number {
  const full = Math.floor(decodedLength / WRITTEN_CHUNK);
  const rest = decodedLength % WRITTEN_CHUNK;
  const framing = (size: number) => size.toString(16).length + 4;
  const chunks = full * framing(WRITTEN_CHUNK) + (rest === 0 ? 0 : framing(rest));
  return decodedLength + chunks + '0\r\n'.length + name.length + 1 + valueLength + '\r\n\r\n'.length;
}
