// One worker: serves clients by what the primary gives it, and sends it log and metrics.
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import type { BackendConfiguration } from '../config/configuration.ts';
import { type CredentialSource, credentialsProvider } from '../config/credentials.ts';
import { type Serving, startServing } from '../gateway/serve.ts';
import type { BoundListener } from '../gateway/server.ts';
import { createLogger } from '../observe/log.ts';
import { type LogSink, type LogStream, openLogStream } from '../observe/log-stream.ts';
import { createMetrics, type Metrics, type MetricsOptions } from '../observe/metrics.ts';
import type { FromWorker, Shared, StartWorker, TicketKeys, ToWorker } from './messages.ts';

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
  { configuration, shared: first }: StartWorker,
  metrics: Metrics,
  log: LogStream,
): Promise<void> {
  const logger = createLogger({ level: configuration.log.level, destination: log });
  let shared = first;
  const serving = await startServing(configuration, {
    metrics,
    logger,
    ticketKeys: shared.ticketKeys,
    sourceOf: (backend) => handedCredentials(backend, () => shared),
    unusableKeys: ({ name }) => shared.unusableKeys.get(name),
  });
  const told = new Promise<void>((close) => {
    primary.on('message', (message: ToWorker) => {
      if (message.kind === 'shared') {
        shared = message.shared;
        renewTicketKeys(serving.listeners, shared.ticketKeys);
      } else if (message.kind === 'report') void report(primary, metrics);
      else if (message.kind === 'close') close();
    });
  });
  await tell(primary, { kind: 'serving', listeners: serving.listeners.map(boundAt) });
  await told;
  await serving.close();
  await new Promise<void>((resolve) => log.flush(resolve));
  await report(primary, metrics);
}

function renewTicketKeys(listeners: Serving['listeners'], keys: TicketKeys): void {
  for (const listener of listeners) {
    const own = keys.get(listener.name);
    if (own) listener.setTicketKeys(own);
  }
}

function boundAt({ name, host, port }: BoundListener): BoundListener {
  return { name, host, port };
}

/** The primary fetches what has to be fetched. */
function handedCredentials(
  { name, credentials: spec, region }: BackendConfiguration,
  shared: () => Shared,
): CredentialSource {
  if (spec.provider === 'static' || spec.provider === 'none') return credentialsProvider(spec, region);
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
