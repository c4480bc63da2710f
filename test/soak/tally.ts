// Counts of requests by kind and result, and every failure and violation. Pure.
import { type EventKind, type Failure, Journal, type Reply } from './journal.ts';

/**
 * What a request must come to when nothing is done to anybody: success, or a refusal with one of these codes. `either` is for
 * reads of an object whose last write got no answer: it is there or not.
 */
export type Expected = 'success' | 'either' | readonly string[];

interface Row {
  readonly kind: string;
  done: number;
  refused: number;
  failed: number;
}

export class Tally {
  readonly journal: Journal = new Journal();
  /** What no event can excuse. */
  readonly violations: string[] = [];
  readonly #rows = new Map<string, Row>();
  readonly #failures: Failure[] = [];

  get rows(): readonly Row[] {
    return [...this.#rows.values()];
  }

  /** Counts a request; one that did not come to what it must becomes a failure. */
  count(expected: Expected, failure: Failure): void {
    const { request: kind, reply } = failure;
    const row = this.#rows.get(kind) ?? { kind, done: 0, refused: 0, failed: 0 };
    this.#rows.set(kind, row);
    const codes = expected === 'success' ? [] : expected === 'either' ? ['NoSuchKey'] : expected;
    if (isSuccess(reply) && typeof expected === 'string') row.done += 1;
    else if (isRefusal(reply, codes)) row.refused += 1;
    else {
      row.failed += 1;
      this.#failures.push(failure);
      if (isSuccess(reply)) this.violations.push(`${kind}: answered ${describe(reply)}, must be refused`);
    }
  }

  /** Failures by what explains them. */
  explained(): ReadonlyMap<EventKind, number> {
    const counts = new Map<EventKind, number>();
    for (const failure of this.#failures) {
      const kind = this.journal.explanation(failure);
      if (kind) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    return counts;
  }

  unexplained(): readonly string[] {
    return this.#failures
      .filter((failure) => !this.journal.explanation(failure))
      .map(
        (failure) => `${failure.request} of ${failure.client}: ${describe(failure.reply)}, ${times(failure)}`,
      );
  }
}

export function isSuccess(reply: Reply): boolean {
  return reply.kind === 'answered' && reply.status < 400;
}

/** HEAD is answered without a code. */
function isRefusal(reply: Reply, codes: readonly string[]): boolean {
  return reply.kind === 'answered' && reply.status < 500 && codes.includes(reply.code ?? '');
}

function describe(reply: Reply): string {
  return reply.kind === 'broken' ? reply.error : `${reply.status} ${reply.code ?? ''}`.trim();
}

function times({ from, until }: Failure): string {
  return `from ${(from / 1000).toFixed(2)} s to ${(until / 1000).toFixed(2)} s`;
}
