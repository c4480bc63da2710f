// Starts the workers and keeps them up: replaces those that end, ends those that hang, asks them for their metrics.
// Knows processes; what a worker serves and where its log goes is told by whoever starts them.
import cluster, { type Worker } from 'node:cluster';
import type { Configuration } from '../config/configuration.ts';
import type { BoundListener } from '../gateway/listener.ts';
import { addCounts, type Snapshot } from '../observe/aggregate.ts';
import type { DecisionBatch } from '../observe/decisions.ts';
import type { Logger } from '../observe/log.ts';
import type { ChangeAnswer, FromWorker, Given, PrepareChange, Shared, ToWorker } from './messages.ts';
import { addLife, isHopeless, type Lives, NO_LIVES, restartDelay } from './restart.ts';

export interface SupervisorOptions {
  readonly count: number;
  /** The program that each worker runs, with `worker` as its argument. */
  readonly program: string;
  readonly logger: Logger;
  readonly first: Served;
  readonly onLog: (bytes: Buffer) => void;
  readonly onDecisions: (batch: DecisionBatch) => void;
  /** Told of each worker that ends without being told to. */
  readonly onLost: () => void;
}

/** What workers serve by. */
export interface Served {
  readonly configuration: Configuration;
  /** What they share, as it is now. */
  readonly shared: () => Shared;
}

/** The workers, all of which have served. */
export interface Workers {
  readonly listeners: readonly BoundListener[];
  readonly count: number;
  /** How many serve now. */
  serving(): number;
  /**
   * Puts another configuration in force. Every worker makes ready for it before the first serves by it; rejects, and leaves
   * all as they were, when one of them cannot.
   */
  change(to: Served): Promise<void>;
  /** Hands out what they share once more. */
  share(): void;
  /** Lets them send their decisions, those of late first, or stop that. */
  watch(watched: boolean): void;
  /** The metrics of all workers, and what is left of those that are gone. */
  reports(): Promise<readonly Snapshot[]>;
  /** The same as of the last reports, without asking for new ones. */
  lastReports(): Promise<readonly Snapshot[]>;
  /** Resolves, with what is wrong, when no worker can be kept up. */
  readonly hopeless: Promise<Error>;
  /** Lets each connection end with its next answer. */
  drain(): void;
  /** Lets what is in flight end until the deadline, then the workers. */
  close(): Promise<void>;
}

/** Reports are asked for this often: what a worker counts after its last one is lost if it is killed. */
const REPORT_MS = 5_000;
/** A worker that leaves this many in a row unanswered hangs. Counted, not timed: a machine may sleep. */
const MAX_UNANSWERED = 6;
/** How long a scrape waits for a worker; then its last report stands. */
const SCRAPE_MS = 1_000;
/** How long a worker may take for one step of a change. Binding an address takes a moment. */
const CHANGE_MS = 10_000;
/** On top of the deadline: for a worker to write its log and leave. */
const LEAVE_MS = 3_000;

/** One of the workers, through all replacements. */
interface Place {
  worker: Worker | undefined;
  servingSince: number | undefined;
  /** The configuration it serves by. */
  generation: number | undefined;
  /** The one that it was last told to make ready for. */
  toldOf: number | undefined;
  /** What the worker says is wrong. */
  problem: string | undefined;
  snapshot: Snapshot | undefined;
  unanswered: number;
  lives: Lives;
  restart: NodeJS.Timeout | undefined;
  onReport: (() => void)[];
  onChanged: ((answer: ChangeAnswer | undefined) => void)[];
}

/** What workers are started with, and told to change to. */
interface Newest extends Served {
  readonly generation: number;
}

interface State extends SupervisorOptions {
  readonly places: readonly Place[];
  listeners: readonly BoundListener[];
  newest: Newest;
  draining: boolean;
  /** Whether somebody watches the decisions. */
  watched: boolean;
  /** Counts every configuration that was tried. */
  generations: number;
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
    newest: { ...options.first, generation: 0 },
    draining: false,
    watched: false,
    generations: 0,
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
    get listeners() {
      return state.listeners;
    },
    count: options.count,
    change: (to) => change(state, to),
    drain: () => {
      state.draining = true;
      for (const place of state.places) tellPlace(place, { kind: 'drain' });
    },
    serving: () => state.places.filter(isServing).length,
    share: () => {
      for (const place of state.places) share(state, place);
    },
    watch: (watched) => {
      state.watched = watched;
      for (const place of state.places) tellPlace(place, { kind: 'watch', watched });
    },
    reports: () => collectReports(state),
    lastReports: () => lastReports(state),
    hopeless,
    close,
  };
}

function newPlace(): Place {
  return {
    worker: undefined,
    servingSince: undefined,
    generation: undefined,
    toldOf: undefined,
    problem: undefined,
    snapshot: undefined,
    unanswered: 0,
    lives: NO_LIVES,
    restart: undefined,
    onReport: [],
    onChanged: [],
  };
}

function isServing({ servingSince }: Place): boolean {
  return servingSince !== undefined;
}

function startWorker(state: State, place: Place): void {
  const worker = cluster.fork();
  Object.assign(place, { worker, problem: undefined, unanswered: 0 });
  worker.on('message', (message: FromWorker) => take(state, place, worker, message));
  const gone = new Promise<void>((resolve) => {
    // Closed is a process that has ended when everything it said has been read.
    worker.process.once('close', () => {
      releaseFromCluster(worker);
      resolve();
    });
    worker.on('error', (err) => {
      place.problem ??= err.message;
      // What could not be started has no end.
      if (worker.process.pid === undefined) resolve();
    });
  });
  void gone.then(() => {
    workerGone(state, place, worker);
  });
}

