// Documents that decide whether their request may pass, over real sockets: read whole, proven, judged, and sent on byte by byte.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { type Endpoint, sendSigned, signedHeaders } from './client.ts';
import { eventually } from './eventually.ts';
import { answering, confirming, type FakeBackend, startFakeBackend } from './fake-backend.ts';
import { startGateway, type TestGateway } from './gateway.ts';

const KEY = 'the-key';
const defaultOf = (algorithm: string, keyId: string) =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">\n  <Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>${algorithm}</SSEAlgorithm><KMSMasterKeyID>${keyId}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule>\n</ServerSideEncryptionConfiguration>\n`;
const GOOD = defaultOf('aws:kms', KEY);
const BAD = defaultOf('aws:kms', 'another-key');
const put = { method: 'PUT', path: '/bucket?encryption' };

describe('a document that settles encryption', () => {
  let backend: FakeBackend;
  let gateway: TestGateway;
  let to: Endpoint;

  before(async () => {
    backend = await startFakeBackend();
    gateway = await startGateway({
      backends: [backend.backend],
      // Plaintext counted as secure, so that tests can speak raw HTTP.
      plaintext: { secure: true },
      encryption: [
        { name: 'inject', buckets: ['bucket'], mode: 'inject', keyId: KEY },
        { name: 'watch', buckets: ['watched'], mode: 'observe', keyId: KEY },
      ],
      timeouts: { bodyIdle: '400ms' },
    });
    to = { endpoint: gateway.plaintextEndpoint };
  });
  afterEach(() => backend.behave(confirming));
  after(async () => {
    await gateway?.close();
    await backend?.close();
  });

  const lastAudited = async () => (await gateway.audited()).at(-1);

  test('goes on byte by byte, under its own hash', async () => {
    const answer = await sendSigned(to, { ...put, body: GOOD, headers: { 'content-md5': md5(GOOD) } });
    assert.equal(answer.status, 200, answer.body.toString());
    const seen = backend.received.at(-1);
    assert.equal(seen?.body.toString(), GOOD);
    assert.equal(seen.headers['x-amz-content-sha256'], createHash('sha256').update(GOOD).digest('hex'));
    assert.equal(seen.headers['content-length'], String(GOOD.length));
    assert.equal(seen.headers['content-md5'], md5(GOOD));
    const line = await lastAudited();
    assert.deepEqual(
      ['operation', 'rule', 'ruleMode', 'outcome', 'bytesReceived'].map((field) => line?.[field]),
      ['PutBucketEncryption', 'inject', 'inject', 'forwarded', GOOD.length],
    );
  });

  test('that breaks a rule is refused, and the backend does not hear of it', async () => {
    const seen = backend.received.length;
    const answer = await sendSigned(to, { ...put, body: BAD });
    assert.deepEqual([answer.status, answer.code], [403, 'AccessDenied']);
    assert.match(answer.message ?? '', /encryption rule inject stands against .* a KMS key that the rule/);
    assert.equal(backend.received.length, seen);
    const line = await lastAudited();
    assert.deepEqual([line?.['reason'], line?.['rule']], ['key_not_allowed', 'inject']);
  });

  test('that a rule in mode observe would refuse goes on, and is counted', async () => {
    const sample =
      's3_kms_gateway_observed_refusals_total{operation="PutBucketEncryption",reason="key_not_allowed"}';
    const counted = await gateway.metric(sample);
    const answer = await sendSigned(to, { method: 'PUT', path: '/watched?encryption', body: BAD });
    assert.equal(answer.status, 200);
    assert.equal(backend.received.at(-1)?.body.toString(), BAD);
    assert.equal(await gateway.metric(sample), counted + 1);
  });

  test('is judged only once its hash has been proven', async () => {
    const seen = backend.received.length;
    const payloadHash = createHash('sha256').update('something else').digest('hex');
    for (const body of [GOOD, BAD]) {
      const answer = await sendSigned(to, { ...put, body, payloadHash });
      assert.deepEqual([answer.status, answer.code], [400, 'XAmzContentSHA256Mismatch']);
    }
    assert.equal(backend.received.length, seen);
  });

  test('may come unsigned, as UNSIGNED-PAYLOAD', async () => {
    const good = await sendSigned(to, { ...put, body: GOOD, payloadHash: 'UNSIGNED-PAYLOAD' });
    assert.equal(good.status, 200);
    const bad = await sendSigned(to, { ...put, body: BAD, payloadHash: 'UNSIGNED-PAYLOAD' });
    assert.equal(bad.status, 403);
  });

  test('is waited for with 100-continue', async () => {
    const headers = await signedHeaders(to, {
      ...put,
      body: BAD,
      headers: { expect: '100-continue', 'content-length': String(BAD.length) },
    });
    const text = await exchange(`${head(put, headers)}`, async (write, received) => {
      await eventually(() => received().includes('100 Continue'), '100-continue');
      write(BAD);
    });
    assert.match(text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 403 Forbidden\r\n/);
  });

  test('of a client that stops sending costs nothing but its connection', async () => {
    const seen = backend.received.length;
    const headers = await signedHeaders(to, {
      ...put,
      body: GOOD,
      headers: { 'content-length': String(GOOD.length) },
    });
    const text = await exchange(head(put, headers) + GOOD.slice(0, 40), async () => {});
    assert.equal(text, '');
    assert.equal((await lastAudited())?.['outcome'], 'client_aborted');
    assert.equal(backend.received.length, seen);
  });

  test('split into single bytes is read all the same', async () => {
    const headers = await signedHeaders(to, {
      ...put,
      body: GOOD,
      headers: { 'content-length': String(GOOD.length), connection: 'close' },
    });
    const text = await exchange(head(put, headers), async (write) => {
      for (const character of GOOD) {
        write(character);
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
    assert.equal(backend.received.at(-1)?.body.toString(), GOOD);
  });

  const UNREADABLE: readonly (readonly [
    what: string,
    request: { body: string; headers?: Record<string, string> },
    status: number,
    code: string,
    reason: string,
  ])[] = [
    ['empty', { body: '' }, 400, 'MalformedXML', 'malformed_request'],
    ['no XML', { body: 'not xml' }, 400, 'MalformedXML', 'malformed_request'],
    ['a DTD', { body: `<!DOCTYPE x>${GOOD}` }, 400, 'MalformedXML', 'malformed_request'],
    [
      'a comment',
      { body: GOOD.replace('aws:kms', 'aws:<!-- -->kms') },
      400,
      'MalformedXML',
      'malformed_request',
    ],
    [
      'compressed',
      { body: GOOD, headers: { 'content-encoding': 'gzip' } },
      400,
      'InvalidRequest',
      'ambiguous_request',
    ],
    [
      'in another character set',
      { body: GOOD, headers: { 'content-type': 'application/xml; charset="utf-16"' } },
      400,
      'InvalidRequest',
      'ambiguous_request',
    ],
    ['too large', { body: `${GOOD}${' '.repeat(2 * 1024 * 1024)}` }, 400, 'EntityTooLarge', 'too_large'],
  ];
  for (const [what, request, status, code, reason] of UNREADABLE) {
    test(`that is ${what} is refused: ${code}`, async () => {
      const seen = backend.received.length;
      const answer = await sendSigned(to, { ...put, ...request });
      assert.deepEqual([answer.status, answer.code], [status, code], answer.body.toString());
      assert.equal((await lastAudited())?.['reason'], reason);
      assert.equal(backend.received.length, seen);
    });
  }

  test('in UTF-8, said so, is read', async () => {
    const headers = { 'content-type': 'application/xml; charset=UTF-8' };
    assert.equal((await sendSigned(to, { ...put, body: GOOD, headers })).status, 200);
  });

  test('of a backend that refuses it is told its answer', async () => {
    const document = '<Error><Code>MalformedXML</Code><Message></Message></Error>';
    backend.behave(answering(400, { 'content-type': 'application/xml' }, document));
    const answer = await sendSigned(to, { ...put, body: GOOD });
    assert.deepEqual([answer.status, answer.code], [400, 'MalformedXML']);
  });

  function head(request: { method: string; path: string }, headers: Record<string, string>): string {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    return `${request.method} ${request.path} HTTP/1.1\r\n${lines.join('')}\r\n`;
  }

  /** Everything that comes back until the connection ends. */
  function exchange(
    first: string,
    then: (write: (text: string) => void, received: () => string) => Promise<void>,
  ): Promise<string> {
    const socket = connect(gateway.plaintextPort, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    const ended = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
    socket.on('error', () => {});
    socket.write(first);
    const write = (more: string) => socket.write(more);
    return then(write, () => text).then(() => ended);
  }
});

function md5(text: string): string {
  return createHash('md5').update(text).digest('base64');
}

describe('an answer that is read before it is passed on', () => {
  let backend: FakeBackend;
  let gateway: TestGateway;
  let to: Endpoint;
  const reader = {
    name: 'reader',
    accessKeyId: 'READER00000000000001',
    secretAccessKey: 'the-secret-of-the-reader-0000000000000001',
    buckets: ['own-*', 'shared'],
    access: 'read-only',
  };

  before(async () => {
    backend = await startFakeBackend();
    gateway = await startGateway({
      backends: [backend.backend],
      plaintext: { secure: true },
      clients: [
        reader,
        { ...reader, name: 'writer', accessKeyId: 'WRITER00000000000001', access: 'read-write' },
      ],
      encryption: [{ name: 'inject', mode: 'inject', keyId: KEY }],
    });
    to = { endpoint: gateway.plaintextEndpoint, credentials: reader };
  });
  afterEach(() => backend.behave(confirming));
  after(async () => {
    await gateway?.close();
    await backend?.close();
  });

  const LIST =
    '<?xml version="1.0" encoding="UTF-8"?>\n<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>o&amp;1</ID></Owner><Buckets><Bucket><Name>own-1</Name><CreationDate>2026-01-01T00:00:00Z</CreationDate></Bucket><Bucket><Name>foreign</Name></Bucket><Bucket><Name>shared</Name></Bucket></Buckets><ContinuationToken>t</ContinuationToken></ListAllMyBucketsResult>';

  test('a list of buckets names only the client’s own', async () => {
    backend.behave(answering(200, { 'content-type': 'application/xml', 'x-amz-request-id': 'R' }, LIST));
    const answer = await sendSigned(to, { method: 'GET', path: '/' });
    assert.equal(answer.status, 200);
    assert.equal(answer.body.toString(), LIST.replace('<Bucket><Name>foreign</Name></Bucket>', ''));
    assert.equal(answer.headers['content-length'], String(answer.body.length));
    assert.equal(answer.headers['x-amz-request-id'], 'R');
  });

  for (const [what, body] of [
    ['another document', '<Other/>'],
    ['no document', 'buckets'],
    ['one that is too large', `<a>${'x'.repeat(8 * 1024 * 1024)}</a>`],
  ] as const) {
    test(`in place of a list of buckets ${what} is not passed on`, async () => {
      backend.behave(answering(200, { 'content-type': 'application/xml' }, body));
      const answer = await sendSigned(to, { method: 'GET', path: '/' });
      assert.deepEqual([answer.status, answer.code], [502, 'BadGateway']);
    });
  }

  test('an error in place of a list is passed on', async () => {
    const document = '<Error><Code>AccessDenied</Code><Message>no</Message></Error>';
    backend.behave(answering(403, { 'content-type': 'application/xml' }, document));
    const answer = await sendSigned(to, { method: 'GET', path: '/' });
    assert.deepEqual([answer.status, answer.message], [403, 'no']);
  });

  describe('the completion of an upload whose answer says nothing of its encryption', () => {
    const DONE =
      '<CompleteMultipartUploadResult><Key>k</Key><ETag>&quot;e-1&quot;</ETag></CompleteMultipartUploadResult>';
    const complete = { method: 'POST', path: '/own-1/k?uploadId=u', body: '<CompleteMultipartUpload/>' };
    const writer = () => ({ ...to, credentials: { ...reader, accessKeyId: 'WRITER00000000000001' } });
    const unconfirmed =
      's3_kms_gateway_unconfirmed_encryption_total{backend="fake",operation="CompleteMultipartUpload"}';

    /** Completes with `body`; the object then has these headers. */
    function completing(body: string, object: Record<string, string>, status = 200): void {
      backend.behave((request, response) => {
        if (request.method === 'HEAD') answering(status, object)(request, response);
        else answering(200, { 'content-type': 'application/xml' }, body)(request, response);
      });
    }
    const under = (keyId: string) => ({
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': keyId,
    });

    test('is confirmed by the object itself', async () => {
      completing(DONE, under(KEY));
      const answer = await sendSigned(writer(), complete);
      assert.deepEqual([answer.status, answer.body.toString()], [200, DONE]);
      const head = backend.received.at(-1);
      assert.deepEqual([head?.method, head?.target], ['HEAD', '/own-1/k']);
      assert.match(head?.headers.authorization ?? '', /^AWS4-HMAC-SHA256 Credential=BACKEND\//);
      const line = (await gateway.audited()).at(-1);
      assert.deepEqual(
        [line?.['confirmedAlgorithm'], line?.['confirmedKeyId'], line?.['unconfirmed']],
        ['aws:kms', KEY, undefined],
      );
    });

    for (const [what, object, status] of [
      ['is not encrypted', {}, 200],
      ['lies under another key', under('another-key'), 200],
      ['is not there', {}, 404],
    ] as const) {
      test(`is unconfirmed where the object ${what}`, async () => {
        const counted = await gateway.metric(unconfirmed);
        completing(DONE, object, status);
        const answer = await sendSigned(writer(), complete);
        assert.deepEqual([answer.status, answer.code], [502, 'EncryptionNotConfirmed']);
        assert.equal(await gateway.metric(unconfirmed), counted + 1);
        assert.equal((await gateway.audited()).at(-1)?.['unconfirmed'], true);
      });
    }

    test('that failed with 200 and an error is passed on as it is', async () => {
      const failed =
        '<?xml version="1.0"?>\n\n  <Error><Code>InternalError</Code><Message>x</Message></Error>';
      const seen = backend.received.length;
      completing(failed, {});
      const answer = await sendSigned(writer(), complete);
      assert.deepEqual([answer.status, answer.body.toString()], [200, failed]);
      await eventually(() => backend.received.length === seen + 1, 'no HEAD');
    });

    test('whose object cannot be asked for is a failure of the backend', async () => {
      backend.behave((request, response) => {
        if (request.method === 'HEAD') request.socket.destroy();
        else answering(200, { 'content-type': 'application/xml' }, DONE)(request, response);
      });
      const answer = await sendSigned(writer(), complete);
      assert.deepEqual([answer.status, answer.code], [502, 'BadGateway']);
    });
  });
});
