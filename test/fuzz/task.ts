// What the runner asks of a test file, what comes of each property, and the file in which a failure is kept.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A property: its file from the root, its test with those around it, its place among the properties of that test. */
export interface Place {
  readonly file: string;
  readonly test: string;
  readonly ordinal: number;
}

/** What a test file is run for. */
export interface Task {
  /** File to which outcomes are appended, one a line. */
  readonly outcomes: string;
  /** Part of the file's or the test's name; empty for all. */
  readonly only: string;
  /** For each property, and for all of the file. */
  readonly secondsEach: number;
  readonly seconds: number;
  /** What has failed once, to be tried again and nothing else. */
  readonly replay: KeptSeed | null;
}

/** What a property came to. `runs` are inputs that it was given. */
export interface Outcome {
  readonly place: Place;
  readonly runs: number;
  readonly seconds: number;
  readonly failure: { readonly seed: number; readonly path: string; readonly error: string } | null;
}

/** A failure as it is kept: what fast-check needs to make the same input again, and for people what the input was. */
export interface KeptSeed {
  readonly place: Place;
  readonly seed: number;
  readonly path: string;
  readonly error: string;
}

const HOOK = new URL('./hook.ts', import.meta.url).href;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Runs one test file for a task. */
export async function runFile(
  file: string,
  task: Omit<Task, 'outcomes'>,
): Promise<{ outcomes: readonly Outcome[]; code: number | null; output: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'fuzz-'));
  const outcomes = join(folder, 'outcomes.jsonl');
  writeFileSync(outcomes, '');
  // Without NODE_TEST_CONTEXT: the file is run for itself, also where a test runs it.
  const { NODE_TEST_CONTEXT: _context, ...environment } = process.env;
  const child = spawn(process.execPath, ['--import', HOOK, file], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...environment, FUZZ_TASK: JSON.stringify({ ...task, outcomes } satisfies Task) },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  const lines = readFileSync(outcomes, 'utf8').split('\n').filter(Boolean);
  rmSync(folder, { recursive: true });
  return { outcomes: lines.map((line) => JSON.parse(line) as Outcome), code, output };
}

/** Tries again what has failed once; the outcome, if the property is still there. */
export async function replay(kept: KeptSeed): Promise<Outcome | undefined> {
  const task = { only: '', secondsEach: 0, seconds: 0, replay: kept };
  const { outcomes } = await runFile(kept.place.file, task);
  return outcomes[0];
}
