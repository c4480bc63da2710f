// The judgement on a request whose sender is known: what it may ask of its bucket, which encryption it goes out with, how its
// body is proven, and the signed request that comes of it. Must not know how the sender was verified.
import type { Identity } from './authenticate.ts';
import type { Facts } from './facts.ts';
import { authorizeHeaders, listedBuckets, mayUse, refuseRare } from './policy/access.ts';
import { type ProvenBodyPlan, planBody, planRawBody } from './policy/body-plan.ts';
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
import type { Backend, EncryptionRule, Policy } from './policy/policy.ts';
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
import type { ParsedRequest } from './request.ts';
import type { Address } from './s3/address.ts';
import { type CopySource, formatCopySource } from './s3/copy-source.ts';
import { locationDocument } from './s3/location.ts';
import type { Operation } from './s3/operation.ts';
import { MAX_SETTLING_DOCUMENT, settlesEncryption } from './s3/settlement.ts';
import { type RequestedEncryption, requestedEncryption, SSE_FAMILY } from './s3/sse.ts';
import { EMPTY_SHA256 } from './sigv4/digest.ts';
import { sign } from './sigv4/sign.ts';
import type { AnswerEdit, DecisionContext, OutgoingRequest, ReadBody, Verdict } from './verdict.ts';

/** A request whose sender is known and may do this. */
export interface Authenticated {
  readonly request: ParsedRequest;
  readonly address: Address;
  readonly operation: Operation;
  /** Where the host decides on it. */
  readonly region: string | undefined;
  readonly backend: Backend;
  readonly identity: Identity;
  readonly read: ReadBody | undefined;
}

/** The judgement from here on: rights on headers, copies, encryption, the body; and then the request that goes out. */
export function judgeAuthenticated(
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
  const encryption = judgeWrite(authenticated, asked, context, facts);
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
  if (rule !== undefined) noteRule(facts, rule);
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

/** Whether the request goes on under its own signature. */
export function isPreserved({ received }: ParsedRequest): boolean {
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

/** The rule that decides. */
function noteRule(facts: Facts, { name, mode }: EncryptionRule): void {
  facts.rule = name;
  facts.ruleMode = mode;
}

/** What the rules make of a write. */
function judgeWrite(
  { request, address, operation, backend, identity }: Authenticated,
  asked: RequestedEncryption,
  { policy, unusableKeys }: DecisionContext,
  facts: Facts,
): WriteJudgement | Refusal {
  if (operation.encryption === undefined || address.resource !== 'object') return UNTOUCHED;
  // What is preserved cannot be rewritten to the ARN that an alias stands for.
  const requested = isPreserved(request) ? asked : withKeyArn(asked, backend);
  const weak = refuseAskedKms(requested, identity.strength);
  if (weak) return weak;
  const { bucket, key } = address;
  const rule = ruleFor(policy.rules, bucket, key);
  if (!rule) return refusals.noRule();
  noteRule(facts, rule);
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
  // Outside the signature: what traces on the way, as a service mesh does, writes it anew.
  if (request.trace) headers.push(['traceparent', request.trace.traceparent]);
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
