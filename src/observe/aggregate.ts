// The metrics of several processes as those of one.
// Knows how samples are put together; must not know which metrics there are or where processes come from.

import { AggregatorRegistry, type Registry } from 'prom-client';
import type { Exposition } from './metrics.ts';

/** Every sample of one process, as plain values that can be sent to another. */
export type Snapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** What all processes together show at a scrape. */
export async function exposeTogether(snapshots: readonly Snapshot[]): Promise<Exposition> {
  const together = AggregatorRegistry.aggregate([...snapshots]);
  return { contentType: together.contentType, body: await together.metrics() };
}

/**
 * What stays of processes that are gone: their counts. Without them a sum would fall when one ends, which Prometheus takes
 * for a restart of all and counts once more.
 */
export async function addCounts(past: Snapshot, ended: Snapshot): Promise<Snapshot> {
  const counts = ended.filter(({ type }) => COUNTS.has(String(type)));
  return AggregatorRegistry.aggregate([past, counts]).getMetricsAsJSON();
}

const COUNTS: ReadonlySet<string> = new Set(['counter', 'histogram']);
