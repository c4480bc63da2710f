// The whole judgement on a request, in order: parse → classify → authenticate → judge → plan the body → edit headers →
// sign. Pure: the clock and the credentials are arguments, the verdict is a value.
import { authorize, backendFor, mayRead } from './policy/access.ts';
import { type BodyPlan, planBody } from './policy/body-plan.ts';
import {
  type ChannelStrength,
  type EncryptionOrder,
  type Injection,
  judgeEncryption,
  refuseAskedKms,
  refuseMisplacedHeaders,
  refuseWeakChannel,
  ruleFor,
} from './policy/encryption.ts';
import type { Backend, Client, Policy, SigningCredentials } from './policy/policy.ts';
import { destinationOf, requestTarget, rewriteHeaders } from './policy/rewrite.ts';
import type { Reason, Refusal } from './refusal.ts';
import * as refusals from './refusal.ts';
import { type ParsedRequest, parseRequest, type ReceivedRequest } from './request.ts';
import { type Address, addressOf } from './s3/address.ts';
import { formatCopySource, parseCopySource } from './s3/copy-source.ts';
import { type Operation, routeOperation } from './s3/operation.ts';
import { type PayloadMode, payloadModeOf } from './s3/payload-mode.ts';
import { requestedEncryption } from './s3/sse.ts';
import * as sigv2 from './sigv2/verify.ts';
import * as sigv4 from './sigv4/claim.ts';
import { sign } from './sigv4/sign.ts';
import type { SigningKeys } from './sigv4/signing-key.ts';
import { verifySigV4 } from './sigv4/verify.ts';

/** What the judgement depends on besides the request. */
export interface DecisionContext {
  readonly policy: Policy;
  /** Credentials for a backend as of now; `undefined` while there are none. */
  readonly credentials: (backend: Backend) => SigningCredentials | undefined;
  readonly now: Date;
  readonly keys: SigningKeys;
}

/** The form in which a request was authenticated. */
export type AuthenticationScheme = 'sigv4' | 'sigv4-query' | 'sigv2' | 'sigv2-query' | 'none';

/** What is known of a request, whatever becomes of it. */
export interface Facts {
  operation: string;
  secure: boolean;
  bucket?: string;
  key?: string;
  accessKeyId?: string;
  client?: string;
  scheme?: AuthenticationScheme;
  /** `verified`, or the reason why not. */
  verification?: 'verified' | Reason;
  rule?: string;
  backend?: string;
  /** What a rule in mode `observe` would have refused. */
  observedReason?: Reason;
}

