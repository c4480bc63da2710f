// The watch over the KMS keys of a configuration, put to work: what it finds is counted, logged when it is news, and shown
// among the readiness checks.
import type { BackendConfiguration, Configuration } from '../config/configuration.ts';
import type { CredentialSource } from '../config/credentials.ts';
import { keyUses } from '../kms/key-uses.ts';
import { type KeyWatch, nameOf, watchKeys } from '../kms/watch.ts';
import type { ReadinessCheck } from '../observe/admin.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';

/** Whom the watch tells, besides those who ask it. */
export interface KeyWatchOptions {
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly credentialsOf: (backend: BackendConfiguration) => CredentialSource;
  /** A key is found to be another than before. */
  readonly onChange?: () => void;
}

/** Begins to watch the keys of the rules and aliases. */
export function watchConfiguredKeys(configuration: Configuration, options: KeyWatchOptions): KeyWatch {
  const { metrics, logger, credentialsOf, onChange } = options;
  const uses = keyUses(configuration);
  for (const { backend, keyId } of uses) metrics.kmsKeyWatched(backend.name, keyId);
  return watchKeys(uses, credentialsOf, {
    checked: (backend, keyId, state) => {
      if (state.kind !== 'unknown') metrics.kmsKeyChecked(backend, keyId, state.kind === 'usable');
    },
    changed: (backend, keyId, state) => {
      onChange?.();
      const line = { backend, keyId, state: nameOf(state) };
      if (state.kind === 'usable') logger.info(line, 'KMS key');
      else logger[state.kind === 'unusable' ? 'error' : 'warn']({ ...line, detail: state.detail }, 'KMS key');
    },
  });
}

/** A key that is lost is lost to every replica, and reads of other objects go on: no reason to take any out. */
export function keyChecks(watch: KeyWatch): ReadinessCheck[] {
  return watch.keys().map(({ backend, keyId, state }) => ({
    name: `KMS key ${keyId} of backend ${backend}`,
    ok: state?.kind === 'usable',
    informative: true,
    ...(state?.kind === 'usable' ? {} : { detail: state?.detail ?? 'not asked about yet' }),
  }));
}
