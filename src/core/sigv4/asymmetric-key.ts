// The key pair of SigV4A, derived from the same secret that signs with HMAC, and the form of its signatures.
// Knows numbers and bytes, no request. Derivation and padding as in AWS's own aws-c-auth.
import { ASYMMETRIC_ALGORITHM } from './algorithm.ts';
import { type EcdsaPublicKey, ecdsaPublicKey, hmacSha256 } from './digest.ts';

/** The order of P-256 less 2: the largest number that one may be added to. */
const LARGEST = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254fn;
/** The counter is one byte and starts at 1; a key that needs a second round comes once in 2^32 secrets. */
const LAST_COUNTER = 254;

/** The private key: a key derivation in counter mode (NIST SP 800-108), repeated until its number fits the curve. */
export function derivePrivateKey(secretAccessKey: string, accessKeyId: string): Buffer {
  const key = Buffer.from(`AWS4A${secretAccessKey}`, 'utf8');
  for (let counter = 1; counter <= LAST_COUNTER; counter++) {
    const fixedInput = `\x00\x00\x00\x01${ASYMMETRIC_ALGORITHM}\x00${accessKeyId}${String.fromCharCode(counter)}\x00\x00\x01\x00`;
    const candidate = BigInt(`0x${hmacSha256(key, fixedInput).toString('hex')}`);
    if (candidate <= LARGEST) return Buffer.from((candidate + 1n).toString(16).padStart(64, '0'), 'hex');
  }
  throw new Error('no SigV4A key can be derived from this secret');
}

/** The public key alone: all that verifying takes. */
export function deriveVerifyingKey(secretAccessKey: string, accessKeyId: string): EcdsaPublicKey {
  return ecdsaPublicKey(derivePrivateKey(secretAccessKey, accessKeyId));
}

/** A chunk's signature without the `*` that bring it to 144 characters on the wire; the next chunk signs it so. */
export function withoutPadding(signature: string): string {
  return signature.replace(/\*+$/, '');
}

/**
 * The bytes of a signature in lower-case hex, if they are DER as X.690 section 10 has it: definite lengths, both numbers
 * positive and as short as can be, nothing after them. One signature thus has one form only.
 */
export function signatureBytes(hex: string): Buffer | undefined {
  if (!/^(?:[0-9a-f]{2}){8,72}$/.test(hex)) return undefined;
  const bytes = Buffer.from(hex, 'hex');
  const afterR = integerEnd(bytes, 2);
  const wellFormed =
    bytes[0] === 0x30 &&
    bytes[1] === bytes.length - 2 &&
    afterR !== undefined &&
    integerEnd(bytes, afterR) === bytes.length;
  return wellFormed ? bytes : undefined;
}

/** Where the positive INTEGER of at most 33 bytes at `start` ends. */
function integerEnd(bytes: Buffer, start: number): number | undefined {
  const length = bytes[start + 1] ?? 0;
  const first = bytes[start + 2] ?? 0;
  const second = bytes[start + 3] ?? 0;
  if (bytes[start] !== 0x02 || length < 1 || length > 33 || first >= 0x80) return undefined;
  if (first === 0 && (length === 1 || second < 0x80)) return undefined;
  return start + 2 + length;
}
