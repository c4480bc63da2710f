// The embedded store over real sockets: with the AWS SDK where that speaks, with requests of our own where it would not.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetBucketPolicyCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { startStore } from '../../src/demo/store.ts';
import { CREDENTIALS, type Fixture, KEY, REGION, send, startFixture } from './fixture.ts';

const Bucket = 'ledger';
const MARKER = 'this text must never be found in what the store keeps';
const CONTEXT = Buffer.from('{"app":"books"}').toString('base64');
const PART = 5 * 1024 * 1024;

let fixture: Fixture;
before(async () => {
  fixture = await startFixture();
  await fixture.client.send(new CreateBucketCommand({ Bucket }));
});
after(() => fixture.close());

const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: KEY } as const;
const put = (Key: string, more: Partial<PutObjectCommandInput> = {}) =>
  fixture.client.send(new PutObjectCommand({ Bucket, Key, Body: MARKER, ...more }));
const text = async (Key: string, Range?: string) => {
  const found = await fixture.client.send(new GetObjectCommand({ Bucket, Key, ...(Range ? { Range } : {}) }));
  return found.Body?.transformToString();
};
const refusal = (name: string, status: number) => (error: unknown) => {
  const { name: code, $metadata } = error as { name: string; $metadata: { httpStatusCode: number } };
  assert.deepEqual([code, $metadata.httpStatusCode], [name, status]);
  return true;
};

