// What is to happen to the body on its way: which framing comes in, which goes out, what must be proven before its last
// byte is sent. Decides; moves nothing.
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import type { ParsedRequest } from '../request.ts';
import { lengthWithTrailer } from '../s3/aws-chunked.ts';
import type { Operation } from '../s3/operation.ts';
import { type PayloadMode, UNSIGNED_TRAILER } from '../s3/payload-mode.ts';
import type { ChunkSeed } from '../sigv4/chunk-signatures.ts';
import { EMPTY_SHA256 } from '../sigv4/digest.ts';

/** What becomes of the body. Lengths in bytes. */
export type BodyPlan = ProvenBodyPlan | RawBodyPlan;

/** Sent on as it comes, whatever its framing; `undefined` length: with HTTP chunks. */
export interface RawBodyPlan {
  readonly kind: 'raw';
  readonly length: number | undefined;
}

/** A body of which something is to be proven, or none. */
export type ProvenBodyPlan =
  | { readonly kind: 'none' }
  /** Sent on as it comes; its SHA-256, where given, must hold. */
  | { readonly kind: 'plain'; readonly length: number; readonly sha256: string | undefined }
  | AwsChunkedPlan;

/** An aws-chunked body: sent on framed, or decoded where the backend need not or cannot read the framing. */
export type AwsChunkedPlan = UnsignedChunksPlan | SignedChunksPlan;

/** Chunks without signatures: if framed, then sent on as they come. */
export interface UnsignedChunksPlan {
  readonly kind: 'aws-chunked';
  readonly mode: string;
  readonly decode: boolean;
  readonly decodedLength: number;
  /** Length of the framed body as it is sent on, where it is known; otherwise it goes with HTTP chunks. */
  readonly framedLength: number | undefined;
  readonly checksum: ExpectedChecksum | undefined;
}

/** Chunks with signatures, which mean nothing to the backend: if framed, then afresh and without them. */
export interface SignedChunksPlan extends UnsignedChunksPlan {
  readonly chunks: ChunkTrust;
  /** Whether `x-amz-trailer-signature` may, and behind any trailer must, be there. */
  readonly signedTrailer: boolean;
}

/** Where the chain of chunk signatures starts; `ignored` on a listener whose clients need not sign. */
export type ChunkTrust = ChunkSeed | 'ignored';

/** The checksum that the body must have. */
export interface ExpectedChecksum {
  /** `x-amz-checksum-crc32` and so on: the name of the trailer, or of the header that stands in for it. */
  readonly name: string;
  readonly algorithm: string;
  /** Base64, where a header already gives it; otherwise the trailer must. */
  readonly headerValue: string | undefined;
}

export type Planned =
  | { readonly kind: 'planned'; readonly plan: ProvenBodyPlan; readonly payloadHash: string }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** Largest XML or JSON document S3 takes in a request: CompleteMultipartUpload with 10,000 parts stays under 4 MiB. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;

/** The checksum algorithms of S3 and the bytes that each comes to. */
const CHECKSUM_BYTES: ReadonlyMap<string, number> = new Map([
  ['crc32', 4],
  ['crc32c', 4],
  ['crc64nvme', 8],
  ['sha1', 20],
  ['sha256', 32],
  ['sha512', 64],
  ['md5', 16],
  ['xxhash64', 8],
  ['xxhash3', 8],
  ['xxhash128', 16],
]);

/** Plans the body of a request whose signature has been verified. */
export function planBody(
  request: ParsedRequest,
  operation: Operation,
  mode: PayloadMode,
  backend: { readonly trailers: boolean },
  chunks?: ChunkTrust,
): Planned {
  const { headers } = request.received;
  const length = headers.get('content-length');
  const chunked = headers.has('transfer-encoding');
  if (length !== undefined && !/^\d{1,15}$/.test(length)) {
    return refused(refusals.ambiguous('its Content-Length is not a number'));
  }
  if (mode.kind === 'aws-chunked' && operation.body !== 'stream') {
    return refused(refusals.contentSha256NotForOperation());
  }
  if (operation.body === undefined) return planNoBody(Number(length ?? 0), chunked);
  if (mode.kind === 'aws-chunked') return planAwsChunked(request, mode, backend, chunks);
  return planPlain(request, operation, mode, {
    length: length === undefined ? undefined : Number(length),
    chunked,
  });
}

/** The body of a request that is preserved: its signature may cover framing and hash, so nothing of it is touched. */
export function planRawBody(request: ParsedRequest): BodyPlan {
  const { headers } = request.received;
  const length = headers.get('content-length');
  if (length === undefined)
    return headers.has('transfer-encoding') ? { kind: 'raw', length } : { kind: 'none' };
  return { kind: 'raw', length: Number(length) };
}

function refused(refusal: Refusal): Planned {
  return { kind: 'refused', refusal };
}

