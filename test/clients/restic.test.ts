// restic keeps its own repository in a bucket: backs up, checks all data, restores, and every object of it lies encrypted.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { type Ceph, cephVersions, skipWithout, startCeph } from '../backends/ceph.ts';
import { cleanEnvironment, missingProgram, run } from './program.ts';
import { assertSame, assertStored } from './stored.ts';
import { type EndpointUnderTest, endpointUnderTest } from './through-gateway.ts';

const program = '/usr/bin/restic';
const bucket = 'restic';
const content = randomBytes(20 * 1024 * 1024);

describe('restic', { concurrency: 2 }, () => {
  for (const version of cephVersions) {
    const skip = missingProgram(program) ?? skipWithout(version);
    describe(`on Ceph ${version}`, { concurrency: 1, skip }, () => {
      let ceph: Ceph;
      let endpoint: EndpointUnderTest;
      let scratch: string;

      before(async () => {
        ceph = await startCeph(version);
        endpoint = await endpointUnderTest(ceph);
        await ceph.s3.send(new CreateBucketCommand({ Bucket: bucket }));
        scratch = await mkdtemp(join(tmpdir(), 'restic-'));
        await mkdir(join(scratch, 'source'));
        await writeFile(join(scratch, 'source', 'file'), content);
      });
      after(async () => {
        await endpoint?.close();
        await ceph?.stop();
        if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
      });

      const restic = (...args: string[]) => {
        const { access } = endpoint;
        const environment = cleanEnvironment(scratch, {
          AWS_ACCESS_KEY_ID: access.accessKeyId,
          AWS_SECRET_ACCESS_KEY: access.secretAccessKey,
          AWS_DEFAULT_REGION: access.region,
          RESTIC_REPOSITORY: `s3:${access.endpoint}/${bucket}/repository`,
          RESTIC_PASSWORD: 'of no worth outside this test',
        });
        // Without its cache all that it reads comes from the endpoint.
        return run(program, ['--no-cache', '--cacert', access.caFile, ...args], environment);
      };

      test('backs up, and every object of the repository is stored as promised', async () => {
        await restic('init');
        await restic('backup', join(scratch, 'source'));
        const { Contents = [] } = await ceph.s3.send(new ListObjectsV2Command({ Bucket: bucket }));
        assert.ok(Contents.length >= 5, `a repository is more than ${Contents.length} objects`);
        for (const { Key } of Contents) await assertStored(ceph, endpoint, bucket, String(Key));
      });

      test('finds all its data sound', async () => {
        assert.match(String(await restic('check', '--read-data')), /no errors were found/);
      });

      test('restores what it backed up', async () => {
        const target = join(scratch, 'restored');
        await restic('restore', 'latest', '--target', target);
        assertSame(await readFile(join(target, scratch, 'source', 'file')), content);
      });

      test('forgets, and removes the data from the bucket', async () => {
        const [snapshot] = JSON.parse(String(await restic('snapshots', '--json'))) as { id: string }[];
        await restic('forget', '--prune', String(snapshot?.id));
        const Prefix = 'repository/data/';
        const { KeyCount } = await ceph.s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix }));
        assert.equal(KeyCount, 0);
      });
    });
  }
});
