// What the primary and its workers say to each other. Sent as structured clones: maps, bytes, and references inside one
// message stay what they are.
import type { Configuration } from '../config/configuration.ts';
import type { KeyUsage, SigningCredentials } from '../core/policy/policy.ts';
import type { BoundListener } from '../gateway/listener.ts';
import type { Snapshot } from '../observe/aggregate.ts';
import type { DecisionBatch } from '../observe/decisions.ts';

/** From the primary to a worker. */
export type ToWorker =
  | StartWorker
  /** Takes the place of what was handed out before with this configuration. */
  | { readonly kind: 'shared'; readonly generation: number; readonly shared: Shared }
  /** Another configuration: to be made ready, and then to be put in force or dropped. */
  | PrepareChange
  | { readonly kind: 'commit'; readonly generation: number }
  | { readonly kind: 'abandon'; readonly generation: number }
  /** Each connection is to end with its next answer. */
  | { readonly kind: 'drain' }
  /** Somebody watches the decisions, or nobody does any more. */
  | { readonly kind: 'watch'; readonly watched: boolean }
  /** Asks for a report. */
  | { readonly kind: 'report' }
  /** Ends what is in flight, then the worker. */
  | { readonly kind: 'close' };

/** Everything that a worker needs to serve. It reads no file of its own, so that all workers serve by the same. */
export interface Given {
  /** Which of the configurations that there have been. */
  readonly generation: number;
  readonly configuration: Configuration;
  readonly shared: Shared;
}

export interface StartWorker extends Given {
  readonly kind: 'start';
}

export interface PrepareChange extends Given {
  readonly kind: 'prepare';
}

/** What the primary makes or fetches for all workers, and renews. */
export interface Shared {
  /** By the name of the backend: those that had to be fetched, and have been. */
  readonly credentials: ReadonlyMap<string, SigningCredentials>;
  readonly ticketKeys: TicketKeys;
  /** By the name of the backend: keys that KMS says can never encrypt objects. */
  readonly unusableKeys: ReadonlyMap<string, ReadonlyMap<string, KeyUsage>>;
}

/** By the name of the listener. */
export type TicketKeys = ReadonlyMap<string, Buffer>;

/** From a worker to the primary. */
export type FromWorker =
  /** It runs, and waits for `start`. */
  | { readonly kind: 'started' }
  | { readonly kind: 'serving'; readonly generation: number; readonly listeners: readonly BoundListener[] }
  /** It has done what it was told about a change, or says why it cannot. */
  | ChangeAnswer
  /** It cannot serve. */
  | { readonly kind: 'failed'; readonly message: string }
  /** Sent while somebody watches. */
  | { readonly kind: 'decisions'; readonly batch: DecisionBatch }
  /** Whole lines, UTF-8. */
  | { readonly kind: 'log'; readonly bytes: Buffer }
  | { readonly kind: 'report'; readonly snapshot: Snapshot };

export interface ChangeAnswer {
  readonly kind: 'changed';
  readonly step: 'prepare' | 'commit';
  readonly generation: number;
  /** Absent where all went well. */
  readonly problem?: string;
  /** The listeners as they will be, after `prepare`. */
  readonly listeners?: readonly BoundListener[];
}
