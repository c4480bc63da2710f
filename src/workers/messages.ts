// What the primary and its workers say to each other. Sent as structured clones: maps, bytes, and references inside one
// message stay what they are.
import type { Configuration } from '../config/configuration.ts';
import type { KeyUsage, SigningCredentials } from '../core/policy/policy.ts';
import type { BoundListener } from '../gateway/server.ts';
import type { Snapshot } from '../observe/aggregate.ts';

/** From the primary to a worker. */
export type ToWorker =
  | StartWorker
  /** Takes the place of what was handed out before. */
  | { readonly kind: 'shared'; readonly shared: Shared }
  /** Asks for a report. */
  | { readonly kind: 'report' }
  /** Ends what is in flight, then the worker. */
  | { readonly kind: 'close' };

/** Everything that a worker needs to serve. It reads no file of its own, so that all workers serve by the same. */
export interface StartWorker {
  readonly kind: 'start';
  readonly configuration: Configuration;
  readonly shared: Shared;
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
  | { readonly kind: 'serving'; readonly listeners: readonly BoundListener[] }
  /** It cannot serve. */
  | { readonly kind: 'failed'; readonly message: string }
  /** Whole lines, UTF-8. */
  | { readonly kind: 'log'; readonly bytes: Buffer }
  | { readonly kind: 'report'; readonly snapshot: Snapshot };