describe('objects under a KMS key', () => {
  it('answers a put with algorithm, key ID and context, and a get without the context', async () => {
    const stored = await put('kms', { ...kms, SSEKMSEncryptionContext: CONTEXT, Metadata: { owner: 'me' } });
    assert.equal(stored.ServerSideEncryption, 'aws:kms');
    assert.equal(stored.SSEKMSKeyId, KEY);
    assert.equal(stored.SSEKMSEncryptionContext, CONTEXT);
    assert.equal(stored.BucketKeyEnabled, undefined);
    assert.notEqual(stored.ETag, `"${createHash('md5').update(MARKER).digest('hex')}"`);
    const line = fixture.store.requests.length;
    const found = await fixture.client.send(new HeadObjectCommand({ Bucket, Key: 'kms' }));
    assert.deepEqual(
      [found.ServerSideEncryption, found.SSEKMSKeyId, found.Metadata, found.ContentLength],
      ['aws:kms', KEY, { owner: 'me' }, MARKER.length],
    );
    assert.equal(fixture.store.requests[line]?.method, 'HEAD');
    assert.equal(await text('kms'), MARKER);
  });

  it('keeps ciphertext only, bound to the context that was sent', async () => {
    await put('sealed', { ...kms, SSEKMSEncryptionContext: CONTEXT });
    const witness = fixture.store.stored(Bucket, 'sealed');
    assert.deepEqual([...(witness?.context ?? [])], [['app', 'books']]);
    assert.equal(witness?.keyId, KEY);
    assert.equal(witness?.ciphertext.length, MARKER.length);
    assert.equal(witness?.ciphertext.includes(MARKER.slice(0, 8)), false);
  });

  it('says that the bucket key is on where it was asked for', async () => {
    assert.equal((await put('bucket-key', { ...kms, BucketKeyEnabled: true })).BucketKeyEnabled, true);
  });

  it('keeps the encryption of an upload for its parts, and decrypts them as one object', async () => {
    const Key = 'multipart';
    const { UploadId, SSEKMSEncryptionContext } = await fixture.client.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ...kms, SSEKMSEncryptionContext: CONTEXT }),
    );
    assert.equal(SSEKMSEncryptionContext, CONTEXT);
    const Parts = [];
    for (const [index, Body] of [Buffer.alloc(PART, 'a'), Buffer.from('tail')].entries()) {
      const part = { Bucket, Key, UploadId, PartNumber: index + 1, Body };
      const answer = await fixture.client.send(new UploadPartCommand(part));
      assert.equal(answer.SSEKMSKeyId, KEY);
      Parts.push({ PartNumber: index + 1, ETag: answer.ETag });
    }
    const listed = await fixture.client.send(new ListPartsCommand({ Bucket, Key, UploadId }));
    assert.deepEqual(
      listed.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size]),
      [
        [1, PART],
        [2, 4],
      ],
    );
    const done = await fixture.client.send(
      new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
    );
    assert.equal(done.ServerSideEncryption, 'aws:kms');
    assert.match(done.ETag ?? '', /-2"$/);
    assert.equal(await text(Key, `bytes=${PART - 2}-`), 'aatail');
    assert.equal(fixture.store.stored(Bucket, Key)?.ciphertext.includes('aaaaaaaa'), false);
  });

  it('copies under another encryption, and copies a range into a part', async () => {
    await put('source');
    const CopySource = `${Bucket}/source`;
    const copy = await fixture.client.send(
      new CopyObjectCommand({ Bucket, Key: 'copy', CopySource, ...kms }),
    );
    assert.equal(copy.SSEKMSKeyId, KEY);
    assert.equal(await text('copy'), MARKER);
    const { UploadId } = await fixture.client.send(
      new CreateMultipartUploadCommand({ Bucket, Key: 'ranged', ...kms }),
    );
    const part = { Bucket, Key: 'ranged', UploadId, PartNumber: 1, CopySource, CopySourceRange: 'bytes=5-8' };
    const { CopyPartResult } = await fixture.client.send(new UploadPartCopyCommand(part));
    const Parts = [{ PartNumber: 1, ETag: CopyPartResult?.ETag }];
    await fixture.client.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key: 'ranged',
        UploadId,
        MultipartUpload: { Parts },
      }),
    );
    assert.equal(await text('ranged'), 'text');
  });

  it('refuses a key that is not there', async () => {
    await assert.rejects(
      put('no-key', { ...kms, SSEKMSKeyId: `${KEY.slice(0, -1)}0` }),
      refusal('KMS.NotFoundException', 400),
    );
    assert.equal(fixture.store.stored(Bucket, 'no-key'), undefined);
  });

  it("refuses a context whose ARN is not the object's", async () => {
    const context = Buffer.from('{"aws:s3:arn":"arn:aws:s3:::ledger/other"}').toString('base64');
    const wrong = put('wrong-arn', { ...kms, SSEKMSEncryptionContext: context });
    await assert.rejects(wrong, refusal('InvalidArgument', 400));
  });

  it('refuses encryption headers on a get', async () => {
    await put('plain-get');
    const headers = { 'x-amz-server-side-encryption': 'aws:kms' };
    const answer = await send(fixture, { method: 'GET', path: `/${Bucket}/plain-get`, headers });
    assert.equal(answer.status, 400);
    assert.match(answer.text, /x-amz-server-side-encryption header is not supported for this operation\./);
  });

  it('refuses KMS over a plaintext connection', async () => {
    const store = await startStore({ credentials: CREDENTIALS, region: REGION, keyIds: [KEY] });
    const plaintext = new (fixture.client.constructor as typeof import('@aws-sdk/client-s3').S3Client)({
      endpoint: store.endpoint,
      region: REGION,
      credentials: CREDENTIALS,
      forcePathStyle: true,
      maxAttempts: 1,
    });
    try {
      await plaintext.send(new CreateBucketCommand({ Bucket }));
      const input = { Bucket, Key: 'k', Body: MARKER };
      await plaintext.send(new PutObjectCommand(input));
      await assert.rejects(
        plaintext.send(new PutObjectCommand({ ...input, ...kms })),
        /must be made over a secure connection/,
      );
    } finally {
      plaintext.destroy();
      await store.close();
    }
  });
});

