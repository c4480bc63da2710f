// What is to happen to the body on its way: which framing comes in, which goes out, what must be proven before its last
// byte is sent. Decides; moves nothing.
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import type { ParsedRequest } from '../request.ts';
import type { Operation } from '../s3/operation.ts';
import type { PayloadMode } from '../s3/payload-mode.ts';
import { EMPTY_SHA256 } from '../sigv4/digest.ts';

/** Lengths in bytes. */
export type BodyPlan =
  | { readonly kind: 'none' }
  /** Sent on as it comes; its SHA-256, where given, must hold. */
  | { readonly kind: 'plain'; readonly length: number; readonly sha256: string | undefined }
  | AwsChunkedPlan;

/** An aws-chunked body: sent on in its framing, or decoded for a backend that does not know it. */
export interface AwsChunkedPlan {
  readonly kind: 'aws-chunked';
  readonly mode: string;
  readonly decode: boolean;
  readonly decodedLength: number;
  /** Length of the framed body where the client gave it; otherwise it comes and goes with HTTP chunks. */
  readonly framedLength: number | undefined;
  readonly checksum: ExpectedChecksum | undefined;
}

/** The checksum that the body must have. */
export interface ExpectedChecksum {
  /** `x-amz-checksum-crc32` and so on: the name of the trailer, or of the header that stands in for it. */
  readonly name: string;
  readonly algorithm: string;
  /** Base64, where a header already gives it; otherwise the trailer must. */
  readonly headerValue: string | undefined;
}

export type Planned =
  | { readonly kind: 'planned'; readonly plan: BodyPlan; readonly payloadHash: string }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** Largest XML or JSON document S3 takes in a request: CompleteMultipartUpload with 10,000 parts stays under 4 MiB. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;

/** Checksum algorithms of trailers and their length in base64; more are known to the model than are verified here. */
const CHECKSUM_LENGTHS: ReadonlyMap<string, number> = new Map([
  ['crc32', 8],
  ['crc32c', 8],
  ['crc64nvme', 12],
  ['sha1', 28],
  ['sha256', 44],
]);

/** Plans the body of a request whose signature has been verified. */
export function planBody(
  request: ParsedRequest,
  operation: Operation,
  mode: PayloadMode,
  backend: { readonly trailers: boolean },
): Planned {
  const { headers } = request.received;
  const length = headers.get('content-length');
  const chunked = headers.has('transfer-encoding');
  if (length !== undefined && !/^\d{1,15}$/.test(length)) {
    return refused(refusals.ambiguous('its Content-Length is not a number'));
  }
  if (operation.body === undefined) return planNoBody(Number(length ?? 0), chunked);
  if (mode.kind === 'aws-chunked') return planAwsChunked(request, operation, mode, backend);
  return planPlain(request, operation, mode, {
    length: length === undefined ? undefined : Number(length),
    chunked,
  });
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
  operation: Operation,
  mode: Extract<PayloadMode, { kind: 'aws-chunked' }>,
  backend: { readonly trailers: boolean },
): Planned {
  if (operation.body !== 'stream') return refused(refusals.contentSha256NotForOperation());
  if (mode.chunkSignature !== 'none') return refused(refusals.payloadModeNotSupported(mode.value));
  const decoded = request.fields.get('x-amz-decoded-content-length');
  if (decoded === undefined || !/^\d{1,15}$/.test(decoded)) return refused(refusals.lengthMissing());
  const checksum = expectedChecksum(request.fields);
  if (checksum === 'unknown') return refused(refusals.trailerNotSupported());
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

/** S3 takes one announced trailer, a checksum; the Java SDK announces one and sends its value as a header instead. */
function expectedChecksum(fields: ReadonlyMap<string, string>): ExpectedChecksum | undefined | 'unknown' {
  const announced = fields.get('x-amz-trailer')?.toLowerCase();
  if (announced === undefined) return undefined;
  const algorithm = announced.startsWith('x-amz-checksum-') ? announced.slice('x-amz-checksum-'.length) : '';
  if (!CHECKSUM_LENGTHS.has(algorithm)) return 'unknown';
  return { name: announced, algorithm, headerValue: fields.get(announced) };
}

/** Whether text is base64 of the length that the algorithm's checksums have. */
export function isChecksumValue(algorithm: string, text: string): boolean {
  return (
    text.length === CHECKSUM_LENGTHS.get(algorithm) && Buffer.from(text, 'base64').toString('base64') === text
  );
}
