// What a request says of its signature, read from the Authorization header or the query. A claim is unverified.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html
import type { ReceivedHeaders } from '../http/headers.ts';
import type { QueryParameter } from '../http/target.ts';
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import { REDACTED } from '../sensitive.ts';
import { ALGORITHM, type SigningAlgorithm } from './algorithm.ts';
import { formatAmzDate, parseAmzDate, parseHttpDate } from './amz-date.ts';
import { signatureBytes } from './asymmetric-key.ts';
import { compare } from './canonical-request.ts';
import type { CredentialScope, RegionlessScope } from './signing-key.ts';

/** The parts of a Signature Version 4, as claimed. */
export type SigV4Claim = ClaimParts & Scoped;

/** What a signature is valid for: one region, or in SigV4A every region of a set. */
type Scoped =
  | { readonly algorithm: 'AWS4-HMAC-SHA256'; readonly scope: CredentialScope }
  | {
      readonly algorithm: 'AWS4-ECDSA-P256-SHA256';
      readonly scope: RegionlessScope;
      /** Regions, `*`, or beginnings of regions with `*` after them. */
      readonly regionSet: readonly string[];
    };

interface ClaimParts {
  readonly form: 'header' | 'query';
  readonly accessKeyId: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** `yyyymmddThhmmssZ`. */
  readonly amzDate: string;
  readonly date: Date;
  /** Lifetime of a presigned URL in seconds. */
  readonly expiresSeconds: number | undefined;
  /** The last line of the canonical request. */
  readonly payloadHash: string;
  readonly sessionToken: string | undefined;
}

export type Claimed =
  | { readonly kind: 'claim'; readonly claim: SigV4Claim }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly accessKeyId?: string };

function refused(refusal: Refusal, accessKeyId?: string): Claimed {
  return accessKeyId === undefined ? { kind: 'refused', refusal } : { kind: 'refused', refusal, accessKeyId };
}

const MALFORMED_CREDENTIAL =
  'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".';
const MALFORMED_REGION_SET =
  'X-Amz-Region-Set is missing or mal-formed; expecting regions separated by ",", or "*".';

/** Reads the `Authorization` header of a request that is signed with this algorithm. */
export function headerClaim(headers: ReceivedHeaders, algorithm: SigningAlgorithm = ALGORITHM): Claimed {
  const authorization = headers.get('authorization') ?? '';
  if (!authorization.startsWith(`${algorithm} `)) {
    const text = "Authorization header is invalid -- one and only one ' ' (space) required.";
    return refused(refusals.authorizationInvalid(text));
  }
  const components = parseComponents(authorization.slice(algorithm.length).trim());
  if (typeof components === 'string') return refused(refusals.authorizationMalformed(components));
  const credential = parseCredential(components.Credential, algorithm, headers.get('x-amz-region-set'));
  if (typeof credential === 'string') return refused(refusals.authorizationMalformed(credential));
  const signedHeaders = parseSignedHeaders(components.SignedHeaders);
  if (!signedHeaders || !isSignature(components.Signature, algorithm)) {
    const bad = signedHeaders ? 'Signature' : 'SignedHeaders';
    return refused(refusals.authorizationMalformed(`the authorization component "${bad}" is malformed.`));
  }
  const date = headerDate(headers);
  if (!date) return refused(refusals.noDate(), credential.accessKeyId);
  const payloadHash = headers.get('x-amz-content-sha256');
  if (payloadHash === undefined) return refused(refusals.contentSha256Missing(), credential.accessKeyId);
  const claim: SigV4Claim = {
    form: 'header',
    ...credential,
    signedHeaders,
    signature: components.Signature,
    ...date,
    expiresSeconds: undefined,
    payloadHash,
    sessionToken: headers.get('x-amz-security-token'),
  };
  if (credential.scope.date !== claim.amzDate.slice(0, 8)) {
    const text = 'Invalid credential date. Date is not the same as X-Amz-Date.';
    return refused(refusals.authorizationMalformed(text), claim.accessKeyId);
  }
  return { kind: 'claim', claim };
}

const THREE_COMPONENTS =
  'the authorization header requires three components: Credential, SignedHeaders, and Signature.';
const COMPONENTS = ['Credential', 'SignedHeaders', 'Signature'] as const;
type Components = Record<(typeof COMPONENTS)[number], string>;

