// Who sent a request: the one verification stage. Everything after it reads its result, never the request's own claims
// (CVE-2025-31489, CVE-2026-40344 and CVE-2026-41145 came from deciding it in several places). Must not know rules.
import { type CertificateName, certificateKey, hasName, holderOf } from './certificate.ts';
import type { AuthenticationScheme, Facts } from './facts.ts';
import type { ReceivedHeaders } from './http/headers.ts';
import type { QueryParameter } from './http/target.ts';
import type { ChunkTrust } from './policy/body-plan.ts';
import type { ChannelStrength } from './policy/encryption.ts';
import type { Client, Policy } from './policy/policy.ts';
import type { Refusal } from './refusal.ts';
import * as refusals from './refusal.ts';
import type { AuthenticationForm, Channel, ParsedRequest } from './request.ts';
import { addressOf } from './s3/address.ts';
import type { Operation } from './s3/operation.ts';
import { type PayloadMode, payloadModeOf } from './s3/payload-mode.ts';
import { type PostClaim, postClaim, verifyPostClaim } from './s3/post-claim.ts';
import { judgePostPolicy } from './s3/post-policy.ts';
import * as sigv2 from './sigv2/verify.ts';
import { ALGORITHM, ASYMMETRIC_ALGORITHM, type SigningAlgorithm } from './sigv4/algorithm.ts';
import * as sigv4 from './sigv4/claim.ts';
import type { SigningKeys } from './sigv4/signing-key.ts';
import { chunkSeed, verifySigV4 } from './sigv4/verify.ts';

/** What verification depends on besides the request. */
export interface AuthenticationContext {
  readonly policy: Policy;
  readonly now: Date;
  readonly keys: SigningKeys;
}

/** Who sent the request, as far as its listener asks. */
export interface Identity {
  /** Absent where the listener's clients need not sign, and on a CORS preflight. */
  readonly client: Client | undefined;
  readonly mode: PayloadMode;
  /** What vouches for signed chunks of the body; `undefined` where there may be none. */
  readonly chunks: ChunkTrust | undefined;
  readonly strength: ChannelStrength;
}

/**
 * The single verification stage: whatever comes after it reads its result, never the request's own claims.
 * `region` is the one that signatures must be for.
 */
export function authenticate(
  request: ParsedRequest,
  operation: Operation,
  region: string,
  context: AuthenticationContext,
  facts: Facts,
): Identity | Refusal {
  const { channel } = request.received;
  const verified = verifyIdentity(request, operation, region, context, facts);
  const outcome =
    'reason' in verified ? verified : (refuseOtherCertificate(verified.client, channel, facts) ?? verified);
  if (channel.signing !== 'preserve' && isSignature(facts.scheme)) {
    facts.verification = 'reason' in outcome ? outcome.reason : 'verified';
  }
  return outcome;
}

function isSignature(scheme: AuthenticationScheme | undefined): boolean {
  return scheme !== undefined && scheme !== 'none' && scheme !== 'certificate';
}

/** Names of a certificate that are logged: it has as many as its authority likes. */
const LOGGED_NAMES = 8;

/**
 * A client that states a certificate must have come with it: its access key alone is half of what identifies it. Asked
 * last, so that only who holds the secret learns that there is a certificate to have.
 */
function refuseOtherCertificate(
  client: Client | undefined,
  { certificateNames = [] }: Channel,
  facts: Facts,
): Refusal | undefined {
  const stated = client?.certificate;
  if (!stated) return undefined;
  const own = hasName(certificateNames, stated);
  facts.certificate = own ? [certificateKey(stated)] : loggedNames(certificateNames);
  return own ? undefined : refusals.certificateMismatch();
}

function loggedNames(names: readonly CertificateName[]): readonly string[] {
  return names.slice(0, LOGGED_NAMES).map(certificateKey);
}