function planNoBody(length: number, chunked: boolean): Planned {
  if (length > 0 || chunked) return refused(refusals.ambiguous('this operation takes no body'));
  return { kind: 'planned', plan: { kind: 'none' }, payloadHash: EMPTY_SHA256 };
}

function planPlain(
  request: ParsedRequest,
  operation: Operation,
  mode: Exclude<PayloadMode, { kind: 'aws-chunked' }>,
  { length, chunked }: { length: number | undefined; chunked: boolean },
): Planned {
  if (chunked || (length === undefined && operation.body === 'stream'))
    return refused(refusals.lengthMissing());
  if (/(^|[,\s])aws-chunked([,\s]|$)/i.test(request.fields.get('content-encoding') ?? '')) {
    return refused(
      refusals.ambiguous('it is encoded as aws-chunked but x-amz-content-sha256 does not say so'),
    );
  }
  const size = length ?? 0;
  if (operation.body === 'document' && size > MAX_DOCUMENT_BYTES) {
    return refused(refusals.tooLarge(size, MAX_DOCUMENT_BYTES));
  }
  if (mode.kind === 'unsigned') {
    return {
      kind: 'planned',
      plan: { kind: 'plain', length: size, sha256: undefined },
      payloadHash: 'UNSIGNED-PAYLOAD',
    };
  }
  if (size === 0 && mode.sha256 !== EMPTY_SHA256)
    return refused(refusals.payloadMismatch(mode.sha256, EMPTY_SHA256));
  return {
    kind: 'planned',
    plan: { kind: 'plain', length: size, sha256: mode.sha256 },
    payloadHash: mode.sha256,
  };
}

function planAwsChunked(
  request: ParsedRequest,
  mode: Extract<PayloadMode, { kind: 'aws-chunked' }>,
  backend: { readonly trailers: boolean },
  chunks: ChunkTrust | undefined,
): Planned {
  const decoded = request.fields.get('x-amz-decoded-content-length');
  if (decoded === undefined || !/^\d{1,15}$/.test(decoded)) return refused(refusals.lengthMissing());
  const checksum = expectedChecksum(request.fields);
  if (checksum === 'unknown') return refused(refusals.trailerNotSupported());
  if (mode.chunkSignature !== 'none')
    return planSignedChunks(mode, Number(decoded), checksum, backend, chunks);
  const length = request.received.headers.get('content-length');
  const decode = !backend.trailers;
  const plan: BodyPlan = {
    kind: 'aws-chunked',
    mode: mode.value,
    decode,
    decodedLength: Number(decoded),
    framedLength: length === undefined ? undefined : Number(length),
    checksum,
  };
  return { kind: 'planned', plan, payloadHash: decode ? 'UNSIGNED-PAYLOAD' : mode.value };
}

/**
 * Signatures end at the gateway. A checksum in the trailer is passed on where it can be, so that S3 verifies it again and
 * stores it with the object.
 */
function planSignedChunks(
  mode: Extract<PayloadMode, { kind: 'aws-chunked' }>,
  decodedLength: number,
  checksum: ExpectedChecksum | undefined,
  backend: { readonly trailers: boolean },
  chunks: ChunkTrust | undefined,
): Planned {
  if (chunks === undefined) return refused(refusals.contentSha256NotForOperation());
  if (checksum && !mode.trailer) return refused(refusals.trailerNotSupported());
  const passOn = backend.trailers && checksum?.headerValue === undefined ? checksum : undefined;
  const framedLength =
    passOn && lengthWithTrailer(decodedLength, passOn.name, base64Length(passOn.algorithm));
  const plan: SignedChunksPlan = {
    kind: 'aws-chunked',
    mode: mode.value,
    decode: passOn === undefined,
    decodedLength,
    framedLength,
    checksum,
    chunks,
    signedTrailer: mode.trailer,
  };
  return { kind: 'planned', plan, payloadHash: passOn ? UNSIGNED_TRAILER : 'UNSIGNED-PAYLOAD' };
}

function base64Length(algorithm: string): number {
  return Math.ceil((CHECKSUM_BYTES.get(algorithm) ?? 0) / 3) * 4;
}

/** S3 takes one announced trailer, a checksum; the Java SDK announces one and sends its value as a header instead. */
function expectedChecksum(fields: ReadonlyMap<string, string>): ExpectedChecksum | undefined | 'unknown' {
  const announced = fields.get('x-amz-trailer')?.toLowerCase();
  if (announced === undefined) return undefined;
  const algorithm = announced.startsWith('x-amz-checksum-') ? announced.slice('x-amz-checksum-'.length) : '';
  if (!CHECKSUM_BYTES.has(algorithm)) return 'unknown';
  return { name: announced, algorithm, headerValue: fields.get(announced) };
}

/** Whether text is base64, in its one form, of as many bytes as the algorithm's checksums have. */
export function isChecksumValue(algorithm: string, text: string): boolean {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === CHECKSUM_BYTES.get(algorithm) && bytes.toString('base64') === text;
}
