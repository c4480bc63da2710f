// The policy of a POST form: base64 of JSON that says until when and with which fields the form may be sent.
// Knows the policy language; must not know signatures, or what a field does.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import { isSensitive, REDACTED } from '../sensitive.ts';

/** `printed` is the condition as S3 repeats it when it fails. */
type Condition =
  | {
      readonly kind: 'eq' | 'starts-with';
      /** Lower case, without its `$`. */
      readonly field: string;
      readonly value: string;
      readonly printed: string;
    }
  | { readonly kind: 'range'; readonly minimum: number; readonly maximum: number }
  /** Well-formed, and true of nothing. */
  | { readonly kind: 'never'; readonly printed: string };

interface PostPolicy {
  readonly expiration: Date;
  readonly conditions: readonly Condition[];
}

/** What a policy is held against. */
export interface PostedForm {
  /** By lower-case name, with `${filename}` already replaced: the conditions bind what is stored, not its template. */
  readonly fields: ReadonlyMap<string, string>;
  /** The bucket of the URL. A `bucket` field has no say (CVE-2023-43040). */
  readonly bucket: string;
  readonly fileSize: number;
  readonly now: Date;
}

/** `undefined` when the policy, base64 as sent, allows the form. The order of checks is S3's. */
export function judgePostPolicy(policy: string, form: PostedForm): Refusal | undefined {
  const parsed = parsePostPolicy(policy);
  if (typeof parsed === 'string') return refusals.policyDocumentInvalid(parsed);
  if (form.now >= parsed.expiration) return refusals.policyExpired();
  const failed = parsed.conditions.find((condition) => !holds(condition, form));
  if (failed && failed.kind !== 'range') return refusals.policyConditionFailed(failed.printed);
  return checkCoverage(parsed, form) ?? checkSize(parsed, form);
}

/** A field that is absent meets no condition, not even `starts-with` nothing (recorded from S3). */
function holds(condition: Condition, { fields, bucket }: PostedForm): boolean {
  if (condition.kind === 'range') return true;
  if (condition.kind === 'never') return false;
  const value = condition.field === 'bucket' ? bucket : fields.get(condition.field);
  if (value === undefined) return false;
  if (condition.kind === 'eq') return value === condition.value;
  // Commas make a Content-Type a list, of which each member must match.
  const values = condition.field === 'content-type' ? value.split(',') : [value];
  return values.every((one, i) => (i === 0 ? one : one.trimStart()).startsWith(condition.value));
}

/** Fields that need no condition. */
const EXEMPT = new Set(['x-amz-signature', 'signature', 'awsaccesskeyid', 'policy', 'file']);

/** Every field must be named by a condition, and so must the bucket, field or not (aws/aws-sdk-php#3292). */
function checkCoverage({ conditions }: PostPolicy, { fields }: PostedForm): Refusal | undefined {
  const named = new Set(conditions.flatMap((condition) => ('field' in condition ? [condition.field] : [])));
  const extra = [...fields.keys(), 'bucket'].find(
    (name) => !named.has(name) && !EXEMPT.has(name) && !name.startsWith('x-ignore-'),
  );
  return extra === undefined ? undefined : refusals.policyExtraField(extra);
}

/** `content-length-range` counts the bytes of the file alone, both ends included. */
function checkSize({ conditions }: PostPolicy, { fileSize }: PostedForm): Refusal | undefined {
  for (const condition of conditions) {
    if (condition.kind !== 'range') continue;
    if (fileSize > condition.maximum) return refusals.tooLarge(fileSize, condition.maximum);
    if (fileSize < condition.minimum) return refusals.tooSmall(fileSize, condition.minimum);
  }
  return undefined;
}

