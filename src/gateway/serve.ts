// A gateway in this one process: serving, credentials, KMS keys, admin listener, metrics and log. The composition root.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Configuration } from '../config/configuration.ts';
import type { LoadedConfiguration, LoadResult } from '../config/load.ts';
import type { Backend } from '../core/policy/policy.ts';
import { type AdminServer, type ReadinessCheck, startAdmin } from '../observe/admin.ts';
import { DecisionFeed, DecisionRecorder } from '../observe/decisions.ts';
import { createLogger, type Logger } from '../observe/log.ts';
import { openLogStream, toDescriptor } from '../observe/log-stream.ts';
import { createMetrics, type Metrics, type ReloadResult } from '../observe/metrics.ts';
import type { BackendConnection } from './backend.ts';
import type { Inspection, OpenPage } from './inspection.ts';
import { ConfiguredKeys } from './key-watch.ts';
import type { BoundListener, RunningListener } from './listener.ts';
import { Reloading } from './reload.ts';
import { Serving } from './serving.ts';
import { credentialSources, type HeldSources } from './sources.ts';

/** What the gateway is given by its process. */
export interface ServeOptions {
  readonly version: string;
  /** Version of the running Node.js. */
  readonly nodeVersion: string;
  /** File descriptor that log lines are written to. */
  readonly logFd: number;
  /** Reads the configuration again. */
  readonly load: () => LoadResult;
  /** The page of the admin listener; without, there is none. */
  readonly page?: OpenPage;
}

/** A gateway at work, in one process or several. */
export interface RunningGateway {
  /** Reads the configuration again, at once; a faulty one leaves the one before in force. */
  reload(): Promise<ReloadResult>;
  /** Writes the log lines that are still held; for the process's `exit` event. */
  flushLogSync(): void;
  /** Ends, with what is in flight. `patiently`: goes on for the configured delay first, so that others learn of it. */
  close(patiently?: boolean): Promise<void>;
}

/** A gateway at work in this process. */
export interface ServingGateway extends RunningGateway {
  readonly listeners: readonly RunningListener[];
  /** `host:port` of the admin listener. */
  readonly admin: string;
  readonly metrics: Metrics;
}

