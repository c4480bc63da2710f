// The whole judgement on a request, in order: parse → classify → authenticate → judge → plan the body → edit headers →
// sign. Pure: the clock and the credentials are arguments, the verdict is a value.
import { ReceivedHeaders } from './http/headers.ts';
import { authorize, backendFor, mayRead } from './policy/access.ts';
import { type BodyPlan, type ChunkTrust, planBody } from './policy/body-plan.ts';
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
import { type CopySource, formatCopySource, parseCopySource } from './s3/copy-source.ts';
import { type Form, formBoundary } from './s3/form-data.ts';
import { type Operation, operationNamed, routeOperation } from './s3/operation.ts';
import { type PayloadMode, payloadModeOf } from './s3/payload-mode.ts';
import { postClaim, verifyPostClaim } from './s3/post-claim.ts';
import { putObjectOf, withFilename } from './s3/post-object.ts';
import { judgePostPolicy } from './s3/post-policy.ts';
import { requestedEncryption } from './s3/sse.ts';
import * as sigv2 from './sigv2/verify.ts';
import { ALGORITHM, ASYMMETRIC_ALGORITHM, type SigningAlgorithm } from './sigv4/algorithm.ts';
import * as sigv4 from './sigv4/claim.ts';
import { sign } from './sigv4/sign.ts';
import type { SigningKeys } from './sigv4/signing-key.ts';
import { chunkSeed, verifySigV4 } from './sigv4/verify.ts';

/** What the judgement depends on besides the request. */
export interface DecisionContext {
  readonly policy: Policy;
  /** Credentials for a backend as of now; `undefined` while there are none. */
  readonly credentials: (backend: Backend) => SigningCredentials | undefined;
  readonly now: Date;
  readonly keys: SigningKeys;
}

/** The form in which a request was authenticated. */
export type AuthenticationScheme =
  | 'sigv4'
  | 'sigv4-query'
  | 'sigv4a'
  | 'sigv2'
  | 'sigv2-query'
  | 'post-policy'
  | 'none';

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
  /** The form this write stands for, which says how its answer looks. */
  readonly form: JudgedForm | undefined;
}

/** A form that was judged: what its answer is made of, besides the ETag. */
export interface JudgedForm {
  readonly fields: ReadonlyMap<string, string>;
  readonly bucketUrl: string;
  readonly bucket: string;
  readonly key: string;
}

/** The judgement on a request. */
export type Verdict =
  | ForwardVerdict
  | { readonly kind: 'refused'; readonly facts: Readonly<Facts>; readonly refusal: Refusal }
  /** A form: read it up to its file, then ask again. */
  | {
      readonly kind: 'read-form';
      readonly facts: Readonly<Facts>;
      readonly boundary: string;
      readonly length: number;
    }
  /** Nothing wrong with the request, but the gateway has no credentials for its backend. */
  | { readonly kind: 'no-credentials'; readonly facts: Readonly<Facts>; readonly backend: Backend };

/** Judges a request; for POST Object a second time, with the form that the first verdict asked for. */
export function decide(received: ReceivedRequest, context: DecisionContext, form?: Form): Verdict {
  const facts: Facts = { operation: 'Unknown', secure: false };
  const verdict = judge(received, context, facts, form);
  return 'reason' in verdict ? { kind: 'refused', facts, refusal: verdict } : verdict;
}

