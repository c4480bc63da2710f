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

/** Opens the backends. Credentials are fetched in the background; until then their backend is not ready. */
export function openBackends(configuration: Configuration, logger: Logger): Backends {
  const connections = configuration.backends.map((backend) =>
    openBackend(backend, configuration.timeouts, logger),
  );
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

function openBackend(
  configuration: BackendConfiguration,
  timeouts: Timeouts,
  logger: Logger,
): BackendConnection {
  const report = (err: Error) => logger.error({ err, backend: configuration.name }, 'backend credentials');
  const credentials = credentialsProvider(configuration.credentials, configuration.region, report);
  fetchCredentials(credentials, report);
  return { configuration, agent: openAgent(configuration, timeouts), credentials };
}

/** The connections to one backend, as requests of clients use them. */
export function openAgent(configuration: BackendConfiguration, timeouts: Timeouts): Dispatcher {
  return new Agent({
    allowH2: false,
    pipelining: 1,
    connect: {
      timeout: timeouts.backendConnect,
      minVersion: 'TLSv1.2',
      ...(configuration.ca === undefined ? {} : { ca: configuration.ca }),
    },
    keepAliveTimeout: timeouts.backendIdle,
    headersTimeout: timeouts.backendFirstByte,
    bodyTimeout: timeouts.bodyIdle,
    maxHeaderSize: MAX_ANSWER_HEAD,
  });
}

function fetchCredentials(credentials: CredentialSource, report: (error: Error) => void): void {
  credentials.ready().catch((error: unknown) => {
    report(error instanceof Error ? error : new Error(String(error)));
    setTimeout(fetchCredentials, CREDENTIALS_RETRY_MS, credentials, report).unref();
  });
}