/** A request to the backend, signed. Header values are latin1. */
export interface OutgoingRequest {
  readonly origin: string;
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** Send it. */
export interface ForwardVerdict {
  readonly kind: 'forward';
  readonly facts: Readonly<Facts>;
  readonly backend: Backend;
  readonly outgoing: OutgoingRequest;
  readonly body: BodyPlan;
  /** Algorithm and key that the answer must confirm. */
  readonly encryption: { readonly algorithm: string; readonly keyId: string } | undefined;
  readonly injected: readonly Injection[];
  /** The refusal that takes the place of an answer which says `aws:kms`: it must not pass over this channel. */
  readonly ifAnswerUnderKms: Refusal | undefined;
}

/** The judgement on a request. */
export type Verdict =
  | ForwardVerdict
  | { readonly kind: 'refused'; readonly facts: Readonly<Facts>; readonly refusal: Refusal }
  /** Nothing wrong with the request, but the gateway has no credentials for its backend. */
  | { readonly kind: 'no-credentials'; readonly facts: Readonly<Facts>; readonly backend: Backend };

/** Judges a request. */
export function decide(received: ReceivedRequest, context: DecisionContext): Verdict {
  const facts: Facts = { operation: 'Unknown', secure: false };
  const verdict = judge(received, context, facts);
  return 'reason' in verdict ? { kind: 'refused', facts, refusal: verdict } : verdict;
}

function judge(received: ReceivedRequest, context: DecisionContext, facts: Facts): Verdict | Refusal {
  const { policy } = context;
  const parsed = parseRequest(received, policy.limits.headerBytes);
  if (parsed.kind === 'refused') return parsed.refusal;
  const { request } = parsed;
  facts.secure = request.secure;

  const addressed = addressOf(request.host, request.target, policy.domains);
  if (addressed.kind === 'refused') return addressed.refusal;
  const { address } = addressed;
  if (address.resource !== 'service') facts.bucket = address.bucket;
  if (address.resource === 'object') facts.key = address.key;
  const routed = routeOperation(received.method, address.resource, request.query, received.headers);
  if (routed.kind === 'refused') return routed.refusal;
  const { operation } = routed;
  facts.operation = operation.name;
  const backend = backendFor(policy.backends, address);

  const identity = authenticate(request, operation, backend, context, facts);
  if ('reason' in identity) return identity;
  return (
    authorize(identity.client, operation, address) ??
    (backend === undefined
      ? refusals.bucketNotAllowed()
      : judgeAuthenticated({ request, address, operation, backend, identity }, context, facts))
  );
}

/** Who sent the request, as far as its listener asks. */
interface Identity {
  /** Absent where the listener's clients need not sign, and on a CORS preflight. */
  readonly client: Client | undefined;
  readonly mode: PayloadMode;
  readonly strength: ChannelStrength;
}

/** The single verification stage: whatever comes after it reads its result, never the request's own claims. */
function authenticate(
  request: ParsedRequest,
  operation: Operation,
  backend: Backend | undefined,
  context: DecisionContext,
  facts: Facts,
): Identity | Refusal {
  const outcome = verifyIdentity(request, operation, backend, context, facts);
  if (facts.scheme !== undefined && facts.scheme !== 'none') {
    facts.verification = 'reason' in outcome ? outcome.reason : 'verified';
  }
  return outcome;
}

function verifyIdentity(
  request: ParsedRequest,
  operation: Operation,
  backend: Backend | undefined,
  context: DecisionContext,
  facts: Facts,
): Identity | Refusal {
  const { channel, headers } = request.received;
  if (channel.authentication === 'none' || operation.access === 'preflight') {
    facts.scheme = 'none';
    const mode = modeOf(headers.get('x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD');
    const strength = { secure: request.secure, weakSignature: false, authorization: undefined };
    return 'reason' in mode ? mode : { client: undefined, mode, strength };
  }
  switch (request.form) {
    case 'sigv4-header':
    case 'sigv4-query':
      return authenticateV4(request, operation, backend, context, facts);
    case 'sigv2-header':
    case 'sigv2-query':
      return authenticateV2(request, context, facts);
    case 'unsupported':
      return refusals.authorizationInvalid('Unsupported Authorization Type');
    case 'none':
      return refusals.anonymous();
  }
}

function authenticateV4(
  request: ParsedRequest,
  operation: Operation,
  backend: Backend | undefined,
  { policy, now, keys }: DecisionContext,
  facts: Facts,
): Identity | Refusal {
  const { received, target } = request;
  const { headers, method } = received;
  facts.scheme = request.form === 'sigv4-header' ? 'sigv4' : 'sigv4-query';
  const claimed =
    request.form === 'sigv4-header'
      ? sigv4.headerClaim(headers)
      : sigv4.queryClaim(target.parameters, headers);
  if (claimed.kind === 'refused') return claimed.refusal;
  const { claim } = claimed;
  facts.accessKeyId = claim.accessKeyId;
  const client = policy.clients.get(claim.accessKeyId);
  const region = backend?.region ?? policy.backends[0]?.region ?? 'us-east-1';
  // Clients that do not know a bucket's region ask for it at us-east-1 (minio-go does so before its first request).
  const regions = operation.name === 'GetBucketLocation' ? [region, 'us-east-1'] : [region];
  const refusal = verifySigV4(claim, { method, target, headers }, { client, regions, now, keys });
  if (refusal) return refusal;
  if (client) facts.client = client.name;
  const mode = modeOf(claim.payloadHash);
  if ('reason' in mode) return mode;
  return {
    client,
    mode,
    strength: { secure: request.secure, weakSignature: false, authorization: undefined },
  };
}

function authenticateV2(
  request: ParsedRequest,
  { policy, now }: DecisionContext,
  facts: Facts,
): Identity | Refusal {
  const { received, target } = request;
  const { headers, method } = received;
  facts.scheme = request.form === 'sigv2-header' ? 'sigv2' : 'sigv2-query';
  const claimed =
    request.form === 'sigv2-header' ? sigv2.headerClaim(headers) : sigv2.queryClaim(target.parameters);
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
  if (client) facts.client = client.name;
  if (policy.signatureV2 === 'refuse') return refusals.signatureV2NotSupported();
  const unsigned = sigv2.unsignedParameter(request.query);
  if (unsigned !== undefined) return refusals.headersNotSigned([unsigned]);
  const mode = modeOf(headers.get('x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD');
  if ('reason' in mode) return mode;
  if (mode.kind === 'aws-chunked') return refusals.contentSha256NotForOperation();
  const strength = {
    secure: request.secure,
    weakSignature: true,
    authorization: headers.get('authorization'),
  };
  return { client, mode, strength };
}

/** The bucket where Host names it. */
function hostedBucketOf(request: ParsedRequest, policy: Policy): string | undefined {
  const root = addressOf(request.host, { rawPath: '/', parameters: [] }, policy.domains);
  return root.kind === 'address' && root.address.resource === 'bucket' ? root.address.bucket : undefined;
}

function modeOf(value: string): PayloadMode | Refusal {
  return payloadModeOf(value) ?? refusals.contentSha256Invalid(value);
}

/** A request whose sender is known and may do this. */
interface Authenticated {
  readonly request: ParsedRequest;
  readonly address: Address;
  readonly operation: Operation;
  readonly backend: Backend;
  readonly identity: Identity;
}

function judgeAuthenticated(
  authenticated: Authenticated,
  context: DecisionContext,
  facts: Facts,
): Verdict | Refusal {
  const { request, operation, backend, identity } = authenticated;
  facts.backend = backend.name;
  const misplaced = refuseMisplacedHeaders(operation, request.fields);
  if (misplaced) return misplaced;
  const copySource = judgeCopySource(authenticated, context.policy);
  if (copySource !== undefined && typeof copySource !== 'string') return copySource;
  const encryption = judgeWrite(authenticated, context.policy, facts);
  if (encryption !== undefined && 'reason' in encryption) return encryption;
  const planned = planBody(request, operation, identity.mode, backend);
  if (planned.kind === 'refused') return planned.refusal;
  return forward(
    authenticated,
    context,
    facts,
    { order: encryption, copySource, body: planned.plan },
    planned.payloadHash,
  );
}

/** The copy source as it is sent on: readable by the client, and served by the same backend as the target. */
function judgeCopySource(
  { request, operation, backend, identity }: Authenticated,
  policy: Policy,
): string | undefined | Refusal {
  if (!operation.copySource) return undefined;
  const header = request.fields.get('x-amz-copy-source') ?? '';
  const source = parseCopySource(header);
  if (!source)
    return refusals.argumentInvalid(
      'Invalid copy source object key',
      'x-amz-copy-source',
      'x-amz-copy-source',
    );
  const sourceBackend = backendFor(policy.backends, { resource: 'bucket', bucket: source.bucket });
  if (!mayRead(identity.client, source.bucket) || sourceBackend !== backend)
    return refusals.bucketNotAllowed();
  return formatCopySource(source);
}

/** What the rules make of a write; `undefined` where encryption headers go on as they came. */
function judgeWrite(
  { request, address, operation, backend, identity }: Authenticated,
  policy: Policy,
  facts: Facts,
): EncryptionOrder | undefined | Refusal {
  if (operation.encryption === undefined || address.resource !== 'object') return undefined;
  const requested = requestedEncryption(request.fields);
  const asked = refuseAskedKms(requested, identity.strength);
  if (asked) return asked;
  const { bucket, key } = address;
  const rule = ruleFor(policy.rules, bucket, key);
  if (!rule) return refusals.noRule();
  facts.rule = rule.name;
  const verdict = judgeEncryption(rule, {
    operation,
    bucket,
    key,
    partition: backend.partition,
    requested,
    strength: identity.strength,
    contextBytes: policy.limits.contextBytes,
  });
  if (rule.mode === 'observe') {
    if (verdict.kind === 'refused') facts.observedReason = verdict.refusal.reason;
    return undefined;
  }
  if (verdict.kind === 'refused') return verdict.refusal;
  return verdict.kind === 'ordered' ? verdict.order : undefined;
}

function forward(
  { request, address, operation, backend, identity }: Authenticated,
  context: DecisionContext,
  facts: Facts,
  edits: { order: EncryptionOrder | undefined; copySource: string | undefined; body: BodyPlan },
  payloadHash: string,
): Verdict | Refusal {
  const destination = destinationOf(backend, address, request.query);
  const rewritten = rewriteHeaders(request, operation, destination.host, edits);
  if (rewritten.kind === 'refused') return rewritten.refusal;
  const credentials = context.credentials(backend);
  if (!credentials) return { kind: 'no-credentials', facts, backend };
  const { method } = request.received;
  const unsigned = { method, ...destination, headers: rewritten.headers, payloadHash };
  const headers = sign(unsigned, {
    credentials,
    region: backend.region,
    now: context.now,
    keys: context.keys,
  });
  return {
    kind: 'forward',
    facts,
    backend,
    outgoing: { origin: destination.origin, method, target: requestTarget(destination), headers },
    body: edits.body,
    encryption: edits.order && { algorithm: edits.order.algorithm, keyId: edits.order.keyId },
    injected: edits.order?.injected ?? [],
    ifAnswerUnderKms: refuseWeakChannel('aws:kms', identity.strength),
  };
}
