// `explain` and a gateway at work, asked about the same requests: the audit line, the answer and what reached the backend
// are what the explanation said.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { explain } from '../../src/command/explain/explain.ts';
import type { Explanation } from '../../src/command/explain/explanation.ts';
import type { Question } from '../../src/command/explain/question.ts';
import { forms, wireOf } from '../backends/signed-forms.ts';
import { type Answer, type Endpoint, type PlainRequest, send, sendSigned, sendV2 } from './client.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { testClient } from './setup.ts';
import {
  DEFAULT_KEY,
  FOREIGN_KEY,
  OTHER_KEY,
  REGION,
  type StoreBackend,
  startStoreBackend,
} from './store.ts';

const SSE = 'x-amz-server-side-encryption';
const KEY_ID = `${SSE}-aws-kms-key-id`;
const CONTEXT = `${SSE}-context`;
const KMS = { [SSE]: 'aws:kms', [KEY_ID]: DEFAULT_KEY };
const base64 = (text: string) => Buffer.from(text).toString('base64');

const READER = {
  name: 'reader',
  accessKeyId: 'GATEWAYREADER0000001',
  secretAccessKey: 'the-secret-of-a-client-that-only-reads-01',
  buckets: ['protected'],
  access: 'read-only',
};

const CLIENTS = { tester: testClient, reader: READER };

/** One request, who sends it and over which listener, and how it must end for the test to say something. */
interface Case {
  readonly request: PlainRequest;
  readonly end: 'forwarded' | (string & {});
  readonly listener?: 'tls' | 'plaintext' | 'sidecar' | 'proxied';
  readonly client?: 'tester' | 'reader';
  readonly signature?: 'v4' | 'v2' | 'none';
}

const get = (path: string, headers: Record<string, string> = {}): PlainRequest => ({
  method: 'GET',
  path,
  headers,
});
const put = (path: string, headers: Record<string, string> = {}): PlainRequest => ({
  method: 'PUT',
  path,
  headers,
  body: 'content',
});
const copy = (path: string, source: string, headers: Record<string, string> = {}): PlainRequest => ({
  method: 'PUT',
  path,
  headers: { 'x-amz-copy-source': source, ...headers },
});

