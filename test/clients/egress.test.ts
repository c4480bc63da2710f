// Real clients with no endpoint set, which believe that they talk to AWS, in two regions with a backend each: what they
// store lies encrypted on the backend of the region they mean, and nowhere else.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { cephVersions, skipWithout, startCeph } from '../backends/ceph.ts';
import { sendSigned } from '../gateway/client.ts';
import { startGateway, type TestGateway } from '../gateway/gateway.ts';
import { testClient } from '../gateway/setup.ts';
import { DEFAULT_KEY, startStoreBackend } from '../gateway/store.ts';
import {
  type AwsAccess,
  type AwsClient,
  type AwsSession,
  certificateNames,
  type LedNames,
  leadNames,
  openUrl,
} from './at-aws.ts';
import { awsCliAtAws } from './aws-cli.ts';
import { awsSdkAtAws } from './aws-sdk.ts';
import { boto3AtAws } from './boto3.ts';
import { assertSame } from './stored.ts';
import { backendOf } from './through-gateway.ts';

const REGIONS = ['eu-west-1', 'us-east-1'] as const;
type Region = (typeof REGIONS)[number];

const clients: readonly AwsClient[] = [awsCliAtAws, boto3AtAws, awsSdkAtAws];
const bucket = 'at-aws';
const small = randomBytes(70_001);
const large = randomBytes(11 * 1024 * 1024);

/** A server for one region, told as the gateway's configuration names it. */
interface Server {
  readonly backend: Record<string, unknown>;
  /** The KMS key under which it keeps an object; undefined where there is no such object. */
  keyIdOf(key: string): Promise<string | undefined>;
  stop(): Promise<void>;
}

/** A kind of server that can stand in for AWS. */
interface Kind {
  readonly name: string;
  readonly skip: string | false;
  readonly keyId: string;
  /** Pacific knows no copy of an encrypted object. */
  readonly copies: boolean;
  /** Whether every way to call AWS is tried: once is enough, as the backend does not see it. */
  readonly everyWay: boolean;
  start(region: Region): Promise<Server>;
}

const kinds: readonly Kind[] = [
  {
    name: 'the embedded store',
    skip: false,
    keyId: DEFAULT_KEY,
    copies: true,
    everyWay: true,
    start: startEmbedded,
  },
  ...cephVersions.map((version) => ({
    name: `Ceph ${version}`,
    skip: skipWithout(version),
    keyId: 'testkey-1',
    copies: version !== 'pacific',
    everyWay: false,
    start: async (region: Region): Promise<Server> => {
      const ceph = await startCeph(version);
      await ceph.s3.send(new CreateBucketCommand({ Bucket: bucket }));
      return {
        backend: { ...backendOf(ceph), name: region, region },
        keyIdOf: async (key) => (await ceph.stat(bucket, key))?.encryption?.keyId,
        stop: ceph.stop,
      };
    },
  })),
];

async function startEmbedded(region: Region): Promise<Server> {
  const { backend, direct, store, close } = await startStoreBackend({ name: region, region });
  assert.equal((await sendSigned(direct, { method: 'PUT', path: `/${bucket}` })).status, 200);
  return { backend, keyIdOf: async (key) => store.stored(bucket, key)?.keyId, stop: close };
}

interface World {
  readonly kind: Kind;
  readonly servers: Readonly<Record<Region, Server>>;
  readonly gateway: TestGateway;
  readonly names: LedNames;
}

for (const kind of kinds) {
  describe(`clients that believe they talk to AWS, on ${kind.name}`, { skip: kind.skip }, () => {
    let world: World;

    before(async () => {
      const [ireland, virginia] = [await kind.start('eu-west-1'), await kind.start('us-east-1')];
      const gateway = await startGateway({
        certificateNames: certificateNames(REGIONS),
        egress: { hosts: ['standard', 'dualstack', 'fips', 'global'] },
        backends: [ireland.backend, virginia.backend],
        encryption: [{ name: 'everything', buckets: ['*'], mode: 'inject', keyId: kind.keyId }],
      });
      const names = await leadNames(gateway.port, gateway.ca);
      world = { kind, servers: { 'eu-west-1': ireland, 'us-east-1': virginia }, gateway, names };
    });
    after(async () => {
      await world?.names.close();
      await world?.gateway.close();
      for (const region of REGIONS) await world?.servers[region].stop();
    });

    for (const client of clients) {
      test(client.name, { skip: skipUnavailable(client) }, (t) => tryClient(t, world, client));
    }
  });
}

