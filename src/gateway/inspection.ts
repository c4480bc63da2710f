// What a page about a gateway at work can ask it. Types only; whoever serves answers, whichever processes there are.
import type { BackendConfiguration, Configuration } from '../config/configuration.ts';
import type { AdminPage, ReadinessCheck } from '../observe/admin.ts';
import type { Snapshot } from '../observe/aggregate.ts';
import type { DecisionFeed } from '../observe/decisions.ts';
import type { ConfiguredKeys } from './key-watch.ts';

/** A gateway at work, as it is at the time of each call. */
export interface Inspection {
  /** The configuration in force. */
  configuration(): Configuration;
  /** Processes that serve clients. */
  processes(): { readonly serving: number; readonly of: number };
  /** Those of readiness. */
  checks(): readonly ReadinessCheck[];
  /** What KMS says of the keys that it is asked about. */
  readonly keyWatch: Pick<ConfiguredKeys, 'keys' | 'unusable'>;
  hasCredentials(backend: BackendConfiguration): boolean;
  /** The metrics of every process that serves, at most some seconds old. */
  snapshots(): Promise<readonly Snapshot[]>;
  readonly feed: DecisionFeed;
}

/** Makes the page of a gateway. */
export type OpenPage = (gateway: Inspection) => AdminPage;