/** Starts the gateway in this one process; rejects, with everything closed again, when an address cannot be bound. */
export async function serve(started: LoadedConfiguration, options: ServeOptions): Promise<ServingGateway> {
  const metrics = createMetrics(options);
  const log = openLogStream({ sink: toDescriptor(options.logFd), onLinesLost: metrics.logLinesLost });
  const logger = createLogger({ level: started.configuration.log.level, destination: log });
  const gateway = new Gateway(metrics, logger);
  let admin: AdminServer | undefined;
  let reloading: Reloading | undefined;
  const close = async (patiently = false) => {
    gateway.drain();
    const delay = patiently && reloading ? drainDelay(logger, reloading.inForce) : undefined;
    await Promise.all([delay, reloading?.close()]);
    await gateway.close();
    await admin?.close();
    await new Promise<void>((resolve) => log.flush(resolve));
  };
  try {
    await gateway.start(started.configuration);
    const { load } = options;
    const reloads = new Reloading({ started, load, apply: gateway.change, metrics, logger });
    reloading = reloads;
    const inspection = gateway.inspection(reloads);
    const page = options.page?.(inspection);
    admin = await startAdmin({ ...started.configuration.admin, metrics, readiness: inspection.checks, page });
    announce(logger, gateway.serving.listeners, admin);
    return {
      get listeners() {
        return gateway.serving.listeners;
      },
      admin: admin.address,
      metrics,
      reload: () => reloads.reload(),
      flushLogSync: log.flushSync,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Everything of the gateway that changes with its configuration. */
class Gateway {
  readonly serving: Serving;
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #feed: DecisionFeed;
  readonly #keys: ConfiguredKeys;
  readonly #sourcesFor: ReturnType<typeof credentialSources>;
  #sources: HeldSources | undefined;
  #draining = false;

  constructor(metrics: Metrics, logger: Logger) {
    this.#metrics = metrics;
    this.#logger = logger;
    const decisions = new DecisionRecorder((batch) => this.#feed.publish(batch));
    this.#feed = new DecisionFeed(decisions);
    this.serving = new Serving({ metrics, logger, decisions });
    this.#keys = new ConfiguredKeys({ metrics, logger });
    this.#sourcesFor = credentialSources(logger);
  }

  /** At the start credentials are not waited for: readiness tells of them. */
  start(configuration: Configuration): Promise<void> {
    return this.#apply(configuration, this.#sourcesFor(configuration.backends));
  }

  /** Rejects, with everything as before, when the configuration cannot be put in force. */
  readonly change = async (configuration: Configuration): Promise<void> => {
    const sources = this.#sourcesFor(configuration.backends);
    const before = this.serving.listeners.map(boundAt);
    try {
      await sources.ready();
    } catch (error) {
      sources.close();
      throw error;
    }
    await this.#apply(configuration, sources);
    announceChanges(this.#logger, before, this.serving.listeners);
  };

  async #apply(configuration: Configuration, sources: HeldSources): Promise<void> {
    const supplies = {
      sourceOf: sources.of,
      unusableKeys: (backend: Backend) => this.#keys.unusable(backend),
    };
    try {
      (await this.serving.prepare(configuration, supplies)).commit();
    } catch (error) {
      sources.close();
      throw error;
    }
    this.#sources?.close();
    this.#sources = sources;
    this.#keys.follow(configuration, sources.of);
    this.#logger.level = configuration.log.level;
  }

  inspection(reloads: Reloading): Inspection {
    return {
      configuration: () => reloads.inForce,
      processes: () => ({ serving: 1, of: 1 }),
      checks: () => [...this.#checks(), reloads.check()],
      keyWatch: this.#keys,
      hasCredentials: (backend) => hasCredentials(this.serving.connections, backend),
      snapshots: async () => [await this.#metrics.snapshot()],
      feed: this.#feed,
    };
  }

  #checks(): ReadinessCheck[] {
    return [
      ...drainChecks(this.#draining),
      ...this.serving.listeners.map(({ name, listening: ok }) => ({ name: `listener ${name}`, ok })),
      ...credentialChecks(this.serving.connections),
      ...this.#keys.checks(),
    ];
  }

  /** Tells probes and clients that it is about to end. */
  drain(): void {
    this.#draining = true;
    this.serving.lastAnswers();
  }

  async close(): Promise<void> {
    await this.serving.close();
    this.#keys.close();
    this.#sources?.close();
  }
}

/** Fails from the moment that the gateway is told to end. */
export function drainChecks(draining: boolean): ReadinessCheck[] {
  return draining ? [{ name: 'draining', ok: false, detail: 'the gateway has been told to end' }] : [];
}

/** The time in which those who send requests here learn from readiness, and from answers, to send them elsewhere. */
export async function drainDelay(logger: Logger, { drain }: Configuration): Promise<void> {
  const { delay: delayMs, deadline: deadlineMs } = drain;
  logger.info({ delayMs, deadlineMs }, 'draining');
  await sleep(delayMs);
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

/** Whether there is something to sign with for this backend. */
export function hasCredentials(
  backends: readonly Pick<BackendConnection, 'configuration' | 'credentials'>[],
  { name }: Pick<Backend, 'name'>,
): boolean {
  const backend = backends.find(({ configuration }) => configuration.name === name);
  return backend?.credentials.current() !== undefined;
}

/** Says where clients and probes are served, once they are. */
export function announce(
  logger: Logger,
  listeners: readonly BoundListener[],
  admin: Pick<AdminServer, 'address'>,
): void {
  announceChanges(logger, [], listeners);
  logger.info({ address: admin.address }, 'admin listening');
}

/** Says which listeners there are that were not there before, and which are no more. */
export function announceChanges(
  logger: Logger,
  before: readonly BoundListener[],
  now: readonly BoundListener[],
): void {
  const without = (all: readonly BoundListener[], others: readonly BoundListener[]) =>
    all.map(boundAt).filter((one) => !others.some((other) => isSameListener(one, other)));
  const line = ({ name, host, port }: BoundListener) => ({ listener: name, host, port });
  for (const listener of without(before, now)) logger.info(line(listener), 'listens no more');
  for (const listener of without(now, before)) logger.info(line(listener), 'listening');
}

/** The address alone, as it is now. */
export function boundAt({ name, host, port }: BoundListener): BoundListener {
  return { name, host, port };
}

function isSameListener(one: BoundListener, other: BoundListener): boolean {
  return one.name === other.name && one.host === other.host && one.port === other.port;
}
