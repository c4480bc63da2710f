// The one place where a signature is compared: what an access key's secret comes to for either algorithm, and whether a
// signature over a string to sign is its. Knows neither requests nor chunks.
import { signatureBytes } from './asymmetric-key.ts';
import { type EcdsaPublicKey, ecdsaHolds, equalInConstantTime, type HmacKey } from './digest.ts';

/** What a signature is verified with. */
export type VerificationKey =
  | { readonly algorithm: 'AWS4-HMAC-SHA256'; readonly key: HmacKey }
  | { readonly algorithm: 'AWS4-ECDSA-P256-SHA256'; readonly key: EcdsaPublicKey };

/** Whether a signature in lower-case hex is this key's over this string. */
export function signatureHolds(verification: VerificationKey, toSign: string, signature: string): boolean {
  if (verification.algorithm === 'AWS4-HMAC-SHA256') {
    return equalInConstantTime(verification.key.signHex(toSign), signature);
  }
  const bytes = signatureBytes(signature);
  return bytes !== undefined && ecdsaHolds(verification.key, toSign, bytes);
}