const CASES: Readonly<Record<string, Case>> = {
  'a write without encryption headers': { request: put('/protected/a%20b%2Bc/%C3%A9'), end: 'forwarded' },
  'a write with key, context and metadata': {
    request: put('/protected/own', {
      ...KMS,
      [KEY_ID]: OTHER_KEY,
      [CONTEXT]: base64('{"cost-centre":"42"}'),
      'x-amz-meta-note': 'two  spaces',
      'cache-control': 'no-cache',
      'user-agent': 'test',
    }),
    end: 'forwarded',
  },
  'a write with half of the headers': {
    request: put('/protected/half', { [SSE]: 'aws:kms' }),
    end: 'forwarded',
  },
  'a key that is not allowed': {
    request: put('/protected/k', { ...KMS, [KEY_ID]: FOREIGN_KEY }),
    end: 'key_not_allowed',
  },
  AES256: { request: put('/protected/k', { [SSE]: 'AES256' }), end: 'encryption_downgrade' },
  'SSE-C': { request: put('/protected/k', { [`${SSE}-customer-algorithm`]: 'AES256' }), end: 'customer_key' },
  'a context that is none': {
    request: put('/protected/k', { [CONTEXT]: 'nonsense' }),
    end: 'context_invalid',
  },
  "another object's ARN": {
    request: put('/protected/k', { [CONTEXT]: base64('{"aws:s3:arn":"arn:aws:s3:::protected/x"}') }),
    end: 'context_arn_mismatch',
  },
  'require, and nothing is there': { request: put('/strict/k'), end: 'encryption_missing' },
  'require, and no key': { request: put('/strict/k', { [SSE]: 'aws:kms' }), end: 'key_missing' },
  'require, and all is there': { request: put('/strict/k', KMS), end: 'forwarded' },
  'observe, and it would be refused': {
    request: put('/watched/k', { ...KMS, [KEY_ID]: OTHER_KEY }),
    end: 'forwarded',
  },
  'observe, and it would not': { request: put('/watched/k2', KMS), end: 'forwarded' },
  off: { request: put('/free/k'), end: 'forwarded' },
  'a bucket key': { request: put('/bucket-key/k'), end: 'forwarded' },
  'no rule': { request: put('/unruled/k'), end: 'no_rule' },
  'a read': { request: get('/protected/nothing-there'), end: 'forwarded' },
  'a range of a read, by one who may only read': {
    request: get('/protected/nothing-there', { range: 'bytes=0-1' }),
    client: 'reader',
    end: 'forwarded',
  },
  'a write by one who may only read': {
    request: put('/protected/k'),
    client: 'reader',
    end: 'operation_not_allowed',
  },
  'a bucket of others': { request: get('/strict/k'), client: 'reader', end: 'bucket_not_allowed' },
  'all buckets': { request: get('/'), end: 'forwarded' },
  'the buckets of one who has one': { request: get('/'), client: 'reader', end: 'forwarded' },
  'a listing': { request: get('/protected?list-type=2&prefix=a%20b'), end: 'forwarded' },
  'a location': { request: get('/protected?location='), end: 'forwarded' },
  'encryption headers on a read': {
    request: get('/protected/k', { [SSE]: 'aws:kms' }),
    end: 'encryption_headers_on_read',
  },
  'a context on a read': {
    request: get('/protected/k', { [CONTEXT]: base64('{}') }),
    end: 'encryption_headers_on_read',
  },
  'encryption headers on a part': {
    request: put('/protected/k?partNumber=1&uploadId=u', KMS),
    end: 'encryption_headers_not_supported',
  },
  'an upload': { request: { method: 'POST', path: '/protected/parts?uploads=' }, end: 'forwarded' },
  'a part of no upload': { request: put('/protected/k?partNumber=1&uploadId=u'), end: 'forwarded' },
  'a copy': { request: copy('/archive/copy', '/protected/nothing%20there'), end: 'forwarded' },
  'a copy onto itself': { request: copy('/protected/self', 'protected/self'), end: 'malformed_request' },
  'a copy from nowhere': { request: copy('/protected/k', 'x'), end: 'malformed_request' },
  'a parameter that is not known': { request: get('/protected/k?madeup='), end: 'operation_not_allowed' },
  'a header that is not known': {
    request: put('/protected/k', { 'x-amz-made-up': '1' }),
    end: 'operation_not_allowed',
  },
  'a key that is too long': { request: get(`/protected/${'k'.repeat(1025)}`), end: 'too_large' },
  'a path that is not UTF-8': { request: get('/protected/%ff'), end: 'malformed_request', signature: 'none' },
  'a payload hash that is none': {
    request: { ...put('/protected/k'), payloadHash: 'x' },
    end: 'malformed_request',
  },
  'a body that is not the one that was signed': {
    request: { ...put('/protected/k'), payloadHash: 'a'.repeat(64) },
    end: 'payload_mismatch',
  },
  'nobody signs': { request: put('/protected/k'), signature: 'none', end: 'anonymous' },
  'KMS over plaintext': { request: put('/protected/k'), listener: 'plaintext', end: 'insecure_transport' },
  'a read over plaintext': { request: get('/free/k'), listener: 'plaintext', end: 'forwarded' },
  'a write over plaintext, under no KMS': {
    request: put('/free/p'),
    listener: 'plaintext',
    end: 'forwarded',
  },
  'plaintext that a proxy calls TLS': {
    request: put('/protected/proxied', { 'x-forwarded-proto': 'https' }),
    listener: 'proxied',
    end: 'forwarded',
  },
  'a sidecar that need not sign': {
    request: put('/protected/side'),
    listener: 'sidecar',
    signature: 'none',
    end: 'forwarded',
  },
  'a sidecar that configures': {
    request: { method: 'DELETE', path: '/protected?cors=' },
    listener: 'sidecar',
    signature: 'none',
    end: 'operation_not_allowed',
  },
  'Version 2 where KMS is injected': { request: put('/protected/k'), signature: 'v2', end: 'signature_v2' },
  'Version 2 without KMS': {
    request: put('/free/v2', { 'x-amz-meta-a': 'b' }),
    signature: 'v2',
    end: 'forwarded',
  },
  'a preflight': {
    request: {
      method: 'OPTIONS',
      path: '/protected/k',
      headers: { origin: 'https://app.example', 'access-control-request-method': 'PUT' },
    },
    signature: 'none',
    end: 'forwarded',
  },
};

