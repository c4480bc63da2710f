// One gateway before two Cephs at once, told apart by bucket: each with its own region, partition, authority and credentials.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Agent } from 'node:https';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { checkOnline } from '../../src/command/online.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { backendOf } from '../clients/through-gateway.ts';
import { type Endpoint, sendSigned } from '../gateway/client.ts';
import { startGateway, type TestGateway } from '../gateway/gateway.ts';
import { testClient, writeSetup } from '../gateway/setup.ts';
import { type Ceph, type CephVersion, skipWithout, startCeph } from './ceph.ts';

const DEBUG_HEADERS = 20;

/** What is different about each. */
const SIDES = [
  {
    version: 'pacific',
    bucket: 'cn-ledger',
    region: 'cn-north-1',
    partition: 'aws-cn',
    user: {
      name: 'china',
      accessKeyId: 'CEPHCHINA00000000001',
      secretAccessKey: 'the-secret-of-the-one-side',
    },
  },
  {
    version: 'tentacle',
    bucket: 'eu-ledger',
    region: 'eu-central-1',
    partition: 'aws',
    user: { name: 'europe', accessKeyId: 'CEPHEUROPE0000000001', secretAccessKey: 'the-secret-of-the-other' },
  },
] as const;
const KEYS: Readonly<Record<CephVersion, string>> = { pacific: 'testkey-1', tentacle: 'testkey-2' };

const skip = skipWithout('pacific') || skipWithout('tentacle');

