// How the demo looks in a terminal of 100 columns. Knows lines and styles; must not know what a step does.
import { styleText } from 'node:util';

/** Where the demo writes; process.stdout is one. */
export interface Output {
  write(text: string): unknown;
  /** Absent where this is no terminal; false with NO_COLOR. */
  hasColors?(): boolean;
}

/** What one step of the walk found. */
export interface StepReport {
  readonly sent: readonly string[];
  readonly decided: readonly string[];
  readonly stored: readonly string[];
  /** What did not go as it should; empty where all did. */
  readonly faults: readonly string[];
}

export type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan';

const WIDTH = 100;
const LABEL = 12;

export interface Report {
  title(text: string): void;
  /** What a report is about, and how it ended. */
  heading(text: string, end: string, style: Style): void;
  /** A label and what belongs to it, a line each. */
  field(label: string, lines: readonly string[]): void;
  text(lines: readonly string[]): void;
  step(number: number, title: string, step: StepReport): void;
  verdict(failed: number, total: number): void;
}

export function createReport(output: Output): Report {
  const coloured = output.hasColors?.() === true;
  const paint = (style: Style, text: string) =>
    coloured ? styleText(style, text, { validateStream: false }) : text;
  const line = (text = '') => output.write(`${text}\n`);
  const field = (label: string, lines: readonly string[]) => {
    for (const [index, text] of lines.flatMap((text) => wrap(text, WIDTH - LABEL)).entries()) {
      const head = index === 0 ? `   ${label}` : '';
      line(paint('dim', head.padEnd(LABEL)) + emphasise(text, paint));
    }
  };
  return {
    title: (text) => line(`\n${paint('bold', text)}\n`),
    heading: (text, end, style) => line(`${paint('bold', text)} ${paint(style, end)}`),
    field,
    text: (lines) => {
      for (const text of lines) line(text);
    },
    step: (number, title, { sent, decided, stored, faults }) => {
      const mark = faults.length === 0 ? paint('green', '✔') : paint('red', '✘ FAILED');
      line(`${paint('cyan', String(number).padStart(2))} ${paint('bold', title)} ${mark}`);
      field('sent', sent);
      field('decided', decided);
      field('stored', stored);
      if (faults.length > 0) field('FAULT', faults);
      line();
    },
    verdict: (failed, total) => {
      const went = `${total - failed} of ${total} steps went as they should.`;
      line(paint(failed === 0 ? 'green' : 'red', failed === 0 ? `✔ ${went}` : `✘ ${went}`));
    },
  };
}

function emphasise(text: string, paint: (style: Style, text: string) => string): string {
  if (/^[+~] /.test(text)) return paint('green', text);
  if (text.startsWith('- ')) return paint('red', text);
  return text.startsWith('refuse') ? paint('yellow', text) : text;
}

/** Breaks at spaces; what has none stays whole. Continued lines stand under the text of the first. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width);
    if (space <= 2) break;
    lines.push(rest.slice(0, space));
    rest = `  ${rest.slice(space + 1)}`;
  }
  return [...lines, rest];
}
