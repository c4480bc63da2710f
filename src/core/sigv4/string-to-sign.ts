// Strings to sign of Signature Version 4.
import { sha256Hex } from './digest.ts';
import { type CredentialScope, formatScope } from './signing-key.ts';

/** The algorithm name that opens an `Authorization` header and a string to sign. */
export const ALGORITHM = 'AWS4-HMAC-SHA256';

/** Algorithm, date, scope and the hash of the canonical request, a line each. `amzDate` is `yyyymmddThhmmssZ`. */
export function stringToSign(amzDate: string, scope: CredentialScope, canonicalRequest: string): string {
  return `${ALGORITHM}\n${amzDate}\n${formatScope(scope)}\n${sha256Hex(canonicalRequest)}`;
}
