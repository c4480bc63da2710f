// Signed streamed uploads over real sockets: what the backend gets of them, and that it can complete none that fails.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4a } from '@smithy/signature-v4a';
import fc from 'fast-check';
import { derivePrivateKey, deriveVerifyingKey } from '../../src/core/sigv4/asymmetric-key.ts';
import {
  ecdsaSigner,
  hmacSigner,
  type Part,
  type Signer,
  signBody,
  wireOf,
} from '../core/sigv4/chunk-signer.ts';
import { type Answer, type Endpoint, send, signedHeaders } from './client.ts';
import { eventually } from './eventually.ts';
import { answering, confirming, type FakeBackend, startFakeBackend } from './fake-backend.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { testClient } from './setup.ts';

const CHECKSUM = 'x-amz-checksum-crc32';
const HMAC_MODE = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
const ECDSA_MODE = 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD';

function crc(data: Buffer): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(data));
  return bytes.toString('base64');
}

/** A signed upload: its headers, and its body in parts. */
interface Upload {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly parts: readonly Part[];
}

interface Wanted {
  readonly chunks: readonly Buffer[];
  readonly trailer: boolean;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function streamingHeaders({ chunks, trailer, headers }: Wanted): Record<string, string> {
  return {
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': String(Buffer.concat(chunks).length),
    ...(trailer ? { 'x-amz-trailer': CHECKSUM, 'x-amz-sdk-checksum-algorithm': 'CRC32' } : {}),
    ...headers,
  };
}

function bodyOf(signer: Signer, headers: Record<string, string>, { chunks, trailer }: Wanted): Part[] {
  const authorization = headers['authorization'] ?? '';
  const amzDate = headers['x-amz-date'] ?? '';
  const seed = /Signature=([0-9a-f]+)/.exec(authorization)?.[1] ?? '';
  const scope = /Credential=[^/]+\/([^,]+)/.exec(authorization)?.[1] ?? '';
  const trailers = trailer ? { [CHECKSUM]: crc(Buffer.concat(chunks)) } : undefined;
  return signBody(signer, { amzDate, scope, seed }, chunks, trailers);
}

async function signedUpload(to: Endpoint, wanted: Wanted): Promise<Upload> {
  const path = wanted.path ?? '/bucket/key';
  const payloadHash = wanted.trailer ? `${HMAC_MODE}-TRAILER` : HMAC_MODE;
  const headers = await signedHeaders(to, {
    method: 'PUT',
    path,
    payloadHash,
    headers: streamingHeaders(wanted),
  });
  const signer = hmacSigner(
    testClient.secretAccessKey,
    (headers['x-amz-date'] ?? '').slice(0, 8),
    'us-east-1',
  );
  return { path, headers, parts: bodyOf(signer, headers, wanted) };
}

async function asymmetricUpload(to: Endpoint, wanted: Wanted): Promise<Upload> {
  const { accessKeyId, secretAccessKey } = testClient;
  const oracle = new SignatureV4a({
    service: 's3',
    region: '*',
    credentials: { accessKeyId, secretAccessKey },
    sha256: Sha256,
    uriEscapePath: false,
  });
  const { host, hostname } = new URL(to.endpoint);
  const path = wanted.path ?? '/bucket/key';
  const mode = wanted.trailer ? `${ECDSA_MODE}-TRAILER` : ECDSA_MODE;
  const unsigned = { host, 'x-amz-content-sha256': mode, ...streamingHeaders(wanted) };
  const request = { method: 'PUT', protocol: 'https:', hostname, path, query: {}, headers: unsigned };
  const { headers } = await oracle.sign(request, {});
  const { x = '', y = '' } = deriveVerifyingKey(secretAccessKey, accessKeyId).export({ format: 'jwk' });
  const d = derivePrivateKey(secretAccessKey, accessKeyId).toString('base64url');
  return { path, headers, parts: bodyOf(ecdsaSigner({ d, x, y }), headers, wanted) };
}

function put(to: Endpoint, { path, headers, parts }: Upload, body: Buffer = wireOf(parts)): Promise<Answer> {
  return send(to, { method: 'PUT', path, headers, body });
}

const CHUNKS = [Buffer.alloc(65536, 'a'), Buffer.alloc(8192, 'b'), Buffer.alloc(1000, 'c')];
const DATA = Buffer.concat(CHUNKS);

for (const trailers of [true, false]) {
  describe(`a signed streamed upload, for a backend that takes ${trailers ? '' : 'no '}trailers`, () => {
    let backend: FakeBackend;
    let gateway: TestGateway;
    let to: Endpoint;
    let unauthenticated: Endpoint;

    before(async () => {
      backend = await startFakeBackend();
      gateway = await startGateway({
        backends: [{ ...backend.backend, trailers }],
        plaintext: { secure: true, authentication: 'none' },
        encryption: [{ name: 'inject', buckets: ['bucket'], mode: 'inject', keyId: 'the-key' }],
      });
      to = { endpoint: gateway.endpoint, ca: gateway.ca };
      unauthenticated = { endpoint: gateway.plaintextEndpoint };
    });
    afterEach(() => backend.behave(confirming));
    after(async () => {
      await gateway?.close();
      await backend?.close();
    });

    /** What the backend got of the last upload. */
    async function stored(seen: number) {
      await eventually(() => backend.received.length > seen, 'a request at the backend');
      const received = backend.received.at(-1);
      assert.ok(received?.complete, 'complete');
      return received;
    }

    function assertDecoded(received: Awaited<ReturnType<typeof stored>>, data: Buffer): void {
      assert.ok(received.body.equals(data));
      assert.equal(received.headers['content-length'], String(data.length));
      assert.equal(received.headers['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD');
      assert.equal(received.headers['content-encoding'], undefined);
      assert.equal(received.headers['x-amz-decoded-content-length'], undefined);
      assert.equal(received.headers['x-amz-trailer'], undefined);
    }

    function assertFramed(received: Awaited<ReturnType<typeof stored>>, data: Buffer): void {
      const text = received.body.toString('latin1');
      assert.equal(received.headers['content-length'], String(received.body.length));
      assert.equal(received.headers['x-amz-content-sha256'], 'STREAMING-UNSIGNED-PAYLOAD-TRAILER');
      assert.equal(received.headers['content-encoding'], 'aws-chunked');
      assert.equal(received.headers['x-amz-decoded-content-length'], String(data.length));
      assert.equal(received.headers['x-amz-trailer'], CHECKSUM);
      assert.equal(received.headers['x-amz-sdk-checksum-algorithm'], 'CRC32');
      const chunk = data.length === 0 ? '' : `${data.length.toString(16)}\r\n${data.toString('latin1')}\r\n`;
      assert.equal(text, `${chunk}0\r\n${CHECKSUM}:${crc(data)}\r\n\r\n`);
    }

    for (const [scheme, sign] of [
      ['sigv4', signedUpload],
      ['sigv4a', asymmetricUpload],
    ] as const) {
      test(`arrives decoded without a trailer (${scheme})`, async () => {
        const seen = backend.received.length;
        const answer = await put(to, await sign(to, { chunks: CHUNKS, trailer: false }));
        assert.equal(answer.status, 200, answer.message ?? '');
        const received = await stored(seen);
        assertDecoded(received, DATA);
        assert.equal(received.headers['x-amz-server-side-encryption'], 'aws:kms');
        assert.match(received.headers.authorization ?? '', /^AWS4-HMAC-SHA256 Credential=BACKEND\//);
        const line = (await gateway.audited()).at(-1);
        assert.deepEqual([line?.['scheme'], line?.['client']], [scheme, testClient.name]);
      });

      test(`arrives with its checksum where that can be passed on (${scheme})`, async () => {
        const seen = backend.received.length;
        const answer = await put(to, await sign(to, { chunks: CHUNKS, trailer: true }));
        assert.equal(answer.status, 200, answer.message ?? '');
        (trailers ? assertFramed : assertDecoded)(await stored(seen), DATA);
      });

      test(`of nothing is stored as nothing (${scheme})`, async () => {
        for (const trailer of [true, false]) {
          const seen = backend.received.length;
          assert.equal((await put(to, await sign(to, { chunks: [], trailer }))).status, 200);
          (trailer && trailers ? assertFramed : assertDecoded)(await stored(seen), Buffer.alloc(0));
        }
      });
    }

    test('may come in HTTP chunks that fall anywhere', async () => {
      const seen = backend.received.length;
      const wanted = { chunks: CHUNKS, trailer: true, headers: { 'transfer-encoding': 'chunked' } };
      assert.equal((await put(to, await signedUpload(to, wanted))).status, 200);
      (trailers ? assertFramed : assertDecoded)(await stored(seen), DATA);
    });

    test('keeps the other content encodings', async () => {
      const seen = backend.received.length;
      const headers = { 'content-encoding': 'gzip,aws-chunked' };
      assert.equal(
        (await put(to, await signedUpload(to, { chunks: CHUNKS, trailer: false, headers }))).status,
        200,
      );
      assert.equal((await stored(seen)).headers['content-encoding'], 'gzip');
    });

    test('may be a part of a multipart upload', async () => {
      const seen = backend.received.length;
      const wanted = { chunks: CHUNKS, trailer: false, path: '/bucket/key?partNumber=1&uploadId=u' };
      backend.behave(
        answering(200, {
          'x-amz-server-side-encryption': 'aws:kms',
          'x-amz-server-side-encryption-aws-kms-key-id': 'the-key',
        }),
      );
      assert.equal((await put(to, await signedUpload(to, wanted))).status, 200);
      assertDecoded(await stored(seen), DATA);
    });

    /** Sends a body that must fail; the backend may see its beginning, never its end. */
    async function refused(upload: Upload, body: Buffer, what: string): Promise<Answer> {
      const seen = backend.received.length;
      const answer = await put(to, upload, body);
      assert.ok(answer.status >= 400 && answer.status < 500, `${what}: ${answer.status}`);
      assert.equal((await gateway.audited()).at(-1)?.['outcome'], 'refused', what);
      // A request that reached the backend has been recorded once its connection is gone.
      for (let open = 1; open > 0; open = await backend.connections()) await sleep(5);
      assert.deepEqual(
        backend.received.slice(seen).filter(({ complete }) => complete),
        [],
        what,
      );
      return answer;
    }

    const KINDS = ['size', 'signature', 'data', 'trailer', 'trailer signature', 'framing'] as const;
    for (const kind of KINDS) {
      test(`with a changed ${kind} is refused and never completes`, async () => {
        const small = { chunks: [Buffer.alloc(8192, 'a'), Buffer.alloc(10, 'b')], trailer: true };
        await fc.assert(
          fc.asyncProperty(fc.nat(), fc.nat(), async (which, where) => {
            const upload = await signedUpload(to, small);
            const candidates = upload.parts.filter((part) => part.kind === kind);
            const touched = candidates[which % candidates.length];
            const parts = upload.parts.map((part) => {
              if (part !== touched) return part;
              const bytes = Buffer.from(part.bytes);
              const at = where % bytes.length;
              bytes[at] = (bytes[at] ?? 0) ^ 1;
              return { ...part, bytes };
            });
            await refused(upload, wireOf(parts), `a changed ${kind}`);
          }),
          { numRuns: 4 },
        );
      });
    }

    test('of nothing with a changed signature leaves no empty object', async () => {
      const upload = await signedUpload(to, { chunks: [], trailer: false });
      const wire = wireOf(upload.parts).toString();
      const digit = wire.includes('signature=0') ? '1' : '0';
      const answer = await refused(
        upload,
        Buffer.from(wire.replace(/signature=./, `signature=${digit}`)),
        'empty',
      );
      assert.deepEqual([answer.status, answer.code], [403, 'SignatureDoesNotMatch']);
      await refused(upload, Buffer.from(wire.slice(0, -2)), 'empty and cut off');
      await refused(upload, Buffer.from(''), 'empty without its final chunk');
    });

    test('cut off at the end of any part is refused and never completes', async () => {
      const upload = await signedUpload(to, {
        chunks: [Buffer.alloc(8192, 'a'), Buffer.alloc(10, 'b')],
        trailer: true,
      });
      for (let count = 0; count < upload.parts.length; count++) {
        const answer = await refused(upload, wireOf(upload.parts.slice(0, count)), `${count} parts`);
        assert.equal(answer.code, 'IncompleteBody');
      }
    });

    test('whose client leaves before the end never completes', async () => {
      const plaintext = { ...unauthenticated };
      const { path, headers, parts } = await signedUpload(plaintext, { chunks: CHUNKS, trailer: true });
      const wire = wireOf(parts);
      const seen = backend.received.length;
      const socket = connect(gateway.plaintextPort, '127.0.0.1');
      const lines = Object.entries({ ...headers, 'content-length': String(wire.length) });
      socket.write(
        `PUT ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
      );
      socket.write(wire.subarray(0, wire.length - 1), () => socket.destroy());
      await eventually(() => gateway.auditLines().at(-1)?.['outcome'] === 'client_aborted', 'client_aborted');
      for (let open = 1; open > 0; open = await backend.connections()) await sleep(5);
      assert.deepEqual(
        backend.received.slice(seen).filter(({ complete }) => complete),
        [],
      );
    });

    test('with chunks too small, too large or too many is refused', async () => {
      const small = await signedUpload(to, { chunks: [Buffer.alloc(8191), Buffer.alloc(1)], trailer: false });
      const answer = await refused(small, wireOf(small.parts), 'small');
      assert.deepEqual([answer.status, answer.code], [400, 'InvalidChunkSizeError']);
      assert.equal(answer.message, 'Only the last chunk is allowed to have a size less than 8192 bytes');
      const headers = { 'x-amz-decoded-content-length': '100000000' };
      const large = await signedUpload(to, { chunks: [Buffer.alloc(1)], trailer: false, headers });
      const head = `1000001;chunk-signature=${'a'.repeat(64)}\r\n`;
      await refused(large, Buffer.from(head), 'large');
      assert.equal((await gateway.audited()).at(-1)?.['reason'], 'too_large');
      const other = { 'x-amz-decoded-content-length': String(DATA.length - 1) };
      const many = await signedUpload(to, { chunks: CHUNKS, trailer: false, headers: other });
      await refused(many, wireOf(many.parts), 'more than announced');
    });

    test('signed well over a wrong checksum is refused', async () => {
      const upload = await signedUpload(to, { chunks: CHUNKS, trailer: false });
      const wrong = await signedUpload(to, { chunks: CHUNKS, trailer: true });
      const headers = wrong.headers;
      const signer = hmacSigner(
        testClient.secretAccessKey,
        (headers['x-amz-date'] ?? '').slice(0, 8),
        'us-east-1',
      );
      const scope = `${(headers['x-amz-date'] ?? '').slice(0, 8)}/us-east-1/s3/aws4_request`;
      const seed = /Signature=([0-9a-f]+)/.exec(headers['authorization'] ?? '')?.[1] ?? '';
      const origin = { amzDate: headers['x-amz-date'] ?? '', scope, seed };
      const parts = signBody(signer, origin, CHUNKS, { [CHECKSUM]: crc(Buffer.from('another')) });
      const answer = await refused(wrong, wireOf(parts), 'wrong checksum');
      assert.equal(answer.code, 'BadDigest');
      await refused({ ...upload, parts }, wireOf(parts), 'chunks of another request');
    });

    test('at a listener without authentication is decoded, whatever its signatures say', async () => {
      for (const mode of [HMAC_MODE, `${HMAC_MODE}-TRAILER`, ECDSA_MODE]) {
        const trailer = mode.endsWith('TRAILER');
        const seen = backend.received.length;
        const signer = { ...hmacSigner('nobody’s', '20260101', 'nowhere') };
        const onWire = mode === ECDSA_MODE ? (text: string) => text.padEnd(144, '*') : signer.onWire;
        const origin = { amzDate: '20260101T000000Z', scope: 'x', seed: 'y' };
        const parts = signBody(
          { ...signer, onWire },
          origin,
          CHUNKS,
          trailer ? { [CHECKSUM]: crc(DATA) } : undefined,
        );
        const headers = {
          host: new URL(unauthenticated.endpoint).host,
          'x-amz-content-sha256': mode,
          authorization:
            'AWS4-HMAC-SHA256 Credential=NOBODY/20260101/nowhere/s3/aws4_request, SignedHeaders=host, Signature=0',
          ...streamingHeaders({ chunks: CHUNKS, trailer }),
        };
        const answer = await put(unauthenticated, { path: '/bucket/key', headers, parts });
        assert.equal(answer.status, 200, answer.message ?? '');
        (trailer && trailers ? assertFramed : assertDecoded)(await stored(seen), DATA);
      }
    });
  });
}
