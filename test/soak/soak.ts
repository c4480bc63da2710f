// `npm run soak`: mixed traffic through a gateway of two workers for a while, with files changed, workers killed and the
// backend restarted meanwhile; then the backend is asked what it holds, and the gateway what it uses.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { whatIsMissing } from '../backends/ceph/installation.ts';
import type { Actor, Traffic } from './actor.ts';
import { startCephBackend, startEmbeddedBackend } from './backends.ts';
import { changeFiles, exercise, killThings } from './disturbances.ts';
import { Ledger } from './ledger.ts';
import { randomOf } from './random.ts';
import { reportOf } from './report.ts';
import { grown, type Resources, resourcesOf } from './resources.ts';
import { BUCKETS, type Site, startSite } from './site.ts';
import { Tally } from './tally.ts';
import { actorsOf, work } from './traffic.ts';
import { type Verified, verify, wrongly } from './verify.ts';

export interface SoakOptions {
  readonly backend: 'ceph' | 'embedded';
  /** Of traffic, altogether. */
  readonly seconds: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

export interface Soaked {
  readonly tally: Tally;
  readonly verified: Verified;
  /** Objects that were witnessed while traffic went on. */
  readonly sampled: number;
  /** After the warm-up, and at the end; and in between, taken under load. */
  readonly before: Resources;
  readonly after: Resources;
  readonly course: readonly Resources[];
  /** What is wrong, and nothing excuses. */
  readonly faults: readonly string[];
}

/** The warm-up, and the calm end, in which no worker is killed: both as long, so that all workers have served for as long. */
const WARM_UP = 0.2;
/** In less time than this what is compiled and cached at run time has not settled, and growth says nothing. */
const LONG_SECONDS = 300;
/** Idle connections to the backend are closed within four seconds; what was cut is noticed by then. */
const QUIET_MS = 8_000;

export async function soak(options: SoakOptions): Promise<Soaked> {
  const backend = await (options.backend === 'ceph' ? startCephBackend() : startEmbeddedBackend());
  let site: Site | undefined;
  try {
    for (const Bucket of Object.values(BUCKETS)) await backend.s3.send(new CreateBucketCommand({ Bucket }));
    site = await startSite(backend);
    return await soakSite(site, options);
  } finally {
    await site?.gateway.stop();
    await backend.stop();
  }
}

async function soakSite(site: Site, { seconds, seed, say }: SoakOptions): Promise<Soaked> {
  let seeds = seed;
  const randoms = () => randomOf(seeds++);
  const traffic: Traffic = { site, ledger: new Ledger(), tally: new Tally() };
  const actors = actorsOf(traffic, randoms);
  const context = { site, journal: traffic.tally.journal, random: randoms() };
  const killing = { ...context, random: randoms() };
  const calmMs = seconds * 1000 * WARM_UP;

  say(`warming up for ${calmMs / 1000} s`);
  await phase(actors, calmMs, [(stop) => exercise(context, stop)]);
  const before = await whenQuiet(site);
  say(`quiet: ${describe(before)}`);
  const sampler = { course: [] as Resources[], sampled: 0 };
  await phase(actors, seconds * 1000 * (1 - WARM_UP), [
    (stop) => changeFiles(context, stop),
    (stop) =>
      killThings(killing, AbortSignal.any([stop, AbortSignal.timeout(seconds * 1000 * (1 - 2 * WARM_UP))])),
    (stop) => sample(traffic, actors, sampler, stop),
  ]);
  const after = await whenQuiet(site);
  say(`quiet: ${describe(after)}`);
  const verified = await verify(site.backend, traffic.ledger);
  const { tally } = traffic;
  const faults = [
    ...tally.violations,
    ...tally.unexplained().map((failure) => `unexplained: ${failure}`),
    ...verified.violations,
    ...(seconds >= LONG_SECONDS ? grown(before, after) : []),
  ];
  return { tally, verified, sampled: sampler.sampled, before, after, course: sampler.course, faults };
}

/** Traffic and whatever else, all of it over when this is done. */
async function phase(
  actors: readonly Actor[],
  ms: number,
  beside: readonly ((stop: AbortSignal) => Promise<void>)[],
): Promise<void> {
  const ended = new AbortController();
  const done = Promise.all([
    ...actors.map((actor) => work(actor, ended.signal)),
    ...beside.map((act) => act(ended.signal)),
  ]);
  await Promise.race([sleep(ms), done]);
  ended.abort();
  await Promise.race([done, neverEnds()]);
}

/** Nothing waits for longer than this: the backend's first byte has 120 s. */
const LONGEST_MS = 180_000;

async function neverEnds(): Promise<never> {
  await sleep(LONGEST_MS, undefined, { ref: false });
  throw new Error('a request does not end');
}

/** What the gateway uses when nobody asks anything of it. */
async function whenQuiet(site: Site): Promise<Resources> {
  await sleep(QUIET_MS);
  const used = resourcesOf(site.gateway);
  if (!used) throw new Error('a worker has ended though nobody killed it');
  return used;
}

/** Now and then looks how an object lies there, and how much the gateway uses. */
async function sample(
  { site, ledger, tally }: Traffic,
  actors: readonly Actor[],
  into: { course: Resources[]; sampled: number },
  stop: AbortSignal,
): Promise<void> {
  for (let round = 0; !stop.aborted; round++) {
    await sleep(2_000, undefined, { signal: stop }).catch(() => {});
    const actor = actors[round % actors.length];
    const key = actor?.keys.at(-1);
    if (!actor || key === undefined) continue;
    const name = `${actor.bucket}/${key}`;
    const told = ledger.possible(name);
    const lying = await site.backend.lying(actor.bucket, key);
    const [state, ...more] = told;
    // Whoever was told otherwise meanwhile has written it again.
    if (ledger.possible(name) !== told || more.length > 0 || state === undefined || state === 'absent')
      continue;
    const objection = wrongly(site.backend, name, state, lying);
    if (objection) tally.violations.push(`meanwhile: ${objection}`);
    else into.sampled += 1;
    const used = resourcesOf(site.gateway);
    if (used) into.course.push(used);
  }
}

function describe({ primaryMiB, workerMiB, handles }: Resources): string {
  return `primary ${primaryMiB.toFixed(0)} MiB, a worker ${workerMiB.toFixed(0)} MiB, ${handles} open files`;
}

function backendOfChoice(choice: string | undefined): 'ceph' | 'embedded' {
  if (choice === 'ceph' || choice === 'embedded') return choice;
  if (choice !== undefined) throw new Error('--backend takes ceph or embedded');
  return whatIsMissing('tentacle') === undefined ? 'ceph' : 'embedded';
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      backend: { type: 'string' },
    },
  });
  const seconds = Number(values.seconds ?? (values.quick ? 30 : 600));
  const seed = Number(values.seed);
  if (!(seconds > 0) || !Number.isSafeInteger(seed)) throw new Error('--seconds and --seed take numbers');
  const backend = backendOfChoice(values.backend);
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  say(`soak: ${seconds} s against ${backend}, --seed ${seed}`);
  const soaked = await soak({ backend, seconds, seed, say });
  say(reportOf(soaked));
  process.exitCode = soaked.faults.length === 0 ? 0 : 1;
}
