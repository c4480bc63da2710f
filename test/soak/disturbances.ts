// What is done to the gateway and its backend while they serve: in two rows beside each other, so that a backend can be
// away while a configuration changes. Each is over when everything is as it should be again.
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventKind, Journal } from './journal.ts';
import type { Random } from './random.ts';
import { type Site, WORKERS } from './site.ts';

export interface Disturbing {
  readonly site: Site;
  readonly journal: Journal;
  readonly random: Random;
}

type Act = (context: Disturbing) => Promise<void>;

const CHANGES: readonly (readonly [EventKind, Act])[] = [
  ['rule changed', ({ site }) => site.changeRule()],
  ['secret changed', ({ site }) => site.changeSecret()],
  ['certificate changed', ({ site }) => site.changeCertificate()],
  ['SIGHUP', ({ site }) => site.hangUp()],
  ['faulty configuration', ({ site }) => site.breakConfiguration()],
  ['faulty certificate', ({ site }) => site.breakCertificate()],
];

const KILLS: readonly (readonly [EventKind, Act])[] = [
  ['worker killed', killWorker],
  ['backend killed', killBackend],
];

/**
 * Makes each change of files once and then reloads without a pause, until told to stop. The heap of the primary, which does
 * little else, is first collected after some 2,000 reloads, and its size says nothing before.
 */
export async function exercise(context: Disturbing, stop: AbortSignal): Promise<void> {
  for (const change of CHANGES) await disturb(context, change);
  while (!stop.aborted) await context.site.hangUp();
}

/** Changes files, well and badly, until told to stop. */
export function changeFiles(context: Disturbing, stop: AbortSignal): Promise<void> {
  return inRow(context, CHANGES, { least: 300, most: 3_000 }, stop);
}

/** Kills a worker or the backend now and then, until told to stop. */
export function killThings(context: Disturbing, stop: AbortSignal): Promise<void> {
  // A worker that ends within ten seconds is replaced later each time.
  return inRow(context, KILLS, { least: 4_000, most: 12_000 }, stop);
}

/** One after the other, each kind once before any comes again. */
async function inRow(
  context: Disturbing,
  kinds: readonly (readonly [EventKind, Act])[],
  pause: { readonly least: number; readonly most: number },
  stop: AbortSignal,
): Promise<void> {
  const { random } = context;
  let left = [...kinds];
  while (!stop.aborted) {
    if (left.length === 0) left = [...kinds];
    const next = random.one(left);
    left = left.filter((each) => each !== next);
    await disturb(context, next);
    await sleep(random.between(pause.least, pause.most), undefined, { signal: stop }).catch(() => {});
  }
}

async function disturb(context: Disturbing, [kind, act]: readonly [EventKind, Act]): Promise<void> {
  const over = context.journal.begin(kind, performance.now());
  await act(context);
  over(performance.now());
}

async function killWorker({ site, random }: Disturbing): Promise<void> {
  const { gateway } = site;
  const victim = random.one(gateway.workers());
  process.kill(victim, 'SIGKILL');
  const replaced = async () =>
    !gateway.workers().includes(victim) && (await gateway.metric('s3_kms_gateway_workers')) === WORKERS;
  // Up to half a minute, if it is not the first to end soon after its start.
  while (!(await replaced())) await sleep(100);
}

async function killBackend({ site, random }: Disturbing): Promise<void> {
  await site.backend.kill();
  await sleep(random.between(0, 2_000));
  await site.backend.start();
}
