// The judgement on encryption that is settled for later: what a document asks S3 to apply × the rules that reach it → verdict.
// Must not know the documents.
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import type { Operation } from '../s3/operation.ts';
import { type Settlement, settlementsOf } from '../s3/settlement.ts';
import type { XmlElement } from '../s3/xml-element.ts';
import {
  type ChannelStrength,
  type EncryptionCase,
  judgeEncryption,
  refuseUnusableKey,
  ruleFor,
} from './encryption.ts';
import { matchesAny } from './pattern.ts';
import type { EncryptionRule, KeyUsage } from './policy.ts';

/** A configuration to be judged. */
export interface SettlementCase {
  readonly operation: Operation;
  readonly bucket: string;
  /** Absent for operations on a bucket. */
  readonly key: string | undefined;
  readonly partition: string;
  readonly strength: ChannelStrength;
  readonly rules: readonly EncryptionRule[];
  /** Keys that S3 takes for no encryption, and what they are for; absent where nothing is known of keys. */
  readonly unusableKeys: ReadonlyMap<string, KeyUsage> | undefined;
  /** Whether the client may use the bucket that something is delivered to. */
  readonly mayUse: (bucket: string) => boolean;
}

/** How a configuration was judged, and by which rule. */
export interface SettlementVerdict {
  readonly rule: EncryptionRule | undefined;
  /** The refusal, or the one that a rule in mode `observe` would have made. */
  readonly refusal: Refusal | undefined;
  readonly observed: boolean;
}

/** Judges an operation that settles encryption for later. `document` is the root of its document. */
export function judgeSettlement(configured: SettlementCase, document?: XmlElement): SettlementVerdict {
  const settlements = settlementsOf(configured.operation, configured, document);
  if ('reason' in settlements) return { rule: undefined, refusal: settlements, observed: false };
  let verdict: SettlementVerdict = { rule: undefined, refusal: undefined, observed: false };
  for (const settlement of settlements) {
    const next = judgeOne(settlement, configured);
    if (next.refusal && !next.observed) return next;
    if (!verdict.refusal) verdict = next;
  }
  return verdict;
}

function judgeOne(settlement: Settlement, configured: SettlementCase): SettlementVerdict {
  const { bucket, reach } = settlement;
  const denied = { rule: undefined, observed: false };
  if (bucket !== configured.bucket && !configured.mayUse(bucket)) {
    return { ...denied, refusal: refusals.bucketNotAllowed() };
  }
  const { reaching, whole } = rulesReaching(settlement, configured.rules);
  if (reaching.length === 0 || (reach.kind === 'delivery' && !whole)) {
    return { ...denied, refusal: refusals.noRule() };
  }
  const judged = reaching.map((rule) => ({ rule, refusal: refusalUnder(rule, settlement, configured) }));
  const allowing = judged.find(({ refusal }) => refusal === undefined);
  const against = judged.filter(({ refusal }) => refusal !== undefined);
  const suffices = reach.kind === 'default' ? allowing !== undefined : against.length === 0;
  const deciding = suffices ? allowing : (against.find(({ rule }) => rule.mode !== 'observe') ?? against[0]);
  return {
    rule: deciding?.rule,
    refusal: deciding?.refusal,
    observed: deciding?.refusal !== undefined && deciding.rule.mode === 'observe',
  };
}

/** The rules that decide about some of what is settled, in order; `whole`: about all of it. */
function rulesReaching(
  { bucket, reach }: Settlement,
  rules: readonly EncryptionRule[],
): { readonly reaching: readonly EncryptionRule[]; readonly whole: boolean } {
  if (reach.kind === 'object') {
    const rule = ruleFor(rules, bucket, reach.key);
    return { reaching: rule ? [rule] : [], whole: true };
  }
  const prefix = reach.kind === 'delivery' ? reach.prefix : '';
  const reaching: EncryptionRule[] = [];
  for (const rule of rules) {
    if (!matchesAny(rule.buckets, bucket)) continue;
    const whole = rule.prefixes.length === 0 || rule.prefixes.some((own) => prefix.startsWith(own));
    if (whole || rule.prefixes.some((own) => own.startsWith(prefix))) reaching.push(rule);
    if (whole) return { reaching, whole };
  }
  return { reaching, whole: false };
}

/** What is settled cannot be added to later, so that it must have all a rule demands already. */
function refusalUnder(
  rule: EncryptionRule,
  settlement: Settlement,
  configured: SettlementCase,
): Refusal | undefined {
  if (rule.mode === 'off') return undefined;
  const { algorithm, keyId, bucketKey, reach, element } = settlement;
  const settled: EncryptionCase = {
    ...configured,
    bucket: settlement.bucket,
    key: reach.kind === 'object' ? reach.key : '',
    requested: { algorithm, keyId, context: undefined, bucketKey, customerKey: false },
    contextBytes: 0,
  };
  const demanding: EncryptionRule = { ...rule, mode: 'require', context: {}, requiredContext: [] };
  const verdict = refuseUnusableKey(judgeEncryption(demanding, settled), configured.unusableKeys);
  const refusal =
    (verdict.kind === 'refused' ? verdict.refusal : undefined) ??
    refuseCustomerKeys(rule, settlement) ??
    refuseLostContext(rule, settlement);
  return refusal && refusals.settlementNotAllowed(refusal, rule.name, element);
}

function refuseCustomerKeys(rule: EncryptionRule, { customerKeys }: Settlement): Refusal | undefined {
  if (!customerKeys || rule.otherEncryption === 'allow') return undefined;
  return refusals.customerKeyNotAllowed(rule.name);
}

/** An object that S3 re-encrypts gets a context of S3's own making. */
function refuseLostContext(rule: EncryptionRule, { reach }: Settlement): Refusal | undefined {
  const lost = [...Object.keys(rule.context), ...rule.requiredContext][0];
  if (reach.kind !== 'object' || lost === undefined) return undefined;
  return refusals.contextMissingPair(rule.name, lost);
}
