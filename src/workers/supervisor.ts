// Starts the workers and keeps them up: replaces those that end, ends those that hang, asks them for their metrics.
// Knows processes; what a worker serves and where its log goes is told by whoever starts them.
import cluster, { type Worker } from 'node:cluster';
import type { Configuration } from '../config/configuration.ts';
import type { BoundListener } from '../gateway/server.ts';
import { addCounts, type Snapshot } from '../observe/aggregate.ts';
import type { Logger } from '../observe/log.ts';
import type { FromWorker, Shared, ToWorker } from './messages.ts';
import { addLife, isHopeless, type Lives, NO_LIVES, restartDelay } from './restart.ts';

export interface SupervisorOptions {
  readonly count: number;
  /** The program that each worker runs, with `worker` as its argument. */
  readonly program: string;
  readonly logger: Logger;
  readonly configuration: Configuration;
  /** What the workers share, as it is now. */
  readonly shared: () => Shared;
  readonly onLog: (bytes: Buffer) => void;
  /** Told of each worker that ends without being told to. */
  readonly onLost: () => void;
  /** How long what is in flight may take to end. */
  readonly closeGraceMs: number;
}

/** The workers, all of which have served. */
export interface Workers {
  readonly listeners: readonly BoundListener[];
  /** How many serve now. */
  serving(): number;
  /** Hands out what they share once more. */
  share(): void;
  /** The metrics of all workers, and what is left of those that are gone. */
  reports(): Promise<readonly Snapshot[]>;
  /** Resolves, with what is wrong, when no worker can be kept up. */
  readonly hopeless: Promise<Error>;
  /** Lets what is in flight end, then the workers. */
  close(): Promise<void>;
}

/** Reports are asked for this often: what a worker counts after its last one is lost if it is killed. */
const REPORT_MS = 5_000;
/** A worker that leaves this many in a row unanswered hangs. Counted, not timed: a machine may sleep. */
const MAX_UNANSWERED = 6;
/** How long a scrape waits for a worker; then its last report stands. */
const SCRAPE_MS = 1_000;
/** On top of the grace: for a worker to write its log and leave. */
const LEAVE_MS = 3_000;

/** One of the workers, through all replacements. */
interface Place {
  worker: Worker | undefined;
  servingSince: number | undefined;
  /** What the worker says is wrong. */
  problem: string | undefined;
  snapshot: Snapshot | undefined;
  unanswered: number;
  lives: Lives;
  restart: NodeJS.Timeout | undefined;
  onReport: (() => void)[];
}

interface State extends SupervisorOptions {
  readonly places: readonly Place[];
  listeners: readonly BoundListener[];
  phase: 'starting' | 'up' | 'closing';
  /** Counts of the workers that are gone. */
  past: Promise<Snapshot>;
  /** Calls back when something about the workers has changed. */
  onChange: () => void;
  giveUp: (error: Error) => void;
}

/** Starts the workers; rejects, with all of them ended again, when one of them cannot serve. */
export async function startWorkers(options: SupervisorOptions): Promise<Workers> {
  // The kernel hands each connection to a worker that waits for one. Handed out by the primary it would cost a message
  // and a copy of its descriptor, and hang for ever when its worker dies before it has taken it.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({ exec: options.program, args: ['worker'], serialization: 'advanced' });
  const { promise: hopeless, resolve: giveUp } = Promise.withResolvers<Error>();
  const state: State = {
    ...options,
    places: Array.from({ length: options.count }, newPlace),
    listeners: [],
    phase: 'starting',
    past: Promise.resolve([]),
    onChange: () => {},
    giveUp,
  };
  for (const place of state.places) startWorker(state, place);
  const beat = setInterval(askForReports, REPORT_MS, state);
  const close = async () => {
    clearInterval(beat);
    await closeWorkers(state);
  };
  try {
    await allServing(state);
  } catch (error) {
    await close();
    throw error;
  }
  state.phase = 'up';
  return {
    listeners: state.listeners,
    serving: () => state.places.filter(isServing).length,
    share: () => {
      for (const place of state.places) share(state, place);
    },
    reports: () => collectReports(state),
    hopeless,
    close,
  };
}

function newPlace(): Place {
  return {
    worker: undefined,
    servingSince: undefined,
    problem: undefined,
    snapshot: undefined,
    unanswered: 0,
    lives: NO_LIVES,
    restart: undefined,
    onReport: [],
  };
}

function isServing({ servingSince }: Place): boolean {
  return servingSince !== undefined;
}

