// Signs a request with Signature Version 2, in its header, as clients of old do. The gateway itself never sends one.
import { hmacSha1Base64 } from '../sigv4/digest.ts';
import { type SignedMessage, stringToSignV2 } from './verify.ts';

/** The `Authorization` header of a request, whose date stands in `date` or `x-amz-date`. */
export function authorizationV2(
  message: SignedMessage,
  { accessKeyId, secretAccessKey }: { readonly accessKeyId: string; readonly secretAccessKey: string },
): string {
  const claim = { form: 'header', accessKeyId, signature: '', expires: undefined } as const;
  return `AWS ${accessKeyId}:${hmacSha1Base64(secretAccessKey, stringToSignV2(claim, message))}`;
}
