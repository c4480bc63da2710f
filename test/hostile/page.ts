// The tables of docs/robustness.md, made of the tables that the tests run: `node test/hostile/page.ts` writes them there.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Fault } from '../faults/fault.ts';
import { KILLS } from '../faults/kills.ts';
import { FAULTS } from '../faults/table.ts';
import type { HostileInput } from './input.ts';
import { HOSTILE_INPUTS } from './table.ts';

const PAGE = join(import.meta.dirname, '../../docs/robustness.md');
/** What follows it is made here. */
const MARK = '<!-- Made by test/hostile/page.ts -->\n';

const code = (text: string) => `\`${text.replaceAll('`', '')}\``;
const cells = (...texts: readonly string[]) =>
  `| ${texts.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;

function heldAfterInput({ backend }: HostileInput): string {
  if (backend === undefined) return 'nothing; it is not asked';
  if (typeof backend !== 'string') return 'the object, encrypted';
  return backend === 'is asked' ? 'nothing; it is asked' : 'nothing; it is broken off';
}

function heldAfterFault({ whole, begun = whole }: Fault): string {
  if (begun === 0) return 'not asked';
  if (whole === 0) return 'cut off: nothing whole';
  return whole === 1 ? 'one whole request' : `${whole} whole requests`;
}

function table(title: string, columns: readonly string[], rows: readonly string[]): string {
  return [`## ${title}`, '', cells(...columns), `|${'---|'.repeat(columns.length)}`, ...rows, ''].join('\n');
}

/** Every table, in Markdown. The titles of the tests are `ID: what is sent`. */
export function robustnessTables(): string {
  const inputs = Object.entries(HOSTILE_INPUTS).map(([title, rows]) =>
    table(
      title,
      ['test', 'what is sent', 'what the client sees', 'what the backend holds'],
      rows.map((row) => cells(row.id, row.input, shortened(row.sees), heldAfterInput(row))),
    ),
  );
  const faults = Object.entries(FAULTS).map(([title, rows]) =>
    table(
      title,
      ['test', 'fault', 'what the client sees', 'what the backend was sent'],
      rows.map((row) => cells(row.id, row.fault, code(row.sees), heldAfterFault(row))),
    ),
  );
  const kills = table(
    'A backend that is killed',
    ['test', 'fault', 'what the client sees', 'what the backend holds'],
    Object.values(KILLS).map(({ id, fault, sees, holds }) => cells(id, fault, code(sees), holds)),
  );
  return [...inputs, ...faults, kills].join('\n');
}

function shortened(sees: string): string {
  const answers = sees.split(', ');
  return answers.length > 5 ? `${code(answers[0] ?? '')}, ${answers.length - 1} times` : code(sees);
}

/** What of the page is made here. */
export function tablesOf(page: string): string {
  return page.slice(page.indexOf(MARK) + MARK.length);
}

if (import.meta.main) {
  const page = readFileSync(PAGE, 'utf8');
  writeFileSync(PAGE, page.slice(0, page.indexOf(MARK) + MARK.length) + robustnessTables());
}
