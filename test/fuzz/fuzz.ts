// `npm run fuzz`: gives every property test of the suite new inputs for a while, in turn, and keeps what fails as a file that
// the suite tries again from then on. Knows no property.
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Outcome, runFile } from './task.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Where failures are kept. */
export const SEEDS: string = fileURLToPath(new URL('./seeds', import.meta.url));

export interface FuzzOptions {
  readonly files: readonly string[];
  readonly seconds: number;
  readonly only: string;
  readonly seeds: string;
  readonly say: (line: string) => void;
}

/** Test files that hold properties. */
export function filesWithProperties(): readonly string[] {
  const files = globSync('test/**/*.test.ts', { cwd: ROOT }).sort();
  return files.filter((file) => propertiesIn(file) > 0);
}

/** As the text has them: one in a loop counts once, and its file is given less time than it could do with. */
function propertiesIn(file: string): number {
  return readFileSync(join(ROOT, file), 'utf8').split('fc.assert(').length - 1;
}

/** Runs the files for about so many seconds altogether; gives how many failures there were. */
export async function fuzz({ files, seconds, only, seeds, say }: FuzzOptions): Promise<number> {
  const chosen = files.filter((file) => `${file} ${readFileSync(join(ROOT, file), 'utf8')}`.includes(only));
  const total = chosen.reduce((sum, file) => sum + propertiesIn(file), 0);
  const secondsEach = seconds / Math.max(total, 1);
  let failures = 0;
  let runs = 0;
  for (const file of chosen) {
    const time = { secondsEach, seconds: secondsEach * propertiesIn(file) };
    const { outcomes, code, output } = await runFile(file, { only, ...time, replay: null });
    for (const outcome of outcomes) {
      say(`${outcome.failure ? '✖' : '✔'} ${describe(outcome)}`);
      runs += outcome.runs;
      if (outcome.failure)
        say(`  kept as ${keep(outcome, outcome.failure, seeds)}\n${outcome.failure.error}`);
    }
    const failed = outcomes.filter(({ failure }) => failure).length;
    failures += failed;
    // With --only, tests that count what their properties have met find nothing to count.
    if (code !== 0 && failed === 0 && only === '') {
      failures += 1;
      say(`✖ ${file} fails by itself:\n${output}`);
    }
  }
  say(`${runs} inputs, ${failures} failures`);
  return failures;
}

function describe({ place, runs, seconds }: Outcome): string {
  return `${place.file}: ${place.test}: ${runs} inputs in ${seconds.toFixed(1)} s`;
}

/** Writes a failure down; gives the name of the file. */
function keep({ place }: Outcome, failure: NonNullable<Outcome['failure']>, seeds: string): string {
  mkdirSync(seeds, { recursive: true });
  const words = `${place.test} ${failure.seed}`.replaceAll(/\W+/g, '-').slice(-80);
  const name = `${words.replace(/^-/, '')}.json`;
  writeFileSync(join(seeds, name), `${JSON.stringify({ place, ...failure }, null, 2)}\n`);
  return name;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { seconds: { type: 'string', default: '300' }, only: { type: 'string', default: '' } },
  });
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new Error('--seconds takes a number');
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  const failures = await fuzz({
    files: filesWithProperties(),
    seconds,
    only: values.only,
    seeds: SEEDS,
    say,
  });
  process.exitCode = failures === 0 ? 0 : 1;
}
