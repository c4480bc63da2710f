// What was decided, told as it happens to those who watch. While nobody does, a request costs the store of a reference.
// Knows audit fields; must not know how watchers are reached.
import { auditFields } from './log.ts';
import type { Observation } from './observation.ts';

/** The fields of an audit line, and when the request was over: milliseconds since 1970. */
export interface Decision {
  readonly time: number;
  readonly [field: string]: unknown;
}

/** Decisions that are told together, oldest first, and how many were left out. */
export interface DecisionBatch {
  readonly decisions: readonly Decision[];
  readonly missed: number;
}

/** Decisions of the time before somebody watched that are kept. */
const RECENT = 64;
/** Decisions gather for this long before they are told. */
const GATHER_MS = 200;
/** In one batch: of those that somebody would look for, and of plain forwarded ones. Beyond, they are only counted. */
const MAX_NOTABLE = 100;
const MAX_PLAIN = 50;

/** The decisions of one process. `tell` resolves when a batch is on its way; until then no other is told. */
export class DecisionRecorder implements Watched {
  readonly #tell: (batch: DecisionBatch) => Promise<void> | void;
  readonly #recent: { observation: Observation; time: number }[] = [];
  #next = 0;
  #watched = false;
  #notable: Decision[] = [];
  #plain: Decision[] = [];
  #missed = 0;
  #timer: NodeJS.Timeout | undefined;
  #telling = false;

  constructor(tell: (batch: DecisionBatch) => Promise<void> | void) {
    this.#tell = tell;
  }

  /** Takes a request that is over. */
  record(observation: Observation): void {
    const time = Date.now();
    this.#recent[this.#next] = { observation, time };
    this.#next = (this.#next + 1) % RECENT;
    if (this.#watched) this.#gather(observation, time);
  }

  /** Somebody new watches: what is recent is told, once more to those who watch already, and then what comes. */
  begin(): void {
    this.#watched = true;
    const recent = [...this.#recent.slice(this.#next), ...this.#recent.slice(0, this.#next)];
    this.#plain.push(...recent.map(({ observation, time }) => decisionOf(observation, time)));
    this.#flushWhenDue(0);
  }

  /** Nobody watches any more. */
  stop(): void {
    this.#watched = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#notable = [];
    this.#plain = [];
    this.#missed = 0;
  }

  #gather(observation: Observation, time: number): void {
    const notable = isNotable(observation);
    const taken = notable ? this.#notable : this.#plain;
    if (taken.length >= (notable ? MAX_NOTABLE : MAX_PLAIN)) this.#missed += 1;
    else taken.push(decisionOf(observation, time));
    this.#flushWhenDue(GATHER_MS);
  }

  #flushWhenDue(delay: number): void {
    if (this.#telling) return;
    this.#timer ??= setTimeout(() => void this.#flush(), delay).unref();
  }

  async #flush(): Promise<void> {
    this.#timer = undefined;
    const decisions = [...this.#notable, ...this.#plain].sort((a, b) => a.time - b.time);
    const missed = this.#missed;
    this.#notable = [];
    this.#plain = [];
    this.#missed = 0;
    this.#telling = true;
    try {
      await this.#tell({ decisions, missed });
    } finally {
      this.#telling = false;
    }
    if (this.#notable.length + this.#plain.length > 0) this.#flushWhenDue(GATHER_MS);
  }
}

/** Where most requests pass untouched, the others are what a watcher looks for: they have room of their own. */
function isNotable({ outcome, injected, observedReason, unconfirmed }: Observation): boolean {
  return outcome !== 'forwarded' || injected.length > 0 || observedReason !== undefined || unconfirmed;
}

function decisionOf(observation: Observation, time: number): Decision {
  return { time, ...auditFields(observation) };
}

type Watcher = (batch: DecisionBatch) => void;

/** Whom to ask to begin, and to stop. `begin` is called for each watcher, `stop` after the last has gone. */
export interface Watched {
  begin(): void;
  stop(): void;
}

/** Those who watch, whichever processes decide. */
export class DecisionFeed {
  readonly #source: Watched;
  readonly #watchers = new Set<Watcher>();

  constructor(source: Watched) {
    this.#source = source;
  }

  publish(batch: DecisionBatch): void {
    for (const watcher of this.#watchers) watcher(batch);
  }

  /** Begins to watch; gives what ends it. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    this.#source.begin();
    return () => {
      if (this.#watchers.delete(watcher) && this.#watchers.size === 0) this.#source.stop();
    };
  }
}