/** The three components in any order, or S3's complaint about them. */
function parseComponents(text: string): Components | string {
  const found = new Map<string, string>();
  for (const part of text.split(',')) {
    const component = part.trim();
    const equals = component.indexOf('=');
    const name = component.slice(0, equals);
    const value = component.slice(equals + 1);
    if (equals < 0 || !/^[A-Za-z]+$/.test(name) || !/^\S+$/.test(value) || found.has(name)) {
      return componentComplaint(component);
    }
    found.set(name, value);
  }
  const Credential = found.get('Credential');
  const SignedHeaders = found.get('SignedHeaders');
  const Signature = found.get('Signature');
  if (Credential === undefined || SignedHeaders === undefined || Signature === undefined) {
    return `missing ${COMPONENTS.find((name) => !found.has(name))}.`;
  }
  if (found.size !== COMPONENTS.length) {
    return THREE_COMPONENTS;
  }
  return { Credential, SignedHeaders, Signature };
}

/** S3 repeats the component. From a signature on nothing is repeated, nor is what could be one. */
function componentComplaint(component: string): string {
  if (!COMPONENTS.some((name) => component.startsWith(`${name}=`))) return THREE_COMPONENTS;
  const shown = component.replace(/Signature=.*$/s, `Signature=${REDACTED}`);
  return `the authorization component "${shown}" is malformed.`;
}

type Credential = Pick<ClaimParts, 'accessKeyId'> & Scoped;

/** Splits from the right: on S3's clones an access key may hold `/`. Answers S3's complaint as text. */
function parseCredential(
  text: string,
  algorithm: SigningAlgorithm,
  regionSet: string | undefined,
): Credential | string {
  const parts = text.split('/');
  const [terminal, service] = [parts.pop(), parts.pop()];
  const region = algorithm === ALGORITHM ? parts.pop() : regionSet;
  const date = parts.pop();
  const accessKeyId = parts.join('/');
  if (!accessKeyId || !date || !service || !terminal) return MALFORMED_CREDENTIAL;
  if (!/^\d{8}$/.test(date)) {
    return `incorrect date format "${date}". This date in the credential must be in the format "yyyyMMdd".`;
  }
  if (service !== 's3') return `incorrect service "${service}". This endpoint belongs to "s3".`;
  if (terminal !== 'aws4_request') {
    return `incorrect terminal "${terminal}". This endpoint uses "aws4_request".`;
  }
  if (algorithm === ALGORITHM) {
    return region ? { accessKeyId, algorithm, scope: { date, region, service } } : MALFORMED_CREDENTIAL;
  }
  const regions = parseRegionSet(region ?? '');
  if (!regions) return MALFORMED_REGION_SET;
  return { accessKeyId, algorithm, scope: { date, service }, regionSet: regions };
}

/** Regions separated by commas; `undefined` for anything else. */
function parseRegionSet(text: string): string[] | undefined {
  const regions = text.split(',').map((region) => region.trim());
  return regions.every((region) => /^(?:[a-z0-9-]+\*?|\*)$/.test(region)) ? regions : undefined;
}

function isSignature(text: string, algorithm: SigningAlgorithm): boolean {
  return algorithm === ALGORITHM ? /^[0-9a-f]{64}$/.test(text) : signatureBytes(text) !== undefined;
}

/** Lower-case names in strictly ascending order; `undefined` for any other list. */
function parseSignedHeaders(text: string): string[] | undefined {
  const names = text.split(';');
  for (let i = 0; i < names.length; i++) {
    const name = names[i] ?? '';
    if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)) return undefined;
    if (i > 0 && compare(names[i - 1] ?? '', name) >= 0) return undefined;
  }
  return names;
}

/** `x-amz-date` wins over `Date`. */
function headerDate(headers: ReceivedHeaders): Pick<ClaimParts, 'amzDate' | 'date'> | undefined {
  const amzDate = headers.get('x-amz-date');
  const text = amzDate ?? headers.get('date') ?? '';
  const date = (amzDate === undefined ? parseHttpDate(text) : undefined) ?? parseAmzDate(text);
  // What parseAmzDate reads is in the form that it is to be written in.
  return date && { date, amzDate: text === amzDate ? amzDate : formatAmzDate(date) };
}

const MISSING_PARAMETER =
  'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.';
const MAX_EXPIRES = 604_800;

/**
 * Reads a presigned URL. Names count in their documented case only, each at most once.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 */
