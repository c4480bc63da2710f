// What the primary makes or fetches once for all workers, and renews: credentials, the keys of session tickets, and
// what KMS says of its keys.
import type { BackendConfiguration, Configuration } from '../config/configuration.ts';
import type { CredentialSource } from '../config/credentials.ts';
import type { SigningCredentials } from '../core/policy/policy.ts';
import { ConfiguredKeys, type KeyWatchOptions } from '../gateway/key-watch.ts';
import { credentialSources, type HeldSources } from '../gateway/sources.ts';
import type { Shared } from './messages.ts';
import { makeTicketKeys, TICKET_KEYS_MS } from './ticket-keys.ts';

/** What a configuration that is not in force yet will share. One of the two is to be called, once. */
export interface PreparedHandOut {
  readonly shared: () => Shared;
  commit(): void;
  abandon(): void;
}

/** What is made once and handed to every worker, one configuration after the other. */
export class HandOut {
  readonly keys: ConfiguredKeys;
  readonly #sourcesFor: ReturnType<typeof credentialSources>;
  readonly #rotation: NodeJS.Timeout;
  #inForce: InForce | undefined;

  /** Credentials are fetched once for all: instance metadata and STS answer only so many questions. */
  constructor(options: Omit<KeyWatchOptions, 'onChange'>, onChange: () => void) {
    this.keys = new ConfiguredKeys({ ...options, onChange });
    this.#sourcesFor = credentialSources(options.logger, onChange);
    this.#rotation = setInterval(() => {
      if (this.#inForce) this.#inForce.ticketKeys = makeTicketKeys(this.#inForce.configuration.listeners);
      onChange();
    }, TICKET_KEYS_MS);
  }

  /** Makes ready for a configuration. `patiently`: waits for credentials; rejects when there are none. */
  async prepare(configuration: Configuration, patiently: boolean): Promise<PreparedHandOut> {
    const sources = this.#sourcesFor(configuration.backends);
    // Afresh with each configuration: a session does not outlive the authorities that its client was known by.
    const next: InForce = { configuration, sources, ticketKeys: makeTicketKeys(configuration.listeners) };
    try {
      if (patiently) await sources.ready();
    } catch (error) {
      sources.close();
      throw error;
    }
    return {
      shared: () => this.#sharedOf(next),
      abandon: sources.close,
      commit: () => {
        this.#inForce?.sources.close();
        this.#inForce = next;
        this.keys.follow(configuration, sources.of);
      },
    };
  }

  #sharedOf({ configuration: { backends }, sources, ticketKeys }: InForce): Shared {
    const credentials = new Map<string, SigningCredentials>();
    for (const backend of backends.filter(isFetchedFor)) {
      const current = sources.of(backend).current();
      if (current) credentials.set(backend.name, current);
    }
    const unusableKeys = new Map(
      backends.map((backend) => [backend.name, this.keys.unusable(backend) ?? new Map()]),
    );
    return { credentials, ticketKeys, unusableKeys };
  }

  get backends(): readonly { configuration: BackendConfiguration; credentials: CredentialSource }[] {
    const { configuration, sources } = this.#inForce ?? {};
    if (!configuration || !sources) return [];
    return configuration.backends.map((backend) => ({
      configuration: backend,
      credentials: sources.of(backend),
    }));
  }

  close(): void {
    this.keys.close();
    clearInterval(this.#rotation);
    this.#inForce?.sources.close();
  }
}

interface InForce {
  readonly configuration: Configuration;
  readonly sources: HeldSources;
  ticketKeys: Shared['ticketKeys'];
}

/** Whether a worker cannot have the credentials from its configuration. */
export function isFetchedFor({ credentials: { provider } }: BackendConfiguration): boolean {
  return provider !== 'static' && provider !== 'none';
}
