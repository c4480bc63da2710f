// The test backend itself: that it runs, that it encrypts, and that its witness can tell.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, PutBucketTaggingCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { type Ceph, cephVersions, skipWithout, startCeph } from './ceph.ts';

const Bucket = 'witness';
const Body = Buffer.from('a text that is easily recognised');

for (const version of cephVersions) {
  describe(`Ceph ${version}`, { skip: skipWithout(version) }, () => {
    let ceph: Ceph;

    before(async () => {
      ceph = await startCeph(version);
      await ceph.s3.send(new CreateBucketCommand({ Bucket }));
    });
    after(() => ceph?.stop());

    test('keeps an object put without encryption as it came, and the witness says so', async () => {
      await ceph.s3.send(new PutObjectCommand({ Bucket, Key: 'plain', Body }));
      const stat = await ceph.stat(Bucket, 'plain');
      assert.equal(stat?.size, Body.length);
      assert.equal(stat.encryption, undefined);
      assert.deepEqual(await ceph.storedBytes(Bucket, 'plain'), Body);
    });

    test('encrypts an object put with SSE-KMS, and the witness names key and context', async () => {
      const context = { app: 'ledger', 'cost-centre': 'köln' };
      await ceph.s3.send(
        new PutObjectCommand({
          Bucket,
          Key: 'folder/encrypted + ü',
          Body,
          ServerSideEncryption: 'aws:kms',
          SSEKMSKeyId: ceph.keyIds[1],
          SSEKMSEncryptionContext: Buffer.from(JSON.stringify(context)).toString('base64'),
        }),
      );
      const stat = await ceph.stat(Bucket, 'folder/encrypted + ü');
      const arn = 'arn:aws:s3::tester:witness/folder/encrypted + ü';
      assert.deepEqual(stat?.encryption, {
        mode: 'SSE-KMS',
        keyId: 'testkey-2',
        context: { ...context, 'aws:s3:arn': arn },
      });
      const stored = await ceph.storedBytes(Bucket, 'folder/encrypted + ü');
      assert.equal(stored.length, Body.length);
      assert.notDeepEqual(stored, Body);
    });

    test('shows its disk, where the encrypted object cannot be read', async () => {
      const disk = await ceph.disk();
      const [plain] = disk.filter(({ key }) => key === 'plain');
      assert.deepEqual([plain?.bucket, plain?.encryption, plain?.data], [Bucket, undefined, Body]);
      const [encrypted] = disk.filter(({ key }) => key === 'folder/encrypted + ü');
      assert.deepEqual([encrypted?.encryption?.mode, encrypted?.encryption?.keyId], ['SSE-KMS', 'testkey-2']);
      assert.ok(!encrypted?.data.includes(Body));
    });

    test('shows what it keeps of a bucket, and that it changes', async () => {
      const before = await ceph.configuration(Bucket);
      assert.deepEqual(await ceph.configuration(Bucket), before);
      const Tagging = { TagSet: [{ Key: 'a', Value: 'b' }] };
      await ceph.s3.send(new PutBucketTaggingCommand({ Bucket, Tagging }));
      assert.notDeepEqual(await ceph.configuration(Bucket), before);
      assert.equal(await ceph.configuration('never-made'), undefined);
    });

    test('has no witness of an object or a bucket that is not there', async () => {
      assert.equal(await ceph.stat(Bucket, 'never put'), undefined);
      assert.equal(await ceph.stat('never-made', 'never put'), undefined);
    });

    test('logs the requests it got', async () => {
      const { status } = await fetch(`${ceph.httpEndpoint}/${Bucket}/looked-for-in-the-log`);
      assert.equal(status, 403);
      await ceph.logged(/GET \/witness\/looked-for-in-the-log HTTP\/1\.1" 403/);
    });
  });
}
