// npm run bench: measures the gateway beside other proxies, in turn, on this machine. docs/performance.md says how to read it.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { CASES, type Case } from './cases.ts';
import type { Driver } from './drive.ts';
import { type Cores, describeMachine, divideCores, moveTo } from './machine.ts';
import { type CaseResult, type Effort, measureCase } from './measure.ts';
import { formatPlot } from './plot.ts';
import { type MeasuredProxy, PROXIES, startBackend, startProxy } from './proxies.ts';
import { formatReport } from './report.ts';
import { makeWorkspace, type Workspace } from './workspace.ts';

interface Options {
  readonly quick: boolean;
  readonly only?: string[];
  readonly proxies?: string[];
  readonly rounds?: number;
  readonly seconds?: number;
  readonly output: string;
}

/** A run that takes longer than this has something wrong with it. */
const LONGEST_MS = 2 * 60 * 60 * 1000;

const program = new Command('npm run bench --')
  .description('Measures the gateway beside other proxies. Needs nginx and wrk: bench/install.sh.')
  .option(
    '--quick',
    'one short round of everything, which shows that the benchmark works and nothing else',
    false,
  )
  .option('--only <case...>', `only these: ${CASES.map(({ name }) => name).join(', ')}`)
  .option('--proxies <proxy...>', `only through these: ${PROXIES.join(', ')}`)
  .option('--rounds <n>', 'rounds of each case (default: 5)', positive)
  .option('--seconds <n>', 'length of a round for each proxy (default: 4)', positive)
  .option('--output <folder>', 'where results go', fileURLToPath(new URL('results', import.meta.url)));

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1 on');
  return value;
}

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

await run(program.parse().opts<Options>());

async function run(options: Options): Promise<void> {
  expectKnown(
    'case',
    options.only,
    CASES.map(({ name }) => name),
  );
  expectKnown('proxy', options.proxies, PROXIES);
  setTimeout(() => program.error('the benchmark took too long'), LONGEST_MS).unref();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: PROJECT, stdio: 'inherit' });
  const cores = divideCores();
  moveTo(cores.load);
  const workspace = makeWorkspace();
  const backend = await startBackend(workspace, cores.load);
  const results: CaseResult[] = [];
  for (const each of CASES.filter(({ name }) => options.only?.includes(name) ?? true)) {
    const result = await measureWithProxies(each, options, { cores, workspace, backend });
    results.push(result);
    console.log(formatReport('', [result]));
  }
  await backend.stop();
  write(options.output, results);
}

function expectKnown(what: string, given: readonly string[] | undefined, known: readonly string[]): void {
  const unknown = given?.find((name) => !known.includes(name));
  if (unknown !== undefined) program.error(`there is no ${what} ${unknown}`);
}

/** Each case has proxies of its own: none carries over what an earlier case left behind. */
async function measureWithProxies(
  each: Case,
  options: Options,
  { cores, workspace, backend }: { cores: Cores; workspace: Workspace; backend: MeasuredProxy },
): Promise<CaseResult> {
  const driver: Driver = { workspace, cores: cores.load };
  const proxies: MeasuredProxy[] = [];
  for (const name of each.proxies.filter((one) => options.proxies?.includes(one) ?? true)) {
    proxies.push(name === 'direct' ? backend : await startProxy(name, workspace, cores.proxy, backend.port));
  }
  const context = { driver, now: new Date(), quick: options.quick, proxies };
  const result = await measureCase(each, context, effortOf(each, options));
  for (const proxy of proxies) if (proxy !== backend) await proxy.stop();
  return result;
}

function effortOf(each: Case, { quick, rounds, seconds }: Options): Effort {
  if (quick) return { rounds: 1, seconds: 1, warmUp: false };
  return {
    rounds: Math.min(rounds ?? 5, each.rounds ?? Number.POSITIVE_INFINITY),
    seconds: Math.max(seconds ?? 4, each.seconds ?? 0),
    warmUp: each.rounds === undefined,
  };
}

function write(folder: string, results: readonly CaseResult[]): void {
  const machine = describeMachine();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify({ machine, results }, null, 1)}\n`);
  writeFileSync(join(folder, 'results.md'), formatReport(machine, results));
  writeFileSync(join(folder, 'plot.svg'), formatPlot(results));
  console.log(`${machine}\nThe results are in ${folder}.`);
}
