// The decisions as server-sent events, for each browser that watches as much as it takes.
// https://html.spec.whatwg.org/multipage/server-sent-events.html
import type { ServerResponse } from 'node:http';
import type { DecisionBatch, DecisionFeed } from '../observe/decisions.ts';

/** Browsers that may watch at a time. */
export const MAX_WATCHERS = 8;
/** So that proxies keep a quiet connection, and both ends learn that the other is gone. */
const HEARTBEAT_MS = 10_000;
/** What a browser is to wait before it connects anew. */
const RETRY_MS = 2_000;

/** Those who watch. */
export class DecisionStreams {
  readonly #feed: DecisionFeed;
  readonly #open = new Set<ServerResponse>();

  constructor(feed: DecisionFeed) {
    this.#feed = feed;
  }

  get full(): boolean {
    return this.#open.size >= MAX_WATCHERS;
  }

  /** Answers with events until the browser leaves. One that is slow misses batches, and is told how many decisions. */
  begin(response: ServerResponse): void {
    this.#open.add(response);
    response.write(`retry: ${RETRY_MS}\n\n`);
    let missed = 0;
    let stalled = false;
    const tell = (batch: DecisionBatch) => {
      if (response.writableNeedDrain) missed += batch.decisions.length + batch.missed;
      else {
        response.write(eventOf({ ...batch, missed: batch.missed + missed }));
        missed = 0;
        stalled = false;
      }
    };
    const beat = () => {
      if (!response.writableNeedDrain) {
        if (missed > 0) tell({ decisions: [], missed: 0 });
        else response.write(':\n\n');
      } else if (stalled) response.destroy();
      else stalled = true;
    };
    const end = this.#feed.watch(tell);
    const heartbeat = setInterval(beat, HEARTBEAT_MS);
    response.once('close', () => {
      clearInterval(heartbeat);
      end();
      this.#open.delete(response);
    });
  }

  close(): void {
    for (const response of this.#open) response.end();
  }
}

function eventOf(batch: DecisionBatch): string {
  return `event: decisions\ndata: ${JSON.stringify(batch)}\n\n`;
}
