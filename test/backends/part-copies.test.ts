// Parts that are copied from objects: an upload made of them lies under its rule's key like any other.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { backendOf } from '../clients/through-gateway.ts';
import { type Endpoint, sendSigned } from '../gateway/client.ts';
import { startGateway, type TestGateway } from '../gateway/gateway.ts';
import { type Ceph, cephVersions, skipWithout, startCeph } from './ceph.ts';

const content = randomBytes(6 * 1024 * 1024);

for (const version of cephVersions) {
  describe(`part copies on Ceph ${version}`, { skip: skipWithout(version) }, () => {
    let ceph: Ceph;
    let gateway: TestGateway;
    let to: Endpoint;

    before(async () => {
      ceph = await startCeph(version);
      await ceph.s3.send(new CreateBucketCommand({ Bucket: 'bucket' }));
      gateway = await startGateway({
        backends: [backendOf(ceph)],
        encryption: [{ name: 'everything', buckets: ['*'], mode: 'inject', keyId: ceph.keyIds[0] }],
      });
      to = { endpoint: gateway.endpoint, ca: gateway.ca };
    });
    after(async () => {
      await gateway?.close();
      await ceph?.stop();
    });

    test('a part is copied from an object under KMS, another is sent', async () => {
      assert.equal(
        (await sendSigned(to, { method: 'PUT', path: '/bucket/source', body: content })).status,
        200,
      );
      const created = await sendSigned(to, { method: 'POST', path: '/bucket/target?uploads=' });
      const uploadId = encodeURIComponent(/<UploadId>([^<]+)</.exec(created.body.toString())?.[1] ?? '');
      const part = (number: number) => `/bucket/target?partNumber=${number}&uploadId=${uploadId}`;
      const headers = { 'x-amz-copy-source': 'bucket/source' };
      const copied = await sendSigned(to, { method: 'PUT', path: part(1), headers });
      assert.equal(copied.status, 200, copied.body.toString());
      const sent = await sendSigned(to, { method: 'PUT', path: part(2), body: 'the end' });
      assert.equal(sent.status, 200, sent.body.toString());
      const etag = /<ETag>([^<]+)</.exec(copied.body.toString())?.[1]?.replaceAll('&quot;', '"');
      const parts = [etag, sent.headers.etag].map(
        (tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${tag}</ETag></Part>`,
      );
      const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
      const path = `/bucket/target?uploadId=${uploadId}`;
      const completed = await sendSigned(to, { method: 'POST', path, body });
      assert.equal(completed.status, 200, completed.body.toString());
      const witness = await ceph.stat('bucket', 'target');
      assert.deepEqual([witness?.encryption?.mode, witness?.encryption?.keyId], ['SSE-KMS', ceph.keyIds[0]]);
      const back = await sendSigned(to, { method: 'GET', path: '/bucket/target' });
      assert.ok(back.body.equals(Buffer.concat([content, Buffer.from('the end')])));
    });
  });
}