function startWorker(state: State, place: Place): void {
  const worker = cluster.fork();
  Object.assign(place, { worker, problem: undefined, unanswered: 0 });
  worker.on('message', (message: FromWorker) => take(state, place, worker, message));
  // A worker is gone when it has ended and everything it said has been read.
  const exited = new Promise<void>((resolve) => {
    worker.once('exit', () => resolve());
    // What could not be started has no end.
    worker.on('error', (err) => {
      place.problem ??= err.message;
      if (worker.process.pid === undefined) resolve();
    });
  });
  const silent = new Promise<void>((resolve) => {
    worker.once('disconnect', () => resolve());
    worker.on('error', () => worker.process.pid === undefined && resolve());
  });
  void Promise.all([exited, silent]).then(() => {
    workerGone(state, place, worker);
  });
}

function take(state: State, place: Place, worker: Worker, message: FromWorker): void {
  switch (message.kind) {
    case 'started':
      tell(worker, { kind: 'start', configuration: state.configuration, shared: state.shared() });
      return;
    case 'serving':
      place.servingSince = performance.now();
      place.lives = { ...place.lives, unborn: 0 };
      state.listeners = message.listeners;
      // It may have changed since the worker was started.
      share(state, place);
      state.onChange();
      return;
    case 'failed':
      place.problem = message.message;
      return;
    case 'log':
      state.onLog(message.bytes);
      return;
    case 'report':
      place.snapshot = message.snapshot;
      place.unanswered = 0;
      for (const callback of place.onReport.splice(0)) callback();
  }
}

/** Done once every worker serves; fails when one has ended first. */
function allServing(state: State): Promise<void> {
  return new Promise((resolve, reject) => {
    state.onChange = () => {
      const ended = state.places.find(({ worker }) => worker === undefined);
      if (ended) reject(new Error(ended.problem ?? 'a worker ended before it served'));
      else if (state.places.every(isServing)) resolve();
    };
    state.onChange();
  });
}

function workerGone(state: State, place: Place, worker: Worker): void {
  const { servingSince, snapshot } = place;
  Object.assign(place, { worker: undefined, servingSince: undefined, snapshot: undefined });
  for (const callback of place.onReport.splice(0)) callback();
  if (snapshot) state.past = state.past.then((past) => addCounts(past, snapshot));
  state.onChange();
  if (state.phase !== 'up') return;
  const { pid, exitCode, signalCode } = worker.process;
  const served = servingSince === undefined ? undefined : performance.now() - servingSince;
  place.lives = addLife(place.lives, served);
  const delay = restartDelay(place.lives);
  const ended = { worker: pid, exitCode, signal: signalCode, problem: place.problem, restartInMs: delay };
  state.logger.error(ended, 'a worker ended');
  state.onLost();
  if (isHopeless(state.places.map(({ lives }) => lives))) {
    state.giveUp(new Error(`no worker can be kept up: ${place.problem ?? 'they end before they serve'}`));
  } else place.restart = setTimeout(startWorker, delay, state, place);
}

function tell(worker: Worker, message: ToWorker): void {
  // A worker that cannot be told anything any more is about to be gone.
  if (worker.isConnected()) worker.send(message, () => {});
}

function share(state: State, place: Place): void {
  if (isServing(place) && place.worker) tell(place.worker, { kind: 'shared', shared: state.shared() });
}

function askForReports(state: State): void {
  for (const place of state.places.filter(isServing)) {
    const { worker } = place;
    if (!worker) continue;
    if (place.unanswered >= MAX_UNANSWERED) {
      state.logger.error({ worker: worker.process.pid }, 'a worker hangs and is killed');
      worker.process.kill('SIGKILL');
    } else {
      place.unanswered += 1;
      tell(worker, { kind: 'report' });
    }
  }
}

async function collectReports(state: State): Promise<readonly Snapshot[]> {
  const asked = state.places.filter(isServing).map(reportOf);
  const patience = new Promise<void>((resolve) => setTimeout(resolve, SCRAPE_MS).unref());
  await Promise.race([Promise.all(asked), patience]);
  const snapshots = state.places.flatMap(({ snapshot }) => (snapshot ? [snapshot] : []));
  return [await state.past, ...snapshots];
}

function reportOf(place: Place): Promise<void> {
  return new Promise((resolve) => {
    place.onReport.push(resolve);
    if (place.worker) tell(place.worker, { kind: 'report' });
  });
}

async function closeWorkers(state: State): Promise<void> {
  state.phase = 'closing';
  for (const place of state.places) {
    clearTimeout(place.restart);
    // One that does not serve yet has nothing in flight, and may not listen to messages yet.
    if (isServing(place) && place.worker) tell(place.worker, { kind: 'close' });
    else place.worker?.process.kill('SIGKILL');
  }
  const cut = setTimeout(() => {
    for (const { worker } of state.places) worker?.process.kill('SIGKILL');
  }, state.closeGraceMs + LEAVE_MS);
  await new Promise<void>((resolve) => {
    state.onChange = () => {
      if (state.places.every(({ worker }) => worker === undefined)) resolve();
    };
    state.onChange();
  });
  clearTimeout(cut);
}
