// Way 52, and what is left when all else has failed: logs that tell nothing secret, answers that must confirm, and the bucket
// policy of deploy/aws as a second wall.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DeleteBucketPolicyCommand, PutBucketPolicyCommand } from '@aws-sdk/client-s3';
import { send, sendSigned } from '../gateway/client.ts';
import { answering, confirming } from '../gateway/fake-backend.ts';
import { begin, complete, sendPart } from './multipart.ts';
import { CONTEXT, contextHeader, customerKeyHeaders, KEY_ID, presign, put, SSE, sendAs } from './requests.ts';
import { type Attempt, type Group, IN_THE_CLEAR, SECRET } from './site.ts';

export const evidence: Group = (stage, site) => {
  if (stage === 'fake') answers(site);
  if (stage === 'tentacle') secondWall(site);
  if (stage === 'pacific') return;

  test('way 52: no secret that clients send comes into the log or the metrics', async () => {
    const { writer, gateway, keys } = site();
    const planted = 'planted-where-it-must-not-be-found';
    const pairs = contextHeader({ 'cost-centre': planted });
    const key = Buffer.from(`${planted}`.slice(0, 32)).toString('base64');
    const customer = { ...customerKeyHeaders(), [`${SSE}-customer-key`]: key };
    const token = `token-${planted}`;
    const presigned = await presign('presigned', writer, put('/inject/logged', { [CONTEXT]: pairs }));
    const signature = /X-Amz-Signature=([0-9a-f]{64})/.exec(presigned.path)?.[1] ?? assert.fail();
    await sendSigned(
      writer,
      put('/inject/logged', { [SSE]: 'aws:kms', [KEY_ID]: keys.default, [CONTEXT]: pairs }),
    );
    await sendSigned(
      writer,
      put('/inject/context/logged', { [CONTEXT]: contextHeader({ 'cost-centre': planted, app: planted }) }),
    );
    await sendSigned(writer, put('/inject/logged', customer));
    await sendSigned(writer, put('/inject/logged', { [CONTEXT]: planted }));
    await sendSigned(writer, { method: 'GET', path: '/inject/logged', headers: customer });
    await sendSigned(writer, put('/inject/logged', { 'x-amz-security-token': token }));
    await sendAs('hoisted', writer, put('/inject/logged', customer));
    await send(writer, presigned);
    await send(writer, { ...presigned, path: `${presigned.path}0` });
    await send(
      writer,
      put('/inject/logged', { host: 'localhost', authorization: `AWS ${planted}:${planted}` }),
    );
    const lines = await gateway.audited();
    assert.ok(
      lines.some((line) => line['key'] === 'logged'),
      'the requests were logged',
    );
    const { body } = await gateway.running.metrics.exposition();
    const told = `${JSON.stringify(gateway.logLines())}${body}`;
    for (const secret of [
      planted,
      key,
      pairs,
      token,
      signature,
      writer.credentials?.secretAccessKey ?? '',
      SECRET,
    ])
      assert.ok(!told.includes(secret), `${secret} was told`);
  });
};