function judge(
  received: ReceivedRequest,
  context: DecisionContext,
  facts: Facts,
  form: Form | undefined,
): Verdict | Refusal {
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
  // Routing reads the header alone, and so does S3: in the query it would make a copy look like an empty PutObject.
  if (request.fields.has('x-amz-copy-source') && !received.headers.has('x-amz-copy-source')) {
    return refusals.ambiguous('x-amz-copy-source stands in its query');
  }
  const routed = routeOperation(received.method, address.resource, request.query, received.headers);
  if (routed.kind === 'refused') return routed.refusal;
  const { operation } = routed;
  facts.operation = operation.name;
  const backend = backendFor(policy.backends, address);
  if (operation.form && address.resource === 'bucket') {
    if (!form) return awaitForm(request, facts);
    return judgeForm({ request, operation, address, backend, form }, context, facts);
  }

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
  /** What vouches for signed chunks of the body; `undefined` where there may be none. */
  readonly chunks: ChunkTrust | undefined;
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
    const chunks = channel.authentication === 'none' ? 'ignored' : undefined;
    return 'reason' in mode ? mode : { client: undefined, mode, chunks, strength };
  }
  switch (request.form) {
    case 'sigv4-header':
    case 'sigv4-query':
    case 'sigv4a-header':
    case 'sigv4a-query':
      return authenticateV4(request, V4_FORMS[request.form], operation, backend, context, facts);
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

function authenticateV4(
  request: ParsedRequest,
  form: V4Form,
  operation: Operation,
  backend: Backend | undefined,
  { policy, now, keys }: DecisionContext,
  facts: Facts,
): Identity | Refusal {
  const { received, target } = request;
  const { headers, method } = received;
  facts.scheme = form.scheme;
  const claimed =
    form.place === 'header'
      ? sigv4.headerClaim(headers, form.algorithm)
      : sigv4.queryClaim(target.parameters, headers, form.algorithm);
  if (claimed.kind === 'refused') return claimed.refusal;
  const { claim } = claimed;
  facts.accessKeyId = claim.accessKeyId;
  const client = policy.clients.get(claim.accessKeyId);
  const region = backend?.region ?? policy.backends[0]?.region ?? 'us-east-1';
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
    authorization: request.form === 'sigv2-header' ? 'AWS' : undefined,
  };
  return { client, mode, chunks: undefined, strength };
}

/** The bucket where Host names it. */
function hostedBucketOf(request: ParsedRequest, policy: Policy): string | undefined {
  const root = addressOf(request.host, { rawPath: '/', parameters: [] }, policy.domains);
  return root.kind === 'address' && root.address.resource === 'bucket' ? root.address.bucket : undefined;
}

function modeOf(value: string): PayloadMode | Refusal {
  return payloadModeOf(value) ?? refusals.contentSha256Invalid(value);
}

/** What must be known of a form before it is read. */
function awaitForm(request: ParsedRequest, facts: Facts): Verdict | Refusal {
  if (request.form !== 'none') return refusals.severalAuthMechanisms();
  const { headers } = request.received;
  const boundary = formBoundary(headers.get('content-type') ?? '');
  if (boundary === undefined) return refusals.formMalformed();
  const length = headers.get('content-length');
  if (length === undefined || !/^\d{1,15}$/.test(length)) return refusals.lengthMissing();
  return { kind: 'read-form', facts, boundary, length: Number(length) };
}

interface FormCase {
  readonly request: ParsedRequest;
  readonly operation: Operation;
  readonly address: Extract<Address, { resource: 'bucket' }>;
  readonly backend: Backend | undefined;
  readonly form: Form;
}

/** POST Object is judged by its policy, and then as the PutObject it stands for. */
function judgeForm(form: FormCase, context: DecisionContext, facts: Facts): Verdict | Refusal {
  const { request, operation, address, backend } = form;
  const { bucket } = address;
  const fields = withFilename(form.form.fields, form.form.filename);
  const identity = authenticateForm(form, fields, context, facts);
  if ('reason' in identity) return identity;
  const denied = authorize(identity.client, operation, address);
  if (denied) return denied;
  if (!backend) return refusals.bucketNotAllowed();
  const put = putObjectOf(fields, bucket);
  if (put.kind === 'refused') return put.refusal;
  const { key } = put;
  facts.key = key;
  const verdict = judgeAuthenticated(
    {
      request: asPutObject(request, put.headers, form.form.fileSize),
      address: { resource: 'object', bucket, key },
      operation: operationNamed('PutObject'),
      backend,
      identity,
    },
    context,
    facts,
  );
  if ('reason' in verdict || verdict.kind !== 'forward') return verdict;
  return {
    ...verdict,
    form: { fields, bucket, key, bucketUrl: bucketUrlOf(request, bucket, context.policy) },
  };
}

