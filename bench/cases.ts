// What is measured: ONE table. Each case says what is sent, through which proxies, and what a unit of it is.
import { type Driven, type Driver, holdIdle, load, prepareLoad, prepareWrk, wrk } from './drive.ts';
import type { Connections } from './load.ts';
import type { MeasuredProxy, ProxyName } from './proxies.ts';
import type { SignedRequest } from './requests.ts';
import * as requests from './requests.ts';

/** Takes what a proxy uses while the load runs. */
export type Measure<T> = (load: () => Promise<Driven>) => Promise<T>;

/** Sends one round of a case. Only what is inside `measure` counts. */
export type Round = <T>(proxy: MeasuredProxy, seconds: number, measure: Measure<T>) => Promise<T>;

export interface CaseContext {
  readonly driver: Driver;
  readonly now: Date;
  /** One short round that only shows that all of it works. */
  readonly quick: boolean;
  readonly proxies: readonly MeasuredProxy[];
}

/** One case. */
export interface Case {
  readonly name: string;
  readonly title: string;
  /** What CPU time is divided by. */
  readonly per: 'request' | 'GiB';
  readonly proxies: readonly ProxyName[];
  /** Rounds, where a few are enough. */
  readonly rounds?: number;
  /** What a round takes at least, where less shows nothing. */
  readonly seconds?: number;
  readonly prepare: (context: CaseContext) => Round | Promise<Round>;
}

const ALL: readonly ProxyName[] = ['gateway', 'http-proxy', 'undici relay', 'TLS relay', 'nginx'];
const SMALL_CONNECTIONS = 32;
const LARGE_CONNECTIONS = 4;

export const CASES: readonly Case[] = [
  small('get-small', 'GET 1 KiB', requests.smallGets),
  small('put-small', 'PUT 1 KiB, encryption injected', requests.smallPuts),
  small('get-presigned', 'presigned GET 1 KiB', requests.presignedGets),
  large('get-large', 'GET 64 MiB', requests.largeGet),
  large('put-large-hashed', 'PUT 64 MiB, SHA-256 verified', requests.largePutHashed),
  large('put-large-unsigned', 'PUT 64 MiB, UNSIGNED-PAYLOAD', requests.largePutUnsigned),
  large('put-large-trailer', 'PUT 64 MiB, checksum in a trailer, passed on', requests.largePutTrailer),
  large('put-large-decoded', 'PUT 64 MiB, checksum in a trailer, decoded', requests.largePutDecoded),
  large('put-large-signed-chunks', 'PUT 64 MiB, signed chunks', requests.largePutSignedChunks),
  {
    name: 'many-connections',
    title: 'GET 1 KiB on 64 connections beside 1,000 idle ones',
    per: 'request',
    proxies: ALL,
    prepare: ({ driver, now, quick }) => {
      const prepared = requests.smallGets(now);
      const file = prepareWrk(driver, 'many-connections', prepared);
      const idle = prepareLoad(driver, 'idle', firstOf(prepared), quick ? 20 : 1000);
      return async ({ port }, seconds, measure) => {
        const release = await holdIdle(driver, port, idle);
        const measured = await measure(() => wrk(driver, port, file, { connections: 64, seconds }));
        await release();
        return measured;
      };
    },
  },
  {
    name: 'handshakes',
    title: 'TLS handshake without resumption, one GET 1 KiB, close',
    per: 'request',
    proxies: ALL,
    prepare: ({ driver, now }) => {
      const connections = [prepareLoad(driver, 'handshakes', firstOf(requests.smallGets(now)), 8)];
      return ({ port }, seconds, measure) =>
        measure(() => load(driver, { kind: 'handshakes', port, seconds, connections }));
    },
  },
  {
    name: 'half-load',
    title: 'GET 1 KiB at half of what the gateway can do',
    per: 'request',
    proxies: [...ALL, 'direct'],
    // In less, a hundredth of the requests are those that open the connections.
    seconds: 15,
    prepare: async ({ driver, now, quick, proxies }) => {
      const file = prepareWrk(driver, 'half-load', requests.smallGets(now));
      const gateway = proxies.find(({ name }) => name === 'gateway');
      if (!gateway) throw new Error('half of what the gateway can do is not known without it');
      const drive = (seconds: number) =>
        wrk(driver, gateway.port, file, { connections: SMALL_CONNECTIONS, seconds });
      // A process that has just started can do far less.
      if (!quick) await drive(12);
      const full = await drive(3);
      const wait = (SMALL_CONNECTIONS / (full.requests / full.seconds / 2)) * 1000;
      return ({ port }, seconds, measure) =>
        measure(() => wrk(driver, port, file, { connections: SMALL_CONNECTIONS, seconds, wait }));
    },
  },
  {
    name: 'memory',
    title: '64 uploads and 64 downloads of 64 MiB at once',
    per: 'GiB',
    proxies: ['gateway', 'undici relay', 'TLS relay', 'nginx'],
    rounds: 1,
    seconds: 60,
    prepare: ({ driver, now, quick }) => {
      const count = quick ? 2 : 64;
      const connections = [
        prepareLoad(driver, 'memory', requests.largePutHashed(now), count),
        prepareLoad(driver, 'memory-get', requests.largeGet(now), count),
      ];
      return driveLoad(driver, connections);
    },
  },
  scale('scale-get', 'GET 1 KiB, by number of rules, clients and backends', requests.smallGets),
  scale('scale-put', 'PUT 1 KiB, by number of rules, clients and backends', requests.smallPuts),
  workers('workers-get', 'GET 1 KiB, by two workers on one core', requests.smallGets),
  workers('workers-put', 'PUT 1 KiB, by two workers on one core', requests.smallPuts),
];

function small(name: string, title: string, make: (now: Date) => SignedRequest[]): Case {
  return {
    name,
    title,
    per: 'request',
    proxies: ALL,
    prepare: ({ driver, now }) => {
      const file = prepareWrk(driver, name, make(now));
      return ({ port }, seconds, measure) =>
        measure(() => wrk(driver, port, file, { connections: SMALL_CONNECTIONS, seconds }));
    },
  };
}

function large(name: string, title: string, make: (now: Date) => SignedRequest): Case {
  return {
    name,
    title,
    per: 'GiB',
    proxies: ALL,
    prepare: ({ driver, now }) =>
      driveLoad(driver, [prepareLoad(driver, name, make(now), LARGE_CONNECTIONS)]),
  };
}

function scale(name: string, title: string, make: (now: Date) => SignedRequest[]): Case {
  return { ...small(name, title, make), proxies: ['gateway, 1,000 of each', 'gateway, 1 of each'] };
}

/** What several processes cost more than one, with no more to run on. */
function workers(name: string, title: string, make: (now: Date) => SignedRequest[]): Case {
  return { ...small(name, title, make), proxies: ['gateway, 2 workers', 'gateway'] };
}

function driveLoad(driver: Driver, connections: readonly Connections[]): Round {
  return ({ port }, seconds, measure) =>
    measure(() => load(driver, { kind: 'requests', port, seconds, connections }));
}

function firstOf([first]: readonly SignedRequest[]): SignedRequest {
  if (!first) throw new Error('no request was prepared');
  return first;
}
