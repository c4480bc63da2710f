// What x-amz-content-sha256 says about the body: ONE table, read in one place.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html

/** How the body is framed and what vouches for it. */
export type PayloadMode =
  /** Plain bytes with their SHA-256 in lower-case hex. */
  | { readonly kind: 'literal'; readonly sha256: string }
  /** Plain bytes that nothing vouches for. */
  | { readonly kind: 'unsigned' }
  /** aws-chunked framing; chunks signed or not, trailers or not. */
  | {
      readonly kind: 'aws-chunked';
      readonly value: string;
      readonly chunkSignature: 'none' | 'hmac' | 'ecdsa';
      readonly trailer: boolean;
    };

/** Chunks without signatures, and a checksum in the trailer. */
export const UNSIGNED_TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';

const STREAMING: readonly (readonly [string, 'none' | 'hmac' | 'ecdsa', boolean])[] = [
  [UNSIGNED_TRAILER, 'none', true],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'hmac', false],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', 'hmac', true],
  ['STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD', 'ecdsa', false],
  ['STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER', 'ecdsa', true],
];

/** The mode a value of `x-amz-content-sha256` names; `undefined` for a value S3 does not know, upper-case hex included. */
export function payloadModeOf(value: string): PayloadMode | undefined {
  if (/^[0-9a-f]{64}$/.test(value)) return { kind: 'literal', sha256: value };
  if (value === 'UNSIGNED-PAYLOAD') return { kind: 'unsigned' };
  const row = STREAMING.find(([name]) => name === value);
  return row && { kind: 'aws-chunked', value, chunkSignature: row[1], trailer: row[2] };
}
