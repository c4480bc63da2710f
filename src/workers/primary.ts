// The gateway as several processes: the primary, which serves no client, has what there is once: the admin listener,
// the log, the credentials for backends, the keys of session tickets. Everything else is the workers'.
import type { Configuration } from '../config/configuration.ts';
import type { LoadedConfiguration } from '../config/load.ts';
import type { Inspection } from '../gateway/inspection.ts';
import { Reloading } from '../gateway/reload.ts';
import {
  announce,
  announceChanges,
  credentialChecks,
  drainChecks,
  drainDelay,
  hasCredentials,
  type RunningGateway,
  type ServeOptions,
} from '../gateway/serve.ts';
import { type AdminServer, type ReadinessCheck, startAdmin } from '../observe/admin.ts';
import { exposeTogether } from '../observe/aggregate.ts';
import { type DecisionBatch, DecisionFeed } from '../observe/decisions.ts';
import { createLogger, type Logger } from '../observe/log.ts';
import { type LogStream, openLogStream, toDescriptor } from '../observe/log-stream.ts';
import { createMetrics, type Metrics } from '../observe/metrics.ts';
import { HandOut } from './hand-out.ts';
import { type SupervisorOptions, startWorkers, type Workers } from './supervisor.ts';

export interface PrimaryOptions extends ServeOptions {
  readonly workers: number;
  /** The program that each worker runs, with `worker` as its argument. */
  readonly program: string;
}

/** A gateway of several processes at work. */
export interface RunningPrimary extends RunningGateway {
  /** Resolves, with what is wrong, when no worker can be kept up. */
  readonly hopeless: Promise<Error>;
}

/** Starts the workers and then the admin listener; rejects, with everything ended again, when one of them cannot serve. */
export async function servePrimary(
  started: LoadedConfiguration,
  options: PrimaryOptions,
): Promise<RunningPrimary> {
  const metrics = createMetrics(options);
  const log = openLogStream({ sink: toDescriptor(options.logFd), onLinesLost: metrics.logLinesLost });
  const logger = createLogger({ level: started.configuration.log.level, destination: log });
  const primary = new Primary(metrics, logger);
  let admin: AdminServer | undefined;
  let reloading: Reloading | undefined;
  const close = async (patiently = false) => {
    primary.drain();
    const delay = patiently && reloading ? drainDelay(logger, reloading.inForce) : undefined;
    await Promise.all([delay, reloading?.close()]);
    await primary.close();
    await admin?.close();
    await new Promise<void>((resolve) => log.flush(resolve));
  };
  try {
    const { workers: count, program, load } = options;
    const onLog = (bytes: Buffer) => takeLines(log, bytes);
    const supervision = { count, program, logger, onLog, onLost: metrics.workerLost };
    const workers = await primary.start(started.configuration, supervision);
    const reloads = new Reloading({ started, load, apply: primary.change, metrics, logger });
    reloading = reloads;
    const inspection = primary.inspection(workers, reloads);
    const page = options.page?.(inspection);
    const exposition = async () => exposeTogether([await metrics.snapshot(), ...(await workers.reports())]);
    const { admin: at } = started.configuration;
    admin = await startAdmin({ ...at, metrics: { exposition }, readiness: inspection.checks, page });
    announce(logger, workers.listeners, admin);
    const { hopeless } = workers;
    return { hopeless, reload: () => reloads.reload(), flushLogSync: log.flushSync, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What the workers are started with, besides what the primary makes itself. */
type Supervision = Omit<SupervisorOptions, 'first' | 'onDecisions'>;

/** Everything of the primary that changes with its configuration. */
class Primary {
  readonly #logger: Logger;
  readonly #handOut: HandOut;
  readonly #feed: DecisionFeed;
  #workers: Workers | undefined;
  #draining = false;

  constructor(metrics: Metrics, logger: Logger) {
    this.#logger = logger;
    this.#handOut = new HandOut({ metrics, logger }, () => this.#workers?.share());
    const watch = (watched: boolean) => this.#workers?.watch(watched);
    this.#feed = new DecisionFeed({ begin: () => watch(true), stop: () => watch(false) });
  }

  async start(configuration: Configuration, options: Supervision): Promise<Workers> {
    const handOut = await this.#handOut.prepare(configuration, false);
    handOut.commit();
    const first = { configuration, shared: handOut.shared };
    const onDecisions = (batch: DecisionBatch) => this.#feed.publish(batch);
    this.#workers = await startWorkers({ ...options, first, onDecisions });
    return this.#workers;
  }

  /** Rejects, with everything as before, when one of the workers cannot serve by the configuration. */
  readonly change = async (configuration: Configuration): Promise<void> => {
    const workers = this.#workers;
    if (!workers) throw new Error('the workers have not been started');
    const before = workers.listeners;
    const handOut = await this.#handOut.prepare(configuration, true);
    try {
      await workers.change({ configuration, shared: handOut.shared });
    } catch (error) {
      handOut.abandon();
      throw error;
    }
    handOut.commit();
    this.#logger.level = configuration.log.level;
    announceChanges(this.#logger, before, workers.listeners);
  };

  inspection(workers: Workers, reloads: Reloading): Inspection {
    const { keys } = this.#handOut;
    return {
      configuration: () => reloads.inForce,
      processes: () => ({ serving: workers.serving(), of: workers.count }),
      checks: () => [
        ...drainChecks(this.#draining),
        workersCheck(workers),
        ...credentialChecks(this.#handOut.backends),
        ...keys.checks(),
        reloads.check(),
      ],
      keyWatch: keys,
      hasCredentials: (backend) => hasCredentials(this.#handOut.backends, backend),
      snapshots: () => workers.lastReports(),
      feed: this.#feed,
    };
  }

  /** Tells probes and clients that it is about to end. */
  drain(): void {
    this.#draining = true;
    this.#workers?.drain();
  }

  async close(): Promise<void> {
    await this.#workers?.close();
    this.#handOut.close();
  }
}

/** Batches of all workers come here, each of whole lines, so that lines of two never mix. */
function takeLines(log: LogStream, bytes: Buffer): void {
  const text = bytes.toString();
  log.write(text, text.split('\n').length - 1);
}

/** One worker serves every listener: while others are replaced, there is less room but no fault. */
function workersCheck(workers: Workers): ReadinessCheck {
  const { count } = workers;
  const serving = workers.serving();
  return { name: 'workers', ok: serving > 0, detail: `${serving} of ${count} serve` };
}