/** The single verification stage of forms: signature, then the policy it vouches for. */
function authenticateForm(
  { request, address, backend, form }: FormCase,
  fields: ReadonlyMap<string, string>,
  { policy, now, keys }: DecisionContext,
  facts: Facts,
): Identity | Refusal {
  const strong = { secure: request.secure, weakSignature: false, authorization: undefined };
  const unsigned: Omit<Identity, 'client'> = {
    mode: { kind: 'unsigned' },
    chunks: undefined,
    strength: strong,
  };
  const judged = (text: string) =>
    judgePostPolicy(text, { fields, bucket: address.bucket, fileSize: form.fileSize, now });
  if (request.received.channel.authentication === 'none') {
    facts.scheme = 'none';
    const text = fields.get('policy');
    return (text === undefined ? undefined : judged(text)) ?? { ...unsigned, client: undefined };
  }
  const claimed = postClaim(fields);
  if (claimed.kind === 'refused') return claimed.refusal;
  if (claimed.kind === 'unsigned') return refusals.anonymous();
  const { claim } = claimed;
  facts.scheme = 'post-policy';
  facts.accessKeyId = claim.accessKeyId;
  const client = policy.clients.get(claim.accessKeyId);
  const regions = [backend?.region ?? policy.backends[0]?.region ?? 'us-east-1'];
  const refusal = verifyPostClaim(claim, { client, regions, now, keys });
  facts.verification = refusal?.reason ?? 'verified';
  if (refusal) return refusal;
  if (!client) return refusals.unknownAccessKey(claim.accessKeyId);
  facts.client = client.name;
  const weakSignature = claim.scope === undefined;
  if (weakSignature && policy.signatureV2 === 'refuse') return refusals.signatureV2NotSupported();
  return judged(claim.policy) ?? { ...unsigned, client, strength: { ...strong, weakSignature } };
}

/** The request a form stands for: its fields as headers, its file as body. */
function asPutObject(
  request: ParsedRequest,
  headers: ReadonlyMap<string, string>,
  fileSize: number,
): ParsedRequest {
  const fields = [...headers, ['content-length', String(fileSize)] as const];
  const received = {
    ...request.received,
    method: 'PUT',
    headers: new ReceivedHeaders(fields.map(([name, value]) => ({ name, value }))),
  };
  return { ...request, received, fields: headers, query: [] };
}

/** URL of the bucket as the client addressed it. */
function bucketUrlOf(request: ParsedRequest, bucket: string, policy: Policy): string {
  const root = `${request.secure ? 'https' : 'http'}://${request.host}/`;
  return hostedBucketOf(request, policy) === undefined ? `${root}${bucket}/` : root;
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
  const planned = planBody(request, operation, identity.mode, backend, identity.chunks);
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
  { request, address, operation, backend, identity }: Authenticated,
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
  if (operation.name === 'CopyObject' && changesNothing(source, request, address)) {
    return refusals.copyOntoItself();
  }
  return formatCopySource(source);
}

/** Headers each of which makes a copy of an object onto itself a change. */
const COPY_CHANGES = [
  'x-amz-storage-class',
  'x-amz-website-redirect-location',
  'x-amz-server-side-encryption',
];

/** A copy onto itself that S3 refuses as it stands: the encryption headers added here would make it a rewrite. */
function changesNothing(source: CopySource, { fields }: ParsedRequest, address: Address): boolean {
  if (address.resource !== 'object' || source.versionId !== undefined) return false;
  if (source.bucket !== address.bucket || source.key !== address.key) return false;
  const replaces = fields.get('x-amz-metadata-directive')?.toUpperCase() === 'REPLACE';
  return !replaces && !COPY_CHANGES.some((name) => fields.has(name));
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
    form: undefined,
    ifAnswerUnderKms:
      operation.access === 'read' ? refuseWeakChannel('aws:kms', identity.strength) : undefined,
  };
}
