// Takes up a changed configuration, or keeps the one before: reads it again when its files have changed or somebody asks,
// one time after the other, and tells how that ended. Must not know how a configuration is put in force.
import type { Configuration } from '../config/configuration.ts';
import { type Fault, formatFault } from '../config/fault.ts';
import type { FilesRead } from '../config/files.ts';
import type { LoadedConfiguration, LoadResult } from '../config/load.ts';
import { watchFiles } from '../config/watch.ts';
import type { ReadinessCheck } from '../observe/admin.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics, ReloadResult } from '../observe/metrics.ts';

export interface ReloadOptions {
  /** In force at first, and what it was read from. */
  readonly started: LoadedConfiguration;
  readonly load: () => LoadResult;
  /** Puts a configuration in force; rejects, with the one before still in force, when that cannot be. */
  readonly apply: (configuration: Configuration) => Promise<void>;
  readonly metrics: Pick<Metrics, 'configurationReloaded'>;
  readonly logger: Logger;
}

/** What could not be put in force for a reason outside the files, such as an address that is taken, is tried again. */
const RETRY_MS = 30_000;

/** Reloads of one gateway. */
export class Reloading {
  readonly #options: ReloadOptions;
  readonly #watch: { close(): void };
  #read: FilesRead;
  /** The last reload: each begins when the one before is over. */
  #last: Promise<ReloadResult> = Promise.resolve('success');
  #retry: NodeJS.Timeout | undefined;
  /** Why the newest configuration is not in force, or not all of it. */
  #problem: string | undefined;
  #inForce: Configuration;
  #closed = false;

  constructor(options: ReloadOptions) {
    this.#options = options;
    this.#read = options.started.read;
    this.#inForce = options.started.configuration;
    this.#watch = watchFiles(
      () => this.#read,
      async () => void (await this.reload()),
    );
  }

  /** The configuration in force. */
  get inForce(): Configuration {
    return this.#inForce;
  }

  /** Reads and takes up the configuration now. */
  reload(): Promise<ReloadResult> {
    this.#last = this.#last.then(() => this.#reload());
    return this.#last;
  }

  /** Informative: the one before serves on, and a bad change must not take every replica out of service. */
  check(): ReadinessCheck {
    const detail = this.#problem;
    const about = { name: 'configuration', informative: true };
    return detail === undefined ? { ...about, ok: true } : { ...about, ok: false, detail };
  }

  /** Reloads no more; done when one that is under way is over. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#watch.close();
    await this.#last;
  }

  async #reload(): Promise<ReloadResult> {
    if (this.#closed) return 'failure';
    clearTimeout(this.#retry);
    const { load, metrics, logger } = this.#options;
    const loaded = load();
    this.#read = loaded.read;
    for (const warning of loaded.warnings) logger.warn(faultFields(warning), 'configuration warning');
    const result = loaded.kind === 'loaded' ? await this.#apply(loaded) : this.#reject(loaded.faults);
    metrics.configurationReloaded(result);
    return result;
  }

  #reject(faults: readonly Fault[]): ReloadResult {
    const { logger } = this.#options;
    for (const fault of faults) logger.error(faultFields(fault), 'configuration fault');
    logger.error({ faults: faults.length }, 'configuration not taken up: the one before stays in force');
    const [first] = faults;
    this.#problem = `not taken up, the one before serves: ${first ? formatFault(first) : 'it is faulty'}`;
    return 'failure';
  }

  async #apply({ configuration }: LoadedConfiguration): Promise<ReloadResult> {
    const { apply, logger, started } = this.#options;
    try {
      await apply(configuration);
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      logger.error({ problem }, 'configuration not taken up: the one before stays in force');
      this.#problem = `not taken up, the one before serves: ${problem}`;
      if (!this.#closed) this.#retry = setTimeout(() => void this.reload(), RETRY_MS).unref();
      return 'failure';
    }
    this.#inForce = configuration;
    const waiting = needsRestart(started.configuration, configuration);
    this.#problem = waiting.length > 0 ? `needs a restart: ${waiting.join(', ')}` : undefined;
    logger.info({ file: configuration.file }, 'configuration taken up');
    if (waiting.length > 0) logger.warn({ keys: waiting }, 'configuration needs a restart');
    return 'success';
  }
}

/** Keys that differ from those of the start and are only read then. */
function needsRestart(started: Configuration, now: Configuration): string[] {
  const keys = [];
  if (started.workers !== now.workers) keys.push('workers');
  if (started.admin.host !== now.admin.host || started.admin.port !== now.admin.port) {
    keys.push('admin.address');
  }
  return keys;
}

function faultFields({ file, line, column, path, message, remedy }: Fault): Record<string, unknown> {
  return { file, line, column, key: path, problem: message, remedy };
}
