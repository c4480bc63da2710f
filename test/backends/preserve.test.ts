// A listener that preserves signatures, in front of a server that verifies them: what passed it unchanged is accepted there.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { certificateNames, type LedNames, leadNames } from '../clients/at-aws.ts';
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

for (const version of cephVersions) {
  describe(`under AWS's names, on Ceph ${version}`, { skip: skipWithout(version) }, () => {
    const region = 'eu-west-1';
    let ceph: Ceph;
    let gateway: TestGateway;
    let names: LedNames;

    before(async () => {
      ceph = await startCeph(version, { hostname: `s3.${region}.amazonaws.com` });
      await ceph.s3.send(new CreateBucketCommand({ Bucket: 'bucket' }));
      gateway = await startGateway({
        certificateNames: certificateNames([region]),
        egress: { hosts: ['standard'] },
        encrypted: { signing: 'preserve' },
        plaintext: { signing: 'preserve' },
        backends: [{ ...backendOf(ceph), region, credentials: { provider: 'none' } }],
        clients: [],
        encryption: [{ name: 'everything', buckets: ['*'], mode: 'inject', keyId: ceph.keyIds[0] }],
      });
      names = await leadNames(gateway.port, gateway.ca);
    });
    after(async () => {
      await names?.close();
      await gateway?.close();
      await ceph?.stop();
    });

    for (const forcePathStyle of [false, true]) {
      const style = forcePathStyle ? 'path style' : 'virtual-hosted style';
      test(`${style}: what the client signed for AWS is accepted by a server of that name`, async () => {
        const { accessKeyId, secretAccessKey } = ceph;
        const client = new S3Client({
          region,
          forcePathStyle,
          credentials: { accessKeyId, secretAccessKey },
          requestHandler: { httpsAgent: names.agent },
          requestChecksumCalculation: 'WHEN_REQUIRED', // Pacific knows no trailing checksums
          maxAttempts: 1,
        });
        const object = { Bucket: 'bucket', Key: `${style}/ü + 1` };
        const compliant = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: ceph.keyIds[0] } as const;
        await client.send(new PutObjectCommand({ ...object, ...compliant, Body: 'content' }));
        const witness = await ceph.stat(object.Bucket, object.Key);
        assert.deepEqual(
          [witness?.encryption?.mode, witness?.encryption?.keyId],
          ['SSE-KMS', ceph.keyIds[0]],
        );
        const { Body } = await client.send(new GetObjectCommand(object));
        assert.equal(await Body?.transformToString(), 'content');
        const plain = { ...object, Key: `${style}/plain` };
        await assert.rejects(client.send(new PutObjectCommand({ ...plain, Body: 'content' })), {
          name: 'AccessDenied',
        });
        assert.equal(await ceph.stat(plain.Bucket, plain.Key), undefined);
        const host = forcePathStyle ? `s3.${region}.amazonaws.com` : `bucket.s3.${region}.amazonaws.com`;
        assert.equal(names.called.at(-1), host);
      });
    }
  });
}
