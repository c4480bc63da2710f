// The gateway as several processes: the primary, which serves no client, has what there is once: the admin listener,
// the log, the credentials for backends, the keys of session tickets. Everything else is the workers'.
import type { Configuration } from '../config/configuration.ts';
import { keyChecks } from '../gateway/key-watch.ts';
import { announce, CLOSE_GRACE_MS, credentialChecks, type ServeOptions } from '../gateway/serve.ts';
import { type AdminServer, type ReadinessCheck, startAdmin } from '../observe/admin.ts';
import { exposeTogether } from '../observe/aggregate.ts';
import { createLogger } from '../observe/log.ts';
import { type LogStream, openLogStream, toDescriptor } from '../observe/log-stream.ts';
import { createMetrics, type Metrics } from '../observe/metrics.ts';
import { type HandedOut, handOut } from './hand-out.ts';
import { startWorkers, type Workers } from './supervisor.ts';

export interface PrimaryOptions extends ServeOptions {
  readonly workers: number;
  /** The program that each worker runs, with `worker` as its argument. */
  readonly program: string;
}

/** A gateway of several processes at work. */
export interface RunningPrimary {
  /** Resolves, with what is wrong, when no worker can be kept up. */
  readonly hopeless: Promise<Error>;
  /** Writes the log lines that are still held; for the process's `exit` event. */
  flushLogSync(): void;
  close(): Promise<void>;
}

/** Starts the workers and then the admin listener; rejects, with everything ended again, when one of them cannot serve. */
export async function servePrimary(
  configuration: Configuration,
  options: PrimaryOptions,
): Promise<RunningPrimary> {
  const metrics = createMetrics(options);
  const log = openLogStream({ sink: toDescriptor(options.logFd), onLinesLost: metrics.logLinesLost });
  const logger = createLogger({ level: configuration.log.level, destination: log });
  let workers: Workers | undefined;
  const handedOut = handOut(configuration, { metrics, logger }, () => workers?.share());
  let admin: AdminServer | undefined;
  const close = async () => {
    handedOut.close();
    await Promise.all([workers?.close(), admin?.close()]);
    await new Promise<void>((resolve) => log.flush(resolve));
  };
  try {
    workers = await startWorkers({
      count: options.workers,
      program: options.program,
      logger,
      configuration,
      shared: handedOut.shared,
      onLog: (bytes) => takeLines(log, bytes),
      onLost: metrics.workerLost,
      closeGraceMs: CLOSE_GRACE_MS,
    });
    admin = await startAdminOf(configuration, options, metrics, workers, handedOut);
    announce(logger, workers.listeners, admin);
    return { hopeless: workers.hopeless, flushLogSync: log.flushSync, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Batches of all workers come here, each of whole lines, so that lines of two never mix. */
function takeLines(log: LogStream, bytes: Buffer): void {
  const text = bytes.toString();
  log.write(text, text.split('\n').length - 1);
}

function startAdminOf(
  { admin: { host, port } }: Configuration,
  { workers: count }: PrimaryOptions,
  metrics: Metrics,
  workers: Workers,
  { backends, keys }: HandedOut,
): Promise<AdminServer> {
  const exposition = async () => exposeTogether([await metrics.snapshot(), ...(await workers.reports())]);
  const readiness = () => [
    workersCheck(workers.serving(), count),
    ...credentialChecks(backends),
    ...keyChecks(keys),
  ];
  return startAdmin({ host, port, metrics: { exposition }, readiness });
}

/** One worker serves every listener: while others are replaced, there is less room but no fault. */
function workersCheck(serving: number, count: number): ReadinessCheck {
  return { name: 'workers', ok: serving > 0, detail: `${serving} of ${count} serve` };
}
