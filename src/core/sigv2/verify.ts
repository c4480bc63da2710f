// Signature Version 2, header and query: claim and verification. It cannot carry KMS at S3, so it is
// read only to serve what is not under KMS, or to refuse in S3's words.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
import { type ReceivedHeaders, utf8AsLatin1 } from '../http/headers.ts';
import type { QueryParameter, Target } from '../http/target.ts';
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import { withoutSensitiveValues } from '../sensitive.ts';
import { parseAmzDate, parseHttpDate } from '../sigv4/amz-date.ts';
import { compare } from '../sigv4/canonical-request.ts';
import { equalInConstantTime, hmacSha1Base64 } from '../sigv4/digest.ts';
import { checkSessionToken } from '../sigv4/session-token.ts';
import { NOBODY } from '../sigv4/signing-key.ts';
import { MAX_SKEW_MS } from '../sigv4/verify.ts';

/** The parts of a Signature Version 2, as claimed. */
export interface SigV2Claim {
  readonly form: 'header' | 'query';
  readonly accessKeyId: string;
  readonly signature: string;
  /** Epoch seconds at which a presigned URL ends. */
  readonly expires: number | undefined;
}

export type Claimed =
  | { readonly kind: 'claim'; readonly claim: SigV2Claim }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** What a claim is held against. `bucket` is set where the Host names it: it is then part of the resource. */
export interface SignedMessage {
  readonly method: string;
  readonly target: Target;
  readonly headers: ReceivedHeaders;
  readonly hostedBucket: string | undefined;
}

/** Who the claim names, and when the request is received. */
export interface VerificationContext {
  readonly client:
    | { readonly secretAccessKey: string; readonly sessionToken: string | undefined }
    | undefined;
  readonly now: Date;
}

/** Reads `Authorization: AWS id:signature`. */
export function headerClaim(headers: ReceivedHeaders): Claimed {
  const match = /^AWS ([^\s:]+):([A-Za-z0-9+/=]+)$/.exec(headers.get('authorization') ?? '');
  const [, accessKeyId, signature] = match ?? [];
  if (accessKeyId === undefined || signature === undefined) {
    return {
      kind: 'refused',
      refusal: refusals.authorizationInvalid('AWS authorization header is invalid.'),
    };
  }
  return { kind: 'claim', claim: { form: 'header', accessKeyId, signature, expires: undefined } };
}

/** Reads `AWSAccessKeyId`, `Signature` and `Expires` from the query, each exactly once. */
export function queryClaim(parameters: readonly QueryParameter[]): Claimed {
  const single = (name: string) => {
    const values = parameters.filter((parameter) => parameter.name === name);
    return values.length === 1 ? values[0]?.value : undefined;
  };
  const [accessKeyId, signature, expires] = [
    single('AWSAccessKeyId'),
    single('Signature'),
    single('Expires'),
  ];
  if (!accessKeyId || !signature || !expires || !/^\d{1,12}$/.test(expires)) {
    return { kind: 'refused', refusal: refusals.signatureV2QueryIncomplete() };
  }
  return { kind: 'claim', claim: { form: 'query', accessKeyId, signature, expires: Number(expires) } };
}

/** `undefined` when the signature holds. */
export function verifySigV2(
  claim: SigV2Claim,
  message: SignedMessage,
  context: VerificationContext,
): Refusal | undefined {
  return (
    checkTime(claim, message.headers, context.now) ??
    checkSignature(claim, message, context) ??
    checkSessionToken(context.client?.sessionToken, sessionTokenOf(message))
  );
}

function checkTime(claim: SigV2Claim, headers: ReceivedHeaders, now: Date): Refusal | undefined {
  if (claim.expires !== undefined) {
    const expiry = new Date(claim.expires * 1000);
    return now > expiry ? refusals.expired(undefined, expiry, now) : undefined;
  }
  const text = headers.get('x-amz-date') ?? headers.get('date');
  const date = text === undefined ? undefined : (parseHttpDate(text) ?? parseAmzDate(text));
  if (text === undefined || !date) return refusals.noDate();
  return Math.abs(now.getTime() - date.getTime()) > MAX_SKEW_MS ? refusals.clockSkew(text, now) : undefined;
}

