// Which KMS keys a configuration rests on, where it names them, and which backend's KMS can be asked about each.
// Knows the configuration only; contacts nothing.
import { parseKeyArn } from '../config/aws.ts';
import { backendsServing } from '../config/backends.ts';
import type { BackendConfiguration, Configuration, KmsConfiguration } from '../config/configuration.ts';
import type { ConfigurationPath } from '../config/fault.ts';
import type { EncryptionRule } from '../core/policy/policy.ts';

/** A backend whose KMS is asked. */
export type KmsBackend = BackendConfiguration & { readonly kms: KmsConfiguration };

/** One place where a rule or an alias names a key, and one backend under which objects can come to lie under it. */
export interface KeyUse {
  readonly backend: KmsBackend;
  readonly keyId: string;
  readonly path: ConfigurationPath;
}

/** Every use of a key that can be asked about: no pattern, no rule in mode `off`, no backend without `kms`. */
export function keyUses({ policy, backends }: Configuration): readonly KeyUse[] {
  const ofRules = policy.rules.flatMap((rule, index) => {
    if (rule.mode === 'off') return [];
    const serving = new Set(
      rule.buckets.flatMap((pattern) => backendsServing(pattern, backends, policy.egress !== undefined)),
    );
    return namedKeys(rule, index).flatMap(({ keyId, path }) =>
      [...serving]
        .filter(hasKms)
        .filter((backend) => isMeantFor(keyId, backend, serving))
        .map((backend) => ({ backend, keyId, path })),
    );
  });
  return [...ofRules, ...backends.flatMap(aliasedKeys)];
}

function aliasedKeys(backend: BackendConfiguration, index: number): KeyUse[] {
  if (!hasKms(backend)) return [];
  const path = ['backends', index, 'keyAliases'];
  return [...backend.keyAliases].map(([alias, keyId]) => ({ backend, keyId, path: [...path, alias] }));
}

/** The keys of each backend, each once. */
export function keysByBackend(uses: readonly KeyUse[]): ReadonlyMap<KmsBackend, ReadonlySet<string>> {
  const keys = new Map<KmsBackend, Set<string>>();
  for (const { backend, keyId } of uses) keys.set(backend, (keys.get(backend) ?? new Set()).add(keyId));
  return keys;
}

function namedKeys(rule: EncryptionRule, index: number): Omit<KeyUse, 'backend'>[] {
  const path = ['encryption', index];
  const byDefault = rule.keyId === undefined ? [] : [{ keyId: rule.keyId, path: [...path, 'keyId'] }];
  const allowed = rule.allowedKeyIds.map((keyId, i) => ({ keyId, path: [...path, 'allowedKeyIds', i] }));
  return [...byDefault, ...allowed.filter(({ keyId }) => !keyId.includes('*'))];
}

function hasKms(backend: BackendConfiguration): backend is KmsBackend {
  return backend.kms !== undefined;
}

/** A rule for buckets of two regions allows keys of both: each KMS is asked about its own. */
function isMeantFor(keyId: string, backend: KmsBackend, serving: Iterable<BackendConfiguration>): boolean {
  const arn = parseKeyArn(keyId);
  if (arn === undefined || arn.region === backend.region) return true;
  return ![...serving].some(({ region }) => region === arn.region);
}
