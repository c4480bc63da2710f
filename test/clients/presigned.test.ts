// Presigned URLs of Signature Version 4, made by real signers and used by clients that know no S3: they carry what they
// were signed for, what they upload lies under the default key though they say nothing of encryption, and nothing else goes.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { type Ceph, cephVersions, skipWithout, startCeph } from '../backends/ceph.ts';
import { boto3Urls, minioUrls, sdkUrls, type UrlSigner, type UrlWish, urlSigners } from './presigners.ts';
import type { S3Access } from './s3-cli.ts';
import { assertContent, assertSame, assertStored } from './stored.ts';
import { type EndpointUnderTest, endpointUnderTest, temporaryClient } from './through-gateway.ts';
import { type WebAnswer, type WebRequest, type WebSession, webClients, webFetch } from './web.ts';

const bucket = 'presigned';
// Large enough for curl to ask first whether it may go on.
const content = randomBytes(2 * 1024 * 1024 + 3);
const MINUTE = 60;
const WEEK = 7 * 24 * 60 * MINUTE;

describe('presigned URLs', { concurrency: 2 }, () => {
  for (const version of cephVersions) {
    describe(`on Ceph ${version}`, { concurrency: 1, skip: skipWithout(version) }, () => {
      let ceph: Ceph;
      let endpoint: EndpointUnderTest;
      let access: S3Access;
      let scratch: string;
      let web: WebSession;

      before(async () => {
        ceph = await startCeph(version);
        const [keyId, otherKeyId] = ceph.keyIds;
        const rule = {
          name: 'two-keys',
          buckets: [bucket],
          mode: 'inject',
          keyId,
          allowedKeyIds: [otherKeyId],
        };
        endpoint = await endpointUnderTest(ceph, { rules: [rule], clients: [temporaryClient] });
        access = { ...endpoint.access, bucket };
        await ceph.s3.send(new CreateBucketCommand({ Bucket: bucket }));
        scratch = await mkdtemp(join(tmpdir(), 'presigned-'));
        web = webFetch.open(access.caFile, scratch);
      });
      after(async () => {
        await web?.close();
        await endpoint?.close();
        await ceph?.stop();
        if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
      });

      const assertDone = ({ status, body }: WebAnswer) => assert.equal(status, 200, body.toString());

      async function assertRefused(
        key: string,
        answer: WebAnswer,
        [status, code, message]: readonly [number, string, string?],
      ): Promise<void> {
        assert.deepEqual([answer.status, answer.code], [status, code], answer.body.toString());
        if (message !== undefined) assert.equal(answer.message, message);
        assert.equal(await ceph.stat(bucket, key), undefined, 'something is stored');
      }

      for (const signer of urlSigners) {
        const skip = signer.unavailable() ?? false;
        for (const client of webClients) {
          test(`${signer.name}: ${client.name} uploads and downloads`, {
            skip: skip || (client.unavailable() ?? false),
          }, async () => {
            const session = client.open(access.caFile, scratch);
            const key = `${signer.name}/${client.name} + ü.bin`;
            try {
              await roundTrip(signer, session, key);
            } finally {
              await session.close();
            }
          });
        }

        test(`${signer.name}: with a session token`, { skip }, async () => {
          await withSessionToken(signer, `${signer.name}/temporary`);
        });

        test(`${signer.name}: headers for another allowed key are part of the bargain`, {
          skip: skip || !signer.asksForEncryption,
        }, async () => {
          await withEncryptionHeaders(signer, `${signer.name}/other key`);
        });
      }

      async function roundTrip(signer: UrlSigner, session: WebSession, key: string): Promise<void> {
        const put = await signer.sign(access, { operation: 'PutObject', key, expiresIn: MINUTE });
        assert.doesNotMatch(put, /server-side-encryption/i);
        assertDone(await session.send(put, { method: 'PUT', body: content }));
        await assertStored(ceph, endpoint, bucket, key);
        await assertContent(ceph, bucket, key, content);
        const get = await signer.sign(access, { operation: 'GetObject', key, expiresIn: WEEK });
        const answer = await session.send(get, { method: 'GET' });
        assertDone(answer);
        assertSame(answer.body, content);
      }

      async function withSessionToken(signer: UrlSigner, key: string): Promise<void> {
        const { accessKeyId, secretAccessKey, sessionToken } = temporaryClient;
        const wish: UrlWish = { operation: 'PutObject', key, expiresIn: MINUTE };
        const withoutToken = { ...access, accessKeyId, secretAccessKey };
        if (signer !== minioUrls) {
          const refused = await web.send(await signer.sign(withoutToken, wish), {
            method: 'PUT',
            body: content,
          });
          await assertRefused(key, refused, [400, 'InvalidToken']);
        } else {
          await assert.rejects(signer.sign(withoutToken, wish), { code: 'InvalidToken' });
        }
        const wrong = await signedWithWrongToken(signer, { ...withoutToken, sessionToken }, wish);
        await assertRefused(key, wrong, [403, 'SignatureDoesNotMatch']);
        const url = await signer.sign({ ...withoutToken, sessionToken }, wish);
        assertDone(await web.send(url, { method: 'PUT', body: content }));
        await assertStored(ceph, endpoint, bucket, key);
      }

      /** The token is part of what is signed. */
      async function signedWithWrongToken(
        signer: UrlSigner,
        as: S3Access,
        wish: UrlWish,
      ): Promise<WebAnswer> {
        const url = new URL(await signer.sign(as, wish));
        url.searchParams.set('X-Amz-Security-Token', 'another');
        return web.send(url.href, { method: 'PUT', body: content });
      }

      async function withEncryptionHeaders(signer: UrlSigner, key: string): Promise<void> {
        const [keyId, otherKeyId] = ceph.keyIds;
        const wish: UrlWish = { operation: 'PutObject', key, expiresIn: MINUTE, keyId: otherKeyId };
        const url = await signer.sign(access, wish);
        const upload = async (headers: Record<string, string>) =>
          web.send(url, { method: 'PUT', body: content, headers });
        const algorithm = { 'x-amz-server-side-encryption': 'aws:kms' };
        const keyHeader = (id: string) => ({ 'x-amz-server-side-encryption-aws-kms-key-id': id });
        for (const headers of [{}, algorithm, { ...algorithm, ...keyHeader(keyId) }]) {
          await assertRefused(key, await upload(headers), [403, 'SignatureDoesNotMatch']);
        }
        assertDone(await upload({ ...algorithm, ...keyHeader(otherKeyId) }));
        await assertStored(ceph, { ...endpoint, expectEncrypted: { keyId: otherKeyId } }, bucket, key);
      }

      describe('refused, with nothing stored:', () => {
        const signer = sdkUrls;
        const key = 'refused';
        const ago = (seconds: number) => new Date(Date.now() - seconds * 1000);
        const put: UrlWish = { operation: 'PutObject', key, expiresIn: MINUTE };
        const upload: WebRequest = { method: 'PUT', body: content };

        test('one that has expired', async () => {
          const url = await signer.sign(access, { ...put, signedAt: ago(2 * MINUTE) });
          await assertRefused(key, await web.send(url, upload), [403, 'AccessDenied', 'Request has expired']);
        });

        test('one that has expired, from the MinIO client', async () => {
          const url = await minioUrls.sign(access, { ...put, signedAt: ago(2 * MINUTE) });
          const answer = await web.send(url, upload);
          await assertRefused(key, answer, [403, 'AccessDenied', 'Request has expired']);
        });

        test('one from the future', async () => {
          const url = await signer.sign(access, { ...put, signedAt: ago(-20 * MINUTE) });
          await assertRefused(key, await web.send(url, upload), [
            403,
            'AccessDenied',
            'Request is not valid yet',
          ]);
        });

        test('one for more than a week', async (t) => {
          const boto3 = boto3Urls('s3v4');
          const unavailable = boto3.unavailable();
          if (unavailable !== undefined) return t.skip(unavailable); // the other signers refuse to make it
          const url = await boto3.sign(access, { ...put, expiresIn: WEEK + 1 });
          const answer = await web.send(url, upload);
          await assertRefused(key, answer, [400, 'AuthorizationQueryParametersError']);
          assert.match(answer.message ?? '', /^X-Amz-Expires must be less than a week \(in seconds\)/);
        });

        test('one for a download, used otherwise', async () => {
          const url = await signer.sign(access, { ...put, operation: 'GetObject' });
          await assertRefused(key, await web.send(url, upload), [403, 'SignatureDoesNotMatch']);
          assert.equal((await web.send(url, { method: 'HEAD' })).status, 403);
          await assertRefused(key, await web.send(url, { method: 'DELETE' }), [403, 'SignatureDoesNotMatch']);
        });

        test('one for an upload, used for a download', async () => {
          const url = await signer.sign(access, put);
          await assertRefused(key, await web.send(url, { method: 'GET' }), [403, 'SignatureDoesNotMatch']);
        });

        test('one with a header beside those that are signed', async () => {
          const url = await signer.sign(access, put);
          const headers = { 'x-amz-server-side-encryption': 'AES256' };
          const answer = await web.send(url, { ...upload, headers });
          const text = 'There were headers present in the request which were not signed';
          await assertRefused(key, answer, [403, 'AccessDenied', text]);
        });

        const changes: readonly (readonly [what: string, change: (url: URL) => void])[] = [
          [
            'another key',
            (url) => {
              url.pathname += 'x';
            },
          ],
          ['a longer life', (url) => url.searchParams.set('X-Amz-Expires', '61')],
          ['another operation', (url) => url.searchParams.set('acl', '')],
          ['another signature', (url) => flipLastDigit(url, 'X-Amz-Signature')],
          ['another payload hash', (url) => url.searchParams.set('X-Amz-Content-Sha256', '0'.repeat(64))],
          ['a parameter less', (url) => url.searchParams.delete('x-id')],
        ];
        for (const [what, change] of changes) {
          test(`one changed to have ${what}`, async () => {
            const url = new URL(await signer.sign(access, put));
            change(url);
            const answer = await web.send(url.href, upload);
            await assertRefused(key, answer, [403, 'SignatureDoesNotMatch']);
            assert.equal(await ceph.stat(bucket, `${key}x`), undefined);
          });
        }

        test('one changed in its date or access key', async () => {
          for (const parameter of ['X-Amz-Date', 'X-Amz-Credential']) {
            const url = new URL(await signer.sign(access, put));
            url.searchParams.set(parameter, `1${url.searchParams.get(parameter)?.slice(1)}`);
            const { status } = await web.send(url.href, upload);
            assert.ok(status === 400 || status === 403, `${parameter}: ${status}`);
            assert.equal(await ceph.stat(bucket, key), undefined);
          }
        });
      });

      test('one whose signer is a little ahead of the gateway is good', async () => {
        const signedAt = new Date(Date.now() + 5 * MINUTE * 1000);
        const key = 'a little ahead';
        const url = await sdkUrls.sign(access, {
          operation: 'PutObject',
          key,
          expiresIn: MINUTE,
          signedAt,
        });
        assertDone(await web.send(url, { method: 'PUT', body: content }));
        await assertStored(ceph, endpoint, bucket, key);
      });
    });
  }
});

function flipLastDigit(url: URL, parameter: string): void {
  const value = url.searchParams.get(parameter) ?? '';
  url.searchParams.set(parameter, value.slice(0, -1) + (value.endsWith('0') ? '1' : '0'));
}
