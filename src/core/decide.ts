// The whole judgement on a request, in order: parse → classify → authenticate → judge → plan the body → edit headers →
// sign. Pure: the clock and the credentials are arguments, the verdict is a value.
import {
  authenticate,
  authenticateForm,
  claimedFormRegion,
  claimedRegion,
  hostedBucketOf,
  type Identity,
} from './authenticate.ts';
import type { Facts, Injection } from './facts.ts';
import { ReceivedHeaders } from './http/headers.ts';
import {
  authorize,
  authorizeHeaders,
  listedBuckets,
  mayUse,
  placeOf,
  refuseRare,
  refuseUnserved,
} from './policy/access.ts';
import { type BodyPlan, type ProvenBodyPlan, planBody, planRawBody } from './policy/body-plan.ts';
import { type CopyCase, judgeCopySource, ruleLeft } from './policy/copy.ts';
import {
  type EncryptionDemand,
  type EncryptionOrder,
  judgeCompliance,
  judgeEncryption,
  refuseAskedKms,
  refuseMisplacedHeaders,
  refuseUnusableKey,
  refuseWeakChannel,
  ruleFor,
  withKeyArn,
} from './policy/encryption.ts';
import type { Backend, BucketPattern, KeyUsage, Policy, SigningCredentials } from './policy/policy.ts';
import {
  type Destination,
  destinationOf,
  originOf,
  preservedHeaders,
  requestTarget,
  rewriteHeaders,
  unknownHeader,
} from './policy/rewrite.ts';
import { judgeSettlement } from './policy/settlement.ts';
import type { Refusal } from './refusal.ts';
import * as refusals from './refusal.ts';
import { type ParsedRequest, parseRequest, type ReceivedRequest } from './request.ts';
import { type Address, addressOf, type Elsewhere } from './s3/address.ts';
import { type CopySource, formatCopySource } from './s3/copy-source.ts';
import { type Form, formBoundary } from './s3/form-data.ts';
import { locationDocument } from './s3/location.ts';
import { type Operation, operationNamed, routeOperation } from './s3/operation.ts';
import { putObjectOf, withFilename } from './s3/post-object.ts';
import { MAX_SETTLING_DOCUMENT, settlesEncryption } from './s3/settlement.ts';
import { requestedEncryption, SSE_FAMILY } from './s3/sse.ts';
import type { XmlElement } from './s3/xml-element.ts';
import { EMPTY_SHA256 } from './sigv4/digest.ts';
import { sign } from './sigv4/sign.ts';
import type { SigningKeys } from './sigv4/signing-key.ts';

export type { AuthenticationScheme, Facts } from './facts.ts';

/** What the judgement depends on besides the request. */
export interface DecisionContext {
  readonly policy: Policy;
  /** Credentials for a backend as of now; `undefined` while there are none. */
  readonly credentials: (backend: Backend) => SigningCredentials | undefined;
  /** Keys that the KMS of a backend says can never encrypt objects, by ID; absent where none is asked. */
  readonly unusableKeys?: (backend: Backend) => ReadonlyMap<string, KeyUsage>;
  readonly now: Date;
  readonly keys: SigningKeys;
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
  /** Algorithm and key that are asked of the backend. */
  readonly encryption: { readonly algorithm: string; readonly keyId: string } | undefined;
  /** What the answer must state. */
  readonly demand: EncryptionDemand | undefined;
  readonly injected: readonly Injection[];
  /** The refusal that takes the place of an answer which says `aws:kms`: it must not pass over this channel. */
  readonly ifAnswerUnderKms: Refusal | undefined;
  /** What becomes of the body of a successful answer; `undefined`: it is passed on. */
  readonly answer: AnswerEdit | undefined;
  /** Asks for the encryption of what was written, where its own answer says nothing of it. */
  readonly confirmation: OutgoingRequest | undefined;
  /** The form this write stands for, which says how its answer looks. */
  readonly form: JudgedForm | undefined;
}

