// fast-check as test files see it under `npm run fuzz` and when a kept seed is replayed: `assert` runs for a given time with a
// new seed, or once again what has failed before. Everything else is fast-check's own.
import { appendFileSync } from 'node:fs';
import { relative } from 'node:path';
import { getTestContext } from 'node:test';
import * as fc from 'fast-check';
import type { Outcome, Place, Task } from './task.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const task = JSON.parse(process.env['FUZZ_TASK'] ?? 'null') as Task | null;

export * from 'fast-check';

type AnyProperty<Values> = fc.IProperty<Values> | fc.IAsyncProperty<Values>;

/** Properties of each test so far: a test may hold several. */
const ordinals = new Map<string, number>();

/** The file's time begins once it is loaded. */
const began = Date.now();

/** `fc.assert`, as the task has it. */
export function assert<Values>(
  property: AnyProperty<Values>,
  parameters: fc.Parameters<Values> = {},
): Promise<void> | void {
  const context = getTestContext();
  if (!task || !context) throw new Error('a property outside of a test, or no task');
  const file = relative(ROOT, context.filePath ?? '');
  const ordinal = ordinals.get(context.fullName) ?? 0;
  ordinals.set(context.fullName, ordinal + 1);
  const place = { file, test: context.fullName, ordinal };
  const [first, second] = roundsOf(task, place);
  if (!first) return;
  const reporter = outcomeReporter<Values>(task, place, second ? 2 : 1);
  const round = (changed: Changes) =>
    fc.assert(property as fc.IProperty<Values>, { ...parameters, ...changed, reporter });
  const done: unknown = round(first);
  if (!second) return done as Promise<void> | void;
  return done instanceof Promise ? done.then(() => round(second)) : round(second);
}

/** Writes the outcome down once the last round is over, or one has failed. */
function outcomeReporter<Values>(
  { outcomes }: Task,
  place: Place,
  rounds: number,
): (details: fc.RunDetails<Values>) => void {
  const started = performance.now();
  let [runs, over] = [0, 0];
  return (details) => {
    const { seed, counterexamplePath: path, numRuns, failed } = details;
    runs += numRuns;
    over += 1;
    const failure = failed ? { seed, path: path ?? '', error: fc.defaultReportMessage(details) ?? '' } : null;
    const outcome: Outcome = { place, runs, seconds: (performance.now() - started) / 1000, failure };
    if (failure || over === rounds) appendFileSync(outcomes, `${JSON.stringify(outcome)}\n`);
    if (failure) throw new Error(failure.error);
  };
}

type Changes = Pick<
  fc.Parameters<never>,
  'seed' | 'path' | 'endOnFailure' | 'numRuns' | 'interruptAfterTimeLimit' | 'markInterruptAsFailure'
>;

/** Enough for one input: fast-check takes a run without any for a failure. */
const LEAST_MS = 500;

const newSeed = (): number => Math.floor(Math.random() * 2 ** 31);

/**
 * None where this property is not meant. First as often as the suite would, so that what a test counts beside its property
 * is not cut short; then for as long as there is time.
 */
function roundsOf(
  { only, replay, secondsEach, seconds }: Task,
  { file, test, ordinal }: Place,
): readonly [first?: Changes, second?: Changes] {
  if (replay) {
    const { place, seed, path } = replay;
    const meant = place.test === test && place.ordinal === ordinal;
    return meant ? [{ seed, path, endOnFailure: true }] : [];
  }
  if (!`${file} ${test}`.includes(only)) return [];
  // A file with tests in a loop has more properties than its text shows: each leaves half of the time to the others.
  const left = (began + seconds * 1000 - Date.now()) / 2;
  const interruptAfterTimeLimit = Math.max(Math.min(secondsEach * 1000, left), LEAST_MS);
  const more = { numRuns: 2 ** 30, interruptAfterTimeLimit, markInterruptAsFailure: false };
  return [{ seed: newSeed() }, { seed: newSeed(), ...more }];
}

const standIn: typeof fc = { ...fc, assert: assert as typeof fc.assert };
export default standIn;
