// Who sends what, and how often: clients side by side, each one request after the other.
import * as https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { S3Client } from '@aws-sdk/client-s3';
import type { Actor, Traffic } from './actor.ts';
import {
  copy,
  deleteOne,
  get,
  getBySdk,
  getPresigned,
  head,
  list,
  postForm,
  putInParts,
  putLarger,
  putPresigned,
  putSmall,
  putStreaming,
} from './operations.ts';
import type { Random } from './random.ts';
import { leave, refused } from './refused.ts';
import { BUCKETS, type Identity, type Site } from './site.ts';

type Operation = (actor: Actor) => Promise<void>;

const COMMON: readonly (readonly [weight: number, operation: Operation])[] = [
  [20, putSmall],
  [5, putLarger],
  [20, get],
  [8, head],
  [10, deleteOne],
  [6, copy],
  [3, list],
  [10, refused],
  [3, leave],
];

/** With a secret that does not change. */
const OF_SDKS: readonly (readonly [weight: number, operation: Operation])[] = [
  [8, putStreaming],
  [8, getBySdk],
  [1, putInParts],
  [5, putPresigned],
  [5, getPresigned],
  [4, postForm],
];

/** Makes the clients. Each sends on connections that it keeps. */
export function actorsOf(traffic: Traffic, randoms: () => Random): Actor[] {
  const { writer, rotating } = traffic.site;
  const places = [
    ...Array.from({ length: 5 }, () => [writer, BUCKETS.injected] as const),
    ...Array.from({ length: 3 }, () => [writer, BUCKETS.required] as const),
    ...Array.from({ length: 2 }, () => [rotating, BUCKETS.injected] as const),
  ];
  return places.map(([identity, bucket], index) => ({
    ...traffic,
    name: `client-${index}`,
    identity,
    bucket,
    random: randoms(),
    keys: [],
    large: [],
    ...connectionsOf(traffic.site, identity),
    count: 0,
    failed: false,
  }));
}

/** The tally tells what fails. */
const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

function connectionsOf({ gateway }: Site, { accessKeyId, secretAccessKey }: Identity) {
  const agent = new https.Agent({ keepAlive: true, ca: gateway.ca });
  const sdk = new S3Client({
    endpoint: gateway.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    // What fails must be seen to fail.
    maxAttempts: 1,
    logger: SILENT,
    requestHandler: { httpsAgent: agent },
  });
  return { agent, sdk };
}

/** Works until told to stop; its connections are closed when this is done. */
export async function work(actor: Actor, stop: AbortSignal): Promise<void> {
  Object.assign(actor, connectionsOf(actor.site, actor.identity));
  const weighted = actor.identity === actor.site.rotating ? COMMON : [...COMMON, ...OF_SDKS];
  const operations = weighted.flatMap(([weight, operation]) => Array<Operation>(weight).fill(operation));
  while (!stop.aborted) {
    await actor.random.one(operations)(actor);
    await sleep(actor.failed ? actor.random.between(100, 500) : actor.random.between(5, 60));
  }
  actor.sdk.destroy();
  actor.agent.destroy();
}
