// POST forms, signed by real signers and sent as a page would send them: what they upload is stored under the default key
// though they say nothing of encryption, and only what their policy allows.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { type Ceph, cephVersions, skipWithout, startCeph } from '../backends/ceph.ts';
import { boto3Forms, type Form, type FormWish, formSigners, sdkForms } from './presigners.ts';
import type { S3Access } from './s3-cli.ts';
import { assertContent, assertStored } from './stored.ts';
import { type EndpointUnderTest, endpointUnderTest, temporaryClient } from './through-gateway.ts';
import { type WebAnswer, type WebSession, webClients, webFetch } from './web.ts';

const bucket = 'forms';
const plainBucket = 'forms-in-plain';
const v2 = boto3Forms('s3');
const content = randomBytes(2 * 1024 * 1024 + 3);

describe('POST forms', { concurrency: 2 }, () => {
  for (const version of cephVersions) {
    describe(`on Ceph ${version}`, { concurrency: 1, skip: skipWithout(version) }, () => {
      let ceph: Ceph;
      let endpoint: EndpointUnderTest;
      let access: S3Access;
      let scratch: string;
      let web: WebSession;

      before(async () => {
        ceph = await startCeph(version);
        endpoint = await endpointUnderTest(ceph, {
          rules: [{ name: 'plain', buckets: [plainBucket], mode: 'off' }],
          clients: [temporaryClient],
        });
        access = { ...endpoint.access, bucket };
        for (const Bucket of [bucket, plainBucket]) await ceph.s3.send(new CreateBucketCommand({ Bucket }));
        scratch = await mkdtemp(join(tmpdir(), 'post-form-'));
        web = webFetch.open(access.caFile, scratch);
      });
      after(async () => {
        await web?.close();
        await endpoint?.close();
        await ceph?.stop();
        if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
      });

      for (const signer of formSigners) {
        const skip = signer.unavailable() ?? false;
        for (const client of webClients) {
          test(`${signer.name}: ${client.name} uploads`, {
            skip: skip || (client.unavailable() ?? false),
          }, async () => {
            const session = client.open(access.caFile, scratch);
            const key = `${signer.name}/${client.name} + ü.bin`;
            try {
              await uploads(await signer.sign(access, { key }), session, key);
            } finally {
              await session.close();
            }
          });
        }

        test(`${signer.name}: 201 brings a document, fields become the object's own`, { skip }, async () => {
          const key = `${signer.name}/created & <more>`;
          const own = { 'Content-Type': 'text/x-own', 'x-amz-meta-owner': 'someone' };
          const form = await signer.sign(access, { key, fields: { ...own, success_action_status: '201' } });
          const answer = await web.submit(form.url, form.fields, content);
          assert.equal(answer.status, 201, answer.body.toString());
          assertPostResponse(answer, key, (await assertStored(ceph, endpoint, bucket, key)).etag);
          await assertContent(ceph, bucket, key, content);
          const head = await ceph.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
          assert.deepEqual([head.ContentType, head.Metadata], ['text/x-own', { owner: 'someone' }]);
        });

        test(`${signer.name}: with a session token`, { skip }, async () => {
          const key = `${signer.name}/temporary`;
          const { accessKeyId, secretAccessKey, sessionToken } = temporaryClient;
          const as = { ...access, accessKeyId, secretAccessKey };
          await assertRefused(await signer.sign(as, { key }), content, [400, 'InvalidToken']);
          await uploads(await signer.sign({ ...as, sessionToken }, { key }), web, key);
        });
      }

      async function uploads(form: Form, session: WebSession, key: string): Promise<void> {
        assert.doesNotMatch(Object.keys(form.fields).join(), /server-side-encryption/i);
        const answer = await session.submit(form.url, form.fields, content);
        assert.equal(answer.status, 204, answer.body.toString());
        assert.equal(answer.body.length, 0);
        const { etag } = await assertStored(ceph, endpoint, bucket, key);
        assert.doesNotMatch(etag, /-/, 'it was stored in parts');
        await assertContent(ceph, bucket, key, content);
      }

      /** Sends a form that must be refused, and looks that nothing is stored under its key. */
      async function assertRefused(
        { url, fields }: Form,
        file: Buffer,
        [status, code, message]: readonly [number, string, string?],
        session: WebSession = web,
      ): Promise<void> {
        const answer = await session.submit(url, fields, file);
        assert.deepEqual([answer.status, answer.code], [status, code], answer.body.toString());
        if (message !== undefined) assert.equal(answer.message, message);
        assert.equal(await ceph.stat(bucket, String(fields['key'])), undefined, 'something is stored');
      }

      test('an algorithm and key that the policy names are kept', async () => {
        const key = 'with its own encryption';
        const [keyId] = ceph.keyIds;
        const fields = {
          'x-amz-server-side-encryption': 'aws:kms',
          'x-amz-server-side-encryption-aws-kms-key-id': keyId,
        };
        const form = await sdkForms.sign(access, { key, fields });
        const answer = await web.submit(form.url, form.fields, content);
        assert.equal(answer.status, 204, answer.body.toString());
        await assertStored(ceph, endpoint, bucket, key);
      });

      test('a file of as many bytes as its policy allows is stored', async () => {
        for (const size of [3, 5]) {
          const key = `of ${size} bytes`;
          const form = await sdkForms.sign(access, { key, sizeRange: [3, 5] });
          assert.equal((await web.submit(form.url, form.fields, Buffer.alloc(size))).status, 204);
          assert.equal((await assertStored(ceph, endpoint, bucket, key)).size, size);
        }
      });

      describe('refused, with nothing stored:', () => {
        const key = 'refused';
        const signed = (wish: Omit<FormWish, 'key'> = {}): Promise<Form> =>
          sdkForms.sign(access, { key, ...wish });
        const withFields = ({ url, fields }: Form, changed: Record<string, string>): Form => ({
          url,
          fields: { ...fields, ...changed },
        });

        for (const client of webClients) {
          test(`a file too large for its policy, from ${client.name}`, {
            skip: client.unavailable() ?? false,
          }, async () => {
            const session = client.open(access.caFile, scratch);
            const expected = [
              400,
              'EntityTooLarge',
              'Your proposed upload exceeds the maximum allowed size',
            ] as const;
            try {
              for (const size of [6, content.length]) {
                await assertRefused(
                  await signed({ sizeRange: [3, 5] }),
                  content.subarray(0, size),
                  expected,
                  session,
                );
              }
            } finally {
              await session.close();
            }
          });
        }

        test('a file too small for its policy', async () => {
          const expected = [
            400,
            'EntityTooSmall',
            'Your proposed upload is smaller than the minimum allowed size',
          ] as const;
          await assertRefused(await signed({ sizeRange: [3, 5] }), Buffer.alloc(2), expected);
        });

        test('a field that the policy does not name', async () => {
          const form = withFields(await signed(), { 'x-amz-meta-owner': 'someone' });
          const text = 'Invalid according to Policy: Extra input fields: x-amz-meta-owner';
          await assertRefused(form, content, [403, 'AccessDenied', text]);
        });

        test('another encryption than the rule wants, signed or not', async () => {
          const fields = { 'x-amz-server-side-encryption': 'AES256' };
          await assertRefused(withFields(await signed(), fields), content, [403, 'AccessDenied']);
          await assertRefused(await signed({ fields }), content, [403, 'AccessDenied']);
        });

        test('another key than the policy says', async () => {
          const form = withFields(await signed(), { key: 'refused too' });
          const text = 'Invalid according to Policy: Policy Condition failed: ["eq", "$key", "refused"]';
          await assertRefused(form, content, [403, 'AccessDenied', text]);
        });

        test('another bucket than the policy says', async () => {
          const { url, fields } = await signed();
          const answer = await web.submit(url.replace(/\/forms$/, `/${plainBucket}`), fields, content);
          assert.ok(answer.status === 403 || answer.status === 400, answer.body.toString());
          assert.equal(await ceph.stat(plainBucket, key), undefined);
        });

        test('a wrong signature', async () => {
          const form = withFields(await signed(), { 'X-Amz-Signature': '0'.repeat(64) });
          await assertRefused(form, content, [403, 'SignatureDoesNotMatch']);
        });

        test('a policy that was changed', async () => {
          const form = await signed();
          const policy = JSON.parse(Buffer.from(String(form.fields['Policy']), 'base64').toString());
          const changed = Buffer.from(JSON.stringify({ ...policy, expiration: '2099-01-01T00:00:00Z' }));
          const expected = [403, 'SignatureDoesNotMatch'] as const;
          await assertRefused(withFields(form, { Policy: changed.toString('base64') }), content, expected);
        });

        test('no signature at all', async () => {
          const { url } = await signed();
          await assertRefused({ url, fields: { key } }, content, [403, 'AccessDenied']);
        });

        test('Signature Version 2, for what would lie under KMS', {
          skip: v2.unavailable() ?? false,
        }, async () => {
          const text =
            'Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.';
          await assertRefused(await v2.sign(access, { key }), content, [400, 'InvalidArgument', text]);
        });
      });

      test('Signature Version 2 stores what is not under KMS', {
        skip: v2.unavailable() ?? false,
      }, async () => {
        const { url, fields } = await v2.sign({ ...access, bucket: plainBucket }, { key: 'plain' });
        assert.ok(fields['AWSAccessKeyId'] && fields['signature'], 'it is not signed with Version 2');
        const answer = await web.submit(url, fields, content);
        assert.equal(answer.status, 204, answer.body.toString());
        const stat = await ceph.stat(plainBucket, 'plain');
        assert.deepEqual([stat?.size, stat?.encryption], [content.length, undefined]);
      });

      function assertPostResponse({ body }: WebAnswer, key: string, etag: string): void {
        const text = body
          .toString()
          .replaceAll('&quot;', '"')
          .replaceAll('&lt;', '<')
          .replaceAll('&gt;', '>');
        const element = (name: string) =>
          new RegExp(`<PostResponse>.*<${name}>(.*)</${name}>.*</PostResponse>`)
            .exec(text)?.[1]
            ?.replaceAll('&amp;', '&');
        assert.equal(element('Bucket'), bucket);
        assert.equal(element('Key'), key);
        assert.equal(element('ETag'), `"${etag}"`);
        assert.equal(element('Location'), `${access.endpoint}/${bucket}/${encodeURIComponent(key)}`);
      }
    });
  }
});
