// Signature Version 2 by real clients. S3 keeps nothing under KMS for it, and no more does the gateway: in S3's words, and
// with nothing stored. What is not under KMS it serves, signed anew with Version 4.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { type Ceph, cephVersions, skipWithout, startCeph } from '../backends/ceph.ts';
import { boto } from './boto3.ts';
import { boto3Urls } from './presigners.ts';
import type { S3Access, S3Cli, S3Session } from './s3-cli.ts';
import { s3cmdV2 } from './s3cmd.ts';
import { assertContent, assertSame } from './stored.ts';
import { type EndpointUnderTest, endpointUnderTest } from './through-gateway.ts';
import { type WebAnswer, type WebSession, webFetch } from './web.ts';

const presigner = boto3Urls('s3');
const content = randomBytes(100_003);
const large = randomBytes(21 * 1024 * 1024);

/** Its rule is off, so what clients put there is not encrypted. */
const plainBucket = 'plain';
/** Everything that is put there comes to lie under KMS. */
const kmsBucket = 'under-kms';
const kmsObject = 'reports/there already.bin';

const text =
  'Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.';

/** `says` is what the client makes of a download or copy that is refused. */
const clients: readonly { readonly client: S3Cli; readonly says: string }[] = [
  { client: s3cmdV2, says: '400 (Bad Request)' }, // it tells the status alone
  { client: boto, says: text },
];

