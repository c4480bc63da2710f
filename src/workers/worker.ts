// One worker: serves clients by what the primary gives it, and sends it log and metrics.
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import type { BackendConfiguration } from '../config/configuration.ts';
import { type CredentialSource, credentialsProvider } from '../config/credentials.ts';
import { boundAt } from '../gateway/serve.ts';
import { type PreparedChange, Serving, type Supplies } from '../gateway/serving.ts';
import { DecisionRecorder } from '../observe/decisions.ts';
import { createLogger, type Logger } from '../observe/log.ts';
import { type LogSink, type LogStream, openLogStream } from '../observe/log-stream.ts';
import { createMetrics, type Metrics, type MetricsOptions } from '../observe/metrics.ts';
import { isFetchedFor } from './hand-out.ts';
import type { ChangeAnswer, FromWorker, Given, Shared, StartWorker, ToWorker } from './messages.ts';

export interface WorkerOptions extends MetricsOptions {
  /** Is given what writes the log lines that are still held; for the process's `exit` event. */
  readonly onExit: (flushLogSync: () => void) => void;
}

/** Serves until the primary says otherwise. A worker whose primary is gone is ended by Node.js, at once. */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const primary = cluster.worker;
  if (!primary) throw new Error('worker is started by serve, and not by hand');
  const metrics = createMetrics(options);
  const log = openLogStream({ sink: toPrimary(primary), onLinesLost: metrics.logLinesLost });
  options.onExit(log.flushSync);
  const start = await startMessage(primary);
  try {
    await serveUntilClosed(primary, start, metrics, log);
  } catch (error) {
    await tell(primary, { kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
  primary.disconnect();
}

/** Asks for the first message: what is sent before anybody listens is lost. */
async function startMessage(primary: Worker): Promise<StartWorker> {
  const received = once(primary, 'message');
  await tell(primary, { kind: 'started' });
  const [message] = (await received) as [ToWorker];
  if (message.kind !== 'start') throw new Error(`the primary said ${message.kind} before start`);
  return message;
}

async function serveUntilClosed(
  primary: Worker,
  start: StartWorker,
  metrics: Metrics,
  log: LogStream,
): Promise<void> {
  const logger = createLogger({ level: start.configuration.log.level, destination: log });
  const decisions = new DecisionRecorder((batch) => tell(primary, { kind: 'decisions', batch }));
  const changes = new Changes(new Serving({ metrics, logger, decisions }), logger);
  const { serving } = changes;
  await changes.prepare(start);
  changes.commit();
  const told = new Promise<void>((close) => {
    primary.on('message', (message: ToWorker) => {
      if (message.kind === 'shared') changes.share(message.generation, message.shared);
      else if (message.kind === 'watch') {
        if (message.watched) decisions.begin();
        else decisions.stop();
      } else if (message.kind === 'report') void report(primary, metrics);
      else if (message.kind === 'drain') serving.lastAnswers();
      else if (message.kind === 'close') close();
      else if (message.kind !== 'start') changes.take(message, (answer) => void tell(primary, answer));
    });
  });
  const { generation } = start;
  await tell(primary, { kind: 'serving', generation, listeners: serving.listeners.map(boundAt) });
  await told;
  await serving.close();
  await new Promise<void>((resolve) => log.flush(resolve));
  await report(primary, metrics);
}

/** One configuration, with what the primary shares for it: the newest of that, for as long as it is in force. */
interface Change {
  readonly given: Given;
  shared: Shared;
  readonly prepared: PreparedChange;
}

type ChangeMessage = Extract<ToWorker, { readonly kind: 'prepare' | 'commit' | 'abandon' }>;

/** Takes one configuration after the other, as the primary says. */
class Changes {
  readonly serving: Serving;
  readonly #logger: Logger;
  #inForce: Change | undefined;
  #next: Change | undefined;
  /** What the primary says comes in turn: one step is over before the next. */
  #turn: Promise<void> = Promise.resolve();

  constructor(serving: Serving, logger: Logger) {
    this.serving = serving;
    this.#logger = logger;
  }

  /** Does one step of a change and answers. */
  take(message: ChangeMessage, answer: (answer: ChangeAnswer) => void): void {
    this.#turn = this.#turn.then(async () => {
      const { generation } = message;
      if (message.kind === 'prepare') answer(await this.#tryToPrepare(message));
      else if (message.kind === 'abandon') await this.#abandon(generation);
      else {
        if (this.#next?.given.generation === generation) this.commit();
        answer({ kind: 'changed', step: 'commit', generation });
      }
    });
  }

  async #tryToPrepare(given: Given): Promise<ChangeAnswer> {
    const about = { kind: 'changed', step: 'prepare', generation: given.generation } as const;
    try {
      const { listeners } = await this.prepare(given);
      return { ...about, listeners };
    } catch (error) {
      return { ...about, problem: error instanceof Error ? error.message : String(error) };
    }
  }

  async prepare(given: Given): Promise<PreparedChange> {
    const latest = { shared: given.shared };
    const supplies: Supplies = {
      sourceOf: (backend) => handedCredentials(backend, () => latest.shared),
      unusableKeys: ({ name }) => latest.shared.unusableKeys.get(name),
      ticketKeys: given.shared.ticketKeys,
    };
    const prepared = await this.serving.prepare(given.configuration, supplies);
    this.#next = Object.assign(latest, { given, prepared });
    return prepared;
  }

  commit(): void {
    const next = this.#next;
    if (!next) return;
    next.prepared.commit();
    this.#inForce = next;
    this.#next = undefined;
    this.#renewTicketKeys(next.shared);
    this.#logger.level = next.given.configuration.log.level;
  }

  async #abandon(generation: number): Promise<void> {
    const next = this.#next;
    if (next?.given.generation !== generation) return;
    this.#next = undefined;
    await next.prepared.abandon();
  }

  share(generation: number, shared: Shared): void {
    const change = this.#inForce;
    if (change?.given.generation !== generation) return;
    change.shared = shared;
    this.#renewTicketKeys(shared);
  }

  #renewTicketKeys({ ticketKeys }: Shared): void {
    for (const listener of this.serving.listeners) {
      const own = ticketKeys.get(listener.name);
      if (own) listener.setTicketKeys(own);
    }
  }
}

/** The primary fetches what has to be fetched. */
function handedCredentials(backend: BackendConfiguration, shared: () => Shared): CredentialSource {
  const { name, credentials, region } = backend;
  if (!isFetchedFor(backend)) return credentialsProvider(credentials, region);
  return { current: () => shared().credentials.get(name), ready: async () => {}, close: () => {} };
}

async function report(primary: Worker, metrics: Metrics): Promise<void> {
  await tell(primary, { kind: 'report', snapshot: await metrics.snapshot() });
}

/** Done when the message is on its way, or when there is nobody left to tell. */
function tell(primary: Worker, message: FromWorker): Promise<void> {
  return new Promise((resolve) => primary.send(message, () => resolve()));
}

/** The log of a worker is written by the primary: several writers to one pipe would tear each other's lines. */
function toPrimary(primary: Worker): LogSink {
  const message = (bytes: Buffer): FromWorker => ({ kind: 'log', bytes });
  return {
    write: (bytes, callback) => {
      primary.send(message(bytes), (error) => callback(error, bytes.length));
    },
    writeSync: (bytes) => {
      if (primary.isConnected()) primary.send(message(bytes));
      return bytes.length;
    },
  };
}
