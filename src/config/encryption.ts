// Encryption rules: that each can do what it says for the backends whose buckets it covers.
// Knows the configuration only; whether a key exists is not asked here.
import type { EncryptionRule, Limits } from '../core/policy/policy.ts';
import { isAwsHost, type KeyArn, parseKeyArn, parseKeyArnPattern } from './aws.ts';
import { backendsServing } from './backends.ts';
import { patternCovers } from './bucket-pattern.ts';
import type { Entry } from './entries.ts';
import type { ConfigurationPath, Report } from './fault.ts';
import type { BackendSection, EncryptionSection } from './schema.ts';
import { checkUnique } from './unique.ts';

/** Builds the rules and reports what is wrong with them. */
export function buildRules(
  entries: readonly Entry<EncryptionSection>[],
  backends: readonly BackendSection[],
  egress: boolean,
  limits: Limits,
  report: Report,
): readonly EncryptionRule[] {
  checkUnique(entries, 'name', (rule) => rule.name, report);
  checkReach(entries, report);
  return entries.map(({ path, value }) => {
    checkSettings(value, limits, path, report);
    checkBackends(value, backends, egress, path, report);
    return { ...value, keyId: value.keyId };
  });
}

function checkSettings(
  rule: EncryptionSection,
  limits: Limits,
  path: ConfigurationPath,
  report: Report,
): void {
  if (rule.keyId === undefined && rule.mode !== 'off') {
    report.fault(path, `has no keyId, which mode ${rule.mode} needs`, 'Add keyId, or set mode: off.');
  }
  if (rule.bucketKey && rule.algorithm === 'aws:kms:dsse') {
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingDSSEncryption.html
    const remedy = 'Set bucketKey: false, or algorithm: aws:kms.';
    report.fault([...path, 'bucketKey'], 'cannot be used with aws:kms:dsse', remedy);
  }
  const bytes = Buffer.byteLength(JSON.stringify(rule.context));
  if (bytes > limits.contextBytes) {
    report.fault(
      [...path, 'context'],
      `takes ${bytes} bytes, more than limits.contextBytes (${limits.contextBytes})`,
      'Shorten it, or raise the limit.',
    );
  }
}

function checkBackends(
  rule: EncryptionSection,
  backends: readonly BackendSection[],
  egress: boolean,
  path: ConfigurationPath,
  report: Report,
): void {
  const serving = new Set(rule.buckets.flatMap((pattern) => backendsServing(pattern, backends, egress)));
  if (serving.size === 0 && backends.length > 0) {
    const remedy = 'Add them to a backend, or take the rule out.';
    report.warning([...path, 'buckets'], 'no backend serves these buckets', remedy);
  }
  const aws = [...serving].filter((backend) => isAwsHost(backend.endpoint.hostname));
  for (const backend of aws) checkKey(rule, backend, path, report);
  if (aws.length > 0) checkAllowedKeys(rule, aws, path, report);
}

/**
 * An alias or a bare ID would be resolved in the account that signs, the gateway's own, and S3 takes only keys of the bucket's region:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-kms-encryption.html
 */
function checkKey(
  rule: EncryptionSection,
  backend: BackendSection,
  path: ConfigurationPath,
  report: Report,
): void {
  if (rule.keyId === undefined) return;
  const at = [...path, 'keyId'];
  const { partition, region } = backend;
  const arn = parseKeyArn(rule.keyId);
  if (arn === undefined) {
    const message = `must be a full key ARN: the backend ${backend.name} is AWS`;
    report.fault(
      at,
      message,
      `Write arn:${partition}:kms:${region}:ACCOUNT:key/KEY-ID: no alias, no bare ID.`,
    );
  } else if (arn.partition !== partition || arn.region !== region) {
    report.fault(
      at,
      `is a key of ${arn.partition} ${arn.region}, but the backend ${backend.name} serves these buckets in ${partition} ${region}`,
      "Name a key of the buckets' own region, with a rule for each region.",
    );
  }
}

function checkAllowedKeys(
  rule: EncryptionSection,
  aws: readonly BackendSection[],
  path: ConfigurationPath,
  report: Report,
): void {
  const [{ partition, region } = { partition: 'aws', region: 'REGION' }] = aws;
  const names = aws.map((backend) => backend.name).join(', ');
  for (const [index, pattern] of rule.allowedKeyIds.entries()) {
    const at = [...path, 'allowedKeyIds', index];
    const arn = parseKeyArnPattern(pattern);
    if (arn === undefined || !aws.some((backend) => isWithin(backend, arn))) {
      const remedy = `Write it like arn:${partition}:kms:${region}:ACCOUNT:key/*: no alias, no bare ID.`;
      report.fault(at, `matches no key ARN of the backend ${names}`, remedy);
    } else if (arn.account.includes('*')) {
      const remedy =
        'Write the account in full: under a key of another, objects can become unreadable to you.';
      report.warning(at, 'lets clients choose keys of any account', remedy);
    }
  }
}

function isWithin(backend: BackendSection, pattern: KeyArn): boolean {
  return patternCovers(pattern.partition, backend.partition) && patternCovers(pattern.region, backend.region);
}

function checkReach(entries: readonly Entry<EncryptionSection>[], report: Report): void {
  for (const [index, { path, value }] of entries.entries()) {
    const earlier = entries.slice(0, index).find((before) => takesAll(before.value, value));
    if (earlier === undefined) continue;
    const message = `no request comes here: ${earlier.value.name} takes all of these buckets and prefixes first`;
    report.warning(path, message, 'Move it up, or narrow the other.');
  }
}

function takesAll(earlier: EncryptionSection, rule: EncryptionSection): boolean {
  const buckets = rule.buckets.every((pattern) => earlier.buckets.some((own) => patternCovers(own, pattern)));
  const prefixes =
    earlier.prefixes.length === 0 ||
    (rule.prefixes.length > 0 &&
      rule.prefixes.every((prefix) => earlier.prefixes.some((own) => prefix.startsWith(own))));
  return buckets && prefixes;
}