/** What becomes of the body of a successful answer. */
export type AnswerEdit =
  | { readonly kind: 'document'; readonly text: string }
  /** A list of buckets, of which only these are named. */
  | { readonly kind: 'bucket-list'; readonly buckets: readonly BucketPattern[] };

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
  /** A document that decides: read the body as planned, all of it, then ask again. */
  | {
      readonly kind: 'read-document';
      readonly facts: Readonly<Facts>;
      readonly body: Extract<ProvenBodyPlan, { kind: 'plain' }>;
    }
  /** Nothing wrong with the request, but the gateway has no credentials for its backend. */
  | { readonly kind: 'no-credentials'; readonly facts: Readonly<Facts>; readonly backend: Backend };

/** What had to be read of a request before it could be judged. */
export type ReadBody =
  | { readonly kind: 'form'; readonly form: Form }
  /** `root` is absent where the document is not well-formed. */
  | { readonly kind: 'document'; readonly root: XmlElement | undefined };

/** Judges a request; a second time with what the first verdict asked to be read of it. */
export function decide(received: ReceivedRequest, context: DecisionContext, read?: ReadBody): Verdict {
  const facts: Facts = { operation: 'Unknown', secure: false };
  const verdict = judge(received, context, facts, read);
  return 'reason' in verdict ? { kind: 'refused', facts, refusal: verdict } : verdict;
}

function judge(
  received: ReceivedRequest,
  context: DecisionContext,
  facts: Facts,
  read: ReadBody | undefined,
): Verdict | Refusal {
  const { policy } = context;
  const parsed = parseRequest(received, policy.limits.headerBytes);
  if (parsed.kind === 'refused') return parsed.refusal;
  const { request } = parsed;
  facts.secure = request.secure;

  const addressed = addressOf(request.host, request.target, policy.domains, policy.egress?.hosts);
  if (addressed.kind === 'refused') return addressed.refusal;
  if (addressed.kind === 'elsewhere') return refuseElsewhere(request, addressed, facts);
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
  if (operation.form && address.resource === 'bucket') {
    if (read?.kind !== 'form') return awaitForm(request, facts);
    const form = { request, operation, address, named: addressed.region, form: read.form };
    return judgeForm(form, context, facts);
  }

  const place = placeOf(policy, address, operation, addressed.region, () => claimedRegion(request));
  const identity = authenticate(request, operation, place.signingRegion, context, facts);
  if ('reason' in identity) return identity;
  const { region, backend } = place;
  return (
    authorize(identity.client, operation, address) ??
    (backend === undefined
      ? refuseUnserved(policy.backends, address, place)
      : judgeAuthenticated({ request, address, operation, region, backend, identity, read }, context, facts))
  );
}

/** Before authentication: what is signed for another service cannot be verified. The name of the operation is for the audit. */
function refuseElsewhere(
  { received, query }: ParsedRequest,
  { endpoint, resource }: Elsewhere,
  facts: Facts,
): Refusal {
  const routed = routeOperation(received.method, resource, query, received.headers, endpoint);
  if (routed.kind === 'refused') return refusals.hostNotAllowed();
  const { name, access } = routed.operation;
  facts.operation = name;
  return access === 'never' ? refusals.operationNotAllowed(name) : refusals.hostNotAllowed();
}

/** What must be known of a form before it is read. */
function awaitForm(request: ParsedRequest, facts: Facts): Verdict | Refusal {
  // What a preserved form asks for could be judged, but not before its fields have gone.
  if (isPreserved(request)) return refusals.operationNotAllowed(facts.operation);
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
  /** Region that the host names. */
  readonly named: string | undefined;
  readonly form: Form;
}