/** Fields that the audit line and the explanation both have. */
const SHARED = [
  ...['listener', 'secure', 'method', 'operation', 'bucket', 'key', 'client', 'accessKeyId', 'scheme'],
  ...['clientAlgorithm', 'clientKeyId', 'rule', 'ruleMode', 'observedReason', 'backend', 'outcome', 'reason'],
  ...['errorCode', 'errorMessage', 'requestedAlgorithm', 'requestedKeyId', 'injected'],
];

describe('explain and the gateway say the same', () => {
  let backend: StoreBackend;
  let gateway: TestGateway;

  before(async () => {
    backend = await startStoreBackend();
    const tls = { certificateFile: 'gateway.crt', keyFile: 'gateway.key' };
    const address = '127.0.0.1:0';
    gateway = await startGateway({
      listeners: [
        { name: 'tls', address, tls },
        { name: 'plaintext', address },
        { name: 'proxied', address, trustedProxies: ['127.0.0.0/8'] },
        { name: 'sidecar', address, secure: true, authentication: 'none' },
      ],
      backends: [backend.backend],
      clients: [testClient, READER],
      encryption: [
        { name: 'strict', buckets: ['strict'], mode: 'require', keyId: DEFAULT_KEY },
        { name: 'watched', buckets: ['watched'], mode: 'observe', keyId: DEFAULT_KEY },
        { name: 'free', buckets: ['free'], mode: 'off' },
        {
          name: 'protected',
          buckets: ['protected', 'archive'],
          keyId: DEFAULT_KEY,
          allowedKeyIds: [OTHER_KEY],
          context: { app: 'ledger' },
        },
        { name: 'bucket-key', buckets: ['bucket-key'], keyId: DEFAULT_KEY, bucketKey: true },
      ],
    });
    for (const bucket of ['protected', 'archive', 'strict', 'watched', 'free', 'bucket-key', 'unruled']) {
      assert.equal((await sendSigned(backend.direct, { method: 'PUT', path: `/${bucket}` })).status, 200);
    }
  });
  after(async () => {
    await gateway?.close();
    await backend?.close();
  });

  function endpointOf(listener: string): Endpoint {
    const port = gateway.running.listeners.find(({ name }) => name === listener)?.port;
    return listener === 'tls'
      ? { endpoint: `https://localhost:${port}`, ca: gateway.ca }
      : { endpoint: `http://localhost:${port}` };
  }

  async function explained(question: Question): Promise<Explanation> {
    const answer = await explain(gateway.configuration, question, new Date());
    assert.ok(!('kind' in answer), JSON.stringify(answer));
    return answer;
  }

  /** Sends, and holds what came of it against the explanation. */
  async function assertAgree(explanation: Explanation, exchange: () => Promise<number>): Promise<void> {
    const [lines, seen] = [(await gateway.audited()).length, backend.store.requests.length];
    const status = await exchange();
    const [line, ...more] = (await gateway.audited()).slice(lines);
    assert.ok(line && more.length === 0, 'one audit line');
    const told = {
      ...explanation,
      injected: explanation.injected?.length ? explanation.injected : undefined,
    };
    for (const field of SHARED) assert.deepEqual(told[field as keyof Explanation], line[field], field);
    assert.equal(line['status'], status);
    const reached = backend.store.requests.slice(seen);
    if (explanation.outcome === 'forwarded') assertReached(explanation, reached);
    else assert.equal(explanation.status, status);
    // A body is refused on its way: the backend may have seen its head, and has stored nothing.
    if (explanation.outcome === 'refused' && explanation.requestedAlgorithm === undefined)
      assert.deepEqual(reached, []);
  }

  /** Method, target and each header, but for the signature and what belongs to the connection. */
  function assertReached(explanation: Explanation, reached: typeof backend.store.requests): void {
    const [received, ...more] = reached;
    assert.ok(received && more.length === 0, 'one request at the backend');
    const { edits } = explanation;
    assert.ok(edits);
    const own = new Set(['authorization', 'x-amz-date', 'connection']);
    const sent = [
      ...edits.added,
      ...edits.kept,
      ...edits.changed.map(({ name, after: value }) => ({ name, value })),
    ];
    const list = (fields: Iterable<{ readonly name: string; readonly value: string }>) =>
      [...fields]
        .filter(({ name }) => !own.has(name))
        .map(({ name, value }) => `${name}: ${value}`)
        .sort();
    assert.deepEqual(list(sent), list(received.headers));
    assert.equal(explanation.forwardMethod, received.method);
    assert.equal(explanation.forwardUrl, `${backend.store.endpoint}${received.target}`);
  }

  for (const [name, one] of Object.entries(CASES)) {
    test(name, async () => {
      const { request, listener = 'tls', client = 'tester', signature = 'v4', end } = one;
      const to = { ...endpointOf(listener), credentials: CLIENTS[client] };
      const { host } = new URL(to.endpoint);
      const hash = request.payloadHash === undefined ? {} : { 'x-amz-content-sha256': request.payloadHash };
      const explanation = await explained({
        method: request.method,
        url: `${to.endpoint}${request.path}`,
        headers: Object.entries({ ...request.headers, ...hash }).map(
          ([header, value]) => `${header}: ${value}`,
        ),
        data: request.body === undefined ? undefined : Buffer.from(request.body),
        listener,
        signature,
        peer: '127.0.0.1',
        ...(signature === 'none' ? {} : { client }),
      });
      assert.equal(explanation.reason ?? explanation.outcome, end);
      await assertAgree(explanation, async () => {
        const headers = { ...request.headers, host };
        const answer = await (signature === 'v4'
          ? sendSigned(to, request)
          : signature === 'v2'
            ? sendV2(to, request)
            : send(to, { ...request, headers }));
        return answer.status;
      });
    });
  }

  test('there are requests of every kind', () => assert.ok(Object.keys(CASES).length >= 40));

  describe('a request that carries its own signature is judged as it stands:', () => {
    for (const form of forms) {
      for (const tampered of [false, true]) {
        test(`${form.name}${tampered ? ', its target changed' : ''}`, async () => {
          const { endpoint } = endpointOf('tls');
          const { host } = new URL(endpoint);
          const bucket = form.version === 'V4' ? 'protected' : 'free';
          const { accessKeyId, secretAccessKey } = testClient;
          const part = form.upload === 'part' ? { uploadId: 'none' } : {};
          const key = 'signed/as it stands';
          const site = { host, region: REGION, accessKeyId, secretAccessKey };
          const wire = wireOf(await form.sign(site, { bucket, key, ...part }));
          const sent = tampered
            ? Buffer.from(wire.toString('latin1').replaceAll('stands', 'stayed'), 'latin1')
            : wire;
          const explanation = await explained({ ...questionOf(sent, endpoint), listener: 'tls' });
          assert.equal(explanation.reason ?? explanation.outcome, expectedEnd(form.name, tampered));
          await assertAgree(explanation, () => sendRaw(endpoint, gateway.ca, sent));
        });
      }
    }
  });

  test('a read whose object turns out to be under KMS, over plaintext', async () => {
    await sendSigned(endpointOf('tls'), put('/protected/secret'));
    const to = endpointOf('plaintext');
    const explanation = await explained({
      method: 'GET',
      url: `${to.endpoint}/protected/secret`,
      headers: [],
      client: 'tester',
      listener: 'plaintext',
    });
    assert.equal(explanation.outcome, 'forwarded');
    const answer: Answer = await sendSigned(to, get('/protected/secret'));
    const { status, errorCode, errorMessage, reason } = explanation.ifUnderKms ?? {};
    assert.deepEqual([answer.status, answer.code, answer.message], [status, errorCode, errorMessage]);
    assert.equal((await gateway.audited()).at(-1)?.['reason'], reason);
  });
});

/** Of a form the policy is signed, and it names the key. */
function expectedEnd(form: string, tampered: boolean): string {
  if (!tampered) return 'forwarded';
  return form.startsWith('POST') ? 'form_policy' : 'signature_mismatch';
}

/** The question about a request as it stands on the wire. */
function questionOf(wire: Buffer, endpoint: string): Question {
  const text = wire.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const [line = '', ...lines] = text.slice(0, end).split('\r\n');
  const [method = '', target = ''] = line.split(' ');
  return { method, url: `${endpoint}${target}`, headers: lines, data: wire.subarray(end + 4) };
}

/** Sends bytes, and reads the status of the answer. */
async function sendRaw(endpoint: string, ca: string, bytes: Buffer): Promise<number> {
  const socket = connect({
    host: '127.0.0.1',
    port: Number(new URL(endpoint).port),
    ca,
    servername: 'localhost',
  });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write(bytes);
  await once(socket, 'close');
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(Buffer.concat(chunks).toString('latin1'))?.[1]);
}
