// No form of signature lets a changed request through: one valid upload of each is changed in every byte that its form
// covers, one at a time, and cut at every seam. A real server behind the gateway tells whether anything of it was stored.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, type TestContext, test } from 'node:test';
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
} from '@aws-sdk/client-s3';
import { backendOf } from '../clients/through-gateway.ts';
import { startGateway, type TestGateway } from '../gateway/gateway.ts';
import { testClient } from '../gateway/setup.ts';
import { type Ceph, cephVersions, skipWithout, startCeph } from './ceph.ts';
import {
  type Destination,
  type Form,
  forms,
  headOf,
  join,
  type Piece,
  type RawRequest,
  type Site,
  signedChunks,
  wireOf,
} from './signed-forms.ts';

/** Under KMS, and not; the last is written past the gateway. */
const BUCKETS = { V4: 'tampering', V2: 'tampering-v2', direct: 'tampering-direct' };
const KEY = 'folder/ä + b';
const SAMPLE = 97;
const SOCKETS = 8;

/**
 * Sends bytes as they stand, half-closing after them if told to, and gives the status of the answer once all of it is
 * there; `undefined` where the connection was closed without one.
 */
function exchange(port: number, wire: Buffer, halfClose = false): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('latin1').on('data', (text) => {
      answer += text;
      // Refused in mid-body, the gateway lingers for the rest, and a changed request may have none.
      if (isWhole(answer)) socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // The other end may close before it has read everything. What it answered until then counts.
      if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') reject(error);
    });
    socket.on('close', () => {
      const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(answer) ?? [];
      resolve(status === undefined ? undefined : Number(status));
    });
    if (halfClose) socket.end(wire);
    else socket.write(wire);
  });
}

function isWhole(answer: string): boolean {
  const [head = '', body] = answer.split('\r\n\r\n', 2);
  const [, length = Number.POSITIVE_INFINITY] = /^content-length: (\d+)$/im.exec(head) ?? [];
  return body !== undefined && body.length >= Number(length);
}

/** A request that is not the one that was signed. */
interface Tampered {
  readonly what: string;
  readonly wire: Buffer;
}

/**
 * With the lowest bit of one byte changed: never just the case of a letter, which is another bit, and never from one kind
 * of optional white space to another. The only equivalents that are left stand in pieces that are not covered.
 */
function* flipped(request: RawRequest): Generator<Tampered> {
  const original = wireOf(request);
  let start = 0;
  for (const { what, bytes, covered } of [...headOf(request, request.body), ...request.body]) {
    const step = covered === 'sampled' ? SAMPLE : 1;
    for (let i = 0; covered !== 'not' && i < bytes.length; i += step) {
      const wire = Buffer.from(original);
      wire[start + i] = (wire[start + i] ?? 0) ^ 1;
      yield { what: `${what}, byte ${i}`, wire };
    }
    start += bytes.length;
  }
}

/** The bodies that end before their last piece, and in the middle of a piece. */
function* cut({ body }: RawRequest): Generator<{ what: string; body: Piece[] }> {
  for (const [i, piece] of body.entries()) {
    const before = body.slice(0, i);
    yield { what: `before ${i} (${piece.what})`, body: before };
    if (piece.bytes.length < 2) continue;
    const half = { ...piece, bytes: piece.bytes.subarray(0, piece.bytes.length >> 1) };
    yield { what: `within ${i} (${piece.what})`, body: [...before, half] };
  }
}

/** Sends them all, a few at a time, and names those whose answer is not as it must be. */
async function misjudged(
  t: TestContext,
  sent: Iterator<Tampered>,
  send: (wire: Buffer) => Promise<number | undefined>,
  isRight: (status: number | undefined) => boolean,
): Promise<string[]> {
  const wrong: string[] = [];
  let count = 0;
  const worker = async () => {
    for (let next = sent.next(); !next.done; next = sent.next()) {
      const status = await send(next.value.wire);
      count += 1;
      if (!isRight(status)) wrong.push(`${next.value.what}: ${status ?? 'no answer'}`);
    }
  };
  await Promise.all(Array.from({ length: SOCKETS }, worker));
  assert.ok(count > 0, 'nothing was sent');
  t.diagnostic(`${count} requests`);
  return wrong;
}

/** By the gateway's judgement, that is: 501 where a changed parameter has become one that S3 does not know. */
const isRefused = (status = 0) => (status >= 400 && status < 500) || status === 501;
/** A client that hangs up is owed no answer. */
const isNotAccepted = (status: number | undefined) => status === undefined || status >= 400;

