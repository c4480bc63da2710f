// Holds a claim against the request and the secret of the identity it names. The order of checks is S3's.
import type { ReceivedHeaders } from '../http/headers.ts';
import { canonicalPath, type Target } from '../http/target.ts';
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import { withoutSensitiveValues } from '../sensitive.ts';
import { canonicalHeaderValue, canonicalQuery, canonicalRequest } from './canonical-request.ts';
import type { ChunkSeed } from './chunk-signatures.ts';
import type { SigV4Claim } from './claim.ts';
import { checkSessionToken } from './session-token.ts';
import { formatScope, NOBODY, type SecretHolder, type SigningKeys } from './signing-key.ts';
import { stringToSign } from './string-to-sign.ts';
import { signatureHolds, type VerificationKey } from './verification-key.ts';

/** What a claim is held against. */
export interface SignedMessage {
  readonly method: string;
  readonly target: Target;
  readonly headers: ReceivedHeaders;
}

/** Who the claim names, and when and where the request is received. */
export interface VerificationContext {
  /** The identity behind the claimed access key ID; `undefined` where there is none. */
  readonly client: (SecretHolder & { readonly sessionToken: string | undefined }) | undefined;
  /** Regions that are this endpoint's; the first is named to clients that use another. */
  readonly regions: readonly string[];
  readonly now: Date;
  readonly keys: SigningKeys;
}

/** Clock skew S3 allows, in milliseconds: 15 minutes. */
export const MAX_SKEW_MS: number = 15 * 60 * 1000;

/** `undefined` when the signature holds. */
export function verifySigV4(
  claim: SigV4Claim,
  message: SignedMessage,
  context: VerificationContext,
): Refusal | undefined {
  return (
    checkRegion(claim, context.regions) ??
    checkTime(claim, context.now) ??
    checkCoverage(claim, message.headers) ??
    checkSignature(claim, message, context) ??
    checkSessionToken(context.client?.sessionToken, claim.sessionToken)
  );
}

function checkRegion(claim: SigV4Claim, regions: readonly string[]): Refusal | undefined {
  const claimed = claim.algorithm === 'AWS4-HMAC-SHA256' ? [claim.scope.region] : claim.regionSet;
  const covered = claim.algorithm === 'AWS4-HMAC-SHA256' ? isSame : isCovered;
  if (claimed.some((one) => regions.some((region) => covered(one, region)))) return undefined;
  const given = claimed.join(',');
  const expected = regions[0] ?? '';
  if (claim.form === 'header') return refusals.wrongRegion(given, expected);
  const text = `Error parsing the X-Amz-Credential parameter; the region '${given}' is wrong; expecting '${expected}'`;
  return refusals.authorizationQueryMalformed(text, expected);
}

function isSame(claimed: string, region: string): boolean {
  return claimed === region;
}

/** A member of a region set: a region, or with a closing `*` every region that begins so. */
function isCovered(claimed: string, region: string): boolean {
  return claimed.endsWith('*') ? region.startsWith(claimed.slice(0, -1)) : claimed === region;
}

/** Header: within 15 minutes both ways. Presigned: not from the future beyond that, and until its expiry. */
function checkTime(claim: SigV4Claim, now: Date): Refusal | undefined {
  const age = now.getTime() - claim.date.getTime();
  if (claim.expiresSeconds === undefined) {
    return Math.abs(age) > MAX_SKEW_MS ? refusals.clockSkew(claim.amzDate, now) : undefined;
  }
  if (age < -MAX_SKEW_MS) return refusals.notValidYet(claim.amzDate, now);
  if (claim.expiresSeconds > 0 && age <= claim.expiresSeconds * 1000) return undefined;
  const expiry = new Date(claim.date.getTime() + claim.expiresSeconds * 1000);
  return refusals.expired(String(claim.expiresSeconds), expiry, now);
}

/** `host` and every `x-amz-*` header must be signed, and every signed header must be there. */
function checkCoverage(claim: SigV4Claim, headers: ReceivedHeaders): Refusal | undefined {
  const signed = claim.signedHeaders;
  const unsigned: string[] = [];
  if (!signed.includes('host')) unsigned.push('host');
  if (claim.form === 'header' && !headers.has('x-amz-date') && !signed.includes('date'))
    unsigned.push('date');
  for (const { name } of headers.fields) {
    if (name.startsWith('x-amz-') && !signed.includes(name) && !toleratedUnsigned(name, claim))
      unsigned.push(name);
  }
  if (unsigned.length > 0) return refusals.headersNotSigned([...new Set(unsigned)].sort());
  const absent = signed.filter((name) => !headers.has(name));
  return absent.length > 0 ? refusals.signedHeaderAbsent(absent) : undefined;
}

/** S3 lets a presigned request carry this one unsigned; its value then means nothing. */
function toleratedUnsigned(name: string, claim: SigV4Claim): boolean {
  return claim.form === 'query' && name === 'x-amz-content-sha256';
}

function checkSignature(
  claim: SigV4Claim,
  message: SignedMessage,
  { client, keys }: VerificationContext,
): Refusal | undefined {
  const canonical = canonicalRequestOf(claim, message);
  const toSign = stringToSign(claim.amzDate, claim.scope, canonical, claim.algorithm);
  const holds = signatureHolds(verificationKey(claim, client, keys), toSign, claim.signature);
  if (!client) return refusals.unknownAccessKey(claim.accessKeyId);
  if (holds) return undefined;
  return refusals.signatureMismatch({
    accessKeyId: claim.accessKeyId,
    stringToSign: toSign,
    signatureProvided: claim.signature,
    canonicalRequest: withoutSensitiveValues(canonical),
  });
}

function verificationKey(
  claim: SigV4Claim,
  client: SecretHolder | undefined,
  keys: SigningKeys,
): VerificationKey {
  const { algorithm } = claim;
  if (algorithm === 'AWS4-HMAC-SHA256') return { algorithm, key: keys.get(client ?? NOBODY, claim.scope) };
  const key = client ? keys.publicKey(client, claim.accessKeyId) : keys.publicKey(NOBODY, 'nobody');
  return { algorithm, key };
}

/** What a claim that has been verified hands on to the chunk signatures of its body. */
export function chunkSeed(claim: SigV4Claim, client: SecretHolder, keys: SigningKeys): ChunkSeed {
  return {
    accessKeyId: claim.accessKeyId,
    verification: verificationKey(claim, client, keys),
    amzDate: claim.amzDate,
    scope: formatScope(claim.scope),
    signature: claim.signature,
  };
}

/** The canonical request of a received message under a claim. */
export function canonicalRequestOf(claim: SigV4Claim, { method, target, headers }: SignedMessage): string {
  const parameters =
    claim.form === 'query'
      ? target.parameters.filter(({ name }) => name !== 'X-Amz-Signature')
      : target.parameters;
  return canonicalRequest({
    method,
    canonicalPath: canonicalPath(target.rawPath),
    canonicalQuery: canonicalQuery(parameters),
    headers: claim.signedHeaders.map((name) => [name, canonicalHeaderValue(headers.all(name))]),
    payloadHash: claim.payloadHash,
  });
}