/** POST Object is judged by its policy, and then as the PutObject it stands for. */
function judgeForm(form: FormCase, context: DecisionContext, facts: Facts): Verdict | Refusal {
  const { request, operation, address, named } = form;
  const { bucket } = address;
  const fields = withFilename(form.form.fields, form.form.filename);
  const { fileSize } = form.form;
  const place = placeOf(context.policy, address, operation, named, () => claimedFormRegion(fields));
  const { region, backend, signingRegion } = place;
  const signed = { request, bucket, region: signingRegion, fileSize };
  const identity = authenticateForm(signed, fields, context, facts);
  if ('reason' in identity) return identity;
  const denied = authorize(identity.client, operation, address);
  if (denied) return denied;
  if (!backend) return refuseUnserved(context.policy.backends, address, place);
  const put = putObjectOf(fields, bucket);
  if (put.kind === 'refused') return put.refusal;
  const { key } = put;
  facts.key = key;
  const verdict = judgeAuthenticated(
    {
      request: asPutObject(request, put.headers, fileSize),
      address: { resource: 'object', bucket, key },
      operation: operationNamed('PutObject'),
      region,
      backend,
      identity,
      read: undefined,
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
  // A page of another origin is answered by the backend's CORS rules for PUT, which is what is sent.
  const origin = request.fields.get('origin');
  const sent = origin === undefined ? headers : new Map([...headers, ['origin', origin]]);
  return { ...request, received, fields: sent, query: [] };
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
  /** Where the host decides on it. */
  readonly region: string | undefined;
  readonly backend: Backend;
  readonly identity: Identity;
  readonly read: ReadBody | undefined;
}

function judgeAuthenticated(
  authenticated: Authenticated,
  context: DecisionContext,
  facts: Facts,
): Verdict | Refusal {
  const { request, operation, backend, identity } = authenticated;
  facts.backend = backend.name;
  const asked = requestedEncryption(request.fields);
  if (asked.algorithm !== undefined) facts.clientAlgorithm = asked.algorithm;
  if (asked.keyId !== undefined) facts.clientKeyId = asked.keyId;
  const denied =
    refuseRare(operation, backend) ??
    refuseMisplacedHeaders(operation, request.fields) ??
    authorizeHeaders(identity.client, request.fields);
  if (denied) return denied;
  const source = judgeCopySource(copyCase(authenticated), context.policy);
  if (source && 'reason' in source) return source;
  const encryption = judgeWrite(authenticated, context, facts);
  if ('reason' in encryption) return encryption;
  const escaped = source && judgeEscape(source, encryption, context.policy, facts);
  if (escaped) return escaped;
  if (isPreserved(request)) return forwardPreserved(authenticated, facts, encryption);
  const planned = planBody(request, operation, identity.mode, backend, identity.chunks);
  if (planned.kind === 'refused') return planned.refusal;
  const settled = settle(authenticated, planned.plan, context, facts);
  if (settled) return settled;
  const copySource = source && formatCopySource(source);
  return forward(
    authenticated,
    context,
    facts,
    { ...encryption, copySource, body: planned.plan },
    planned.payloadHash,
  );
}

function copyCase({ request, address, operation, region, backend, identity }: Authenticated): CopyCase {
  const bucket = address.resource === 'service' ? '' : address.bucket;
  const key = address.resource === 'object' ? address.key : '';
  return { operation, bucket, key, fields: request.fields, client: identity.client, backend, region };
}

/** A copy out of the reach of its source's rule. */
function judgeEscape(
  source: CopySource,
  { demand }: WriteJudgement,
  policy: Policy,
  facts: Facts,
): Refusal | undefined {
  const left = ruleLeft(source, { rule: facts.rule, encrypted: demand !== undefined }, policy.rules);
  if (!left) return undefined;
  const refusal = refusals.copyLeavesRule(left.name);
  if (left.mode !== 'observe') return refusal;
  facts.observedReason ??= refusal.reason;
  return undefined;
}

/** What is settled for later: judged by its document where it has one, which must have been read. */
function settle(
  { request, address, operation, backend, identity, read }: Authenticated,
  body: ProvenBodyPlan,
  { policy, unusableKeys }: DecisionContext,
  facts: Facts,
): Verdict | Refusal | undefined {
  if (operation.access !== 'admin' || address.resource === 'service') return undefined;
  if (settlesEncryption(operation) && read?.kind !== 'document') {
    if (body.kind !== 'plain') return refusals.xmlMalformed();
    return refuseDocument(request, body.length) ?? { kind: 'read-document', facts, body };
  }
  const { rule, refusal, observed } = judgeSettlement(
    {
      operation,
      bucket: address.bucket,
      key: address.resource === 'object' ? address.key : undefined,
      partition: backend.partition,
      strength: identity.strength,
      rules: policy.rules,
      unusableKeys: unusableKeys?.(backend),
      mayUse: (bucket) => mayUse(identity.client, bucket),
    },
    read?.kind === 'document' ? read.root : undefined,
  );
  if (rule !== undefined) facts.rule = rule;
  if (!observed) return refusal;
  if (refusal) facts.observedReason = refusal.reason;
  return undefined;
}

/** A document that another reader could take for another one, or that is too large to be read. */
function refuseDocument({ fields }: ParsedRequest, length: number): Refusal | undefined {
  if (length > MAX_SETTLING_DOCUMENT) return refusals.tooLarge(length, MAX_SETTLING_DOCUMENT);
  if (fields.has('content-encoding')) return refusals.ambiguous('its document has a Content-Encoding');
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(fields.get('content-type') ?? '')?.[1];
  const utf8 = charset === undefined || charset.toLowerCase() === 'utf-8';
  return utf8 ? undefined : refusals.ambiguous('its document is not in UTF-8');
}

function isPreserved({ received }: ParsedRequest): boolean {
  return received.channel.signing === 'preserve';
}

/** As it came: only where it goes to is the gateway's. */
function forwardPreserved(
  { request, operation, backend, identity }: Authenticated,
  facts: Facts,
  { order, demand }: WriteJudgement,
): Verdict | Refusal {
  const unknown = unknownHeader(request, operation);
  if (unknown !== undefined) return refusals.headerNotImplemented(unknown);
  const { received } = request;
  // Whether S3 honours these in a presigned query depends on what is signed; as headers they count.
  const hoisted = SSE_FAMILY.find((name) => request.fields.has(name) && !received.headers.has(name));
  if (hoisted !== undefined)
    return refusals.ambiguous(`${hoisted} stands in its query, not among its headers`);
  return {
    kind: 'forward',
    facts,
    backend,
    outgoing: {
      origin: originOf(backend),
      method: received.method,
      target: received.target,
      headers: preservedHeaders(request),
    },
    body: planRawBody(request),
    encryption: order && { algorithm: order.algorithm, keyId: order.keyId },
    demand,
    injected: [],
    answer: undefined,
    confirmation: undefined,
    form: undefined,
    ifAnswerUnderKms: kmsAnswerRefusal(operation, identity),
  };
}

/** What takes the place of a read's answer that turns out to be under KMS. */
function kmsAnswerRefusal(operation: Operation, { strength }: Identity): Refusal | undefined {
  return operation.access === 'read' ? refuseWeakChannel('aws:kms', strength) : undefined;
}

/** What becomes of a write: the headers it is given, if any, and what its answer must state. */
interface WriteJudgement {
  readonly order: EncryptionOrder | undefined;
  readonly demand: EncryptionDemand | undefined;
}

const UNTOUCHED: WriteJudgement = { order: undefined, demand: undefined };

/** What the rules make of a write. */
function judgeWrite(
  { request, address, operation, backend, identity }: Authenticated,
  { policy, unusableKeys }: DecisionContext,
  facts: Facts,
): WriteJudgement | Refusal {
  if (operation.encryption === undefined || address.resource !== 'object') return UNTOUCHED;
  const asks = requestedEncryption(request.fields);
  // What is preserved cannot be rewritten to the ARN that an alias stands for.
  const requested = isPreserved(request) ? asks : withKeyArn(asks, backend);
  const asked = refuseAskedKms(requested, identity.strength);
  if (asked) return asked;
  const { bucket, key } = address;
  const rule = ruleFor(policy.rules, bucket, key);
  if (!rule) return refusals.noRule();
  facts.rule = rule.name;
  facts.ruleMode = rule.mode;
  const judge = isPreserved(request) ? judgeCompliance : judgeEncryption;
  const judged = judge(rule, {
    operation,
    bucket,
    key,
    partition: backend.partition,
    requested,
    strength: identity.strength,
    contextBytes: policy.limits.contextBytes,
  });
  const verdict = refuseUnusableKey(judged, unusableKeys?.(backend));
  if (rule.mode === 'observe') {
    if (verdict.kind === 'refused') facts.observedReason = verdict.refusal.reason;
    if (verdict.kind === 'ordered') facts.observedInjected = verdict.order.injected;
    return UNTOUCHED;
  }
  switch (verdict.kind) {
    case 'refused':
      return verdict.refusal;
    case 'as-sent':
      return UNTOUCHED;
    case 'inherited':
      return { order: undefined, demand: verdict.demand };
    case 'ordered': {
      const { algorithm, keyId } = verdict.order;
      return { order: verdict.order, demand: { algorithm, keyIds: [keyId], mayBeSilent: false } };
    }
  }
}

function forward(
  { request, address, operation, backend, identity }: Authenticated,
  context: DecisionContext,
  facts: Facts,
  edits: WriteJudgement & { copySource: string | undefined; body: ProvenBodyPlan },
  payloadHash: string,
): Verdict | Refusal {
  const destination = destinationOf(backend, address, request.query);
  const rewritten = rewriteHeaders(request, operation, destination.host, edits);
  if (rewritten.kind === 'refused') return rewritten.refusal;
  const credentials = context.credentials(backend);
  if (!credentials) return { kind: 'no-credentials', facts, backend };
  const { method } = request.received;
  const unsigned = { method, ...destination, headers: rewritten.headers, payloadHash };
  const signing = { credentials, region: backend.region, now: context.now, keys: context.keys };
  const headers = sign(unsigned, signing);
  return {
    kind: 'forward',
    facts,
    backend,
    outgoing: { origin: destination.origin, method, target: requestTarget(destination), headers },
    body: edits.body,
    encryption: edits.order && { algorithm: edits.order.algorithm, keyId: edits.order.keyId },
    demand: edits.demand,
    injected: edits.order?.injected ?? [],
    answer: answerEdit(operation, backend, identity),
    confirmation:
      operation.name === 'CompleteMultipartUpload' && edits.demand?.mayBeSilent
        ? headObject(destination, signing)
        : undefined,
    form: undefined,
    ifAnswerUnderKms: kmsAnswerRefusal(operation, identity),
  };
}

function answerEdit(operation: Operation, { region }: Backend, { client }: Identity): AnswerEdit | undefined {
  // Clients sign for the region they are told here, and that is the gateway's to say: Ceph answers `default`.
  if (operation.name === 'GetBucketLocation') return { kind: 'document', text: locationDocument(region) };
  const buckets = operation.name === 'ListBuckets' ? listedBuckets(client) : undefined;
  return buckets && { kind: 'bucket-list', buckets };
}

function headObject(destination: Destination, signing: Parameters<typeof sign>[1]): OutgoingRequest {
  const object = { ...destination, parameters: [] };
  const headers = [['host', destination.host]] as const;
  return {
    origin: destination.origin,
    method: 'HEAD',
    target: requestTarget(object),
    headers: sign({ method: 'HEAD', ...object, headers, payloadHash: EMPTY_SHA256 }, signing),
  };
}
