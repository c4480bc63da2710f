// Strings to sign of Signature Version 4, symmetric and asymmetric.
import { ALGORITHM, type SigningAlgorithm } from './algorithm.ts';
import { sha256Hex } from './digest.ts';
import { formatScope, type Scope } from './signing-key.ts';

/** Algorithm, date, scope and the hash of the canonical request, a line each. `amzDate` is `yyyymmddThhmmssZ`. */
export function stringToSign(
  amzDate: string,
  scope: Scope,
  canonicalRequest: string,
  algorithm: SigningAlgorithm = ALGORITHM,
): string {
  return `${algorithm}\n${amzDate}\n${formatScope(scope)}\n${sha256Hex(canonicalRequest)}`;
}
