// Results as a table in Markdown: medians over rounds, and ratios taken within each round. Knows numbers only.
import type { CaseResult, Sample } from './measure.ts';

/** The middle value, and the ends of the spread. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    least: at(0),
    most: at(sorted.length - 1),
  };
}

/** CPU in the unit of its case: microseconds a request, or seconds a GiB. */
export function costOf(per: CaseResult['per'], { cpuSeconds, requests, bytes }: Sample): number {
  return per === 'request' ? (cpuSeconds / requests) * 1e6 : cpuSeconds / (bytes / 1024 ** 3);
}

/** The tables of all cases, a heading each. */
export function formatReport(machine: string, results: readonly CaseResult[]): string {
  return [`${machine}\n`, ...results.map(formatCase)].join('\n');
}

/** One case: a row for each proxy; ratios are of the first row to each, so below 1 the first is cheaper. */
function formatCase({ title, per, samples }: CaseResult): string {
  const [first] = samples;
  const latency = samples.some(({ rounds }) => rounds.some(({ p50 }) => p50 !== undefined));
  const head = [
    '',
    per === 'request' ? 'CPU µs a request' : 'CPU s a GiB',
    `${first?.proxy} is × this`,
    per === 'request' ? 'requests/s' : 'GiB/s',
    ...(latency ? ['p50 ms', 'p99 ms'] : []),
    'peak RSS MiB',
  ];
  const rows = samples.map(({ proxy, rounds }) => {
    const costs = rounds.map((sample) => costOf(per, sample));
    const ratios = rounds.map((_, i) => costOf(per, first?.rounds[i] as Sample) / (costs[i] ?? Number.NaN));
    const direct = proxy === 'direct';
    const done = ({ requests, bytes, seconds }: Sample) =>
      (per === 'request' ? requests : bytes / 1024 ** 3) / seconds;
    return [
      proxy,
      direct ? '' : formatSpread(spreadOf(costs), per === 'request' ? 1 : 2),
      direct || proxy === first?.proxy ? '' : formatSpread(spreadOf(ratios), 2),
      formatNumber(spreadOf(rounds.map(done)).median, per === 'request' ? 0 : 2),
      ...(latency
        ? (['p50', 'p99'] as const).map((name) =>
            formatNumber(spreadOf(rounds.map((sample) => (sample[name] ?? Number.NaN) / 1000)).median, 2),
          )
        : []),
      direct ? '' : formatNumber(spreadOf(rounds.map(({ peakMemory }) => peakMemory)).median, 0),
    ];
  });
  const lines = [head, head.map((_, i) => (i === 0 ? '---' : '--:')), ...rows];
  return `### ${title}\n\n${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`;
}

function formatSpread({ median, least, most }: Spread, digits: number): string {
  const [low, high] = [formatNumber(least, digits), formatNumber(most, digits)];
  return `${formatNumber(median, digits)} (${low}–${high})`;
}

function formatNumber(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
