// Puts a configuration to work: backends, listeners, admin listener, metrics and log. The composition root.
import type { BackendConfiguration, Configuration } from '../config/configuration.ts';
import type { CredentialSource } from '../config/credentials.ts';
import type { Backend, KeyUsage } from '../core/policy/policy.ts';
import { SigningKeys } from '../core/sigv4/signing-key.ts';
import type { KeyWatch } from '../kms/watch.ts';
import { type AdminServer, type ReadinessCheck, startAdmin } from '../observe/admin.ts';
import { createLogger, describeFault, type Logger } from '../observe/log.ts';
import { openLogStream, toDescriptor } from '../observe/log-stream.ts';
import { createMetrics, type Metrics } from '../observe/metrics.ts';
import { createObserver } from '../observe/observe.ts';
import { Admission } from './admission.ts';
import { type BackendConnection, type Backends, fetchedCredentials, openBackends } from './backend.ts';
import { BufferBudget } from './buffer-budget.ts';
import { type Handling, handle } from './handle.ts';
import { keyChecks, watchConfiguredKeys } from './key-watch.ts';
import { listenerContext } from './receive.ts';
import { type BoundListener, type RunningListener, startListener } from './server.ts';

/** What the gateway is given by its process. */
export interface ServeOptions {
  readonly version: string;
  /** Version of the running Node.js. */
  readonly nodeVersion: string;
  /** File descriptor that log lines are written to. */
  readonly logFd: number;
}

/** A gateway at work. */
export interface RunningGateway {
  readonly listeners: readonly RunningListener[];
  /** `host:port` of the admin listener. */
  readonly admin: string;
  readonly metrics: Metrics;
  /** Writes the log lines that are still held; for the process's `exit` event. */
  flushLogSync(): void;
  close(): Promise<void>;
}

/** What is in flight when the gateway closes has this long to end. */
export const CLOSE_GRACE_MS = 10_000;

