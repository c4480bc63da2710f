// The connections to the backends. Knows undici; must not know S3.
import { Agent, type buildConnector, type Dispatcher } from 'undici';
import type { BackendConfiguration, Configuration, Timeouts } from '../config/configuration.ts';
import type { CredentialSource } from '../config/credentials.ts';
import type { Backend, SigningCredentials } from '../core/policy/policy.ts';
import type { Common } from './common.ts';

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
  /** Closes the connections that no other configuration has in common with this one. */
  close(): void;
}

/** Longest answer head that is taken from a backend, in bytes. */
const MAX_ANSWER_HEAD = 64 * 1024;

/**
 * What a connection takes before it says that it has enough, in bytes: as much as Node's other sockets. With undici's own
 * 16 KiB each record of TLS would stop and start the client.
 */
const SOCKET_BUFFER = 64 * 1024;

/** Opens the backends; each signs with what its source has. */
export function openBackends(
  { backends, timeouts }: Pick<Configuration, 'backends' | 'timeouts'>,
  sourceOf: (backend: BackendConfiguration) => CredentialSource,
  agents: Common<Dispatcher>,
): Backends {
  const opened = backends.map((configuration) => {
    const { name, protocol, hostname, port, ca } = configuration;
    const agent = agents.hold(JSON.stringify([name, protocol, hostname, port, ca, timeouts]), () =>
      openAgent(configuration, timeouts),
    );
    return { configuration, agent, credentials: sourceOf(configuration) };
  });
  const connections = opened.map((each) => ({ ...each, agent: each.agent.value }));
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
    close: () => {
      for (const { agent } of opened) agent.release();
    },
  };
}

/** The connections to one backend, as requests of clients use them. */
export function openAgent({ ca }: BackendConfiguration, timeouts: Timeouts): Dispatcher {
  // What undici does not know it hands on to the socket; its types do not say so.
  const connect: buildConnector.BuildOptions & { highWaterMark: number } = {
    timeout: timeouts.backendConnect,
    minVersion: 'TLSv1.2',
    highWaterMark: SOCKET_BUFFER,
    ...(ca === undefined ? {} : { ca }),
  };
  return new Agent({
    allowH2: false,
    pipelining: 1,
    connect,
    keepAliveTimeout: timeouts.backendIdle,
    headersTimeout: timeouts.backendFirstByte,
    bodyTimeout: timeouts.bodyIdle,
    maxHeaderSize: MAX_ANSWER_HEAD,
  });
}