describe('two backends in one gateway', { skip }, () => {
  const cephs = new Map<CephVersion, Ceph>();
  let gateway: TestGateway;
  let backends: Record<string, unknown>[];

  const ceph = (version: CephVersion): Ceph => cephs.get(version) ?? assert.fail(`no ${version}`);
  const other = (version: CephVersion): CephVersion => (version === 'pacific' ? 'tentacle' : 'pacific');
  const endpointFor = (region: string): Endpoint => ({ endpoint: gateway.endpoint, ca: gateway.ca, region });

  before(async () => {
    await Promise.all(
      SIDES.map(async ({ version, user }) => {
        const started = await startCeph(version, { debugLevel: DEBUG_HEADERS, user });
        cephs.set(version, started);
        // Both have both buckets: an object that goes astray is found, not refused.
        for (const { bucket } of SIDES) await started.s3.send(new CreateBucketCommand({ Bucket: bucket }));
      }),
    );
    backends = SIDES.map(({ version, bucket, region, partition }) => ({
      ...backendOf(ceph(version)),
      region,
      partition,
      buckets: [bucket],
    }));
    gateway = await startGateway({ backends, encryption: rules() });
  });
  after(async () => {
    await gateway?.close();
    await Promise.all([...cephs.values()].map((each) => each.stop()));
  });

  function rules(): Record<string, unknown>[] {
    return SIDES.map(({ version, bucket }) => ({ name: version, buckets: [bucket], keyId: KEYS[version] }));
  }

  for (const { version, bucket, region, partition, user } of SIDES) {
    test(`an object of ${bucket} lands on ${version} alone, encrypted, with an ARN of ${partition}`, async () => {
      const body = randomBytes(1000);
      const request = { method: 'PUT', path: `/${bucket}/dir/object`, body };
      const answer = await sendSigned(endpointFor(region), request);
      assert.equal(answer.status, 200, answer.body.toString());
      const witness = await ceph(version).stat(bucket, 'dir/object');
      assert.deepEqual(witness?.encryption, {
        mode: 'SSE-KMS',
        keyId: KEYS[version],
        context: { 'aws:s3:arn': `arn:${partition}:s3:::${bucket}/dir/object` },
      });
      assert.ok(!(await ceph(version).storedBytes(bucket, 'dir/object')).equals(body));
      assert.equal(await ceph(other(version)).stat(bucket, 'dir/object'), undefined);
      const back = await sendSigned(endpointFor(region), { method: 'GET', path: `/${bucket}/dir/object` });
      assert.ok(back.body.equals(body));
      await ceph(version).logged(
        new RegExp(`AWS4-HMAC-SHA256 Credential=${user.accessKeyId}/\\d{8}/${region}/s3/aws4_request`),
      );
    });

    test(`a stream with a checksum trailer reaches ${version} in the form that it understands`, async () => {
      const body = randomBytes(300_000);
      const client = new S3Client({
        endpoint: gateway.endpoint,
        region,
        forcePathStyle: true,
        // A copy: the SDK writes on what it is given.
        credentials: { ...testClient },
        requestHandler: { httpsAgent: new Agent({ ca: gateway.ca }) },
      });
      const Body = Readable.from([body.subarray(0, 100_000), body.subarray(100_000)]);
      const Key = 'streamed';
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body, ContentLength: body.length }));
      const witness = await ceph(version).stat(bucket, Key);
      assert.deepEqual([witness?.size, witness?.encryption?.keyId], [body.length, KEYS[version]]);
      // Pacific would have refused it; to Tentacle it goes as it came.
      if (version === 'tentacle') await ceph(version).logged(/STREAMING-UNSIGNED-PAYLOAD-TRAILER/);
      const { Body: back } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
      assert.ok(body.equals(await (back?.transformToByteArray() ?? assert.fail())));
      client.destroy();
    });

    test(`clients of ${bucket} sign for ${region}, and are told so`, async () => {
      const [wrong] = SIDES.filter((side) => side.version !== version).map((side) => side.region);
      const request = { method: 'PUT', path: `/${bucket}/misdirected`, body: 'x' };
      const answer = await sendSigned(endpointFor(wrong ?? ''), request);
      assert.deepEqual([answer.status, answer.code], [400, 'AuthorizationHeaderMalformed']);
      assert.match(answer.body.toString(), new RegExp(`<Region>${region}</Region>`));
      assert.equal(await ceph(version).stat(bucket, 'misdirected'), undefined);
    });

    test(`an ARN of the other partition in a context for ${bucket} is refused`, async () => {
      const [foreign] = SIDES.filter((side) => side.version !== version).map((side) => side.partition);
      const pairs = { 'aws:s3:arn': `arn:${foreign}:s3:::${bucket}/foreign` };
      const headers = {
        'x-amz-server-side-encryption-context': Buffer.from(JSON.stringify(pairs)).toString('base64'),
      };
      const request = { method: 'PUT', path: `/${bucket}/foreign`, body: 'x', headers };
      const answer = await sendSigned(endpointFor(region), request);
      assert.equal(answer.status, 400);
      assert.equal(answer.message, "The context value for 'aws:s3:arn' shall be equal to object's ARN");
    });
  }

  test('nothing is copied from one to the other', async () => {
    const [from, to] = SIDES;
    const headers = { 'x-amz-copy-source': `${from.bucket}/dir/object` };
    const request = { method: 'PUT', path: `/${to.bucket}/copy`, headers };
    assert.equal((await sendSigned(endpointFor(to.region), request)).status, 403);
    assert.equal(await ceph(to.version).stat(to.bucket, 'copy'), undefined);
  });

  test('a bucket of neither is nobody’s', async () => {
    const request = { method: 'PUT', path: '/elsewhere/key', body: 'x' };
    assert.equal((await sendSigned(endpointFor('cn-north-1'), request)).status, 403);
  });

  describe('check --online', () => {
    async function faultsOf(changed: readonly Record<string, unknown>[]): Promise<readonly string[]> {
      const written = writeSetup({ backends: changed, encryption: rules() });
      const loaded = loadConfiguration(written.file, {});
      written.remove();
      assert.ok(loaded.kind === 'loaded', JSON.stringify(loaded));
      const { result, tried } = await checkOnline(loaded);
      const faults = result.kind === 'faulty' ? result.faults : [];
      return [...tried.backends, ...faults.map(({ path, message }) => `${path} ${message}`)];
    }

    /** The backends, with the settings of one changed. */
    function changing(settings: (index: number) => Record<string, unknown>): Record<string, unknown>[] {
      return backends.map((backend, index) => ({ ...backend, ...settings(index) }));
    }

    test('finds both well', async () => {
      assert.deepEqual(await faultsOf(backends), ['pacific', 'tentacle']);
    });

    test('finds that each trusts the authority of the other', async () => {
      const swapped = changing((index) => ({ caFile: backends[1 - index]?.['caFile'] }));
      const text = 'the certificate of the backend is of an authority that is not trusted';
      assert.deepEqual(await faultsOf(swapped), [`backends[0].caFile ${text}`, `backends[1].caFile ${text}`]);
    });

    test('finds that each has the credentials of the other', async () => {
      const swapped = changing((index) => ({ credentials: backends[1 - index]?.['credentials'] }));
      const text = 'the backend does not know the access key ID';
      assert.deepEqual(await faultsOf(swapped), [
        `backends[0].credentials ${text} CEPHEUROPE0000000001`,
        `backends[1].credentials ${text} CEPHCHINA00000000001`,
      ]);
    });

    test('finds wrong secrets', async () => {
      const wrong = changing((index) => {
        const { accessKeyId } = SIDES[index]?.user ?? assert.fail();
        return { credentials: { provider: 'static', accessKeyId, secretAccessKey: 'wrong' } };
      });
      const text = 'the backend refuses the signature made with the secret of';
      assert.deepEqual(await faultsOf(wrong), [
        `backends[0].credentials ${text} CEPHCHINA00000000001`,
        `backends[1].credentials ${text} CEPHEUROPE0000000001`,
      ]);
    });

    test('finds that a port for TLS does not speak without, nor the other way round', async () => {
      const [plain, tls] = SIDES.map(({ version }) => ceph(version));
      const [first, second] = await faultsOf(
        changing((index) => ({
          endpoint:
            index === 0
              ? plain?.httpsEndpoint.replace('https', 'http')
              : tls?.httpEndpoint.replace('http', 'https'),
        })),
      );
      assert.match(
        first ?? '',
        /^backends\[0\]\.endpoint (answers 400, but not as an S3 server does|broke off)/,
      );
      assert.match(second ?? '', /^backends\[1\]\.endpoint broke off the request: ERR_SSL_/);
    });
  });
});