describe('Signature Version 2', { concurrency: 2 }, () => {
  for (const version of cephVersions) {
    describe(`on Ceph ${version}`, { concurrency: 1, skip: skipWithout(version) }, () => {
      let ceph: Ceph;
      let endpoint: EndpointUnderTest;
      let scratch: string;

      before(async () => {
        ceph = await startCeph(version, { debugLevel: 20 });
        endpoint = await endpointUnderTest(ceph, {
          rules: [{ name: 'plain', buckets: [plainBucket], mode: 'off' }],
        });
        scratch = await mkdtemp(join(tmpdir(), 'signature-v2-'));
        for (const Bucket of [plainBucket, kmsBucket]) {
          await ceph.s3.send(new CreateBucketCommand({ Bucket }));
          const encryption = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: ceph.keyIds[0] } as const;
          const input = { Bucket, Key: kmsObject, Body: content, ...encryption };
          await ceph.s3.send(new PutObjectCommand(input));
        }
      });
      after(async () => {
        await endpoint?.close();
        await ceph?.stop();
        if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
      });

      const accessTo = (bucket: string): S3Access => ({ ...endpoint.access, bucket });

      async function withClient(client: S3Cli, bucket: string, use: (session: S3Session) => Promise<void>) {
        const session = await client.open(accessTo(bucket), scratch);
        try {
          await use(session);
        } finally {
          await session.close();
        }
      }

      async function assertNotStored(attempt: () => Promise<unknown>, says: string): Promise<void> {
        await assert.rejects(attempt, (error) => String(error).includes(says));
        assert.equal(await ceph.stat(kmsBucket, 'refused'), undefined);
      }

      for (const { client, says } of clients) {
        describe(client.name, { skip: client.unavailable() ?? false }, () => {
          test('cannot put anything under KMS', () =>
            withClient(client, kmsBucket, async (session) => {
              await assertNotStored(() => session.put('refused', content), text);
              await assertNotStored(() => session.putInParts('refused', large), text);
              await assertNotStored(async () => session.copy?.(kmsObject, 'refused'), says);
            }));

          for (const bucket of [kmsBucket, plainBucket]) {
            test(`cannot get what lies under KMS in ${bucket}`, () =>
              withClient(client, bucket, async (session) => {
                await assert.rejects(session.get(kmsObject), (error) => String(error).includes(says));
              }));
          }

          test('puts, gets, copies, lists and deletes what is not under KMS', () =>
            withClient(client, plainBucket, servesPlain));

          test('puts in parts what is not under KMS', () =>
            withClient(client, plainBucket, async (session) => {
              await session.putInParts('parts', large);
              assert.match((await assertPlain('parts')).etag, /-\d+$/, 'it did not go up in parts');
              assertSame(await session.get('parts'), large);
            }));
        });
      }

      async function servesPlain(session: S3Session): Promise<void> {
        const [key, copy] = ['files/a + b=ü.bin', 'files/copy.bin'];
        await session.put(key, content);
        await assertPlain(key);
        await assertContent(ceph, plainBucket, key, content);
        assertSame(await session.get(key), content);
        await session.copy?.(key, copy);
        await assertPlain(copy);
        assert.deepEqual((await session.list('files/')).sort(), [key, copy]);
        for (const name of [key, copy]) {
          await session.delete(name);
          assert.equal(await ceph.stat(plainBucket, name), undefined);
        }
      }

      async function assertPlain(key: string) {
        const stat = await ceph.stat(plainBucket, key);
        assert.ok(stat, `nothing is stored as ${key}`);
        assert.equal(stat.encryption, undefined);
        return stat;
      }

      describe('presigned URLs of boto3', { skip: presigner.unavailable() ?? false }, () => {
        let web: WebSession;
        before(() => {
          web = webFetch.open(endpoint.access.caFile, scratch);
        });
        after(() => web?.close());

        const sign = (bucket: string, operation: 'GetObject' | 'PutObject', key: string, expiresIn = 60) =>
          presigner.sign(accessTo(bucket), { operation, key, expiresIn });

        test('download and upload what is not under KMS', async () => {
          const key = 'by URL + ü.bin';
          const put = await sign(plainBucket, 'PutObject', key);
          assert.match(put, /[?&]AWSAccessKeyId=.*&Signature=|[?&]Signature=.*&AWSAccessKeyId=/);
          assert.equal((await web.send(put, { method: 'PUT', body: content })).status, 200);
          await assertPlain(key);
          const answer = await web.send(await sign(plainBucket, 'GetObject', key), { method: 'GET' });
          assert.equal(answer.status, 200);
          assertSame(answer.body, content);
        });

        test('cannot upload under KMS, nor download what lies there', async () => {
          const put = await sign(kmsBucket, 'PutObject', 'refused');
          assertRefused(await web.send(put, { method: 'PUT', body: content }), 400, 'InvalidArgument', text);
          assert.equal(await ceph.stat(kmsBucket, 'refused'), undefined);
          const get = await sign(plainBucket, 'GetObject', kmsObject);
          assertRefused(await web.send(get, { method: 'GET' }), 400, 'InvalidArgument', text);
        });

        test('are refused with a bad signature, for another key or method, and after their time', async () => {
          const key = 'files/never there';
          const url = await sign(plainBucket, 'PutObject', key);
          const bad = new URL(url);
          bad.searchParams.set('Signature', Buffer.alloc(20).toString('base64'));
          const longer = new URL(url);
          longer.searchParams.set('Expires', `${Number(longer.searchParams.get('Expires')) + 1}`);
          const another = new URL(url);
          another.pathname = another.pathname.replace('never', 'not');
          for (const { href } of [bad, longer, another]) {
            const answer = await web.send(href, { method: 'PUT', body: content });
            assertRefused(answer, 403, 'SignatureDoesNotMatch');
          }
          assertRefused(await web.send(url, { method: 'DELETE' }), 403, 'SignatureDoesNotMatch');
          const over = await sign(plainBucket, 'PutObject', key, -1);
          const late = await web.send(over, { method: 'PUT', body: content });
          assertRefused(late, 403, 'AccessDenied', 'Request has expired');
          for (const name of [key, 'files/not there']) {
            assert.equal(await ceph.stat(plainBucket, name), undefined);
          }
        });
      });

      test('reaches the backend as Version 4', { skip: s3cmdV2.unavailable() ?? false }, () =>
        withClient(s3cmdV2, plainBucket, async (session) => {
          await session.put('witnessed', content);
          // Ceph logs the headers of a request in the order of their names, its URI after them.
          const oneRequest = '(?:(?!HTTP_AUTHORIZATION)[^])*?';
          const put = `HTTP_AUTHORIZATION=(\\S+)${oneRequest}REQUEST_URI=/${plainBucket}/witnessed`;
          const [, scheme] = await ceph.logged(new RegExp(put));
          assert.equal(scheme, 'AWS4-HMAC-SHA256');
        }),
      );
    });
  }
});

function assertRefused(answer: WebAnswer, status: number, code: string, message?: string): void {
  assert.deepEqual([answer.status, answer.code], [status, code], answer.body.toString());
  if (message !== undefined) assert.equal(answer.message, message);
}
