// The connections to the backends. Knows undici; must not know S3.
import { createSecureContext, TLSSocket } from 'node:tls';
import { Agent, buildConnector, type Dispatcher } from 'undici';
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

/** TLS sessions that can be resumed, by the name of the host: each bucket may be one. As many as undici remembers. */
const MAX_SESSIONS = 100;

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
export function openAgent(backend: BackendConfiguration, timeouts: Timeouts): Dispatcher {
  return new Agent({
    allowH2: false,
    pipelining: 1,
    connect: connector(backend, timeouts),
    keepAliveTimeout: timeouts.backendIdle,
    headersTimeout: timeouts.backendFirstByte,
    bodyTimeout: timeouts.bodyIdle,
    maxHeaderSize: MAX_ANSWER_HEAD,
  });
}

/**
 * Opens connections, often many at once when load rises. So what they have in common is made once, with the first, and they
 * resume each other's TLS sessions: together that halves what a connection costs.
 */
function connector(backend: BackendConfiguration, timeouts: Timeouts): buildConnector.connector {
  let connect: buildConnector.connector | undefined;
  const sessions = new Map<string, Buffer>();
  return (to, callback) => {
    connect ??= buildConnector(connectionOptions(backend, timeouts));
    connect(to, (...result) => {
      const [, socket] = result;
      // undici remembers the newest session of each name, but would let it be collected as garbage.
      if (socket instanceof TLSSocket) {
        socket.on('session', (session: Buffer) => holdSession(sessions, to.hostname, session));
      }
      callback(...result);
    });
  };
}

/** What undici does not know it hands on to the socket; its types do not say so. */
function connectionOptions(
  { ca }: BackendConfiguration,
  timeouts: Timeouts,
): buildConnector.BuildOptions & { highWaterMark: number } {
  return {
    allowH2: false,
    timeout: timeouts.backendConnect,
    secureContext: createSecureContext({ ca, minVersion: 'TLSv1.2' }),
    highWaterMark: SOCKET_BUFFER,
  };
}

function holdSession(sessions: Map<string, Buffer>, name: string, session: Buffer): void {
  sessions.delete(name);
  sessions.set(name, session);
  const [oldest] = sessions.keys();
  if (sessions.size > MAX_SESSIONS && oldest !== undefined) sessions.delete(oldest);
}
