// What a POST form says of its signature, read from its fields, and whether it holds. Both signature versions sign the
// policy as it was sent, base64 and all. Must not know what the policy says.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html
import { utf8AsLatin1 } from '../http/headers.ts';
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import { isSensitive, REDACTED } from '../sensitive.ts';
import { ALGORITHM } from '../sigv4/algorithm.ts';
import { parseAmzDate } from '../sigv4/amz-date.ts';
import { equalInConstantTime, hmacSha1Base64 } from '../sigv4/digest.ts';
import { checkSessionToken } from '../sigv4/session-token.ts';
import { type CredentialScope, NOBODY } from '../sigv4/signing-key.ts';
import type { VerificationContext } from '../sigv4/verify.ts';

/** The signature of a form, as claimed. */
export interface PostClaim {
  readonly accessKeyId: string;
  /** The string to sign: base64 text of the policy, as sent. */
  readonly policy: string;
  readonly signature: string;
  readonly sessionToken: string | undefined;
  /** Absent with Signature Version 2. */
  readonly scope: CredentialScope | undefined;
}

export type PostClaimed =
  | { readonly kind: 'claim'; readonly claim: PostClaim }
  /** No field of a signature is there. */
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** Fields that each version demands, as S3 names them when one is missing. */
const V4_FIELDS = ['X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Date', 'X-Amz-Signature'];
const V2_FIELDS = ['AWSAccessKeyId', 'Signature'];

/** Reads the claim of a form. One field of a version makes the form that version's; then all must be there. */
export function postClaim(fields: ReadonlyMap<string, string>): PostClaimed {
  const given = (name: string) => fields.has(name.toLowerCase());
  if (!given('key')) return refused(refusals.formFieldMissing('key'));
  const [v4, v2] = [V4_FIELDS.some(given), V2_FIELDS.some(given)];
  if (v4 && v2) return refused(refusals.severalAuthMechanisms());
  if (!v4 && !v2) return { kind: 'unsigned' };
  const required = v4 ? [...V4_FIELDS, 'Policy'] : [...V2_FIELDS, 'policy'];
  const missing = required.find((name) => !given(name));
  if (missing !== undefined) return refused(refusals.formFieldMissing(missing));
  return v4 ? claimV4(fields) : claimV2(fields);
}

function refused(refusal: Refusal): PostClaimed {
  return { kind: 'refused', refusal };
}

const CREDENTIAL = /^(.+)\/(\d{8})\/([^/]+)\/s3\/aws4_request$/;

function claimV4(fields: ReadonlyMap<string, string>): PostClaimed {
  const argument = (text: string, name: string) =>
    refused(refusals.argumentInvalid(text, name, fields.get(name.toLowerCase()) ?? ''));
  if (fields.get('x-amz-algorithm') !== ALGORITHM) {
    return argument(`Only ${ALGORITHM} is supported`, 'X-Amz-Algorithm');
  }
  const [, accessKeyId, date, region] = CREDENTIAL.exec(fields.get('x-amz-credential') ?? '') ?? [];
  if (accessKeyId === undefined || date === undefined || region === undefined) {
    const text =
      'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".';
    return argument(text, 'X-Amz-Credential');
  }
  const amzDate = fields.get('x-amz-date') ?? '';
  // S3 holds this date against no clock: a form lives until its policy expires.
  if (!parseAmzDate(amzDate)) {
    return argument('X-Amz-Date must be formated via ISO8601 Long format', 'X-Amz-Date');
  }
  if (!amzDate.startsWith(date)) {
    return argument('Invalid credential date. Date is not the same as X-Amz-Date.', 'X-Amz-Credential');
  }
  const scope = { date, region, service: 's3' };
  return { kind: 'claim', claim: { ...common(fields, 'x-amz-signature'), accessKeyId, scope } };
}

function claimV2(fields: ReadonlyMap<string, string>): PostClaimed {
  const accessKeyId = fields.get('awsaccesskeyid') ?? '';
  return { kind: 'claim', claim: { ...common(fields, 'signature'), accessKeyId, scope: undefined } };
}

function common(
  fields: ReadonlyMap<string, string>,
  signature: string,
): Omit<PostClaim, 'accessKeyId' | 'scope'> {
  return {
    policy: fields.get('policy') ?? '',
    signature: fields.get(signature) ?? '',
    sessionToken: fields.get('x-amz-security-token'),
  };
}

/** `undefined` when the signature holds. The policy's own conditions are another matter. */
export function verifyPostClaim(claim: PostClaim, context: VerificationContext): Refusal | undefined {
  return (
    checkRegion(claim, context.regions) ??
    checkSignature(claim, context) ??
    checkSessionToken(context.client?.sessionToken, claim.sessionToken)
  );
}

function checkRegion({ accessKeyId, scope }: PostClaim, regions: readonly string[]): Refusal | undefined {
  if (!scope || regions.includes(scope.region)) return undefined;
  const credential = `${accessKeyId}/${scope.date}/${scope.region}/${scope.service}/aws4_request`;
  return refusals.formRegionWrong(credential, scope.region, regions[0] ?? '');
}

function checkSignature(claim: PostClaim, { client, keys }: VerificationContext): Refusal | undefined {
  const holder = client ?? NOBODY;
  // Bytes, not characters: the digests take latin1, and two texts must not fall together on the way.
  const toSign = utf8AsLatin1(claim.policy);
  const expected = claim.scope
    ? keys.get(holder, claim.scope).signHex(toSign)
    : hmacSha1Base64(holder.secretAccessKey, toSign);
  const equal = equalInConstantTime(expected, claim.signature);
  if (!client) return refusals.unknownAccessKey(claim.accessKeyId);
  if (equal) return undefined;
  return refusals.signatureMismatch({
    accessKeyId: claim.accessKeyId,
    stringToSign: holdsSensitive(claim.policy) ? REDACTED : toSign,
    signatureProvided: claim.signature,
    canonicalRequest: undefined,
  });
}

/** Whether a policy, base64 as sent, names a field whose value is not repeated: its conditions hold that value. */
function holdsSensitive(policy: string): boolean {
  const names =
    Buffer.from(policy, 'base64')
      .toString('latin1')
      .match(/[a-z0-9-]+/gi) ?? [];
  return names.some(isSensitive);
}