/** Starts the gateway in this one process; rejects, with everything closed again, when an address cannot be bound. */
export async function serve(configuration: Configuration, options: ServeOptions): Promise<RunningGateway> {
  const metrics = createMetrics(options);
  const log = openLogStream({ sink: toDescriptor(options.logFd), onLinesLost: metrics.logLinesLost });
  const logger = createLogger({ level: configuration.log.level, destination: log });
  const sourceOf = (backend: BackendConfiguration) => fetchedCredentials(backend, logger);
  const running: { close(): Promise<void> | void }[] = [];
  const closeAll = async () => {
    await Promise.all(running.map((part) => part.close()));
    await new Promise<void>((resolve) => log.flush(resolve));
  };
  try {
    let keys: KeyWatch | undefined;
    const unusableKeys = (backend: Backend) => keys?.unusable(backend);
    const serving = await startServing(configuration, { metrics, logger, sourceOf, unusableKeys });
    running.push(serving);
    const { listeners, backends } = serving;
    const credentialsOf = (backend: Backend) => backends.of(backend).credentials;
    const watch = watchConfiguredKeys(configuration, { metrics, logger, credentialsOf });
    keys = watch;
    running.push(watch);
    const { host, port } = configuration.admin;
    const readiness = () => [
      ...listenerChecks(listeners),
      ...credentialChecks(backends.connections),
      ...keyChecks(watch),
    ];
    const admin = await startAdmin({ host, port, metrics, readiness });
    running.push(admin);
    announce(logger, listeners, admin);
    return { listeners, admin: admin.address, metrics, flushLogSync: log.flushSync, close: closeAll };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** What serving clients takes besides a configuration. */
export interface ServingOptions {
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Where the credentials for a backend come from. */
  readonly sourceOf: (backend: BackendConfiguration) => CredentialSource;
  /** Keys that KMS says can never encrypt objects; nothing where no KMS is asked. */
  readonly unusableKeys: (backend: Backend) => ReadonlyMap<string, KeyUsage> | undefined;
  /** Keys of the session tickets of TLS by listener, where several processes share them. */
  readonly ticketKeys?: ReadonlyMap<string, Buffer>;
}

/** The part of a gateway that serves clients. */
export interface Serving {
  readonly listeners: readonly RunningListener[];
  readonly backends: Backends;
  close(): Promise<void>;
}

/** Opens backends and listeners; rejects, with everything closed again, when an address cannot be bound. */
export async function startServing(configuration: Configuration, options: ServingOptions): Promise<Serving> {
  const { metrics } = options;
  const backends = openBackends(configuration, options.sourceOf);
  const handling = handlingOf(configuration, backends, options);
  try {
    const listeners = await startListeners(configuration, handling, options);
    const { connections, requestsInFlight, requestsInFlightPerClient, bufferedBytes } = configuration.limits;
    metrics.serving({
      connections,
      requests_in_flight: requestsInFlight,
      requests_in_flight_per_client: requestsInFlightPerClient,
      buffered_bytes: bufferedBytes,
    });
    metrics.measureBufferedBytes(() => handling.buffered.used);
    const close = async () => {
      await Promise.all(listeners.map((listener) => listener.close(CLOSE_GRACE_MS)));
      await backends.close();
    };
    return { listeners, backends, close };
  } catch (error) {
    await backends.close();
    throw error;
  }
}

function handlingOf(
  { policy, timeouts, limits }: Configuration,
  backends: Backends,
  { metrics, logger, unusableKeys }: ServingOptions,
): Handling {
  return {
    policy,
    backends,
    keys: new SigningKeys(),
    unusableKeys,
    bodyIdleMs: timeouts.bodyIdle,
    admission: new Admission(limits),
    buffered: new BufferBudget(limits.bufferedBytes),
    observe: createObserver(metrics, logger),
    reportBug: (error, requestId) =>
      logger.error({ fault: describeFault(error), requestId }, 'fault of the gateway'),
    requestStarted: metrics.requestStarted,
    requestFinished: metrics.requestFinished,
  };
}

async function startListeners(
  { listeners, timeouts, limits }: Configuration,
  handling: Handling,
  { metrics, ticketKeys }: ServingOptions,
): Promise<RunningListener[]> {
  const started: RunningListener[] = [];
  try {
    for (const listener of listeners) {
      const context = listenerContext(listener);
      const bounds = {
        timeouts,
        connections: limits.connections,
        ticketKeys: ticketKeys?.get(listener.name),
      };
      const { connectionOpened, connectionClosed, connectionRefused } = metrics;
      started.push(
        await startListener(listener, bounds, {
          onRequest: (request, response, mayContinue) =>
            void handle(handling, context, request, response, mayContinue),
          observe: handling.observe,
          connectionOpened,
          connectionClosed,
          connectionRefused,
        }),
      );
      metrics.certificateExpiry(listener.name, listener.tls && new Date(listener.tls.notAfter));
    }
    return started;
  } catch (error) {
    await Promise.all(started.map((listener) => listener.close(0)));
    throw error;
  }
}

function listenerChecks(listeners: readonly RunningListener[]): ReadinessCheck[] {
  return listeners.map(({ name, listening: ok }) => ({ name: `listener ${name}`, ok }));
}

/** A backend can be signed for once there are credentials; where nothing is signed, none are needed. */
export function credentialChecks(
  backends: readonly Pick<BackendConnection, 'configuration' | 'credentials'>[],
): ReadinessCheck[] {
  const signed = backends.filter(({ configuration }) => configuration.credentials.provider !== 'none');
  return signed.map(({ configuration, credentials }) => {
    const ok = credentials.current() !== undefined;
    return {
      name: `credentials of backend ${configuration.name}`,
      ok,
      ...(ok ? {} : { detail: 'not fetched yet' }),
    };
  });
}

/** Says where clients and probes are served, once they are. */
export function announce(
  logger: Logger,
  listeners: readonly BoundListener[],
  admin: Pick<AdminServer, 'address'>,
): void {
  for (const { name, host, port } of listeners) logger.info({ listener: name, host, port }, 'listening');
  logger.info({ address: admin.address }, 'admin listening');
}
