// What the primary makes or fetches once for all workers, and renews: credentials, the keys of session tickets, and
// what KMS says of its keys.
import type { BackendConfiguration, Configuration } from '../config/configuration.ts';
import type { CredentialSource } from '../config/credentials.ts';
import type { SigningCredentials } from '../core/policy/policy.ts';
import { fetchedCredentials } from '../gateway/backend.ts';
import { type KeyWatchOptions, watchConfiguredKeys } from '../gateway/key-watch.ts';
import type { KeyWatch } from '../kms/watch.ts';
import type { Shared } from './messages.ts';
import { makeTicketKeys, TICKET_KEYS_MS } from './ticket-keys.ts';

/** What is made once and handed to every worker, to those that come later too. */
export interface HandedOut {
  readonly keys: KeyWatch;
  readonly backends: readonly { configuration: BackendConfiguration; credentials: CredentialSource }[];
  shared(): Shared;
  close(): void;
}

/** Credentials are fetched once for all: instance metadata and STS answer only so many questions. */
export function handOut(
  configuration: Configuration,
  { metrics, logger }: Pick<KeyWatchOptions, 'metrics' | 'logger'>,
  onChange: () => void,
): HandedOut {
  let ticketKeys = makeTicketKeys(configuration.listeners);
  const fetched = new Map<string, SigningCredentials>();
  const backends = configuration.backends.map((backend) => {
    const credentials = fetchedCredentials(backend, logger, (fresh) => {
      fetched.set(backend.name, fresh);
      onChange();
    });
    return { configuration: backend, credentials };
  });
  const credentialsOf = (backend: BackendConfiguration) => {
    const found = backends.find(({ configuration: own }) => own === backend);
    if (!found) throw new Error(`backend ${backend.name} is not of this configuration`);
    return found.credentials;
  };
  const keys = watchConfiguredKeys(configuration, { metrics, logger, credentialsOf, onChange });
  const rotation = setInterval(() => {
    ticketKeys = makeTicketKeys(configuration.listeners);
    onChange();
  }, TICKET_KEYS_MS);
  const unusableKeys = () =>
    new Map(backends.map(({ configuration: own }) => [own.name, keys.unusable(own)]));
  return {
    backends,
    keys,
    shared: () => ({ credentials: fetched, ticketKeys, unusableKeys: unusableKeys() }),
    close: () => {
      keys.close();
      clearInterval(rotation);
      for (const { credentials } of backends) credentials.close();
    },
  };
}
