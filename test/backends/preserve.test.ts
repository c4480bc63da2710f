// A listener that preserves signatures, in front of a server that verifies them: what passed it unchanged is accepted there.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { backendOf } from '../clients/through-gateway.ts';
import { type Endpoint, type PlainRequest, sendSigned } from '../gateway/client.ts';
import { startGateway, type TestGateway } from '../gateway/gateway.ts';
import { type Ceph, cephVersions, skipWithout, startCeph } from './ceph.ts';

const SSE = 'x-amz-server-side-encryption';

for (const version of cephVersions) {
  describe(`preserved signatures on Ceph ${version}`, { skip: skipWithout(version) }, () => {
    let ceph: Ceph;
    let gateway: TestGateway;
    let to: Endpoint;

    before(async () => {
      ceph = await startCeph(version);
      await ceph.s3.send(new CreateBucketCommand({ Bucket: 'bucket' }));
      gateway = await startGateway({
        encrypted: { signing: 'preserve' },
        plaintext: { signing: 'preserve' },
        backends: [{ ...backendOf(ceph), credentials: { provider: 'none' } }],
        clients: [],
        encryption: [{ name: 'everything', buckets: ['*'], mode: 'inject', keyId: ceph.keyIds[0] }],
      });
      to = { endpoint: gateway.endpoint, ca: gateway.ca, credentials: ceph };
    });
    after(async () => {
      await gateway?.close();
      await ceph?.stop();
    });

    const put = (key: string, headers: Record<string, string> = {}): PlainRequest => ({
      method: 'PUT',
      path: `/bucket/${key}`,
      headers,
      body: 'content',
    });
    const compliant = () => ({ [SSE]: 'aws:kms', [`${SSE}-aws-kms-key-id`]: ceph.keyIds[0] });

    test('a compliant write is stored, and read back', async () => {
      const answer = await sendSigned(to, put('dir//odd%20key%2B%C3%BC', compliant()));
      assert.equal(answer.status, 200, answer.body.toString());
      const witness = await ceph.stat('bucket', 'dir//odd key+ü');
      assert.deepEqual([witness?.encryption?.mode, witness?.encryption?.keyId], ['SSE-KMS', ceph.keyIds[0]]);
      const back = await sendSigned(to, { method: 'GET', path: '/bucket/dir//odd%20key%2B%C3%BC' });
      assert.equal(back.body.toString(), 'content');
    });

    test('one that is not is refused here', async () => {
      assert.equal((await sendSigned(to, put('plain'))).status, 403);
      assert.equal(await ceph.stat('bucket', 'plain'), undefined);
    });

    test('a forged one is refused there', async () => {
      const forger = { ...to, credentials: { accessKeyId: ceph.accessKeyId, secretAccessKey: 'wrong' } };
      const answer = await sendSigned(forger, put('forged', compliant()));
      assert.deepEqual([answer.status, answer.code], [403, 'SignatureDoesNotMatch']);
      assert.equal(await ceph.stat('bucket', 'forged'), undefined);
    });
  });
}
