// The data path under everything a client or a backend can do wrong: what the client is told, what the backend holds.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import * as http from 'node:http';
import { connect, type Socket } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { type Endpoint, sendSigned, signedHeaders } from './client.ts';
import { eventually } from './eventually.ts';
import { answering, confirming, type FakeBackend, startFakeBackend } from './fake-backend.ts';
import { startGateway, type TestGateway } from './gateway.ts';

const KEY = 'the-key';
const SSE = 'x-amz-server-side-encryption';
const MIB = 1024 * 1024;
const TRAILER_MODE = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';

describe('the data path', () => {
  let backend: FakeBackend;
  let gateway: TestGateway;
  let to: Endpoint;

  before(async () => {
    backend = await startFakeBackend();
    gateway = await startGateway({
      backends: [backend.backend],
      // Plaintext counted as secure, so that tests can speak raw HTTP.
      plaintext: { secure: true, trustedProxies: [] },
      encryption: [
        { name: 'inject', buckets: ['bucket'], mode: 'inject', keyId: KEY },
        { name: 'off', buckets: ['plain'], mode: 'off' },
      ],
      timeouts: { bodyIdle: '400ms', backendFirstByte: '1200ms' },
    });
    to = { endpoint: gateway.plaintextEndpoint };
  });
  afterEach(() => backend.behave(confirming));
  after(async () => {
    await gateway?.close();
    await backend?.close();
  });

  const lastAudit = () => gateway.auditLines().at(-1);
  const lastAudited = async () => (await gateway.audited()).at(-1);

  /** Sends a signed head and leaves the body to the test. */
  async function open(request: Parameters<typeof signedHeaders>[1], length: number): Promise<RawExchange> {
    const headers = await signedHeaders(to, {
      ...request,
      headers: { ...request.headers, 'content-length': String(length) },
    });
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const socket = connect(gateway.plaintextPort, '127.0.0.1');
    const exchange = new RawExchange(socket);
    socket.write(`${request.method} ${request.path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    return exchange;
  }

  describe('a body that is not what its signature says never completes', () => {
    for (const size of [1, 100_000, 5 * MIB]) {
      test(`a literal hash that ${size} bytes do not have`, async () => {
        const body = Buffer.alloc(size, 'a');
        const payloadHash = createHash('sha256').update('something else').digest('hex');
        const seen = backend.received.length;
        const answer = await sendSigned(to, { method: 'PUT', path: '/bucket/k', body, payloadHash });
        assert.deepEqual([answer.status, answer.code], [400, 'XAmzContentSHA256Mismatch']);
        await eventually(() => backend.received.slice(seen).every(({ complete }) => !complete), 'broken off');
        assert.equal((await lastAudited())?.['reason'], 'payload_mismatch');
      });
    }

    const body = Buffer.from('the object');
    const checksum = (data: Buffer) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(crc32(data));
      return bytes.toString('base64');
    };
    const framed = (data: Buffer, value: string) =>
      `${data.length.toString(16)}\r\n${data}\r\n0\r\nx-amz-checksum-crc32:${value}\r\n\r\n`;
    const upload = (framedBody: string, decodedLength = body.length) =>
      sendSigned(to, {
        method: 'PUT',
        path: '/bucket/trailer',
        body: framedBody,
        payloadHash: TRAILER_MODE,
        headers: {
          'content-encoding': 'aws-chunked',
          'content-length': String(framedBody.length),
          'x-amz-decoded-content-length': String(decodedLength),
          'x-amz-trailer': 'x-amz-checksum-crc32',
        },
      });

    test('a good trailer passes with its framing', async () => {
      assert.equal((await upload(framed(body, checksum(body)))).status, 200);
      const received = backend.received.at(-1);
      assert.equal(received?.headers['x-amz-content-sha256'], TRAILER_MODE);
      assert.equal(received?.complete, true);
    });

    const faults: [string, () => ReturnType<typeof upload>, string][] = [
      ['a checksum of something else', () => upload(framed(body, checksum(Buffer.from('x')))), 'BadDigest'],
      ['a checksum that is none', () => upload(framed(body, 'AAAA')), 'InvalidRequest'],
      ['a missing trailer', () => upload(`a\r\n${body}\r\n0\r\n\r\n`), 'MalformedTrailerError'],
      [
        'another trailer',
        () => upload(`a\r\n${body}\r\n0\r\nx-amz-meta-a:b\r\n\r\n`),
        'MalformedTrailerError',
      ],
      ['no final chunk', () => upload(`a\r\n${body}\r\n`), 'IncompleteBody'],
      ['bytes after the end', () => upload(`${framed(body, checksum(body))}x`), 'InvalidRequest'],
      ['a decoded length that is too long', () => upload(framed(body, checksum(body)), 11), 'IncompleteBody'],
      ['a decoded length that is too short', () => upload(framed(body, checksum(body)), 9), 'InvalidRequest'],
      ['a chunk size that is none', () => upload(`zz\r\n${body}\r\n0\r\n\r\n`), 'InvalidRequest'],
    ];
    for (const [what, attempt, code] of faults) {
      test(`an aws-chunked body with ${what}`, async () => {
        const seen = backend.received.length;
        const answer = await attempt();
        assert.deepEqual([answer.status, answer.code], [400, code]);
        await eventually(() => backend.received.slice(seen).every(({ complete }) => !complete), 'broken off');
      });
    }
  });

  describe('Expect: 100-continue', () => {
    const expecting = { expect: '100-continue' };

    test('a refused upload is answered without 100 and without its body', async () => {
      const request = {
        method: 'PUT',
        path: '/unruled/k',
        headers: expecting,
        payloadHash: 'UNSIGNED-PAYLOAD',
      };
      const exchange = await open(request, 10);
      const head = await exchange.until('\r\n\r\n');
      assert.match(head, /^HTTP\/1\.1 403 /);
      assert.match(head, /^connection: close\r$/im);
      exchange.socket.destroy();
    });

    test('an accepted one is told to go on after the decision', async () => {
      const request = {
        method: 'PUT',
        path: '/bucket/k',
        headers: expecting,
        payloadHash: 'UNSIGNED-PAYLOAD',
      };
      const exchange = await open(request, 10);
      assert.match(await exchange.until('\r\n\r\n'), /^HTTP\/1\.1 100 Continue\r\n/);
      exchange.socket.write('0123456789');
      assert.match(await exchange.until('HTTP/1.1 200 OK'), /HTTP\/1\.1 200 OK$/);
      assert.equal(backend.received.at(-1)?.headers.expect, undefined);
      exchange.socket.destroy();
    });
  });

  describe('when the client leaves', () => {
    test('in the middle of an upload, the backend gets no complete object', async () => {
      const seen = backend.received.length;
      let arrived = false;
      backend.behave((request) => {
        arrived = true;
        request.resume();
      });
      const request = { method: 'PUT', path: '/bucket/k', payloadHash: 'UNSIGNED-PAYLOAD' };
      const exchange = await open(request, 10 * MIB);
      exchange.socket.write(Buffer.alloc(3 * MIB));
      await eventually(() => arrived, 'the upload reached the backend');
      exchange.socket.destroy();
      await eventually(() => backend.received.length === seen + 1, 'the backend was cut off');
      assert.equal(backend.received.at(-1)?.complete, false);
      await eventually(() => lastAudit()?.['outcome'] === 'client_aborted', 'one observation');
    });

    test('in the middle of a download, the backend is cut off too', async () => {
      let closed = false;
      backend.behave((request, response) => {
        request.resume();
        response.writeHead(200, { 'content-length': String(100 * MIB) });
        response.write(Buffer.alloc(MIB));
        response.once('close', () => {
          closed = true;
        });
      });
      const exchange = await open({ method: 'GET', path: '/bucket/k' }, 0);
      await exchange.until('\r\n\r\n');
      exchange.socket.destroy();
      await eventually(() => closed, 'the backend was cut off');
      await eventually(() => lastAudit()?.['outcome'] === 'client_aborted', 'one observation');
    });

    test('a client that stops sending is cut off', async () => {
      const seen = backend.received.length;
      const exchange = await open(
        { method: 'PUT', path: '/bucket/k', payloadHash: 'UNSIGNED-PAYLOAD' },
        1000,
      );
      exchange.socket.write('only this');
      await exchange.closed;
      await eventually(() => lastAudit()?.['outcome'] === 'client_aborted', 'one observation');
      assert.deepEqual(
        backend.received.slice(seen).filter(({ complete }) => complete),
        [],
      );
    });
  });

  describe('when the backend fails', () => {
    test('a reset before its answer is a 502', async () => {
      backend.behave((request) => request.socket.destroy());
      const answer = await sendSigned(to, { method: 'PUT', path: '/bucket/k', body: 'x' });
      assert.deepEqual([answer.status, answer.code], [502, 'BadGateway']);
      assert.equal((await lastAudited())?.['outcome'], 'backend_failed');
    });

    test('a reset in the middle of its answer breaks the connection to the client', async () => {
      backend.behave((_request, response) => {
        response.writeHead(200, { 'content-length': '1000000' });
        response.write('half');
        setTimeout(() => response.destroy(), 50);
      });
      await assert.rejects(
        sendSigned(to, { method: 'GET', path: '/bucket/k' }),
        /aborted|ECONNRESET|socket hang up/,
      );
      await eventually(() => lastAudit()?.['outcome'] === 'backend_failed', 'one observation');
    });

    test('so does one of an answer without a length', async () => {
      backend.behave((_request, response) => {
        response.write('half');
        setTimeout(() => response.destroy(), 50);
      });
      await assert.rejects(
        sendSigned(to, { method: 'GET', path: '/bucket/k' }),
        /aborted|ECONNRESET|socket hang up/,
      );
    });

    test('no answer in time is a 504', async () => {
      backend.behave((request) => request.resume());
      const answer = await sendSigned(to, { method: 'GET', path: '/bucket/k' });
      assert.deepEqual([answer.status, answer.code], [504, 'GatewayTimeout']);
    });

    test('a redirect is neither followed nor passed on', async () => {
      const location = 'https://b.s3.eu-west-1.amazonaws.com/k';
      for (const status of [301, 302, 303, 307, 308]) {
        backend.behave(answering(status, { location, 'x-amz-bucket-region': 'eu-west-1' }));
        const answer = await sendSigned(to, { method: 'GET', path: '/bucket/k' });
        assert.deepEqual([answer.status, answer.code], [502, 'BackendRedirect']);
        assert.equal(answer.headers.location, undefined);
      }
    });

    test('304 is passed on', async () => {
      backend.behave(answering(304, { etag: '"e"' }));
      assert.equal((await sendSigned(to, { method: 'GET', path: '/bucket/k' })).status, 304);
    });

    test('an early answer to an upload reaches the client, and the connection is not used again', async () => {
      let sockets = 0;
      backend.behave((request, response) => {
        sockets += 1;
        response
          .writeHead(404, { 'content-type': 'application/xml' })
          .end('<Error><Code>NoSuchBucket</Code></Error>');
        request.pause();
      });
      const exchange = await open(
        { method: 'PUT', path: '/bucket/k', payloadHash: 'UNSIGNED-PAYLOAD' },
        50 * MIB,
      );
      exchange.socket.write(Buffer.alloc(8 * MIB));
      assert.match(await exchange.until('NoSuchBucket'), /^HTTP\/1\.1 404 [\s\S]*connection: close/i);
      assert.equal(sockets, 1);
      exchange.socket.destroy();
      backend.behave(confirming);
      assert.equal((await sendSigned(to, { method: 'PUT', path: '/bucket/k', body: 'next' })).status, 200);
      assert.equal(backend.received.at(-1)?.body.toString(), 'next');
    });

    test('an upload that was answered early is not completed with what the client still sends', async () => {
      let atBackend: http.IncomingMessage | undefined;
      backend.behave((request, response) => {
        atBackend = request.resume();
        request.once('data', () => response.writeHead(403, { connection: 'keep-alive' }).end());
      });
      const exchange = await open(
        { method: 'PUT', path: '/bucket/k', payloadHash: 'UNSIGNED-PAYLOAD' },
        9 * MIB,
      );
      exchange.socket.write(Buffer.alloc(MIB));
      await exchange.until('HTTP/1.1 403 ');
      // The answer has no body, and came nevertheless while the rest could still be sent.
      const sent = new Promise<Error | null | undefined>((resolve) => {
        exchange.socket.write(Buffer.alloc(8 * MIB), resolve);
      });
      assert.equal((await sent) ?? undefined, undefined);
      await exchange.closed;
      await eventually(() => atBackend?.socket.destroyed === true, 'the backend is left');
      assert.equal(atBackend?.complete, false);
    });
  });

  describe('confirmation', () => {
    const lies: [string, Record<string, string>][] = [
      ['says nothing of encryption', {}],
      ['says AES256', { [SSE]: 'AES256' }],
      ['names another key', { [SSE]: 'aws:kms', [`${SSE}-aws-kms-key-id`]: 'another' }],
      ['names no key', { [SSE]: 'aws:kms' }],
    ];
    const writes: [string, Parameters<typeof sendSigned>[1]][] = [
      ['PutObject', { method: 'PUT', path: '/bucket/k', body: 'x' }],
      ['CopyObject', { method: 'PUT', path: '/bucket/k', headers: { 'x-amz-copy-source': 'bucket/source' } }],
      ['CreateMultipartUpload', { method: 'POST', path: '/bucket/k?uploads=' }],
    ];
    for (const [operation, request] of writes) {
      for (const [what, headers] of lies) {
        test(`${operation} is a 502 when the backend ${what}`, async () => {
          const sample = `s3_kms_gateway_unconfirmed_encryption_total{backend="fake",operation="${operation}"}`;
          const counted = await gateway.metric(sample);
          backend.behave(answering(200, headers, '<UploadId>u</UploadId>'));
          const answer = await sendSigned(to, request);
          assert.deepEqual([answer.status, answer.code], [502, 'EncryptionNotConfirmed']);
          assert.ok(!answer.body.includes('UploadId'));
          assert.equal(await gateway.metric(sample), counted + 1);
          const line = await lastAudited();
          assert.deepEqual([line?.['level'], line?.['unconfirmed']], ['error', true]);
        });
      }
    }

    test('an error of the backend without a message gets its code as one', async () => {
      const document = '<?xml version="1.0"?><Error><Code>InvalidRequest</Code><Message></Message></Error>';
      backend.behave(
        answering(
          400,
          { 'content-type': 'application/xml', 'content-length': String(document.length) },
          document,
        ),
      );
      const answer = await sendSigned(to, { method: 'PUT', path: '/bucket/k', body: 'x' });
      assert.deepEqual(
        [answer.status, answer.code, answer.message],
        [400, 'InvalidRequest', 'InvalidRequest'],
      );
    });

    test('an error of the backend is passed on as it is', async () => {
      backend.behave(answering(403, { 'x-amz-request-id': 'R' }, '<Error><Code>AccessDenied</Code></Error>'));
      const answer = await sendSigned(to, { method: 'PUT', path: '/bucket/k', body: 'x' });
      assert.deepEqual(
        [answer.status, answer.code, answer.headers['x-amz-request-id']],
        [403, 'AccessDenied', 'R'],
      );
    });
  });

  describe('what passes', () => {
    test('the backend is sent an allow-list of headers, every one signed, and nothing of the connection', async () => {
      const headers = {
        connection: 'keep-alive, x-amz-meta-a',
        te: 'trailers',
        'x-forwarded-for': '1.2.3.4',
        'x-forwarded-proto': 'https',
        cookie: 'c=1',
        'content-type': 'text/plain',
        'x-amz-meta-a': 'kept',
      };
      assert.equal(
        (await sendSigned(to, { method: 'PUT', path: '/bucket/k', body: 'x', headers })).status,
        200,
      );
      const received = backend.received.at(-1);
      const names = Object.keys(received?.headers ?? {}).filter(
        (name) => name !== 'connection' && name !== 'authorization',
      );
      const signed = /SignedHeaders=([^,]+)/.exec(String(received?.headers.authorization))?.[1]?.split(';');
      assert.deepEqual(names.sort(), signed);
      assert.equal(received?.headers['x-amz-meta-a'], 'kept');
      for (const name of ['te', 'x-forwarded-for', 'x-forwarded-proto', 'cookie', 'user-agent']) {
        assert.equal(received?.headers[name], undefined);
      }
      assert.match(String(received?.headers.authorization), /Credential=BACKEND\//);
    });

    test('hop-by-hop headers of the backend stay behind, repeated ones and latin1 survive', async () => {
      backend.behave((request, response) => {
        request.resume();
        const head =
          'HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-Amz-Meta-U: gr\xfcn\r\nVary: a\r\nVary: b\r\nContent-Length: 2\r\n\r\nok';
        response.socket?.end(Buffer.from(head, 'latin1'));
      });
      const answer = await sendSigned(to, { method: 'GET', path: '/bucket/k' });
      assert.equal(answer.headers['x-hop'], undefined);
      assert.equal(answer.headers['x-amz-meta-u'], 'gr\xfcn');
      assert.equal(answer.headers.vary, 'a, b');
      assert.match(String(answer.headers['x-s3-kms-gateway-request-id']), /^[0-9A-F]{16}$/);
    });

    test('HEAD keeps the length of what GET would bring', async () => {
      backend.behave((_request, response) => response.writeHead(200, { 'content-length': '12345' }).end());
      const answer = await sendSigned(to, { method: 'HEAD', path: '/bucket/k' });
      assert.deepEqual(
        [answer.status, answer.headers['content-length'], answer.body.length],
        [200, '12345', 0],
      );
    });

    test('1xx answers and trailers of the backend stop here', async () => {
      backend.behave((request, response) => {
        request.resume();
        response.socket?.write('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n');
        response.socket?.end(
          'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-t\r\nConnection: close\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n',
        );
      });
      const answer = await sendSigned(to, { method: 'GET', path: '/bucket/k' });
      assert.deepEqual(
        [answer.status, answer.body.toString(), answer.headers['link']],
        [200, 'ok', undefined],
      );
    });

    test('a slow reader holds the backend back', async () => {
      let sent = 0;
      backend.behave((_request, response) => {
        response.writeHead(200, { 'content-length': String(200 * MIB) });
        const more = () => {
          while (response.write(Buffer.alloc(MIB))) sent += MIB;
          sent += MIB;
          response.once('drain', more);
        };
        more();
      });
      const exchange = await open({ method: 'GET', path: '/bucket/k' }, 0);
      await exchange.until('\r\n\r\n');
      exchange.socket.pause();
      let before = -1;
      await eventually(async () => {
        const still = sent === before;
        before = sent;
        await sleep(200);
        return still;
      }, 'the backend stood still');
      assert.ok(
        sent < 40 * MIB,
        `${sent / MIB} MiB were taken from the backend for a client that reads nothing`,
      );
      exchange.socket.destroy();
    });
  });

  describe('what is not HTTP', () => {
    for (const [what, text] of [
      ['a request line that is none', 'nonsense\r\n\r\n'],
      [
        'two Content-Length headers',
        'PUT /bucket/k HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      ],
      [
        'both lengths at once',
        'PUT /bucket/k HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      ],
      ['a folded header', 'GET /bucket/k HTTP/1.1\r\nHost: a\r\nX-Amz-Meta-A: b\r\n c\r\n\r\n'],
      ['a space before the colon', 'GET /bucket/k HTTP/1.1\r\nHost : a\r\n\r\n'],
      ['a bare line feed', 'GET /bucket/k HTTP/1.1\nHost: a\n\n'],
    ] as const) {
      test(`${what} is answered 400 in S3's form and counted`, async () => {
        const sample = 's3_kms_gateway_requests_total{operation="Unknown",outcome="refused",status="400"}';
        const counted = await gateway.metric(sample);
        const socket = connect(gateway.plaintextPort, '127.0.0.1');
        const exchange = new RawExchange(socket);
        socket.write(text);
        assert.match(
          await exchange.until('</Error>'),
          /^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*<Code>InvalidRequest<\/Code>/,
        );
        await exchange.closed;
        assert.equal(await gateway.metric(sample), counted + 1);
      });
    }

    test('a request without Host is answered too', async () => {
      const exchange = new RawExchange(connect(gateway.plaintextPort, '127.0.0.1'));
      exchange.socket.write('GET /bucket/k HTTP/1.1\r\n\r\n');
      assert.match(await exchange.until('</Error>'), /^HTTP\/1\.1 400 /);
      exchange.socket.destroy();
    });
  });

  test('an unreachable backend is a 503', async () => {
    const gone = await startFakeBackend();
    await gone.close();
    const lonely = await startGateway({
      backends: [gone.backend],
      encryption: [],
      plaintext: { secure: true },
    });
    try {
      const answer = await sendSigned(
        { endpoint: lonely.plaintextEndpoint },
        { method: 'GET', path: '/bucket/k' },
      );
      assert.deepEqual([answer.status, answer.code], [503, 'ServiceUnavailable']);
    } finally {
      await lonely.close();
    }
  });

  test('X-Forwarded-Proto counts from a trusted proxy, and only its last word', async () => {
    const behind = await startGateway({
      backends: [backend.backend],
      plaintext: { trustedProxies: ['127.0.0.0/8'] },
      encryption: [{ name: 'inject', buckets: ['bucket'], mode: 'inject', keyId: KEY }],
    });
    try {
      const endpoint = behind.plaintextEndpoint;
      const put = async (proto: string) => {
        const headers = { 'x-forwarded-proto': proto };
        return (await sendSigned({ endpoint }, { method: 'PUT', path: '/bucket/k', body: 'x', headers }))
          .status;
      };
      assert.equal(await put('https'), 200);
      assert.equal(await put('http'), 400);
      assert.equal(await put('https, http'), 400);
    } finally {
      await behind.close();
    }
  });

  test('keep-alive: many requests pass over one connection', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<Socket>();
    for (let i = 0; i < 20; i++) {
      const headers = await signedHeaders(to, { method: 'PUT', path: '/bucket/k', body: 'x' });
      await new Promise<void>((resolve, reject) => {
        const options = {
          host: '127.0.0.1',
          port: gateway.plaintextPort,
          method: 'PUT',
          path: '/bucket/k',
          headers,
          agent,
        };
        const request = http.request(options, (response) => {
          assert.equal(response.statusCode, 200);
          sockets.add(response.socket);
          response.resume();
          response.once('end', resolve);
        });
        request.once('error', reject);
        request.end('x');
      });
    }
    agent.destroy();
    assert.equal(sockets.size, 1);
  });

  test('a refusal leaves the connection usable', async () => {
    const exchange = new RawExchange(connect(gateway.plaintextPort, '127.0.0.1'));
    const anonymous = 'GET /bucket/k HTTP/1.1\r\nHost: localhost\r\n\r\n';
    exchange.socket.write(anonymous);
    assert.doesNotMatch(await exchange.until('</Error>'), /connection: close/i);
    exchange.socket.write(anonymous);
    await exchange.times('</Error>', 2);
    exchange.socket.destroy();
  });
});

/** A socket and what came over it so far, as latin1 text. */
class RawExchange {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  #received = '';

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = once(socket, 'close');
    socket.on('data', (chunk) => {
      if (this.#received.length < 1024 * 1024) this.#received += chunk.toString('latin1');
    });
    socket.on('error', () => {});
  }

  /** Done once this text has come so many times. */
  async times(text: string, times: number): Promise<void> {
    for (let i = 0; i < 200 && this.#received.split(text).length <= times; i++) await sleep(25);
    assert.ok(this.#received.split(text).length > times, `never came ${times} times: ${text}`);
  }

  /** Everything received, once it holds this text. */
  async until(text: string): Promise<string> {
    for (let i = 0; i < 200; i++) {
      if (this.#received.includes(text))
        return this.#received.slice(0, this.#received.indexOf(text) + text.length);
      await sleep(25);
    }
    throw new Error(`never came: ${JSON.stringify(text)}; came: ${this.#received.slice(0, 500)}`);
  }
}