/** The policy, or S3's complaint about it. */
function parsePostPolicy(base64: string): PostPolicy | string {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') !== base64) return 'invalid Base64 encoding.';
  const document = parseJson(bytes);
  if (!isObject(document)) return 'Invalid JSON.';
  const unexpected = Object.keys(document).find((name) => name !== 'expiration' && name !== 'conditions');
  if (unexpected !== undefined) return `Unexpected: '${unexpected.toLowerCase()}'`;
  const { expiration, conditions } = document;
  if (expiration === undefined) return 'Policy missing expiration.';
  if (conditions === undefined) return 'Policy missing conditions.';
  const date = typeof expiration === 'string' ? parseExpiration(expiration) : undefined;
  if (!date) return `Invalid 'expiration' value: '${String(expiration)}'`;
  if (!Array.isArray(conditions)) return "Invalid 'conditions' value: must be a List.";
  const parsed: Condition[] = [];
  for (const item of conditions) {
    const condition = parseCondition(item);
    if (typeof condition === 'string') return condition;
    parsed.push(condition);
  }
  return { expiration: date, conditions: parsed };
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** JSON in UTF-8, with the one escape S3 adds to it: `\$` for a dollar sign. `undefined` also where a name is repeated. */
function parseJson(bytes: Uint8Array): unknown {
  try {
    const source = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const text = source.replace(/\\(.)/g, (pair, character) => (character === '$' ? '$' : pair));
    const parsed: unknown = JSON.parse(text);
    // JSON.parse keeps the last of two equal names, so the text then holds more strings than the value.
    const strings = text.match(/"(?:[^"\\]|\\.)*"/g)?.length ?? 0;
    return strings === countStrings(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Names and string values. Without recursion: depth is the sender's choice. */
function countStrings(root: unknown): number {
  const pending = [root];
  let count = 0;
  while (pending.length > 0) {
    const value = pending.pop();
    if (typeof value === 'string') count += 1;
    if (typeof value !== 'object' || value === null) continue;
    if (!Array.isArray(value)) count += Object.keys(value).length;
    for (const member of Object.values(value)) pending.push(member);
  }
  return count;
}

/** ISO 8601 in UTC; S3 takes no offset. */
function parseExpiration(text: string): Date | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(text)) return undefined;
  const date = new Date(text);
  const exists = !Number.isNaN(date.getTime()) && date.toISOString().slice(0, 19) === text.slice(0, 19);
  return exists ? date : undefined;
}

function parseCondition(item: unknown): Condition | string {
  if (Array.isArray(item)) return parseOperation(item);
  if (!isObject(item)) return 'Invalid condition test: must be a List or Object.';
  const [member, ...more] = Object.entries(item);
  if (!member || more.length > 0) {
    return 'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.';
  }
  const [name, value] = member;
  if (typeof value !== 'string') return 'Invalid Simple-Condition: value must be a string.';
  return matchCondition('eq', `$${name}`, value, ['eq', `$${name}`, value]);
}

function parseOperation(items: readonly unknown[]): Condition | string {
  const [operator, first, second] = items;
  if (typeof operator !== 'string') return 'Invalid Condition: missing operation identifier.';
  const kind = operator.toLowerCase();
  if (kind !== 'eq' && kind !== 'starts-with' && kind !== 'content-length-range') {
    return `Invalid Condition: unknown operation '${operator}'.`;
  }
  if (items.length !== 3) return `Invalid ${operator}: wrong number of arguments.`;
  if (kind === 'content-length-range') return rangeCondition(first, second, items);
  if (typeof first !== 'string' || typeof second !== 'string') return 'Invalid JSON.';
  return matchCondition(kind, first, second, items);
}

/** Without its `$` a name stands for no field: the condition fails, the policy is still one. */
function matchCondition(
  kind: 'eq' | 'starts-with',
  name: string,
  value: string,
  items: readonly unknown[],
): Condition {
  // What fails is told to the client and logged.
  const hidden = isSensitive(name.replace(/^\$/, ''));
  const printed = print(hidden ? items.map((item) => (item === value ? REDACTED : item)) : items);
  if (!name.startsWith('$')) return { kind: 'never', printed };
  return { kind, field: name.slice(1).toLowerCase(), value, printed };
}

/** Bounds may stand as strings of digits (recorded from S3); any other string fails the condition. */
function rangeCondition(first: unknown, second: unknown, items: readonly unknown[]): Condition | string {
  const bounds: number[] = [];
  for (const bound of [first, second]) {
    if (typeof bound === 'number' && Number.isSafeInteger(bound)) bounds.push(bound);
    else if (typeof bound !== 'string') return 'Invalid JSON.';
    else if (/^-?\d{1,15}$/.test(bound)) bounds.push(Number(bound));
  }
  const [minimum, maximum] = bounds;
  if (minimum === undefined || maximum === undefined) return { kind: 'never', printed: print(items) };
  return { kind: 'range', minimum, maximum };
}

function print(items: readonly unknown[]): string {
  return `[${items.map((item) => JSON.stringify(item)).join(', ')}]`;
}
