// The judgement on encryption: rule × operation × what the client asked for → verdict. The rules this project exists for
// stand here, each in one function. Must not know headers' wire order, bodies or signatures.
import type { Injection } from '../facts.ts';
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import {
  ARN_KEY,
  type EncryptionContext,
  formatEncryptionContext,
  parseEncryptionContext,
  s3Arn,
} from '../s3/encryption-context.ts';
import type { Operation } from '../s3/operation.ts';
import { type RequestedEncryption, SSE, SSE_FAMILY, usesKms } from '../s3/sse.ts';
import { isSensitive, REDACTED } from '../sensitive.ts';
import { bucketIndexOf } from './bucket-index.ts';
import { matchesKeyId } from './pattern.ts';
import type { Backend, EncryptionRule, KeyUsage } from './policy.ts';

/** The encryption a write goes out with. */
export interface EncryptionOrder {
  /** Values of the SSE headers to send; `undefined`: the header is not sent. */
  readonly algorithm: string;
  readonly keyId: string;
  readonly context: string;
  readonly bucketKey: string | undefined;
  readonly injected: readonly Injection[];
}

/** What the answer to a write must state for it to count as encrypted. */
export interface EncryptionDemand {
  readonly algorithm: string;
  /** Any of these, by {@link matchesKeyId}. */
  readonly keyIds: readonly string[];
  /** Not every backend states the encryption here; where it does, it must be this. */
  readonly mayBeSilent: boolean;
  /** S3 states no key here; where one is stated, it must be one of these. */
  readonly keyMayBeSilent?: boolean;
}

/** `as-sent`: encryption headers go on as the client sent them. */
export type EncryptionVerdict =
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'as-sent' }
  /** No header of its own: the encryption of an upload or object, which the answer states. */
  | { readonly kind: 'inherited'; readonly demand: EncryptionDemand }
  | { readonly kind: 'ordered'; readonly order: EncryptionOrder };

/** A write to be judged. */
export interface EncryptionCase {
  readonly operation: Operation;
  readonly bucket: string;
  readonly key: string;
  readonly partition: string;
  readonly requested: RequestedEncryption;
  readonly strength: ChannelStrength;
  readonly contextBytes: number;
}

/** What the channel and the signature are worth to S3's two conditions on KMS. */
export interface ChannelStrength {
  readonly secure: boolean;
  /** V2, or none at all: S3 takes KMS with Signature Version 4 only. */
  readonly weakSignature: boolean;
  /** The Authorization header of a weak signature, as S3 repeats it; absent with query authentication. */
  readonly authorization: string | undefined;
}

/** The first rule whose buckets and prefixes match. */
export function ruleFor(
  rules: readonly EncryptionRule[],
  bucket: string,
  key: string,
): EncryptionRule | undefined {
  return bucketIndexOf(rules).first(
    bucket,
    ({ prefixes }) => prefixes.length === 0 || prefixes.some((prefix) => key.startsWith(prefix)),
  );
}

/**
 * S3 takes SSE-KMS requests, reads included, over TLS only and with Signature Version 4 only.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
 */
export function refuseWeakChannel(algorithm: string, strength: ChannelStrength): Refusal | undefined {
  if (!strength.secure) return refusals.insecureTransport(algorithm);
  return strength.weakSignature ? refusals.signatureV2WithKms(strength.authorization) : undefined;
}

/**
 * Encryption headers belong on PutObject, CopyObject, CreateMultipartUpload and POST Object only; on GET and HEAD, and on
 * the parts of an upload, S3 answers 400. SSE-C is not of this family.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-kms-encryption.html
 */
export function refuseMisplacedHeaders(
  operation: Operation,
  fields: ReadonlyMap<string, string>,
): Refusal | undefined {
  if (operation.encryption === 'accepts') return undefined;
  const misplaced = SSE_FAMILY.find((name) => fields.has(name));
  if (misplaced === undefined) return undefined;
  const read = operation.method === 'GET' || operation.method === 'HEAD';
  const reason = read ? 'encryption_headers_on_read' : 'encryption_headers_not_supported';
  const value = isSensitive(misplaced) ? REDACTED : (fields.get(misplaced) ?? '');
  return refusals.encryptionHeaderNotSupported(reason, misplaced, value);
}

/** S3's two conditions on a request that asks for KMS itself: they hold under every rule, and under none. */
export function refuseAskedKms(
  requested: RequestedEncryption,
  strength: ChannelStrength,
): Refusal | undefined {
  return usesKms(requested.algorithm) ? refuseWeakChannel(requested.algorithm ?? '', strength) : undefined;
}

/** An alias or a bare key ID becomes the ARN that the operator's table has for it, and no other table is asked. */
export function withKeyArn(requested: RequestedEncryption, backend: Backend): RequestedEncryption {
  const { keyId } = requested;
  const arn = keyId === undefined ? undefined : backend.keyAliases.get(keyId);
  return arn === undefined ? requested : { ...requested, keyId: arn };
}