function checkSignature(
  claim: SigV2Claim,
  message: SignedMessage,
  { client }: VerificationContext,
): Refusal | undefined {
  const toSign = stringToSignV2(claim, message);
  const equal = equalInConstantTime(
    hmacSha1Base64((client ?? NOBODY).secretAccessKey, toSign),
    claim.signature,
  );
  if (!client) return refusals.unknownAccessKey(claim.accessKeyId);
  if (equal) return undefined;
  return refusals.signatureMismatch({
    accessKeyId: claim.accessKeyId,
    stringToSign: withoutSensitiveValues(toSign),
    signatureProvided: claim.signature,
    canonicalRequest: undefined,
  });
}

function sessionTokenOf({ headers, target }: SignedMessage): string | undefined {
  const parameter = target.parameters.find(({ name }) => name.toLowerCase() === 'x-amz-security-token');
  return headers.get('x-amz-security-token') ?? parameter?.value;
}

/** Method, Content-MD5, Content-Type, date, `x-amz-*` headers and resource. */
export function stringToSignV2(claim: SigV2Claim, message: SignedMessage): string {
  const { method, headers } = message;
  // With x-amz-date the Date line is empty and the date stands among the x-amz-* headers.
  const date = claim.expires ?? (headers.has('x-amz-date') ? '' : (headers.get('date') ?? ''));
  const head = [
    method,
    headers.get('content-md5') ?? '',
    headers.get('content-type') ?? '',
    String(date),
  ].join('\n');
  return `${head}\n${amzHeaders(message)}${resource(message)}`;
}

function amzHeaders({ headers, target }: SignedMessage): string {
  const values = new Map<string, string[]>();
  const add = (name: string, value: string) => values.set(name, [...(values.get(name) ?? []), value]);
  for (const { name, value } of headers.fields) if (name.startsWith('x-amz-')) add(name, value);
  for (const { name, value } of target.parameters) {
    if (/^x-amz-/i.test(name)) add(name.toLowerCase(), utf8AsLatin1(value));
  }
  const names = [...values.keys()].sort(compare);
  return names.map((name) => `${name}:${(values.get(name) ?? []).join(',')}\n`).join('');
}

/** Query parameters that Signature Version 2 signs: the documented list and what botocore adds to it. */
const SIGNED_PARAMETERS = new Set([
  ...[
    'accelerate',
    'acl',
    'analytics',
    'cors',
    'delete',
    'inventory',
    'lifecycle',
    'location',
    'logging',
    'metrics',
  ],
  ...[
    'notification',
    'object-lock',
    'partNumber',
    'policy',
    'replication',
    'requestPayment',
    'restore',
    'select',
  ],
  ...['select-type', 'storageClass', 'tagging', 'torrent', 'uploadId', 'uploads', 'versionId', 'versioning'],
  ...[
    'versions',
    'website',
    'response-cache-control',
    'response-content-disposition',
    'response-content-encoding',
  ],
  ...['response-content-language', 'response-content-type', 'response-expires'],
]);

/** Unsigned parameters that only shape a listing. Any other unsigned one could turn a captured request into another operation. */
const LISTING_PARAMETERS = new Set([
  ...[
    'prefix',
    'delimiter',
    'marker',
    'max-keys',
    'encoding-type',
    'list-type',
    'continuation-token',
    'start-after',
  ],
  ...['fetch-owner', 'key-marker', 'version-id-marker', 'upload-id-marker', 'max-uploads', 'max-parts'],
  ...['part-number-marker', 'max-buckets'],
]);

/** The first query parameter that Signature Version 2 would leave unprotected. */
export function unsignedParameter(query: readonly QueryParameter[]): string | undefined {
  return query.find(({ name }) => !SIGNED_PARAMETERS.has(name) && !LISTING_PARAMETERS.has(name))?.name;
}

/** The path is signed as sent, undecoded; values of signed parameters are signed decoded. */
function resource({ target, hostedBucket }: SignedMessage): string {
  const signed = target.parameters.filter(({ name }) => SIGNED_PARAMETERS.has(name));
  const query = signed
    .sort((a, b) => compare(a.name, b.name))
    .map(({ name, value }) => (value === '' ? name : `${name}=${utf8AsLatin1(value)}`))
    .join('&');
  const path = hostedBucket === undefined ? target.rawPath : `/${hostedBucket}${target.rawPath}`;
  return query === '' ? path : `${path}?${query}`;
}
