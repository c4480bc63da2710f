// What a soak came to, as text.
import type { Resources } from './resources.ts';
import type { Soaked } from './soak.ts';

/** Faults beyond these are only counted. */
const TOLD = 40;

export function reportOf({ tally, verified, sampled, before, after, course, faults }: Soaked): string {
  const rows = [...tally.rows].sort((a, b) => a.kind.localeCompare(b.kind));
  const total = rows.reduce((sum, { done, refused, failed }) => sum + done + refused + failed, 0);
  const explained = [...tally.explained()].map(([kind, count]) => `${count} by ${kind}`).join(', ');
  const { events } = tally.journal;
  const kinds = [...new Set(events.map(({ kind }) => kind))].sort();
  const count = (kind: string) => events.filter((event) => event.kind === kind).length;
  return [
    '',
    table(
      ['request', 'done', 'refused', 'failed'],
      [
        ...rows.map(({ kind, done, refused, failed }) => [kind, done, refused, failed] as const),
        [
          'all',
          ...(['done', 'refused', 'failed'] as const).map((of) =>
            rows.reduce((sum, row) => sum + row[of], 0),
          ),
        ],
      ],
    ),
    table(
      ['event', 'times'],
      kinds.map((kind) => [kind, count(kind)] as const),
    ),
    `${total} requests; failures explained: ${explained || 'none'}; unexplained: ${tally.unexplained().length}`,
    `${verified.objects} objects are there, whole and encrypted; ${verified.open} writes got no answer; ${sampled} objects witnessed meanwhile`,
    `${verified.pieces} pieces witnessed; unfinished uploads: ${verified.unfinishedUploads ?? 'cannot be listed here'}`,
    table(['', 'after the warm-up', 'at most under load', 'at the end'], memory(before, course, after)),
    ...faults.slice(0, TOLD).map((fault) => `✖ ${fault}`),
    faults.length === 0
      ? '✔ nothing lost, nothing stored that was refused, nothing in the clear'
      : `✖ ${faults.length} faults`,
  ].join('\n');
}

function memory(before: Resources, course: readonly Resources[], after: Resources) {
  const most = (of: keyof Resources) => Math.max(before[of], ...course.map((each) => each[of])).toFixed(0);
  const names = [
    ['primary, MiB', 'primaryMiB'],
    ['a worker, MiB', 'workerMiB'],
    ['open files', 'handles'],
  ] as const;
  return names.map(([name, of]) => [name, before[of].toFixed(0), most(of), after[of].toFixed(0)]);
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, column) => (column === 0 ? '---' : '--:'));
  return `${[head, rule, ...rows].map(line).join('\n')}\n`;
}