describe('objects without a KMS key', () => {
  it('encrypts them all the same, under a key of its own', async () => {
    const { ETag } = await put('plain');
    assert.equal(ETag, `"${createHash('md5').update(MARKER).digest('hex')}"`);
    const witness = fixture.store.stored(Bucket, 'plain');
    assert.equal(witness?.algorithm, 'AES256');
    assert.equal(witness?.ciphertext.includes(MARKER.slice(0, 8)), false);
  });

  it('serves ranges', async () => {
    await put('ranges', { Body: '0123456789' });
    assert.equal(await text('ranges', 'bytes=2-4'), '234');
    assert.equal(await text('ranges', 'bytes=-3'), '789');
    assert.equal(await text('ranges', 'bytes=7-99'), '789');
    await assert.rejects(text('ranges', 'bytes=10-'), refusal('InvalidRange', 416));
  });

  it('honours If-Match and If-None-Match', async () => {
    const { ETag = '' } = await put('conditional');
    const get = { Bucket, Key: 'conditional' };
    await assert.rejects(
      fixture.client.send(new GetObjectCommand({ ...get, IfNoneMatch: ETag })),
      (error: { $metadata: { httpStatusCode: number } }) => error.$metadata.httpStatusCode === 304,
    );
    await assert.rejects(
      fixture.client.send(new GetObjectCommand({ ...get, IfMatch: '"0"' })),
      refusal('PreconditionFailed', 412),
    );
    await assert.rejects(put('conditional', { IfNoneMatch: '*' }), refusal('PreconditionFailed', 412));
  });

  it('decodes an upload of unknown length and verifies its trailer', async () => {
    const Body = Readable.from([Buffer.from(MARKER), Buffer.alloc(300_000, 'z')]);
    await put('streamed', { Body, ContentLength: MARKER.length + 300_000 });
    const line = fixture.store.requests.at(-1);
    const hash = line?.headers.find(({ name }) => name === 'x-amz-content-sha256')?.value;
    assert.equal(hash, 'STREAMING-UNSIGNED-PAYLOAD-TRAILER');
    assert.equal(await text('streamed', `bytes=0-${MARKER.length - 1}`), MARKER);
    assert.equal(fixture.store.stored(Bucket, 'streamed')?.size, MARKER.length + 300_000);
  });

  it('serves presigned URLs', async () => {
    await put('presigned');
    const url = new URL(
      await getSignedUrl(fixture.client, new GetObjectCommand({ Bucket, Key: 'presigned' })),
    );
    assert.equal(await getAnonymously(url), MARKER);
    url.searchParams.set('X-Amz-Expires', '901');
    assert.match(await getAnonymously(url), /SignatureDoesNotMatch/);
  });

  it('lists with prefix, delimiter and pages, in the byte order of keys', async () => {
    await fixture.client.send(new CreateBucketCommand({ Bucket: 'listed' }));
    const keys = ['a/1', 'a/2 +&<', 'b', '\u{10000}', '\uffee', 'c/1'];
    for (const Key of keys) {
      await fixture.client.send(new PutObjectCommand({ Bucket: 'listed', Key, Body: '' }));
    }
    const seen: (string | undefined)[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await fixture.client.send(
        new ListObjectsV2Command({ Bucket: 'listed', MaxKeys: 2, ContinuationToken }),
      );
      seen.push(...(page.Contents ?? []).map(({ Key }) => Key));
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
    assert.deepEqual(seen, ['a/1', 'a/2 +&<', 'b', 'c/1', '\uffee', '\u{10000}']);
    const list = { Bucket: 'listed', Delimiter: '/', MaxKeys: 2 };
    const first = await fixture.client.send(new ListObjectsCommand({ ...list, EncodingType: 'url' }));
    assert.deepEqual(first.CommonPrefixes, [{ Prefix: 'a/' }]);
    assert.deepEqual([first.Contents?.[0]?.Key, first.NextMarker], ['b', 'b']);
    const second = await fixture.client.send(new ListObjectsCommand({ ...list, Marker: first.NextMarker }));
    assert.deepEqual(second.CommonPrefixes, [{ Prefix: 'c/' }]);
  });

  it('deletes objects, one and many, and buckets that are empty', async () => {
    await fixture.client.send(new CreateBucketCommand({ Bucket: 'short-lived' }));
    for (const Key of ['one', ' & "two"']) {
      await fixture.client.send(new PutObjectCommand({ Bucket: 'short-lived', Key, Body: '' }));
    }
    const removal = new DeleteBucketCommand({ Bucket: 'short-lived' });
    await assert.rejects(fixture.client.send(removal), refusal('BucketNotEmpty', 409));
    await fixture.client.send(new DeleteObjectCommand({ Bucket: 'short-lived', Key: 'one' }));
    const Delete = { Objects: [{ Key: ' & "two"' }] };
    const many = await fixture.client.send(new DeleteObjectsCommand({ Bucket: 'short-lived', Delete }));
    assert.deepEqual(many.Deleted, [{ Key: ' & "two"' }]);
    await fixture.client.send(new DeleteBucketCommand({ Bucket: 'short-lived' }));
    await assert.rejects(
      fixture.client.send(new HeadBucketCommand({ Bucket: 'short-lived' })),
      refusal('NotFound', 404),
    );
  });

  it('tells its buckets and their region', async () => {
    const { Buckets } = await fixture.client.send(new ListBucketsCommand({}));
    assert.ok(Buckets?.some(({ Name }) => Name === Bucket));
    const { LocationConstraint } = await fixture.client.send(new GetBucketLocationCommand({ Bucket }));
    assert.equal(LocationConstraint, REGION);
  });

  it('forgets an aborted upload', async () => {
    const Key = 'aborted';
    const { UploadId } = await fixture.client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    await fixture.client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    await assert.rejects(
      fixture.client.send(new ListPartsCommand({ Bucket, Key, UploadId })),
      refusal('NoSuchUpload', 404),
    );
  });
});

describe('what does not hold', () => {
  const path = `/${Bucket}/hostile`;
  const nothingStored = () => assert.equal(fixture.store.stored(Bucket, 'hostile'), undefined);

  it('refuses a bad signature', async () => {
    const answer = await send(fixture, { method: 'PUT', path, body: MARKER, secretAccessKey: 'wrong' });
    assert.equal(answer.status, 403);
    assert.match(answer.text, /<Code>SignatureDoesNotMatch<\/Code>/);
    nothingStored();
  });

  it('refuses a body that does not have its hash', async () => {
    const payloadHash = createHash('sha256').update('other').digest('hex');
    const answer = await send(fixture, { method: 'PUT', path, body: MARKER, payloadHash });
    assert.match(answer.text, /<Code>XAmzContentSHA256Mismatch<\/Code>/);
    nothingStored();
  });

  it('refuses a body that does not have its checksum, in a header or in a trailer', async () => {
    const headers = { 'x-amz-checksum-crc32': 'AAAAAA==' };
    const answer = await send(fixture, { method: 'PUT', path, body: MARKER, headers });
    assert.match(answer.text, /<Code>BadDigest<\/Code>/);
    const chunked = await send(fixture, {
      method: 'PUT',
      path,
      body: '4\r\ndata\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n',
      payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      headers: { 'x-amz-decoded-content-length': '4', 'x-amz-trailer': 'x-amz-checksum-crc32' },
    });
    assert.match(chunked.text, /<Code>BadDigest<\/Code>/);
    nothingStored();
  });

  it('refuses aws-chunked framing that ends too soon or lies about its length', async () => {
    const framed = (body: string, length: string) =>
      send(fixture, {
        method: 'PUT',
        path,
        body,
        payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        headers: { 'x-amz-decoded-content-length': length, 'x-amz-trailer': 'x-amz-checksum-crc32' },
      });
    assert.match((await framed('4\r\ndata\r\n', '4')).text, /<Code>IncompleteBody<\/Code>/);
    const whole = '4\r\ndata\r\n0\r\nx-amz-checksum-crc32:rfOrYw==\r\n\r\n';
    assert.match((await framed(whole, '5')).text, /<Code>IncompleteBody<\/Code>/);
    nothingStored();
  });

  it('stores nothing of a body that is cut', async () => {
    const headers = { 'content-length': '1000' };
    const answer = await send(fixture, { method: 'PUT', path, headers, body: 'only this', cut: true });
    assert.equal(answer.status, 0);
    // A request after it on another connection: by then the store has seen the end of the first.
    assert.equal((await send(fixture, { method: 'HEAD', path })).status, 404);
    nothingStored();
  });

  it('refuses to hold more than its capacity', async () => {
    const headers = { 'content-length': String(300 * 1024 * 1024), expect: '100-continue' };
    const answer = await send(fixture, { method: 'PUT', path, headers });
    assert.match(answer.text, /<Code>EntityTooLarge<\/Code>/);
    nothingStored();
  });

  it('refuses documents with a DTD', async () => {
    const body = '<!DOCTYPE d [<!ENTITY e "x">]><Delete><Object><Key>&e;</Key></Object></Delete>';
    const path = `/${Bucket}`;
    const answer = await send(fixture, { method: 'POST', path, subresource: 'delete', body });
    assert.match(answer.text, /<Code>MalformedXML<\/Code>/);
  });

  it('refuses what it does not implement', async () => {
    await assert.rejects(
      fixture.client.send(new GetBucketPolicyCommand({ Bucket })),
      refusal('NotImplemented', 501),
    );
  });
});

async function getAnonymously(url: URL): Promise<string> {
  const { request } = await import('node:https');
  return new Promise((resolve, reject) => {
    const sent = request(url, { ca: fixture.ca, agent: false }, async (response) => {
      let body = '';
      for await (const piece of response.setEncoding('utf8')) body += piece;
      resolve(body);
    });
    sent.on('error', reject).end();
  });
}
