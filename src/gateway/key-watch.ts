// The watch over the KMS keys of the configuration in force: what it finds is counted, logged when it is news, and shown
// among the readiness checks.
import type { Configuration } from '../config/configuration.ts';
import type { CredentialSource } from '../config/credentials.ts';
import type { Backend, KeyUsage } from '../core/policy/policy.ts';
import { type KeyUse, keyUses } from '../kms/key-uses.ts';
import { type KeyWatch, nameOf, type WatchedKey, watchKeys } from '../kms/watch.ts';
import type { ReadinessCheck } from '../observe/admin.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';

/** Whom the watch tells, besides those who ask it. */
export interface KeyWatchOptions {
  readonly metrics: Pick<Metrics, 'kmsKeyWatched' | 'kmsKeyChecked' | 'kmsKeyForgotten'>;
  readonly logger: Logger;
  /** A key is found to be another than before. */
  readonly onChange?: () => void;
}

/** Watches the keys of the rules and aliases, one configuration after the other. */
export class ConfiguredKeys {
  readonly #options: KeyWatchOptions;
  #watch: KeyWatch | undefined;
  /** What the watch was made of. */
  #key = '';

  constructor(options: KeyWatchOptions) {
    this.#options = options;
  }

  /** Turns to the keys of a configuration. Where it asks the same of the same KMS, what is known stays known. */
  follow(configuration: Configuration, credentialsOf: (backend: Backend) => CredentialSource): void {
    const uses = keyUses(configuration);
    const key = JSON.stringify(
      uses.map(({ backend, keyId }) => [
        keyId,
        backend.name,
        backend.region,
        backend.kms,
        backend.credentials,
      ]),
    );
    if (key === this.#key) return;
    const before = this.keys();
    this.#watch?.close();
    this.#key = key;
    this.#watch = this.#begin(uses, before, credentialsOf);
  }

  #begin(
    uses: readonly KeyUse[],
    before: readonly WatchedKey[],
    credentialsOf: (backend: Backend) => CredentialSource,
  ): KeyWatch {
    const { metrics, logger, onChange } = this.#options;
    const known = (backend: string, keyId: string) =>
      before.some((key) => key.backend === backend && key.keyId === keyId);
    const named = (backend: string, keyId: string) =>
      uses.some((use) => use.backend.name === backend && use.keyId === keyId);
    for (const { backend, keyId } of uses) {
      if (!known(backend.name, keyId)) metrics.kmsKeyWatched(backend.name, keyId);
    }
    for (const { backend, keyId } of before) {
      if (!named(backend, keyId)) metrics.kmsKeyForgotten(backend, keyId);
    }
    return watchKeys(uses, credentialsOf, {
      checked: (backend, keyId, state) => {
        if (state.kind !== 'unknown') metrics.kmsKeyChecked(backend, keyId, state.kind === 'usable');
      },
      changed: (backend, keyId, state) => {
        onChange?.();
        const line = { backend, keyId, state: nameOf(state) };
        if (state.kind === 'usable') logger.info(line, 'KMS key');
        else
          logger[state.kind === 'unusable' ? 'error' : 'warn']({ ...line, detail: state.detail }, 'KMS key');
      },
    });
  }

  keys(): readonly WatchedKey[] {
    return this.#watch?.keys() ?? [];
  }

  /** Keys of which KMS has said that they can never encrypt objects. */
  unusable(backend: Pick<Backend, 'name'>): ReadonlyMap<string, KeyUsage> | undefined {
    return this.#watch?.unusable(backend);
  }

  /** A key that is lost is lost to every replica, and reads of other objects go on: no reason to take any out. */
  checks(): ReadinessCheck[] {
    return this.keys().map(({ backend, keyId, state }) => ({
      name: `KMS key ${keyId} of backend ${backend}`,
      ok: state?.kind === 'usable',
      informative: true,
      ...(state?.kind === 'usable' ? {} : { detail: state?.detail ?? 'not asked about yet' }),
    }));
  }

  close(): void {
    this.#watch?.close();
  }
}