function skipUnavailable(client: AwsClient): string | false {
  const reason = client.unavailable();
  if (reason === undefined) return false;
  console.warn(`SKIPPED: ${client.name}: ${reason}`);
  return reason;
}

/** A way to call AWS: the client's settings, and the host that they make it call. */
interface Way {
  readonly settings: Partial<AwsAccess>;
  readonly host: RegExp;
}

const WAYS: Readonly<Record<string, Way>> = {
  'path style': { settings: { addressing: 'path' }, host: /^s3(\.us-east-1)?\.amazonaws\.com$/ },
  'dual-stack': { settings: { dualstack: true }, host: /^at-aws\.s3\.dualstack\.us-east-1\.amazonaws\.com$/ },
  FIPS: { settings: { fips: true }, host: /^at-aws\.s3-fips\.us-east-1\.amazonaws\.com$/ },
  'FIPS and dual-stack': {
    settings: { fips: true, dualstack: true },
    host: /^at-aws\.s3-fips\.dualstack\.us-east-1\.amazonaws\.com$/,
  },
};

async function tryClient(t: TestContext, world: World, client: AwsClient): Promise<void> {
  // Older SDKs have no other host for us-east-1 than the one that names no region, and presign for it in every region.
  const hosts = {
    'eu-west-1': /^at-aws\.s3(\.eu-west-1)?\.amazonaws\.com$/,
    'us-east-1': /^at-aws\.s3(\.us-east-1)?\.amazonaws\.com$/,
  };
  for (const region of REGIONS) {
    await t.test(`everything in ${region}`, () =>
      asAws(world, client, region, { settings: {}, host: hosts[region] }, (session) =>
        tryEverything(world, client, region, session),
      ),
    );
  }
  for (const [name, way] of world.kind.everyWay ? Object.entries(WAYS) : []) {
    await t.test(name, () =>
      asAws(world, client, 'us-east-1', way, async (session) => {
        const key = `${client.name} ${name}`;
        await session.put(key, small);
        await assertOnlyIn(world, 'us-east-1', key);
        assertSame(await session.get(key), small);
      }),
    );
  }
}

/** Opens a client, and looks afterwards that it has called AWS by the names it should. */
async function asAws(
  { gateway, names }: World,
  client: AwsClient,
  region: Region,
  way: Way,
  use: (session: AwsSession) => Promise<void>,
): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'at-aws-'));
  const { accessKeyId, secretAccessKey } = testClient;
  const told = { region, bucket, accessKeyId, secretAccessKey, caFile: gateway.caFile, names };
  const called = names.called.length;
  try {
    const access: AwsAccess = {
      ...told,
      addressing: 'virtual',
      dualstack: false,
      fips: false,
      ...way.settings,
    };
    const session = await client.open(access, scratch);
    await use(session);
    await session.close();
  } finally {
    await rm(scratch, { recursive: true, force: true });
    // A connection that is kept is not called again.
    names.agent.destroy();
  }
  const hosts = names.called.slice(called);
  assert.ok(hosts.length > 0, 'it called nobody');
  for (const host of hosts) assert.match(host, way.host);
}

async function tryEverything(
  world: World,
  client: AwsClient,
  region: Region,
  session: AwsSession,
): Promise<void> {
  const folder = `${client.name} in ${region}/`;
  const [one, parts, copy] = [`${folder}a + ü`, `${folder}parts`, `${folder}copy`];
  await session.put(one, small);
  await assertOnlyIn(world, region, one);
  assertSame(await session.get(one), small);
  await session.putInParts(parts, large);
  await assertOnlyIn(world, region, parts);
  assertSame(await session.get(parts), large);
  if (world.kind.copies) {
    await session.copy?.(one, copy);
    await assertOnlyIn(world, region, copy);
    await session.delete(copy);
  }
  assert.deepEqual((await session.list(folder)).sort(), [one, parts]);
  const opened = await openUrl(await session.presign(parts), world.names);
  assert.equal(opened.status, 200, opened.body.subarray(0, 1000).toString());
  assertSame(opened.body, large);
}

async function assertOnlyIn({ kind, servers }: World, region: Region, key: string): Promise<void> {
  for (const one of REGIONS) {
    assert.equal(
      await servers[one].keyIdOf(key),
      one === region ? kind.keyId : undefined,
      `${key} in ${one}`,
    );
  }
}
