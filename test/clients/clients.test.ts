// Real clients against real backends: what they store comes back byte for byte, and lies under the right key.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { type Ceph, cephVersions, skipWithout, startCeph } from '../backends/ceph.ts';
import { clients } from './clients.ts';
import type { S3Cli, S3Session } from './s3-cli.ts';
import { assertContent, assertSame, assertStored } from './stored.ts';
import { type EndpointUnderTest, endpointUnderTest } from './through-gateway.ts';

const small = randomBytes(100_003);
const large = randomBytes(30 * 1024 * 1024 + 7);

// Names that every client must encode, sign and list alike.
const folder = 'reports of 2024/';
const smallKey = `${folder}budget + plan=ü.bin`;
const largeKey = `${folder}archive (full) & more.tar`;
const copyKey = `${folder}copy of ~budget@home.bin`;

/** One client in a bucket of its own. */
interface Trial {
  readonly ceph: Ceph;
  readonly endpoint: EndpointUnderTest;
  readonly bucket: string;
  readonly session: S3Session;
}

describe('real clients', { concurrency: 2 }, () => {
  for (const version of cephVersions) {
    describe(`on Ceph ${version}`, { skip: skipWithout(version) }, () => {
      let ceph: Ceph;
      let endpoint: EndpointUnderTest;

      before(async () => {
        ceph = await startCeph(version);
        endpoint = await endpointUnderTest(ceph);
      });
      after(async () => {
        await endpoint?.close();
        await ceph?.stop();
      });

      for (const client of clients) {
        test(client.name, { skip: skipUnavailable(client) }, async (t) => {
          await inOwnBucket(ceph, endpoint, client, (trial) => tryAll(t, trial));
        });
      }
    });
  }
});

async function tryAll(t: TestContext, trial: Trial): Promise<void> {
  const { session } = trial;
  await t.test('puts an object and gets it back', () => putsAndGets(trial));
  await t.test('puts a large object in parts and gets it back', () => putsInParts(trial));
  await t.test('gets a range', { skip: session.getRange ? false : 'it has no ranges' }, () =>
    getsRange(trial),
  );
  await t.test('copies on the server', { skip: session.copy ? false : 'it has no copy' }, () =>
    copies(trial),
  );
  await t.test('lists', () => lists(trial));
  await t.test('deletes', () => deletes(trial));
}

async function putsAndGets({ ceph, endpoint, bucket, session }: Trial): Promise<void> {
  await session.put(smallKey, small);
  await assertContent(ceph, bucket, smallKey, small);
  const { etag } = await assertStored(ceph, endpoint, bucket, smallKey);
  assert.doesNotMatch(etag, /-/, 'it went up in parts');
  assertSame(await session.get(smallKey), small);
  assert.equal(await session.size(smallKey), small.length);
}

async function putsInParts({ ceph, endpoint, bucket, session }: Trial): Promise<void> {
  await session.putInParts(largeKey, large);
  await assertContent(ceph, bucket, largeKey, large);
  const { etag } = await assertStored(ceph, endpoint, bucket, largeKey);
  assert.match(etag, /-\d+$/, 'it did not go up in parts');
  assertSame(await session.get(largeKey), large);
}

async function getsRange({ session }: Trial): Promise<void> {
  assertSame(await session.getRange?.(smallKey, 10, 70_000), small.subarray(10, 70_001));
  // Over the border between two parts of any client.
  const first = 5 * 1024 * 1024 - 1;
  assertSame(await session.getRange?.(largeKey, first, 3 * first), large.subarray(first, 3 * first + 1));
}

async function copies({ ceph, endpoint, bucket, session }: Trial): Promise<void> {
  // Pacific knows no copy of an encrypted object and answers 501; then nothing may have been stored.
  if (ceph.version === 'pacific') {
    await assert.rejects(async () => session.copy?.(smallKey, copyKey));
    assert.equal(await ceph.stat(bucket, copyKey), undefined);
    return;
  }
  await session.copy?.(smallKey, copyKey);
  await assertContent(ceph, bucket, copyKey, small);
  await assertStored(ceph, endpoint, bucket, copyKey);
  await session.delete(copyKey);
}

async function lists({ session }: Trial): Promise<void> {
  assert.deepEqual((await session.list(folder)).sort(), [largeKey, smallKey]);
}

async function deletes({ ceph, bucket, session }: Trial): Promise<void> {
  await session.delete(smallKey);
  assert.equal(await ceph.stat(bucket, smallKey), undefined);
  assert.deepEqual(await session.list(folder), [largeKey]);
}

function skipUnavailable(client: S3Cli): string | false {
  const reason = client.unavailable();
  if (reason === undefined) return false;
  console.warn(`SKIPPED: ${client.name}: ${reason}`);
  return reason;
}

async function inOwnBucket(
  ceph: Ceph,
  endpoint: EndpointUnderTest,
  client: S3Cli,
  use: (trial: Trial) => Promise<void>,
): Promise<void> {
  const bucket = client.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  await ceph.s3.send(new CreateBucketCommand({ Bucket: bucket }));
  const scratch = await mkdtemp(join(tmpdir(), 's3-client-'));
  try {
    const session = await client.open({ ...endpoint.access, bucket }, scratch);
    try {
      await use({ ceph, endpoint, bucket, session });
    } finally {
      await session.close();
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