/** Whose the certificate of the connection is, on a listener where that alone says who somebody is. */
function certificateHolder(
  { certificateNames = [] }: Channel,
  { certificateClients }: Policy,
  facts: Facts,
): Client | Refusal {
  facts.scheme = 'certificate';
  const holder = holderOf(certificateNames, certificateClients);
  facts.certificate = loggedNames(holder?.certificate ? [holder.certificate] : certificateNames);
  if (!holder) return refusals.unknownCertificate();
  facts.client = holder.name;
  return holder;
}

/** Who comes unsigned where none need sign; nobody where not even a certificate is asked for. */
function unsignedClient(channel: Channel, policy: Policy, facts: Facts): Client | undefined | Refusal {
  if (channel.authentication === 'certificate') return certificateHolder(channel, policy, facts);
  facts.scheme = 'none';
  return undefined;
}

/**
 * A listener that preserves signatures leaves them to the backend, which has the secrets. What the form of a signature
 * means to S3's conditions on KMS is known without verifying it.
 */
function unverifiedIdentity(request: ParsedRequest, facts: Facts): Identity {
  facts.scheme = SCHEMES[request.form];
  const accessKeyId = claimedAccessKeyId(request);
  if (accessKeyId !== undefined) facts.accessKeyId = accessKeyId;
  const weakSignature = !request.form.startsWith('sigv4');
  const authorization = request.form === 'sigv2-header' ? 'AWS' : undefined;
  const strength = { secure: request.secure, weakSignature, authorization };
  return { client: undefined, mode: { kind: 'unsigned' }, chunks: undefined, strength };
}

/** Whose signature it says it is; a claim that cannot be read is the backend's to refuse. */
function claimedAccessKeyId({ form, received, target }: ParsedRequest): string | undefined {
  if (form === 'none' || form === 'unsupported') return undefined;
  const { headers } = received;
  if (form === 'sigv2-header' || form === 'sigv2-query') {
    const claimed = readV2Claim(form, headers, target.parameters);
    return claimed.kind === 'claim' ? claimed.claim.accessKeyId : undefined;
  }
  const claimed = readV4Claim(V4_FORMS[form], headers, target.parameters);
  return claimed.kind === 'claim' ? claimed.claim.accessKeyId : claimed.accessKeyId;
}

/** The one region that a request says it is signed for; unverified, so good for nothing but to choose what to verify it for. */
export function claimedRegion({ form, received, target }: ParsedRequest): string | undefined {
  if (form === 'none' || form === 'unsupported' || form === 'sigv2-header' || form === 'sigv2-query') {
    return undefined;
  }
  const claimed = readV4Claim(V4_FORMS[form], received.headers, target.parameters);
  if (claimed.kind === 'refused') return undefined;
  const { claim } = claimed;
  if (claim.algorithm === ALGORITHM) return claim.scope.region;
  const [region, ...more] = claim.regionSet;
  return more.length === 0 && !region?.endsWith('*') ? region : undefined;
}

/** The same of a form. */
export function claimedFormRegion(fields: ReadonlyMap<string, string>): string | undefined {
  const claimed = postClaim(fields);
  return claimed.kind === 'claim' ? claimed.claim.scope?.region : undefined;
}

const SCHEMES: Readonly<Record<AuthenticationForm, AuthenticationScheme>> = {
  'sigv4-header': 'sigv4',
  'sigv4-query': 'sigv4-query',
  'sigv4a-header': 'sigv4a',
  'sigv4a-query': 'sigv4a',
  'sigv2-header': 'sigv2',
  'sigv2-query': 'sigv2-query',
  unsupported: 'none',
  none: 'none',
};