/** The whole judgement on a write under its rule. Mode `observe` is judged like `inject`: what is made of it is the caller's. */
export function judgeEncryption(rule: EncryptionRule, write: EncryptionCase): EncryptionVerdict {
  const { requested, strength } = write;
  if (rule.mode === 'off') return { kind: 'as-sent' };
  const weak = refuseWeakChannel(rule.algorithm, strength);
  if (write.operation.encryption === 'inherits') return weak ? refused(weak) : judgeInherited(rule, write);
  const other = judgeOtherEncryption(rule, requested);
  if (other) return other;
  return weak ? refused(weak) : orderKms(rule, write);
}

/**
 * The judgement on a write that cannot be changed because its signature is preserved: what a rule would add must be there.
 * The ARN need not be: S3 adds it to a context itself.
 */
export function judgeCompliance(rule: EncryptionRule, write: EncryptionCase): EncryptionVerdict {
  const mode = rule.mode === 'inject' ? 'require' : rule.mode;
  const verdict = judgeEncryption({ ...rule, mode }, write);
  if (verdict.kind !== 'ordered') return verdict;
  const { context } = write.requested;
  const given = context === undefined ? undefined : parseEncryptionContext(context, write.contextBytes);
  const missing = Object.keys(rule.context).find((name) => !given?.has(name));
  if (missing !== undefined) return refused(refusals.contextMissingPair(rule.name, missing));
  if (rule.bucketKey && verdict.order.injected.includes('bucket_key')) {
    return refused(refusals.bucketKeyNotAllowed(rule.name, true));
  }
  return { kind: 'ordered', order: { ...verdict.order, injected: [] } };
}

function refused(refusal: Refusal): EncryptionVerdict {
  return { kind: 'refused', refusal };
}

/**
 * A part takes the encryption of its upload, which may have been created elsewhere, or before this rule: what the answer
 * states decides.
 */
function judgeInherited(rule: EncryptionRule, { operation, requested }: EncryptionCase): EncryptionVerdict {
  if (rule.otherEncryption === 'allow') return { kind: 'as-sent' };
  if (requested.customerKey) return refused(refusals.customerKeyNotAllowed(rule.name));
  const keyIds = [...(rule.keyId === undefined ? [] : [rule.keyId]), ...rule.allowedKeyIds];
  // S3 states the method alone. A backend that knows no annotations stores an object in the clear instead, and says nothing.
  // https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAnnotation.html
  if (operation.name === 'PutObjectAnnotation') {
    const demand = { algorithm: rule.algorithm, keyIds, mayBeSilent: false, keyMayBeSilent: true };
    return { kind: 'inherited', demand };
  }
  // S3 states it on all of them; Ceph Pacific on UploadPart alone.
  const mayBeSilent = operation.name !== 'UploadPart';
  return { kind: 'inherited', demand: { algorithm: rule.algorithm, keyIds, mayBeSilent } };
}

/**
 * What is neither KMS nor absent: SSE-C, AES256, values S3 does not know.
 * `undefined` where the judgement goes on to KMS, an AES256 to be upgraded included.
 */
function judgeOtherEncryption(
  rule: EncryptionRule,
  requested: RequestedEncryption,
): EncryptionVerdict | undefined {
  const { algorithm } = requested;
  if (requested.customerKey) {
    if (algorithm !== undefined) return refused(refusals.customerKeyWithMethod(algorithm));
    if (rule.otherEncryption !== 'allow') return refused(refusals.customerKeyNotAllowed(rule.name));
    return refuseKmsParameters(requested) ?? { kind: 'as-sent' };
  }
  if (algorithm === undefined || usesKms(algorithm)) return undefined;
  if (algorithm !== 'AES256') return refused(refusals.encryptionMethodUnknown(algorithm));
  const stray = refuseKmsParameters(requested);
  if (stray) return stray;
  if (rule.otherEncryption === 'allow') return { kind: 'as-sent' };
  if (rule.otherEncryption === 'upgrade' && rule.mode !== 'require') return undefined;
  return refused(refusals.encryptionDowngrade(rule.name, rule.algorithm));
}

/** A KMS key or context beside another encryption: servers do not agree on which of the two counts. */
function refuseKmsParameters({
  algorithm,
  keyId,
  context,
}: RequestedEncryption): EncryptionVerdict | undefined {
  if (keyId === undefined && context === undefined) return undefined;
  return refused(refusals.kmsParametersWithoutKms(algorithm));
}

