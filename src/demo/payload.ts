// Reads a request's body whole and verifies it: length, payload hash, aws-chunked framing and checksums.
// What does not hold gives a fault, and then nothing of it is stored. Must not know operations.
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import * as refusals from '../core/refusal.ts';
import { AwsChunkedDecoder } from '../core/s3/aws-chunked.ts';
import { type PayloadMode, payloadModeOf } from '../core/s3/payload-mode.ts';
import { startChecksum } from '../gateway/checksums.ts';
import { type Fault, fault, isFault } from './answers.ts';

/** What the request says of its body. */
export interface PayloadClaim {
  /** The signed value of `x-amz-content-sha256`. */
  readonly payloadHash: string;
  readonly fields: ReadonlyMap<string, string>;
  /** Largest body that is taken, in bytes. */
  readonly maximum: number;
}

/** An object's bytes, and the `x-amz-checksum-*` that they were sent with and have. */
export interface Payload {
  readonly bytes: Buffer;
  readonly checksums: readonly (readonly [name: string, value: string])[];
}

const CHECKSUM_PREFIX = 'x-amz-checksum-';
const CHECKSUMS = ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'];
/** The framing of a body may take this much beside its data: chunk heads of chunks as small as 8 KiB, and trailers. */
const FRAMING_SHARE = 1 / 64;
const FRAMING_LEAST = 4096;

/** The whole body, verified. Rejects where the client leaves before its end. */
export async function readPayload(request: IncomingMessage, claim: PayloadClaim): Promise<Payload | Fault> {
  const mode = payloadModeOf(claim.payloadHash);
  if (!mode) return refusals.contentSha256Invalid(claim.payloadHash);
  const received = await collect(request, bodyLimit(mode, claim.maximum));
  if (!received) return refusals.tooLarge(declaredSize(claim), claim.maximum);
  const decoded = mode.kind === 'aws-chunked' ? unwrap(received, mode, claim) : plain(received, mode);
  if (isFault(decoded)) return decoded;
  if (decoded.bytes.length > claim.maximum) return refusals.tooLarge(decoded.bytes.length, claim.maximum);
  return (await verifyDigests(decoded, claim.fields)) ?? decoded;
}

function bodyLimit(mode: PayloadMode, maximum: number): number {
  return mode.kind === 'aws-chunked' ? maximum * (1 + FRAMING_SHARE) + FRAMING_LEAST : maximum;
}

function declaredSize({ fields, maximum }: PayloadClaim): number {
  const declared = Number(fields.get('x-amz-decoded-content-length') ?? fields.get('content-length'));
  return Number.isSafeInteger(declared) ? declared : maximum + 1;
}

async function collect(request: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > limit) return undefined;
  const pieces: Buffer[] = [];
  let size = 0;
  // Destroying the request would take the connection along, and with it the answer.
  const body: AsyncIterable<Buffer> = request.iterator({ destroyOnReturn: false });
  for await (const piece of body) {
    size += piece.length;
    if (size > limit) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces, size);
}

function plain(bytes: Buffer, mode: Exclude<PayloadMode, { kind: 'aws-chunked' }>): Payload | Fault {
  if (mode.kind === 'unsigned') return { bytes, checksums: [] };
  const computed = createHash('sha256').update(bytes).digest('hex');
  return computed === mode.sha256
    ? { bytes, checksums: [] }
    : refusals.payloadMismatch(mode.sha256, computed);
}

function unwrap(
  body: Buffer,
  mode: Extract<PayloadMode, { kind: 'aws-chunked' }>,
  { fields }: PayloadClaim,
): Payload | Fault {
  if (mode.chunkSignature !== 'none') return refusals.payloadModeNotSupported(mode.value);
  const decoder = new AwsChunkedDecoder(false);
  const pieces: Uint8Array[] = [];
  const trailers: [string, string][] = [];
  for (const event of decoder.push(body)) {
    if (event.kind === 'malformed') return refusals.chunkedBodyMalformed();
    if (event.kind === 'data') pieces.push(event.bytes);
    if (event.kind === 'trailer') trailers.push([event.name, event.value]);
  }
  const bytes = Buffer.concat(pieces);
  const declared = fields.get('x-amz-decoded-content-length');
  if (!decoder.done || declared !== String(bytes.length)) return refusals.bodyIncomplete();
  const announced = fields.get('x-amz-trailer')?.toLowerCase();
  const [trailer, ...more] = trailers;
  return trailer && more.length === 0 && trailer[0] === announced
    ? { bytes, checksums: [trailer] }
    : refusals.trailerMalformed();
}

async function verifyDigests(
  payload: Payload,
  fields: ReadonlyMap<string, string>,
): Promise<Payload | Fault> {
  const md5 = fields.get('content-md5');
  if (md5 !== undefined && createHash('md5').update(payload.bytes).digest('base64') !== md5) {
    return fault(400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.');
  }
  const inHeaders = [...fields].filter(([name]) =>
    CHECKSUMS.some((known) => name === CHECKSUM_PREFIX + known),
  );
  const checksums = [...payload.checksums, ...inHeaders];
  for (const [name, value] of checksums) {
    const algorithm = name.slice(CHECKSUM_PREFIX.length);
    if (!name.startsWith(CHECKSUM_PREFIX) || !CHECKSUMS.includes(algorithm)) {
      return refusals.trailerNotSupported();
    }
    const running = startChecksum(algorithm);
    running.update(payload.bytes);
    if ((await running.digest()) !== value) return refusals.checksumMismatch(algorithm.toUpperCase());
  }
  return { bytes: payload.bytes, checksums };
}
