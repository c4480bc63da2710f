// The chain of signatures inside a streamed body: each chunk signs its data and the signature before it, from the
// header's on. Starts from what the verification stage proved; must not know framing or I/O.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
import { ASYMMETRIC_ALGORITHM } from './algorithm.ts';
import { withoutPadding } from './asymmetric-key.ts';
import { compare } from './canonical-request.ts';
import { EMPTY_SHA256, type RunningDigest, sha256Hex, startDigest } from './digest.ts';
import { signatureHolds, type VerificationKey } from './verification-key.ts';

/** Where a chain starts: what a verified header signature hands on to the chunks of its body. */
export interface ChunkSeed {
  readonly accessKeyId: string;
  readonly verification: VerificationKey;
  /** `yyyymmddThhmmssZ`, as in the request. */
  readonly amzDate: string;
  /** The credential scope as text. */
  readonly scope: string;
  /** The seed signature: the request's own. */
  readonly signature: string;
}

/** `proven`, or what S3 says of a signature that does not hold. */
export type ChunkProof =
  | { readonly kind: 'proven' }
  | { readonly kind: 'unproven'; readonly stringToSign: string };

/** The chain of one body. Every chunk is proven in turn, the final empty one included; after `unproven` it is of no use. */
export class ChunkSignatures {
  readonly #seed: ChunkSeed;
  #previous: string;
  #digest: RunningDigest = startDigest('sha256');

  constructor(seed: ChunkSeed) {
    this.#seed = seed;
    this.#previous = seed.signature;
  }

  /** Takes data of the current chunk. */
  update(data: Uint8Array): void {
    this.#digest.update(data);
  }

  /** Ends the current chunk and holds its signature, as it stands on the wire, against its data. */
  proveChunk(signature: string): ChunkProof {
    const hash = this.#digest.digest().toString('hex');
    this.#digest = startDigest('sha256');
    return this.#prove(chunkStringToSign(this.#seed, this.#previous, hash), signature);
  }

  /** Holds `x-amz-trailer-signature` against the trailers before it; follows the final chunk. */
  proveTrailers(trailers: ReadonlyMap<string, string>, signature: string): ChunkProof {
    return this.#prove(trailerStringToSign(this.#seed, this.#previous, trailers), signature);
  }

  #prove(toSign: string, onWire: string): ChunkProof {
    const asymmetric = this.#seed.verification.algorithm === ASYMMETRIC_ALGORITHM;
    const signature = asymmetric ? withoutPadding(onWire) : onWire;
    if (!signatureHolds(this.#seed.verification, toSign, signature)) {
      return { kind: 'unproven', stringToSign: toSign };
    }
    this.#previous = signature;
    return { kind: 'proven' };
  }
}

type Origin = Pick<ChunkSeed, 'amzDate' | 'scope'> & {
  readonly verification: Pick<VerificationKey, 'algorithm'>;
};

/** The string a chunk signs. The hash of nothing stands where S3 once meant to have headers of a chunk. */
export function chunkStringToSign(origin: Origin, previous: string, dataHash: string): string {
  const { amzDate, scope, verification } = origin;
  return `${verification.algorithm}-PAYLOAD\n${amzDate}\n${scope}\n${previous}\n${EMPTY_SHA256}\n${dataHash}`;
}

/** The string the trailers sign; `previous` is the signature of the final chunk. */
export function trailerStringToSign(
  origin: Origin,
  previous: string,
  trailers: ReadonlyMap<string, string>,
): string {
  const { amzDate, scope, verification } = origin;
  const hash = sha256Hex(canonicalTrailers(trailers));
  return `${verification.algorithm}-TRAILER\n${amzDate}\n${scope}\n${previous}\n${hash}`;
}

/** `name:value` and a line feed for each trailer, by name. Names are lower-case, values trimmed. */
export function canonicalTrailers(trailers: ReadonlyMap<string, string>): string {
  const sorted = [...trailers].sort(([left], [right]) => compare(left, right));
  return sorted.map(([name, value]) => `${name}:${value}\n`).join('');
}