export function queryClaim(
  parameters: readonly QueryParameter[],
  headers: ReceivedHeaders,
  expected: SigningAlgorithm = ALGORITHM,
): Claimed {
  const complaint = (text: string, id?: string) => refused(refusals.authorizationQueryMalformed(text), id);
  if (repeatsParameter(parameters))
    return refused(refusals.ambiguous('an authentication parameter is repeated'));
  const given = presignedParameters(parameters);
  if (!given) return complaint(MISSING_PARAMETER);
  if (given.algorithm !== expected) {
    return complaint('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"');
  }
  const credential = parseCredential(given.credential, expected, given.regionSet);
  if (typeof credential === 'string') {
    return complaint(`Error parsing the X-Amz-Credential parameter; ${credential}`);
  }
  const { accessKeyId, scope } = credential;
  const signedHeaders = parseSignedHeaders(given.signedHeaders);
  if (!signedHeaders) {
    return complaint('X-Amz-SignedHeaders is not a sorted list of lower-case header names', accessKeyId);
  }
  const date = parseAmzDate(given.amzDate);
  const wrong = presignedComplaint(given, date, scope.date, expected);
  if (!date || wrong !== undefined) return complaint(wrong ?? MISSING_PARAMETER, accessKeyId);
  if (contradictsHeaders(given, signedHeaders, headers)) {
    return refused(refusals.headerQueryConflict(), accessKeyId);
  }
  const { signature, amzDate, sessionToken } = given;
  const payloadHash = presignedPayloadHash(given.payloadHash, signedHeaders, headers);
  const expiresSeconds = Number(given.expires);
  const times = { amzDate, date, expiresSeconds };
  return {
    kind: 'claim',
    claim: { form: 'query', ...credential, signedHeaders, signature, ...times, payloadHash, sessionToken },
  };
}

function repeatsParameter(parameters: readonly QueryParameter[]): boolean {
  const names = parameters.map(({ name }) => name.toLowerCase()).filter((name) => name.startsWith('x-amz-'));
  return new Set(names).size < names.length;
}

interface PresignedParameters {
  readonly algorithm: string;
  readonly credential: string;
  readonly signature: string;
  readonly amzDate: string;
  readonly signedHeaders: string;
  readonly expires: string;
  readonly regionSet: string | undefined;
  readonly payloadHash: string | undefined;
  readonly sessionToken: string | undefined;
}

/** `undefined` where one that is required is missing or empty. */
function presignedParameters(parameters: readonly QueryParameter[]): PresignedParameters | undefined {
  const get = (name: string) => parameters.find((parameter) => parameter.name === name)?.value;
  const [algorithm, credential, signature] = ['Algorithm', 'Credential', 'Signature'].map((n) =>
    get(`X-Amz-${n}`),
  );
  const [amzDate, signedHeaders, expires] = ['Date', 'SignedHeaders', 'Expires'].map((n) =>
    get(`X-Amz-${n}`),
  );
  if (!algorithm || !credential || !signature || !amzDate || !signedHeaders || !expires) return undefined;
  return {
    ...{ algorithm, credential, signature, amzDate, signedHeaders, expires },
    regionSet: get('X-Amz-Region-Set'),
    payloadHash: get('X-Amz-Content-Sha256'),
    sessionToken: get('X-Amz-Security-Token'),
  };
}

/** S3's complaint about the first parameter that is not well-formed. */
function presignedComplaint(
  { signature, amzDate, expires }: PresignedParameters,
  date: Date | undefined,
  scopeDate: string,
  expected: SigningAlgorithm,
): string | undefined {
  // A symmetric signature in the wrong form simply does not match; the numbers of an asymmetric one are read first.
  if (expected !== ALGORITHM && !isSignature(signature, expected)) {
    return 'X-Amz-Signature is not an ECDSA signature in DER, in lower-case hex';
  }
  if (!date) return `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`;
  const day = amzDate.slice(0, 8);
  if (scopeDate !== day) {
    return `Invalid credential date "${scopeDate}". This date is not the same as X-Amz-Date: "${day}".`;
  }
  return expiresComplaint(expires);
}

/** A session token twice, or two payload hashes that both are signed: which of them counts is not to be guessed. */
function contradictsHeaders(
  { payloadHash, sessionToken }: PresignedParameters,
  signedHeaders: readonly string[],
  headers: ReceivedHeaders,
): boolean {
  if (sessionToken !== undefined && headers.has('x-amz-security-token')) return true;
  const header = headers.get('x-amz-content-sha256');
  return (
    payloadHash !== undefined && signedHeaders.includes('x-amz-content-sha256') && header !== payloadHash
  );
}

function expiresComplaint(expires: string): string | undefined {
  if (!/^-?\d{1,12}$/.test(expires)) return 'X-Amz-Expires should be a number';
  if (expires.startsWith('-')) return 'X-Amz-Expires must be non-negative';
  if (Number(expires) > MAX_EXPIRES) {
    return 'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds';
  }
  return undefined;
}

/** `UNSIGNED-PAYLOAD` unless the query or a signed header names another; an unsigned header is not to be relied on. */
function presignedPayloadHash(
  parameter: string | undefined,
  signedHeaders: readonly string[],
  headers: ReceivedHeaders,
): string {
  if (parameter !== undefined) return parameter;
  const header = signedHeaders.includes('x-amz-content-sha256')
    ? headers.get('x-amz-content-sha256')
    : undefined;
  return header ?? 'UNSIGNED-PAYLOAD';
}
