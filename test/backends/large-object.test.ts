// The main job on a real server: a large file goes up with no encryption option at all, lies encrypted under the default
// key with its ARN in the context, comes back byte for byte, and the gateway holds none of it.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { cleanEnvironment, missingProgram, run } from '../clients/program.ts';
import { backendOf } from '../clients/through-gateway.ts';
import { type GatewayProcess, startGatewayProcess } from '../gateway/gateway-process.ts';
import { testClient } from '../gateway/setup.ts';
import { type Ceph, cephVersions, skipWithout, startCeph } from './ceph.ts';

const program = '/usr/bin/aws';
const bucket = 'large';
const MIB = 1024 * 1024;
const SIZE_MIB = 100;
const PEAK_LIMIT_MIB = 200;

for (const version of cephVersions) {
  describe(`a ${SIZE_MIB} MiB file on Ceph ${version}`, {
    skip: missingProgram(program) ?? skipWithout(version),
  }, () => {
    let ceph: Ceph;
    let gateway: GatewayProcess;
    let scratch: string;

    before(async () => {
      ceph = await startCeph(version);
      await ceph.s3.send(new CreateBucketCommand({ Bucket: bucket }));
      gateway = await startGatewayProcess({
        backends: [backendOf(ceph)],
        encryption: [{ name: 'everything', buckets: ['*'], mode: 'inject', keyId: ceph.keyIds[0] }],
      });
      scratch = await mkdtemp(join(tmpdir(), 'large-object-'));
    });
    after(async () => {
      await gateway?.stop();
      await ceph?.stop();
      if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
    });

    const aws = (...args: string[]) => {
      const settings = {
        AWS_ACCESS_KEY_ID: testClient.accessKeyId,
        AWS_SECRET_ACCESS_KEY: testClient.secretAccessKey,
        AWS_DEFAULT_REGION: ceph.region,
        AWS_CA_BUNDLE: gateway.caFile,
      };
      return run(program, ['--endpoint-url', gateway.endpoint, ...args], cleanEnvironment(scratch, settings));
    };

    const uploads: [string, (source: string, key: string) => Promise<unknown>][] = [
      ['in parts', (source, key) => aws('s3', 'cp', source, `s3://${bucket}/${key}`, '--no-progress')],
      [
        'in one piece',
        (source, key) => aws('s3api', 'put-object', '--bucket', bucket, '--key', key, '--body', source),
      ],
    ];
    for (const [how, upload] of uploads) {
      test(how, async () => {
        const [source, copy] = [join(scratch, 'source'), join(scratch, 'copy')];
        await writeRandom(source);
        const key = `${how.replaceAll(' ', '-')}.bin`;
        await upload(source, key);
        const witness = await ceph.stat(bucket, key);
        assert.equal(witness?.size, SIZE_MIB * MIB);
        assert.equal(witness.encryption?.mode, 'SSE-KMS');
        assert.equal(witness.encryption.keyId, ceph.keyIds[0]);
        assert.deepEqual(witness.encryption.context, { 'aws:s3:arn': `arn:aws:s3:::${bucket}/${key}` });
        await aws('s3', 'cp', `s3://${bucket}/${key}`, copy, '--no-progress');
        assert.equal(await sha256(copy), await sha256(source));
        const peak = gateway.peakMemory();
        console.log(`peak memory of the gateway: ${Math.round(peak)} MiB`);
        assert.ok(peak < PEAK_LIMIT_MIB, `the gateway's peak memory was ${peak} MiB`);
      });
    }
  });
}

async function writeRandom(path: string): Promise<void> {
  const file = await open(path, 'w');
  for (let i = 0; i < SIZE_MIB; i++) await file.write(randomBytes(MIB));
  await file.close();
}

async function sha256(path: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(path)) digest.update(chunk);
  return digest.digest('hex');
}
