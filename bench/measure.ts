// Runs one case: all its proxies in turn, round after round, and takes what each used. Asserts that they all did the work.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Case, CaseContext, Round } from './cases.ts';
import { cpuSeconds, forgetPeakMemory, peakMemory } from './machine.ts';
import type { MeasuredProxy, ProxyName } from './proxies.ts';

/** What one proxy did and used in one round. */
export interface Sample {
  readonly requests: number;
  /** Bytes of bodies. */
  readonly bytes: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** In MiB. */
  readonly peakMemory: number;
  /** Latencies in microseconds, where they were taken. */
  readonly p50?: number;
  readonly p99?: number;
}

/** What a case came to: for each proxy its rounds, in order. */
export interface CaseResult {
  readonly name: string;
  readonly title: string;
  readonly per: Case['per'];
  readonly samples: readonly { readonly proxy: ProxyName; readonly rounds: readonly Sample[] }[];
}

export interface Effort {
  readonly rounds: number;
  readonly seconds: number;
  /** Whether each proxy is given work before the first round, so that it has compiled what it compiles at run time. */
  readonly warmUp: boolean;
}

export async function measureCase(
  each: Case,
  context: CaseContext,
  { rounds, seconds, warmUp }: Effort,
): Promise<CaseResult> {
  const round = await each.prepare(context);
  const samples = context.proxies.map((proxy) => ({ proxy, rounds: [] as Sample[] }));
  if (warmUp) {
    for (const { proxy } of samples) await warm(round, proxy, seconds);
  }
  for (let i = 0; i < rounds; i++) {
    // Each round begins with another proxy, so that none is always the one after the same neighbour.
    const order = [...samples.slice(i % samples.length), ...samples.slice(0, i % samples.length)];
    for (const { proxy, rounds: done } of order) done.push(await sampleOf(round, proxy, seconds));
  }
  return {
    name: each.name,
    title: each.title,
    per: each.per,
    samples: samples.map(({ proxy, rounds: done }) => ({ proxy: proxy.name, rounds: done })),
  };
}

/** What is compiled at run time is compiled after a number of calls, so a slow machine needs longer. */
const WARM_UP = { requests: 120_000, bytes: 2 * 1024 ** 3, longestMs: 30_000 };

async function warm(round: Round, proxy: MeasuredProxy, seconds: number): Promise<void> {
  let [requests, bytes] = [0, 0];
  const deadline = performance.now() + WARM_UP.longestMs;
  while (requests < WARM_UP.requests && bytes < WARM_UP.bytes && performance.now() < deadline) {
    const sample = await sampleOf(round, proxy, seconds);
    requests += sample.requests;
    bytes += sample.bytes;
  }
}

function sampleOf(round: Round, proxy: MeasuredProxy, seconds: number): Promise<Sample> {
  return round(proxy, seconds, async (load) => {
    proxy.emptyLog();
    forgetPeakMemory(proxy.pid);
    const before = cpuSeconds(proxy.pid);
    const driven = await load();
    const used = cpuSeconds(proxy.pid) - before;
    if (!(driven.requests > 0)) throw new Error(`${proxy.name} answered nothing`);
    await expectLogged(proxy, driven.requests);
    return { ...driven, cpuSeconds: used, peakMemory: peakMemory(proxy.pid) };
  });
}

/** Lines are written together, up to 100 ms late. */
const LOG_TRIES = 20;

async function expectLogged(proxy: MeasuredProxy, requests: number): Promise<void> {
  let logged = proxy.logged();
  for (let i = 0; i < LOG_TRIES && logged !== undefined && logged < requests; i++) {
    await sleep(100);
    logged = proxy.logged();
  }
  if (logged === undefined || logged >= requests) return;
  throw new Error(`${proxy.name} logged ${logged} of ${requests} requests`);
}
