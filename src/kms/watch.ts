// Keeps an eye on the KMS keys of the rules: asks at start and then at every interval, and remembers what was said.
// Must not know metrics, log or requests: it tells and is asked.
import type { CredentialSource } from '../config/credentials.ts';
import type { Backend, KeyUsage } from '../core/policy/policy.ts';
import { describeKeys } from './describe.ts';
import type { KeyState } from './key-state.ts';
import { type KeyUse, type KmsBackend, keysByBackend } from './key-uses.ts';

/** One key of one backend; without a state before it was first asked about. */
export interface WatchedKey {
  readonly backend: string;
  readonly keyId: string;
  readonly state: KeyState | undefined;
}

/** What a watch tells of. */
export interface WatchListener {
  /** After each check of a key. */
  checked(backend: string, keyId: string, state: KeyState): void;
  /** Before that, where something else was found than the last time. */
  changed(backend: string, keyId: string, state: KeyState): void;
}

/** A watch over keys. */
export interface KeyWatch {
  keys(): readonly WatchedKey[];
  /** Keys of which KMS has said that they can never encrypt objects. */
  unusable(backend: Pick<Backend, 'name'>): ReadonlyMap<string, KeyUsage>;
  /** Asks no more, and gives up what is being asked. */
  close(): void;
}

/** Waits before KMS is asked again when it could not be; the wait doubles, up to the interval. */
const FIRST_RETRY_MS = 5_000;
/** Replicas that start together do not ask together for ever: each wait differs by up to this part. */
const JITTER = 0.1;

const NONE: ReadonlyMap<string, KeyUsage> = new Map();

/** Begins to watch. */
export function watchKeys(
  uses: readonly KeyUse[],
  credentials: (backend: KmsBackend) => CredentialSource,
  listener: WatchListener,
): KeyWatch {
  const watches = new Map<string, BackendWatch>();
  for (const [backend, keyIds] of keysByBackend(uses)) {
    watches.set(backend.name, new BackendWatch(backend, keyIds, credentials(backend), listener));
  }
  return {
    keys: () => [...watches.values()].flatMap((watch) => watch.keys()),
    unusable: (backend) => watches.get(backend.name)?.unusable ?? NONE,
    close: () => {
      for (const watch of watches.values()) watch.close();
    },
  };
}

class BackendWatch {
  readonly unusable: Map<string, KeyUsage> = new Map();
  readonly #backend: KmsBackend;
  readonly #credentials: CredentialSource;
  readonly #listener: WatchListener;
  readonly #states: Map<string, KeyState | undefined>;
  readonly #closed = new AbortController();
  #retry = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    backend: KmsBackend,
    keyIds: ReadonlySet<string>,
    credentials: CredentialSource,
    listener: WatchListener,
  ) {
    this.#backend = backend;
    this.#credentials = credentials;
    this.#listener = listener;
    this.#states = new Map([...keyIds].map((keyId) => [keyId, undefined]));
    void this.#check();
  }

  keys(): WatchedKey[] {
    return [...this.#states].map(([keyId, state]) => ({ backend: this.#backend.name, keyId, state }));
  }

  close(): void {
    this.#closed.abort();
    clearTimeout(this.#timer);
  }

  async #check(): Promise<void> {
    // Whoever fetches the credentials tells of a failure.
    await this.#credentials.ready().catch(() => {});
    const { signal } = this.#closed;
    const found = await describeKeys(this.#backend, this.#credentials.current(), this.#states.keys(), signal);
    if (signal.aborted) return;
    for (const [keyId, state] of found) this.#take(keyId, state);
    this.#timer = setTimeout(() => void this.#check(), this.#delay([...found.values()]));
    this.#timer.unref();
  }

  #take(keyId: string, state: KeyState): void {
    const { name } = this.#backend;
    const changed = nameOf(state) !== nameOf(this.#states.get(keyId));
    this.#states.set(keyId, state);
    // A KMS that cannot be asked takes nothing back.
    if (state.kind === 'unusable' && state.usage) this.unusable.set(keyId, state.usage);
    else if (state.kind !== 'unknown') this.unusable.delete(keyId);
    if (changed) this.#listener.changed(name, keyId, state);
    this.#listener.checked(name, keyId, state);
  }

  #delay(states: readonly KeyState[]): number {
    const { interval } = this.#backend.kms;
    if (!states.some(passes)) {
      this.#retry = FIRST_RETRY_MS;
      return interval * (1 - JITTER + 2 * JITTER * Math.random());
    }
    const delay = Math.min(this.#retry, interval);
    this.#retry *= 2;
    return delay;
  }
}

/** Whether a state is one that ends by itself; a right that is missing is given by people, who take their time. */
function passes(state: KeyState): boolean {
  return state.kind === 'unknown' && state.why !== 'access_denied';
}

/** The name of a state in log lines: `usable`, or why not. */
export function nameOf(state: KeyState | undefined): string | undefined {
  return state?.kind === 'usable' ? 'usable' : state?.why;
}
