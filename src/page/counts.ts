// The numbers of the page: sums over the metrics of all processes, now and over the last minutes.
// Knows the names of metrics; must not know how they are counted.
import type { Snapshot } from '../observe/aggregate.ts';

/** Since the start, by the values of one label. */
export type Sums = Readonly<Record<string, number>>;

/** What has been decided since the start, and what is going on now. */
export interface Counts {
  /** Requests by outcome. */
  readonly outcomes: Sums;
  /** Settings added, by what they are. */
  readonly injections: Sums;
  readonly refusals: Sums;
  /** Refusals that mode `observe` did not make. */
  readonly observedRefusals: Sums;
  /** Writes whose encryption a backend did not confirm. */
  readonly unconfirmed: number;
  readonly requestsInFlight: number;
  readonly bufferedBytes: number;
  /** Open connections by listener. */
  readonly connections: Sums;
  /** Answers of each backend, and the seconds until their first byte, all together. */
  readonly answers: Sums;
  readonly firstByteSeconds: Sums;
}

export function countsOf(snapshots: readonly Snapshot[]): Counts {
  const by = (label: string | undefined, name: string, part = '') => sum(snapshots, name, label, part);
  const total = (name: string) => by(undefined, name)[''] ?? 0;
  return {
    outcomes: by('outcome', 'requests_total'),
    injections: by('what', 'injections_total'),
    refusals: by('reason', 'refusals_total'),
    observedRefusals: by('reason', 'observed_refusals_total'),
    unconfirmed: total('unconfirmed_encryption_total'),
    requestsInFlight: total('requests_in_flight'),
    bufferedBytes: total('buffered_bytes'),
    connections: by('listener', 'connections'),
    answers: by('backend', 'backend_first_byte_seconds', '_count'),
    firstByteSeconds: by('backend', 'backend_first_byte_seconds', '_sum'),
  };
}

/** `part`: of a histogram, which of its series. */
function sum(snapshots: readonly Snapshot[], name: string, label: string | undefined, part: string): Sums {
  const full = `s3_kms_gateway_${name}`;
  const sums: Record<string, number> = {};
  for (const metric of snapshots.flat()) {
    if (metric.name !== full) continue;
    for (const { value, labels, metricName = full } of metric.values as readonly Sample[]) {
      if (metricName !== full + part) continue;
      const key = label === undefined ? '' : String(labels[label]);
      sums[key] = (sums[key] ?? 0) + value;
    }
  }
  return sums;
}

interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** Of a histogram. */
  readonly metricName?: string;
}

/** The counts that are drawn, at one time: milliseconds since 1970. */
export interface HistoryPoint extends Pick<Counts, 'outcomes' | 'injections'> {
  readonly time: number;
}

/** Between two points. */
export const STEP_MS = 5_000;
/** Ten minutes, and the point that they begin at. */
const POINTS = 121;

/** The last ten minutes. */
export class History {
  readonly #points: HistoryPoint[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(read: () => Promise<Counts>) {
    const take = () => read().then((counts) => this.#take(counts));
    // What cannot be read now is read the next time.
    const step = () => void take().catch(() => {});
    step();
    this.#timer = setInterval(step, STEP_MS).unref();
  }

  points(): readonly HistoryPoint[] {
    return this.#points;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #take({ outcomes, injections }: Counts): void {
    this.#points.push({ time: Date.now(), outcomes, injections });
    if (this.#points.length > POINTS) this.#points.shift();
  }
}