function verifyIdentity(
  request: ParsedRequest,
  operation: Operation,
  region: string,
  context: AuthenticationContext,
  facts: Facts,
): Identity | Refusal {
  const { channel, headers } = request.received;
  if (channel.signing === 'preserve') return unverifiedIdentity(request, facts);
  if (channel.authentication !== 'signature' || operation.access === 'preflight') {
    const client = unsignedClient(channel, context.policy, facts);
    if (client && 'reason' in client) return client;
    const mode = modeOf(headers.get('x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD');
    const strength = { secure: request.secure, weakSignature: false, authorization: undefined };
    const chunks = channel.authentication === 'signature' ? undefined : 'ignored';
    return 'reason' in mode ? mode : { client, mode, chunks, strength };
  }
  switch (request.form) {
    case 'sigv4-header':
    case 'sigv4-query':
    case 'sigv4a-header':
    case 'sigv4a-query':
      return authenticateV4(request, V4_FORMS[request.form], operation, region, context, facts);
    case 'sigv2-header':
    case 'sigv2-query':
      return authenticateV2(request, context, facts);
    case 'unsupported':
      return refusals.authorizationInvalid('Unsupported Authorization Type');
    case 'none':
      return refusals.anonymous();
  }
}

interface V4Form {
  readonly scheme: AuthenticationScheme;
  readonly algorithm: SigningAlgorithm;
  readonly place: 'header' | 'query';
}

const V4_FORMS = {
  'sigv4-header': { scheme: 'sigv4', algorithm: ALGORITHM, place: 'header' },
  'sigv4-query': { scheme: 'sigv4-query', algorithm: ALGORITHM, place: 'query' },
  'sigv4a-header': { scheme: 'sigv4a', algorithm: ASYMMETRIC_ALGORITHM, place: 'header' },
  'sigv4a-query': { scheme: 'sigv4a', algorithm: ASYMMETRIC_ALGORITHM, place: 'query' },
} as const satisfies Record<string, V4Form>;

function readV4Claim(
  { place, algorithm }: V4Form,
  headers: ReceivedHeaders,
  parameters: readonly QueryParameter[],
): sigv4.Claimed {
  return place === 'header'
    ? sigv4.headerClaim(headers, algorithm)
    : sigv4.queryClaim(parameters, headers, algorithm);
}

function authenticateV4(
  request: ParsedRequest,
  form: V4Form,
  operation: Operation,
  region: string,
  { policy, now, keys }: AuthenticationContext,
  facts: Facts,
): Identity | Refusal {
  const { received, target } = request;
  const { headers, method } = received;
  facts.scheme = form.scheme;
  const claimed = readV4Claim(form, headers, target.parameters);
  if (claimed.kind === 'refused') return claimed.refusal;
  const { claim } = claimed;
  facts.accessKeyId = claim.accessKeyId;
  const client = policy.clients.get(claim.accessKeyId);
  // Clients that do not know a bucket's region ask for it at us-east-1 (minio-go does so before its first request).
  const regions = operation.name === 'GetBucketLocation' ? [region, 'us-east-1'] : [region];
  const refusal = verifySigV4(claim, { method, target, headers }, { client, regions, now, keys });
  if (refusal) return refusal;
  if (!client) return refusals.unknownAccessKey(claim.accessKeyId);
  facts.client = client.name;
  const mode = modeOf(claim.payloadHash);
  if ('reason' in mode) return mode;
  return {
    client,
    mode,
    chunks: mayStartChain(claim, mode) ? chunkSeed(claim, client, keys) : undefined,
    strength: { secure: request.secure, weakSignature: false, authorization: undefined },
  };
}

/**
 * Signed chunks continue the signature of an Authorization header, and with its algorithm. Whoever holds a presigned URL
 * has no secret to sign chunks with.
 */
function mayStartChain({ form, algorithm }: sigv4.SigV4Claim, mode: PayloadMode): boolean {
  if (form !== 'header' || mode.kind !== 'aws-chunked') return false;
  return mode.chunkSignature === (algorithm === ALGORITHM ? 'hmac' : 'ecdsa');
}

function readV2Claim(
  form: AuthenticationForm,
  headers: ReceivedHeaders,
  parameters: readonly QueryParameter[],
): sigv2.Claimed {
  return form === 'sigv2-header' ? sigv2.headerClaim(headers) : sigv2.queryClaim(parameters);
}

function authenticateV2(
  request: ParsedRequest,
  { policy, now }: AuthenticationContext,
  facts: Facts,
): Identity | Refusal {
  const { received, target } = request;
  const { headers, method } = received;
  facts.scheme = SCHEMES[request.form];
  const claimed = readV2Claim(request.form, headers, target.parameters);
  if (claimed.kind === 'refused') return claimed.refusal;
  facts.accessKeyId = claimed.claim.accessKeyId;
  const client = policy.clients.get(claimed.claim.accessKeyId);
  const hostedBucket = hostedBucketOf(request, policy);
  const refusal = sigv2.verifySigV2(
    claimed.claim,
    { method, target, headers, hostedBucket },
    { client, now },
  );
  if (refusal) return refusal;
  if (!client) return refusals.unknownAccessKey(claimed.claim.accessKeyId);
  facts.client = client.name;
  if (policy.signatureV2 === 'refuse') return refusals.signatureV2NotSupported();
  const unsigned = sigv2.unsignedParameter(request.query);
  if (unsigned !== undefined) return refusals.headersNotSigned([unsigned]);
  const mode = modeOf(headers.get('x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD');
  if ('reason' in mode) return mode;
  if (mode.kind === 'aws-chunked') return refusals.contentSha256NotForOperation();
  const strength = {
    secure: request.secure,
    weakSignature: true,
    authorization: request.form === 'sigv2-header' ? 'AWS' : undefined,
  };
  return { client, mode, chunks: undefined, strength };
}

/** The bucket where Host names it. */
export function hostedBucketOf(request: ParsedRequest, policy: Policy): string | undefined {
  const root = addressOf(
    request.host,
    { rawPath: '/', parameters: [] },
    policy.domains,
    policy.egress?.hosts,
  );
  return root.kind === 'address' && root.address.resource === 'bucket' ? root.address.bucket : undefined;
}

function modeOf(value: string): PayloadMode | Refusal {
  return payloadModeOf(value) ?? refusals.contentSha256Invalid(value);
}

/** A form whose fields are known. */
export interface SignedForm {
  readonly request: ParsedRequest;
  readonly bucket: string;
  /** The one that its signature must be for. */
  readonly region: string;
  /** In bytes. */
  readonly fileSize: number;
}

/** The single verification stage of forms: signature and certificate, then the policy that the signature vouches for. */
export function authenticateForm(
  form: SignedForm,
  fields: ReadonlyMap<string, string>,
  context: AuthenticationContext,
  facts: Facts,
): Identity | Refusal {
  const { bucket, fileSize, request } = form;
  const { now, policy } = context;
  const { channel } = request.received;
  const judged = (text: string) => judgePostPolicy(text, { fields, bucket, fileSize, now });
  const strong = { secure: request.secure, weakSignature: false, authorization: undefined };
  const identity = { mode: { kind: 'unsigned' }, chunks: undefined, strength: strong } as const;
  if (channel.authentication !== 'signature') {
    const client = unsignedClient(channel, policy, facts);
    if (client && 'reason' in client) return client;
    const text = fields.get('policy');
    return (text === undefined ? undefined : judged(text)) ?? { ...identity, client };
  }
  const claimed = postClaim(fields);
  if (claimed.kind === 'refused') return claimed.refusal;
  if (claimed.kind === 'unsigned') return refusals.anonymous();
  const { claim } = claimed;
  const client = verifiedFormClient(claim, form, context, facts);
  if ('reason' in client) return client;
  const weakSignature = claim.scope === undefined;
  if (weakSignature && policy.signatureV2 === 'refuse') return refusals.signatureV2NotSupported();
  return judged(claim.policy) ?? { ...identity, client, strength: { ...strong, weakSignature } };
}

function verifiedFormClient(
  claim: PostClaim,
  { request, region }: SignedForm,
  { policy, now, keys }: AuthenticationContext,
  facts: Facts,
): Client | Refusal {
  facts.scheme = 'post-policy';
  facts.accessKeyId = claim.accessKeyId;
  const client = policy.clients.get(claim.accessKeyId);
  const unverified = verifyPostClaim(claim, { client, regions: [region], now, keys });
  const refusal = unverified ?? refuseOtherCertificate(client, request.received.channel, facts);
  facts.verification = refusal?.reason ?? 'verified';
  if (client && !unverified) facts.client = client.name;
  return refusal ?? client ?? refusals.unknownAccessKey(claim.accessKeyId);
}
