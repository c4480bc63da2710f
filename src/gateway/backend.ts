// The connections to the backends and the credentials for them. Knows undici; must not know S3.
import { Agent, type Dispatcher } from 'undici';
import type { BackendConfiguration, Configuration, Timeouts } from '../config/configuration.ts';
import { type CredentialSource, credentialsProvider } from '../config/credentials.ts';
import type { Backend, SigningCredentials } from '../core/policy/policy.ts';
import type { Logger } from '../observe/log.ts';

/** One backend, reachable. */
export interface BackendConnection {
  readonly configuration: BackendConfiguration;
  readonly agent: Dispatcher;
  readonly credentials: CredentialSource;
}

/** All backends of a configuration. */
export interface Backends {
  readonly connections: readonly BackendConnection[];
  of(backend: Backend): BackendConnection;
  credentials(backend: Backend): SigningCredentials | undefined;
  close(): Promise<void>;
}

/** Longest answer head that is taken from a backend, in bytes. */
const MAX_ANSWER_HEAD = 64 * 1024;
/** Wait before credentials that could not be had at start are asked for again. */
const CREDENTIALS_RETRY_MS = 5_000;

/** Opens the backends; each signs with what its source has. */
export function openBackends(
  configuration: Configuration,
  sourceOf: (backend: BackendConfiguration) => CredentialSource,
): Backends {
  const connections = configuration.backends.map((backend) => ({
    configuration: backend,
    agent: openAgent(backend, configuration.timeouts),
    credentials: sourceOf(backend),
  }));
  const byBackend = new Map<Backend, BackendConnection>(
    connections.map((each) => [each.configuration, each]),
  );
  const of = (backend: Backend): BackendConnection => {
    const found = byBackend.get(backend);
    if (!found) throw new Error(`backend ${backend.name} is not open`);
    return found;
  };
  return {
    connections,
    of,
    credentials: (backend) => of(backend).credentials.current(),
    close: async () => {
      for (const { credentials } of connections) credentials.close();
      await Promise.all(connections.map(({ agent }) => agent.destroy()));
    },
  };
}

/** The connections to one backend, as requests of clients use them. */
export function openAgent({ ca }: BackendConfiguration, timeouts: Timeouts): Dispatcher {
  return new Agent({
    allowH2: false,
    pipelining: 1,
    connect: {
      timeout: timeouts.backendConnect,
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
    },
    keepAliveTimeout: timeouts.backendIdle,
    headersTimeout: timeouts.backendFirstByte,
    bodyTimeout: timeouts.bodyIdle,
    maxHeaderSize: MAX_ANSWER_HEAD,
  });
}

/** Credentials as configured, fetched in the background. `onFetched` hears of each that are new. */
export function fetchedCredentials(
  { name, credentials: spec, region }: BackendConfiguration,
  logger: Logger,
  onFetched?: (credentials: SigningCredentials) => void,
): CredentialSource {
  const report = (err: Error) => logger.error({ err, backend: name }, 'backend credentials');
  const credentials = credentialsProvider(spec, region, report, onFetched);
  fetchCredentials(credentials, report);
  return credentials;
}

function fetchCredentials(credentials: CredentialSource, report: (error: Error) => void): void {
  credentials.ready().catch((error: unknown) => {
    report(error instanceof Error ? error : new Error(String(error)));
    setTimeout(fetchCredentials, CREDENTIALS_RETRY_MS, credentials, report).unref();
  });
}