/** A backend that takes a write, and says what it likes of its encryption. */
function answers(site: Parameters<Group>[1]): void {
  const fake = () => site().fake ?? assert.fail();

  test('check A: a write that is not confirmed is an error, a metric and an alarm in the log, on every operation', async () => {
    const { writer, keys, gateway } = site();
    const writes: [string, () => ReturnType<typeof sendSigned>, boolean][] = [
      ['PutObject', () => sendSigned(writer, put('/inject/k')), false],
      [
        'CopyObject',
        () =>
          sendSigned(writer, {
            method: 'PUT',
            path: '/inject/k',
            headers: { 'x-amz-copy-source': 'inject/source' },
          }),
        false,
      ],
      [
        'CreateMultipartUpload',
        () => sendSigned(writer, { method: 'POST', path: '/inject/k?uploads=' }),
        false,
      ],
      ['UploadPart', () => sendPart(writer, '/inject/k', 'u', SECRET), false],
      [
        'UploadPartCopy',
        () =>
          sendSigned(writer, {
            method: 'PUT',
            path: '/inject/k?partNumber=1&uploadId=u',
            headers: { 'x-amz-copy-source': 'inject/source' },
          }),
        true,
      ],
      ['CompleteMultipartUpload', () => complete(writer, '/inject/k', 'u', '"e"'), true],
      ['PutObjectAnnotation', () => sendSigned(writer, put('/inject/k?annotation=&annotationName=a')), false],
    ];
    const kms = { [SSE]: 'aws:kms', [KEY_ID]: keys.default };
    const lies: [string, Record<string, string>][] = [
      ['nothing', {}],
      ['AES256', { [SSE]: 'AES256' }],
      ['an empty method', { ...kms, [SSE]: '' }],
      ['dsse', { ...kms, [SSE]: 'aws:kms:dsse' }],
      ['a foreign key', { ...kms, [KEY_ID]: keys.foreign }],
      ['its alias', { ...kms, [KEY_ID]: 'arn:aws:kms:us-east-1:111122223333:alias/x' }],
      ['a key that begins so', { ...kms, [KEY_ID]: `${keys.default}0` }],
      ['in capitals', { ...kms, [SSE]: 'AWS:KMS' }],
      ['the client’s own key', { [`${SSE}-customer-algorithm`]: 'AES256' }],
    ];
    for (const [operation, write, mayBeSilent] of writes) {
      const sample = `s3_kms_gateway_unconfirmed_encryption_total{backend="fake",operation="${operation}"}`;
      const counted = await gateway.metric(sample);
      // Where a backend may be silent, it is asked again with HEAD; this one is silent there too.
      const told = lies.filter(
        ([what]) => !mayBeSilent || (what !== 'nothing' && !what.startsWith('the client')),
      );
      const attempts = told.map(
        ([what, headers]): Attempt => [
          `${operation}: ${what}`,
          () => {
            fake().behave(answering(200, headers));
            return write();
          },
          '502 unconfirmed',
        ],
      );
      await site().comeTo(attempts);
      assert.equal(await gateway.metric(sample), counted + attempts.length, operation);
      assert.equal((await gateway.audited()).at(-1)?.['level'], 'error');
      fake().behave(answering(200, kms));
      assert.equal((await write()).status, 200, operation);
    }
    fake().behave(confirming);
  });
}

function secondWall(site: Parameters<Group>[1]): void {
  test('check B: the bucket policy of deploy/aws turns away other methods and SSE-C at the backend, and lets the gateway through', async () => {
    const { writer, direct, ceph, keys } = site();
    const json = readFileSync(join(import.meta.dirname, '../../deploy/aws/bucket-policy.json'), 'utf8');
    const policy: { Statement: { Sid: string }[] } = JSON.parse(json.replaceAll('billing-ledger', 'upgrade'));
    // The others name roles and ARNs of keys, which Ceph does not have.
    const sids = ['NoOtherMethod', 'NoCustomerKeys'];
    const Statement = policy.Statement.filter(({ Sid }) => sids.includes(Sid));
    assert.equal(Statement.length, sids.length);
    const past = (headers: Record<string, string>) =>
      sendSigned(direct, put('/upgrade/past', headers, IN_THE_CLEAR));
    assert.equal((await past(customerKeyHeaders())).status, 200);
    await sendSigned(direct, { method: 'DELETE', path: '/upgrade/past' });
    await ceph?.s3.send(
      new PutBucketPolicyCommand({ Bucket: 'upgrade', Policy: JSON.stringify({ ...policy, Statement }) }),
    );
    assert.equal((await past(customerKeyHeaders())).status, 403);
    assert.equal((await past({ [SSE]: 'AES256' })).status, 403);
    assert.equal(await site().encryptionOf('upgrade', 'past'), undefined);
    assert.equal((await sendSigned(writer, put('/upgrade/through'))).status, 200);
    const uploadId = await begin(writer, '/upgrade/parts');
    const part = await sendPart(writer, '/upgrade/parts', uploadId, SECRET);
    assert.equal(part.status, 200, part.body.toString());
    assert.equal((await complete(writer, '/upgrade/parts', uploadId, part.headers.etag)).status, 200);
    assert.deepEqual(await site().encryptionOf('upgrade', 'parts'), {
      method: 'aws:kms',
      keyId: keys.default,
    });
    await ceph?.s3.send(new DeleteBucketPolicyCommand({ Bucket: 'upgrade' }));
  });
}
