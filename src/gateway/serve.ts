// Puts a configuration to work: backends, listeners, admin listener, metrics and log. The composition root.
import type { Configuration } from '../config/configuration.ts';
import { SigningKeys } from '../core/sigv4/signing-key.ts';
import { keyUses } from '../kms/key-uses.ts';
import { type KeyWatch, nameOf, watchKeys } from '../kms/watch.ts';
import { type AdminServer, type ReadinessCheck, startAdmin } from '../observe/admin.ts';
import { createLogger, describeFault, type Logger } from '../observe/log.ts';
import { openLogStream } from '../observe/log-stream.ts';
import { createMetrics, type Metrics } from '../observe/metrics.ts';
import { createObserver } from '../observe/observe.ts';
import { type Backends, openBackends } from './backend.ts';
import { type Handling, handle } from './handle.ts';
import { listenerContext } from './receive.ts';
import { type RunningListener, startListener } from './server.ts';

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
const CLOSE_GRACE_MS = 10_000;

/** Starts the gateway; rejects, with everything closed again, when an address cannot be bound. */
export async function serve(configuration: Configuration, options: ServeOptions): Promise<RunningGateway> {
  const metrics = createMetrics(options);
  const log = openLogStream({ fd: options.logFd, onLinesLost: metrics.logLinesLost });
  const logger = createLogger({ level: configuration.log.level, destination: log });
  const backends = openBackends(configuration, logger);
  const keys = watchKeysOf(configuration, backends, metrics, logger);
  const running: (RunningListener | AdminServer)[] = [];
  const closeAll = async () => {
    keys.close();
    await Promise.all(running.map((server) => server.close(CLOSE_GRACE_MS)));
    await backends.close();
    await new Promise<void>((resolve) => log.flush(resolve));
  };
  try {
    const listeners = await startListeners(
      configuration,
      handlingOf(configuration, backends, keys, metrics, logger),
      metrics,
    );
    running.push(...listeners);
    const { host, port } = configuration.admin;
    const readiness = () => readinessOf(listeners, backends, keys);
    const admin = await startAdmin({ host, port, metrics, readiness });
    running.push(admin);
    announce(logger, listeners, admin);
    return { listeners, admin: admin.address, metrics, flushLogSync: log.flushSync, close: closeAll };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

function handlingOf(
  configuration: Configuration,
  backends: Backends,
  keys: KeyWatch,
  metrics: Metrics,
  logger: Logger,
): Handling {
  return {
    policy: configuration.policy,
    backends,
    keys: new SigningKeys(),
    unusableKeys: keys.unusable,
    bodyIdleMs: configuration.timeouts.bodyIdle,
    observe: createObserver(metrics, logger),
    reportBug: (error, requestId) =>
      logger.error({ fault: describeFault(error), requestId }, 'fault of the gateway'),
    requestStarted: metrics.requestStarted,
    requestFinished: metrics.requestFinished,
  };
}

async function startListeners(
  configuration: Configuration,
  handling: Handling,
  metrics: Metrics,
): Promise<RunningListener[]> {
  const started: RunningListener[] = [];
  try {
    for (const listener of configuration.listeners) {
      const context = listenerContext(listener);
      const onRequest: Parameters<typeof startListener>[2] = (request, response, mayContinue) => {
        void handle(handling, context, request, response, mayContinue);
      };
      started.push(await startListener(listener, configuration.timeouts, onRequest, handling.observe));
      metrics.certificateExpiry(listener.name, listener.tls && new Date(listener.tls.notAfter));
    }
    return started;
  } catch (error) {
    await Promise.all(started.map((listener) => listener.close(0)));
    throw error;
  }
}

function readinessOf(
  listeners: readonly RunningListener[],
  backends: Backends,
  keys: KeyWatch,
): ReadinessCheck[] {
  const listening = listeners.map(({ name, listening: ok }) => ({ name: `listener ${name}`, ok }));
  const credentials = backends.connections.map(({ configuration, credentials: source }) => {
    const ok = source.current() !== undefined;
    return {
      name: `credentials of backend ${configuration.name}`,
      ok,
      ...(ok ? {} : { detail: 'not fetched yet' }),
    };
  });
  // A key that is lost is lost to every replica, and reads of other objects go on: no reason to take any out.
  const described = keys.keys().map(({ backend, keyId, state }) => ({
    name: `KMS key ${keyId} of backend ${backend}`,
    ok: state?.kind === 'usable',
    informative: true,
    ...(state?.kind === 'usable' ? {} : { detail: state?.detail ?? 'not asked about yet' }),
  }));
  return [...listening, ...credentials, ...described];
}

/** Each check is counted; what it found is logged when it is news. */
function watchKeysOf(
  configuration: Configuration,
  backends: Backends,
  metrics: Metrics,
  logger: Logger,
): KeyWatch {
  const uses = keyUses(configuration);
  for (const { backend, keyId } of uses) metrics.kmsKeyWatched(backend.name, keyId);
  return watchKeys(uses, (backend) => backends.of(backend).credentials, {
    checked: (backend, keyId, state) => {
      if (state.kind !== 'unknown') metrics.kmsKeyChecked(backend, keyId, state.kind === 'usable');
    },
    changed: (backend, keyId, state) => {
      const line = { backend, keyId, state: nameOf(state) };
      if (state.kind === 'usable') logger.info(line, 'KMS key');
      else logger[state.kind === 'unusable' ? 'error' : 'warn']({ ...line, detail: state.detail }, 'KMS key');
    },
  });
}

function announce(logger: Logger, listeners: readonly RunningListener[], admin: AdminServer): void {
  for (const { name, host, port } of listeners) logger.info({ listener: name, host, port }, 'listening');
  logger.info({ address: admin.address }, 'admin listening');
}