/**
 * Has node:cluster let go of what it holds for a process that is gone, its share of listening sockets among it. It waits for
 * `disconnect`, which Node.js leaves out (26.10, setupChannel of internal/child_process) where a process ends before it has
 * confirmed a socket that it was sent.
 */
function releaseFromCluster(worker: Worker): void {
  if (cluster.workers?.[worker.id] === worker) worker.process.emit('disconnect');
}

function take(state: State, place: Place, worker: Worker, message: FromWorker): void {
  switch (message.kind) {
    case 'started':
      tell(worker, { kind: 'start', ...given(state.newest) });
      return;
    case 'serving':
      place.servingSince = performance.now();
      place.generation = message.generation;
      place.lives = { ...place.lives, unborn: 0 };
      if (state.phase === 'starting') state.listeners = message.listeners;
      // It may have changed since the worker was started.
      if (message.generation === state.newest.generation) share(state, place);
      else void catchUp(state, place);
      if (state.draining) tell(worker, { kind: 'drain' });
      if (state.watched) tell(worker, { kind: 'watch', watched: true });
      state.onChange();
      return;
    case 'changed':
      for (const callback of place.onChanged.slice()) callback(message);
      return;
    case 'failed':
      place.problem = message.message;
      return;
    case 'decisions':
      state.onDecisions(message.batch);
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
  Object.assign(place, {
    worker: undefined,
    servingSince: undefined,
    generation: undefined,
    toldOf: undefined,
    snapshot: undefined,
  });
  for (const callback of place.onReport.splice(0)) callback();
  for (const callback of place.onChanged.slice()) callback(undefined);
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

function tellPlace(place: Place, message: ToWorker): void {
  if (isServing(place) && place.worker) tell(place.worker, message);
}

function share({ newest }: State, place: Place): void {
  const { generation, shared } = newest;
  if (place.generation === generation) tellPlace(place, { kind: 'shared', generation, shared: shared() });
}

function given({ generation, configuration, shared }: Newest): Given {
  return { generation, configuration, shared: shared() };
}

async function change(state: State, to: Served): Promise<void> {
  state.generations += 1;
  const next: Newest = { ...to, generation: state.generations };
  const { generation } = next;
  const asked = state.places.filter(isServing);
  const answers = await Promise.all(asked.map((place) => ask(place, { kind: 'prepare', ...given(next) })));
  const ready = answers.find((answer) => answer?.listeners !== undefined);
  const problem = answers.find((answer) => answer?.problem !== undefined)?.problem;
  if (!ready?.listeners || problem !== undefined) {
    for (const place of asked) tellPlace(place, { kind: 'abandon', generation });
    throw new Error(problem ?? 'no worker serves');
  }
  state.newest = next;
  state.listeners = ready.listeners;
  await Promise.all(asked.map((place) => commit(state, place, generation)));
  // Those that were being started meanwhile.
  await Promise.all(state.places.filter(isServing).map((place) => catchUp(state, place)));
}

async function commit(state: State, place: Place, generation: number): Promise<void> {
  if (!isServing(place)) return;
  place.generation = generation;
  await ask(place, { kind: 'commit', generation });
  share(state, place);
}

/** Brings a worker that began by an older configuration to the newest; one that cannot follow is ended, and replaced. */
async function catchUp(state: State, place: Place): Promise<void> {
  const { newest } = state;
  const { worker } = place;
  const { generation } = newest;
  if (!worker || place.generation === generation || place.toldOf === generation) return;
  const answer = await ask(place, { kind: 'prepare', ...given(newest) });
  if (place.worker !== worker || state.newest !== newest) return;
  if (answer?.problem === undefined) await commit(state, place, generation);
  else worker.process.kill('SIGKILL');
}

/** Tells a worker of one step of a change; gives its answer, or nothing where it is gone. */
function ask(
  place: Place,
  message: PrepareChange | { readonly kind: 'commit'; readonly generation: number },
): Promise<ChangeAnswer | undefined> {
  const { kind, generation } = message;
  return new Promise((resolve) => {
    const done = (answer: ChangeAnswer | undefined) => {
      clearTimeout(late);
      place.onChanged = place.onChanged.filter((callback) => callback !== take);
      resolve(answer);
    };
    const take = (answer: ChangeAnswer | undefined) => {
      if (!answer || (answer.step === kind && answer.generation === generation)) done(answer);
    };
    const problem = `worker ${place.worker?.process.pid} did not answer within ${CHANGE_MS / 1000} s`;
    const late = setTimeout(done, CHANGE_MS, { kind: 'changed', step: kind, generation, problem });
    place.onChanged.push(take);
    place.toldOf = generation;
    tellPlace(place, message);
  });
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
  return lastReports(state);
}

async function lastReports({ places, past }: State): Promise<readonly Snapshot[]> {
  return [await past, ...places.flatMap(({ snapshot }) => (snapshot ? [snapshot] : []))];
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
    if (isServing(place)) tellPlace(place, { kind: 'close' });
    else place.worker?.process.kill('SIGKILL');
  }
  const cut = setTimeout(() => {
    for (const { worker } of state.places) worker?.process.kill('SIGKILL');
  }, state.newest.configuration.drain.deadline + LEAVE_MS);
  await new Promise<void>((resolve) => {
    state.onChange = () => {
      if (state.places.every(({ worker }) => worker === undefined)) resolve();
    };
    state.onChange();
  });
  clearTimeout(cut);
}
