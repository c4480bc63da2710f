// Where the credentials for the backends come from: fetched in the background, and kept as long as a configuration asks
// for the same ones. Knows sources; must not know what is signed.
import type { BackendConfiguration } from '../config/configuration.ts';
import { type CredentialSource, credentialsProvider } from '../config/credentials.ts';
import type { Backend } from '../core/policy/policy.ts';
import type { Logger } from '../observe/log.ts';
import { Common } from './common.ts';

/** The sources of one configuration's backends. */
export interface HeldSources {
  of(backend: Backend): CredentialSource;
  /** Done once those that are new have credentials; fails, naming the backend, when that takes too long. */
  ready(): Promise<void>;
  /** Lets go of them: those that no other configuration holds fetch no more, and keep what they have. */
  close(): void;
}

/** Wait before credentials that could not be had at start are asked for again. */
const RETRY_MS = 5_000;
/** How long a changed configuration waits for credentials that it is the first to ask for. */
const READY_MS = 15_000;

/** Gives the sources of configurations. `onFetched` hears of all credentials that are new. */
export function credentialSources(
  logger: Logger,
  onFetched: () => void = () => {},
): (backends: readonly BackendConfiguration[]) => HeldSources {
  const common = new Common<CredentialSource>((source) => source.close());
  return (backends) => {
    const holds = backends.map((backend) => {
      const { name, region, credentials } = backend;
      const key = JSON.stringify([name, region, credentials]);
      return { backend, ...common.hold(key, () => fetchedCredentials(backend, logger, onFetched)) };
    });
    const byBackend = new Map<Backend, CredentialSource>(holds.map(({ backend, value }) => [backend, value]));
    return {
      of: (backend) => {
        const found = byBackend.get(backend);
        if (!found) throw new Error(`backend ${backend.name} is not of this configuration`);
        return found;
      },
      ready: async () => {
        const fresh = holds.filter(({ opened }) => opened);
        await Promise.all(fresh.map(({ backend, value }) => readySoon(backend.name, value)));
      },
      close: () => {
        for (const { release } of holds) release();
      },
    };
  };
}

/** Credentials as configured, fetched in the background. */
function fetchedCredentials(
  { name, credentials: spec, region }: BackendConfiguration,
  logger: Logger,
  onFetched: () => void,
): CredentialSource {
  const report = (err: Error) => logger.error({ err, backend: name }, 'backend credentials');
  const source = credentialsProvider(spec, region, report, onFetched);
  let closed = false;
  let retry: NodeJS.Timeout | undefined;
  const fetch = () => {
    source.ready().catch((error: unknown) => {
      if (closed) return;
      report(error instanceof Error ? error : new Error(String(error)));
      retry = setTimeout(fetch, RETRY_MS).unref();
    });
  };
  fetch();
  const close = () => {
    closed = true;
    clearTimeout(retry);
    source.close();
  };
  return { current: source.current, ready: source.ready, close };
}

async function readySoon(name: string, source: CredentialSource): Promise<void> {
  const late = Promise.withResolvers<never>();
  const message = `there were none within ${READY_MS / 1000} s`;
  const timer = setTimeout(() => late.reject(new Error(message)), READY_MS);
  try {
    await Promise.race([source.ready(), late.promise]);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`backend ${name} has no credentials: ${why}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