/** Every bucket, object and part that Ceph holds, with the time at which it was written. */
async function inventory({ s3 }: Ceph): Promise<string[]> {
  const buckets = (await s3.send(new ListBucketsCommand({}))).Buckets ?? [];
  const lines = buckets.map(({ Name }) => `bucket ${Name}`);
  for (const { Name: Bucket } of buckets) {
    const objects = (await s3.send(new ListObjectsV2Command({ Bucket }))).Contents ?? [];
    for (const { Key, ETag, Size, LastModified } of objects)
      lines.push(`object ${Bucket}/${Key} ${ETag} ${Size} ${LastModified?.toISOString()}`);
    const uploads = (await s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads ?? [];
    for (const { Key, UploadId } of uploads) {
      const parts = (await s3.send(new ListPartsCommand({ Bucket, Key, UploadId }))).Parts ?? [];
      lines.push(`upload ${Bucket}/${Key} `);
      for (const { PartNumber, ETag, Size, LastModified } of parts)
        lines.push(`part ${Bucket}/${Key} ${PartNumber} ${ETag} ${Size} ${LastModified?.toISOString()}`);
    }
  }
  return lines.sort();
}

async function content({ s3 }: Ceph, { bucket: Bucket, key: Key }: Destination): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

for (const version of cephVersions) {
  describe(`a changed request in front of Ceph ${version}`, { skip: skipWithout(version) }, () => {
    let ceph: Ceph;
    let gateway: TestGateway;
    let site: Site;
    /** What must be there: what was sent as it had been signed, and nothing since. */
    let held: readonly string[];

    before(async () => {
      ceph = await startCeph(version);
      for (const Bucket of Object.values(BUCKETS)) await ceph.s3.send(new CreateBucketCommand({ Bucket }));
      gateway = await startGateway({
        backends: [backendOf(ceph)],
        plaintext: { secure: true },
        encryption: [
          { name: 'v2', buckets: [BUCKETS.V2], mode: 'off' },
          { name: 'everything', buckets: ['*'], mode: 'inject', keyId: ceph.keyIds[0] },
        ],
      });
      const { accessKeyId, secretAccessKey } = testClient;
      const host = `localhost:${gateway.plaintextPort}`;
      site = { host, region: ceph.region, accessKeyId, secretAccessKey };
      held = await inventory(ceph);
    });
    after(async () => {
      await gateway?.close();
      await ceph?.stop();
    });

    const send = (wire: Buffer) => exchange(gateway.plaintextPort, wire);

    async function destination(form: Form): Promise<Destination> {
      const to = { bucket: BUCKETS[form.version], key: `${form.name}/${KEY}` };
      if (form.upload === 'object') return to;
      const command = new CreateMultipartUploadCommand({ Bucket: to.bucket, Key: to.key });
      const { UploadId } = await ceph.s3.send(command);
      return { ...to, uploadId: UploadId ?? '' };
    }

    /** That the object lies there with this content, encrypted where the rule says so. */
    async function assertStored(form: Form, to: Destination, data: Buffer): Promise<void> {
      if (to.uploadId !== undefined) {
        const part = `part ${to.bucket}/${to.key} 1 `;
        assert.equal(held.filter((line) => line.startsWith(part)).length, 1);
        return;
      }
      const encryption = (await ceph.stat(to.bucket, to.key))?.encryption;
      assert.equal(encryption?.keyId, form.version === 'V4' ? ceph.keyIds[0] : undefined);
      assert.ok((await content(ceph, to)).equals(data));
    }

    for (const form of forms) {
      describe(form.name, () => {
        let to: Destination;
        let request: RawRequest;

        before(async () => {
          to = await destination(form);
          request = await form.sign(site, to);
        });

        async function assertAccepted(): Promise<void> {
          const status = await send(wireOf(request));
          assert.ok(status !== undefined && status >= 200 && status < 300, `${status}`);
          const now = await inventory(ceph);
          assert.notDeepEqual(now, held);
          const others = (lines: readonly string[]) =>
            lines.filter((line) => !line.includes(`${to.bucket}/${to.key} `));
          assert.deepEqual(others(now), others(held));
          held = now;
          await assertStored(form, to, request.data);
        }

        test('is stored as it was signed', assertAccepted);

        test(`is refused with any covered byte changed (of chunk data, every ${SAMPLE}th)`, async (t) => {
          assert.deepEqual(await misjudged(t, flipped(request), send, isRefused), []);
          assert.deepEqual(await inventory(ceph), held);
        });

        test('is not stored when the connection ends within its body', async (t) => {
          const head = join(headOf(request, request.body));
          const sent = [...cut(request)].map(({ what, body }) => ({
            what,
            wire: Buffer.concat([head, join(body)]),
          }));
          const hangUp = (wire: Buffer) => exchange(gateway.plaintextPort, wire, true);
          assert.deepEqual(await misjudged(t, sent.values(), hangUp, isNotAccepted), []);
          assert.deepEqual(await inventory(ceph), held);
        });

        if (form.coversBody) {
          test('is refused when cut under a Content-Length that fits', async (t) => {
            const sent = [...cut(request)].map(({ what, body }) => ({ what, wire: wireOf(request, body) }));
            assert.deepEqual(await misjudged(t, sent.values(), send, isRefused), []);
            assert.deepEqual(await inventory(ceph), held);
          });
        }

        // So it was the change, not age or a limit, for which the others were refused.
        test('is stored again after all this', assertAccepted);
      });
    }

    test('Ceph itself stores signed chunks that lack the final one, so the gateway must not forward them', async () => {
      const direct = { ...site, host: new URL(ceph.httpEndpoint).host };
      const { accessKeyId, secretAccessKey } = ceph;
      const to = { bucket: BUCKETS.direct, key: 'cut' };
      const request = await signedChunks({ ...direct, accessKeyId, secretAccessKey }, to, false);
      const last = request.body.findLastIndex(({ what }) => what === 'size');
      const port = Number(new URL(ceph.httpEndpoint).port);
      assert.equal(await exchange(port, wireOf(request, request.body.slice(0, last))), 200);
      assert.ok((await content(ceph, to)).equals(request.data));
    });
  });
}