function orderKms(rule: EncryptionRule, write: EncryptionCase): EncryptionVerdict {
  const { requested } = write;
  const algorithm = requested.algorithm === 'AES256' ? undefined : requested.algorithm;
  const injected: Injection[] = [];
  const flaw =
    judgeAlgorithm(rule, algorithm, requested) ??
    judgeKey(rule, requested.keyId) ??
    judgeBucketKey(rule, requested.bucketKey);
  if (flaw) return refused(flaw);
  if (algorithm === undefined) injected.push('algorithm');
  const keyId = requested.keyId ?? rule.keyId;
  // `aws:kms` without a key would mean the account's aws/s3 key, so it never goes out.
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-kms-encryption.html
  if (keyId === undefined) return refused(refusals.keyMissing(rule.name));
  if (requested.keyId === undefined) injected.push('key_id');
  const bucketKey = rule.algorithm === 'aws:kms:dsse' ? undefined : String(rule.bucketKey);
  if (bucketKey !== undefined && requested.bucketKey === undefined) injected.push('bucket_key');
  const context = completeContext(rule, write);
  if (context.kind === 'refused') return context;
  if (context.changed) injected.push('context');
  return {
    kind: 'ordered',
    order: { algorithm: rule.algorithm, keyId, bucketKey, context: context.header, injected },
  };
}

/**
 * S3 encrypts under symmetric encryption keys alone, and what a key is for never changes. Whether it is enabled, or there at
 * all, may change at any moment: that is left to S3.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
 */
export function refuseUnusableKey(
  verdict: EncryptionVerdict,
  unusable: ReadonlyMap<string, KeyUsage> | undefined,
): EncryptionVerdict {
  if (verdict.kind !== 'ordered') return verdict;
  const { keyId } = verdict.order;
  const usage = unusable?.get(keyId);
  return usage === undefined ? verdict : refused(refusals.keyNotUsable(keyId, usage));
}

function judgeAlgorithm(
  rule: EncryptionRule,
  algorithm: string | undefined,
  requested: RequestedEncryption,
): Refusal | undefined {
  if (algorithm !== undefined) {
    return algorithm === rule.algorithm ? undefined : refusals.algorithmNotAllowed(rule.name, rule.algorithm);
  }
  if (rule.mode !== 'require') return undefined;
  const partial = requested.keyId !== undefined || requested.context !== undefined;
  return partial
    ? refusals.kmsParametersWithoutKms(undefined)
    : refusals.encryptionMissing(rule.name, rule.algorithm);
}

/** An alias or a bare ID would be resolved in the gateway's own account, so it matches nothing but itself. */
function judgeKey(rule: EncryptionRule, keyId: string | undefined): Refusal | undefined {
  if (keyId === undefined) return rule.mode === 'require' ? refusals.keyMissing(rule.name) : undefined;
  const allowed = keyId === rule.keyId || rule.allowedKeyIds.some((pattern) => matchesKeyId(pattern, keyId));
  return allowed && keyId !== '' ? undefined : refusals.keyNotAllowed(rule.name);
}

/** A bucket key changes the ARN in the context and so what key policies see: the rule's value stands. */
function judgeBucketKey(rule: EncryptionRule, bucketKey: string | undefined): Refusal | undefined {
  if (bucketKey === undefined || bucketKey === String(rule.bucketKey)) return undefined;
  return refusals.bucketKeyNotAllowed(rule.name, rule.bucketKey);
}

type CompletedContext =
  | { readonly kind: 'complete'; readonly header: string; readonly changed: boolean }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/**
 * The client's pairs, the rule's, and the ARN that S3 holds a context to: the object's, or the bucket's with a bucket key.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#encryption-context
 */
function completeContext(rule: EncryptionRule, write: EncryptionCase): CompletedContext {
  const sent = write.requested.context;
  const given: EncryptionContext | undefined =
    sent === undefined ? new Map() : parseEncryptionContext(sent, write.contextBytes);
  if (!given) return { kind: 'refused', refusal: refusals.contextInvalid() };
  const arn = s3Arn(
    write.partition,
    write.bucket,
    rule.bucketKey && rule.algorithm === 'aws:kms' ? undefined : write.key,
  );
  if (given.has(ARN_KEY) && given.get(ARN_KEY) !== arn) {
    return { kind: 'refused', refusal: refusals.contextArnMismatch() };
  }
  const context = new Map(given);
  for (const [name, value] of Object.entries(rule.context)) {
    if (given.has(name) && given.get(name) !== value) {
      return { kind: 'refused', refusal: refusals.contextPairConflict(rule.name, name) };
    }
    context.set(name, value);
  }
  const missing = rule.requiredContext.find((name) => !context.has(name));
  if (missing !== undefined)
    return { kind: 'refused', refusal: refusals.contextMissingPair(rule.name, missing) };
  context.set(ARN_KEY, arn);
  // An unchanged context goes on to the letter: S3 stores it as it was sent.
  const changed = context.size !== given.size;
  return {
    kind: 'complete',
    header: changed || sent === undefined ? formatEncryptionContext(context) : sent,
    changed,
  };
}

/** The headers an order puts on the request, in place of any of the family that the client sent. */
export function encryptionHeaders(order: EncryptionOrder): (readonly [string, string])[] {
  const headers: (readonly [string, string])[] = [
    [SSE.algorithm, order.algorithm],
    [SSE.keyId, order.keyId],
    [SSE.context, order.context],
  ];
  if (order.bucketKey !== undefined) headers.push([SSE.bucketKey, order.bucketKey]);
  return headers;
}
