// Secrets are planted in requests of every kind, and looked for in everything that the gateway writes and answers: the log
// at its finest level, the metrics, /readyz and the error documents. And the audit line's fields are those documented.
import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, mock, test } from 'node:test';
import { connect } from 'node:tls';
import { ReceivedHeaders } from '../../src/core/http/headers.ts';
import { createAuthority } from '../../src/demo/authority.ts';
import { forms, wireOf } from '../backends/signed-forms.ts';
import { DOCUMENTED_FIELDS } from '../observe/documented.ts';
import {
  type Answer,
  type Credentials,
  type Endpoint,
  type PlainRequest,
  send,
  signedHeaders,
} from './client.ts';
import { eventually } from './eventually.ts';
import { answering, type Behaviour, confirming, type FakeBackend, startFakeBackend } from './fake-backend.ts';
import { startGateway, type TestGateway } from './gateway.ts';

const SSE = 'x-amz-server-side-encryption';
const KEY_ID = `${SSE}-aws-kms-key-id`;
const CONTEXT = `${SSE}-context`;
const REGION = 'us-east-1';

/** `shown`: what S3 repeats in a SignatureDoesNotMatch document, and in nothing else. */
type Kind = 'secret' | 'shown';

/** Everything that was planted, by value. */
class Plants {
  readonly values: Map<string, { readonly what: string; readonly kind: Kind }> = new Map();

  add(what: string, value: string, kind: Kind = 'secret'): string {
    this.values.set(value, { what, kind });
    return value;
  }

  /** A value that stands nowhere else. */
  make(what: string): string {
    return this.add(what, `${what.replaceAll(/\W+/g, '-')}-${randomBytes(12).toString('hex')}`);
  }

  /** What of these stands in a text, in any of the forms in which it could. */
  foundIn(text: string, kinds: readonly Kind[] = ['secret', 'shown']): string[] {
    const found: string[] = [];
    for (const [value, { what, kind }] of this.values) {
      if (!kinds.includes(kind)) continue;
      for (const [form, spelt] of spellings(value)) if (text.includes(spelt)) found.push(`${what}, ${form}`);
    }
    return found;
  }
}

/** A value as it stands, percent-encoded, in hex, and within base64 of something longer. */
function spellings(value: string): (readonly [form: string, text: string])[] {
  const bytes = Buffer.from(value);
  const hex = bytes.toString('hex');
  const within = [0, 1, 2].map((shift) => {
    const shifted = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    // The outermost characters depend on the neighbours.
    return ['within base64', shifted.slice(shift === 0 ? 0 : shift + 1, -2)] as const;
  });
  return [
    ['raw', value],
    ['percent-encoded', encodeURIComponent(value)],
    ['escaped for XML', value.replaceAll('&', '&amp;').replaceAll('"', '&quot;')],
    ['escaped for JSON', JSON.stringify(value).slice(1, -1)],
    ['in hex', hex],
    ['in pairs of hex', hex.replace(/(..)(?=.)/g, '$1 ')],
    ...within,
  ];
}

describe('the search', () => {
  test('finds a value in each of its spellings, and nothing where it is not', () => {
    const plants = new Plants();
    const value = plants.add('a secret', 'a+secret/&"of" 1234567890abcdef');
    const texts = [
      value,
      encodeURIComponent(value),
      JSON.stringify({ value }),
      Buffer.from(value).toString('hex'),
      ...['', 'x', 'xy', 'xyz'].map((before) => Buffer.from(`${before}${value} and more`).toString('base64')),
    ];
    for (const text of texts) assert.notDeepEqual(plants.foundIn(text), [], text);
    assert.deepEqual(plants.foundIn('something else'), []);
  });
});

describe('no secret leaves the gateway by its log, its metrics or its errors', () => {
  const plants = new Plants();
  const answers: Answer[] = [];
  const authority = createAuthority(new Date());
  const folder = mkdtempSync(join(tmpdir(), 's3-kms-gateway-client-ca-'));
  let backend: FakeBackend;
  let gateway: TestGateway;
  let to: Endpoint;
  let plaintext: Endpoint;
  let preserving: Endpoint;

  const backendSecret = plants.make('secret of the backend');
  const backendToken = plants.make('session token of the backend');
  const owner = { accessKeyId: 'OWNER000000000000001', secretAccessKey: plants.make('secret of a client') };
  const temporary = {
    accessKeyId: 'TEMPORARY00000000001',
    secretAccessKey: plants.make('secret of another client'),
    sessionToken: plants.make('session token of a client'),
  };
  const contextValue = plants.make('context value');
  const context = Buffer.from(JSON.stringify({ 'cost-centre': contextValue })).toString('base64');
  plants.add('context', context);
  const customerKey = plantedKey('SSE-C key', `${SSE}-customer`);
  const sourceKey = plantedKey(
    'SSE-C key of a copy source',
    `x-amz-copy-source-${SSE.slice('x-amz-'.length)}-customer`,
  );

  function plantedKey(what: string, name: string): Record<string, string> {
    const key = randomBytes(32);
    return {
      [`${name}-algorithm`]: 'AES256',
      [`${name}-key`]: plants.add(what, key.toString('base64')),
      [`${name}-key-md5`]: plants.add(`MD5 of the ${what}`, createHash('md5').update(key).digest('base64')),
    };
  }

  before(async () => {
    backend = await startFakeBackend();
    backend.behave(identified(confirming));
    const clientCaFile = join(folder, 'clients.crt');
    writeFileSync(clientCaFile, authority.certificate);
    const everywhere = { buckets: ['*'], access: 'admin' };
    const address = '127.0.0.1:0';
    gateway = await startGateway({
      log: { level: 'debug' },
      listeners: [
        { name: 'tls', address, tls: { certificateFile: 'gateway.crt', keyFile: 'gateway.key' } },
        { name: 'plaintext', address },
        { name: 'preserving', address, secure: true, signing: 'preserve' },
        {
          name: 'certificates',
          address,
          tls: { certificateFile: 'gateway.crt', keyFile: 'gateway.key', clientCaFile },
          authentication: 'certificate',
        },
      ],
      backends: [
        {
          ...backend.backend,
          credentials: {
            provider: 'static',
            accessKeyId: 'BACKEND',
            secretAccessKey: backendSecret,
            sessionToken: backendToken,
          },
        },
      ],
      clients: [
        { name: 'owner', ...owner, ...everywhere },
        { name: 'certified', certificate: { dnsName: 'certified.example' }, ...everywhere },
        { name: 'temporary', ...temporary, ...everywhere, buckets: ['bucket', 'open'], access: 'read-write' },
      ],
      encryption: [
        { name: 'open', buckets: ['open'], mode: 'off' },
        { name: 'watched', buckets: ['watched'], mode: 'observe', keyId: 'the-key' },
        { name: 'strict', buckets: ['strict'], mode: 'require', keyId: 'the-key', requiredContext: ['team'] },
        { name: 'bucket', buckets: ['bucket'], keyId: 'the-key' },
      ],
    });
    const port = (name: string) => gateway.running.listeners.find((listener) => listener.name === name)?.port;
    to = { endpoint: `https://localhost:${port('tls')}`, ca: gateway.ca, credentials: owner };
    plaintext = { endpoint: `http://localhost:${port('plaintext')}`, credentials: owner };
    preserving = { endpoint: `http://localhost:${port('preserving')}`, credentials: owner };
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    mock.restoreAll();
    await gateway?.close();
    await backend?.close();
  });

  const put = (path: string, headers: Record<string, string> = {}): PlainRequest => ({
    method: 'PUT',
    path,
    headers,
    body: 'content',
  });
  const get = (path: string, headers: Record<string, string> = {}): PlainRequest => ({
    method: 'GET',
    path,
    headers,
  });

  /** Sends with Signature Version 4, and remembers the signature. */
  async function v4(
    endpoint: Endpoint,
    request: PlainRequest,
    credentials: Credentials = owner,
  ): Promise<Answer> {
    const headers = await signedHeaders({ ...endpoint, credentials }, request);
    plantSignatures(`authorization: ${headers['authorization']}`);
    return sent(endpoint, { ...request, headers });
  }

  /** Sends unsigned, on a connection that shows a client certificate. */
  async function byCertificate(request: PlainRequest): Promise<Answer> {
    const { certificate: cert, key } = authority.issue({ dns: ['certified.example'], ipv4: [] }, 'client');
    plants.add('private key', key);
    const port = gateway.running.listeners.find(({ name }) => name === 'certificates')?.port;
    const agent = new https.Agent({ ca: gateway.ca, cert, key });
    const endpoint = `https://localhost:${port}`;
    const headers = { host: 'localhost', 'content-length': '7', ...request.headers };
    return sent({ endpoint, ca: gateway.ca, agent }, { ...request, headers });
  }

  async function sent(endpoint: Endpoint, request: PlainRequest): Promise<Answer> {
    const answer = await send(endpoint, request);
    answers.push(answer);
    return answer;
  }

  /** Plants every signature, policy and query string that stands in a request. */
  function plantSignatures(wire: string): void {
    for (const [, authorization = ''] of wire.matchAll(/^authorization: (.+?)\r?$/gim))
      plants.add('Authorization', authorization);
    for (const [, query = ''] of wire.matchAll(/^\w+ \/[^? ]*\?(\S*Signature=\S+) HTTP/gm))
      plants.add('presigned query', query);
    const signatures = [
      ...wire.matchAll(/[Ss]ignature=([\w%+/=]{20,})/g),
      ...wire.matchAll(/name="(?:x-amz-)?signature"\r\n\r\n([^\r]+)/gi),
      ...wire.matchAll(/^authorization: AWS [^:]+:(\S+)/gim),
      ...wire.matchAll(/x-amz-trailer-signature:(\w+)/g),
    ];
    for (const [, signature = ''] of signatures)
      plants.add('signature', decodeURIComponent(signature), 'shown');
    for (const [, policy = ''] of wire.matchAll(/name="policy"\r\n\r\n([^\r]+)/gi))
      plants.add('policy', policy, 'shown');
  }

  /** Sends bytes, and takes what comes. With `cut`, leaves before the end. */
  async function raw(bytes: Buffer, cut = false): Promise<void> {
    const port = Number(new URL(to.endpoint).port);
    const socket = connect({ host: '127.0.0.1', port, ca: gateway.ca, servername: 'localhost' });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {});
    await once(socket, 'secureConnect');
    socket.write(cut ? bytes.subarray(0, -40) : bytes);
    if (cut) setTimeout(() => socket.destroy(), 50);
    await once(socket, 'close');
    const text = Buffer.concat(chunks).toString('latin1');
    const [head = '', body = ''] = text.split('\r\n\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
    const code = /<Code>(\w+)</.exec(body)?.[1];
    answers.push({ status, headers: {}, body: Buffer.from(body, 'latin1'), code, message: undefined });
  }

  test('forwarded', async () => {
    const encrypted = { [SSE]: 'aws:kms', [KEY_ID]: 'the-key', [CONTEXT]: context };
    assert.equal((await v4(to, put('/bucket/k', encrypted))).status, 200);
    assert.equal((await v4(to, put('/bucket/k', { [CONTEXT]: context }), temporary)).status, 200);
    assert.equal((await v4(to, put('/open/k', customerKey))).status, 200);
    assert.equal((await v4(to, get('/open/k', customerKey))).status, 200);
    const copied = { 'x-amz-copy-source': 'open/k', ...sourceKey, ...customerKey };
    assert.equal((await v4(to, { method: 'PUT', path: '/open/copy', headers: copied })).status, 200);
    assert.equal((await v4(to, put('/watched/k', { ...encrypted, [KEY_ID]: 'another' }))).status, 200);
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    assert.equal((await v4(to, put('/watched/k', { traceparent }))).status, 200);
    assert.equal((await v4(preserving, put('/bucket/k', encrypted))).status, 200);
    assert.equal((await byCertificate(put('/bucket/k', encrypted))).status, 200);
  });

  test('refused', async () => {
    const kms = { [SSE]: 'aws:kms', [KEY_ID]: 'the-key' };
    const secrets = { ...customerKey, ...sourceKey, [CONTEXT]: context };
    const wrong = { ...owner, secretAccessKey: 'wrong' };
    const cases: readonly (readonly [end: string, exchange: () => Promise<Answer>])[] = [
      ['insecure_transport', () => v4(plaintext, put('/bucket/k', { ...kms, [CONTEXT]: context }))],
      ['encryption_headers_on_read', () => v4(to, get('/bucket/k', { [CONTEXT]: context }))],
      [
        'encryption_headers_not_supported',
        () => v4(to, put('/bucket/k?partNumber=1&uploadId=u', { [CONTEXT]: context })),
      ],
      ['encryption_missing', () => v4(to, put('/strict/k', { [CONTEXT]: context }))],
      ['context_missing_pair', () => v4(to, put('/strict/k', { ...kms, [CONTEXT]: context }))],
      ['encryption_downgrade', () => v4(to, put('/bucket/k', { [SSE]: 'AES256' }))],
      [
        'algorithm_not_allowed',
        () => v4(to, put('/bucket/k', { [SSE]: 'aws:kms:dsse', [CONTEXT]: context })),
      ],
      [
        'key_not_allowed',
        () => v4(to, put('/bucket/k', { ...kms, [KEY_ID]: 'another', [CONTEXT]: context })),
      ],
      ['customer_key', () => v4(to, put('/bucket/k', secrets))],
      [
        'context_invalid',
        () => v4(to, put('/bucket/k', { [CONTEXT]: plants.add('broken context', `${context}x`) })),
      ],
      ['context_arn_mismatch', () => v4(to, put('/bucket/k', { [CONTEXT]: arnContext() }))],
      ['no_rule', () => v4(to, put('/elsewhere/k', secrets))],
      ['signature_mismatch', () => v4(to, put('/open/k', secrets), wrong)],
      [
        'signature_mismatch',
        () => v4(to, put('/open/k', secrets), { ...wrong, sessionToken: temporary.sessionToken }),
      ],
      ['unknown_access_key', () => v4(to, put('/open/k', secrets), { ...owner, accessKeyId: 'NOBODY' })],
      [
        'invalid_session_token',
        () => v4(to, put('/open/k', secrets), { ...owner, sessionToken: plants.make('token') }),
      ],
      ['operation_not_allowed', () => v4(to, { method: 'DELETE', path: '/bucket' }, temporary)],
      [
        'operation_not_allowed',
        () => v4(to, put('/open/k', { ...secrets, 'x-amz-made-up': plants.make('value') })),
      ],
      ['bucket_not_allowed', () => v4(to, get('/strict/k', secrets), temporary)],
      ['payload_mismatch', () => v4(to, { ...put('/open/k', customerKey), payloadHash: 'a'.repeat(64) })],
      ['malformed_request', () => v4(to, put('/open/k', { ...secrets, 'x-amz-copy-source': 'x' }))],
      ['too_large', () => v4(to, put('/open/k', { ...secrets, 'x-amz-meta-a': 'a'.repeat(9000) }))],
      ['anonymous', () => sent(to, put('/open/k', { ...secrets, host: 'localhost' }))],
      ['clock_skew', () => late(secrets)],
      ['ambiguous_request', () => twice(secrets)],
      [
        'malformed_request',
        () => malformedAuthorization('Credential=x, SignedHeaders=host, Signature=SIG more'),
      ],
      ['malformed_request', () => malformedAuthorization('Credential=x SignedHeaders=host Signature=SIG')],
      ['malformed_request', () => malformedAuthorization('SIG')],
      ['signature_v2', () => v2('/bucket/k', { [CONTEXT]: context })],
      [
        'signature_mismatch',
        () => v2('/open/k', { ...secrets, 'x-amz-security-token': temporary.sessionToken }, 'wrong'),
      ],
    ];
    for (const [end, exchange] of cases) {
      const lines = (await gateway.audited()).length;
      const answer = await exchange();
      assert.ok(answer.status >= 400, `${end}: ${answer.status}`);
      assert.deepEqual(
        (await gateway.audited()).slice(lines).map(({ reason }) => reason),
        [end],
      );
    }
  });

  function arnContext(): string {
    const pairs = { 'aws:s3:arn': 'arn:aws:s3:::bucket/other', note: contextValue };
    return plants.add('context', Buffer.from(JSON.stringify(pairs)).toString('base64'));
  }

  async function late(headers: Record<string, string>): Promise<Answer> {
    const date = '20200101T000000Z';
    const signature = plants.add('signature', randomBytes(32).toString('hex'), 'shown');
    const scope = `20200101/${REGION}/s3/aws4_request`;
    const names = ['host', ...Object.keys(headers), 'x-amz-content-sha256', 'x-amz-date'].sort().join(';');
    const authorization = `AWS4-HMAC-SHA256 Credential=${owner.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
    plants.add('Authorization', authorization);
    const more = {
      host: 'localhost',
      'x-amz-date': date,
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
      authorization,
    };
    return sent(to, put('/open/k', { ...headers, ...more }));
  }

  /** A signature in the header and one in the query. */
  async function twice(headers: Record<string, string>): Promise<Answer> {
    const signature = plants.add('signature', randomBytes(32).toString('hex'), 'shown');
    const token = encodeURIComponent(temporary.sessionToken);
    const path = `/open/k?X-Amz-Signature=${signature}&X-Amz-Security-Token=${token}`;
    return sent(
      to,
      put(path, { ...headers, host: 'localhost', authorization: `AWS ${owner.accessKeyId}:${signature}` }),
    );
  }

  async function malformedAuthorization(components: string): Promise<Answer> {
    const signature = plants.add('signature', randomBytes(32).toString('hex'), 'shown');
    const authorization = `AWS4-HMAC-SHA256 ${components.replace('SIG', signature)}`;
    return sent(to, get('/open/k', { host: 'localhost', authorization }));
  }

  async function v2(
    path: string,
    headers: Record<string, string>,
    secret = owner.secretAccessKey,
  ): Promise<Answer> {
    const date = new Date().toUTCString();
    const amz = Object.keys(headers)
      .sort()
      .map((name) => `${name}:${headers[name]}\n`)
      .join('');
    const toSign = `PUT\n\n\n${date}\n${amz}${path}`;
    const signature = createHmac('sha1', secret).update(toSign).digest('base64');
    plantSignatures(`authorization: AWS ${owner.accessKeyId}:${signature}`);
    const authorization = `AWS ${owner.accessKeyId}:${signature}`;
    return sent(to, put(path, { ...headers, host: 'localhost', date, authorization }));
  }

  test('in every form of a signature: as signed, changed on the way, and broken off by the client', async () => {
    const { host } = new URL(to.endpoint);
    for (const form of forms) {
      const bucket = form.version === 'V4' ? 'bucket' : 'open';
      const part = form.upload === 'part' ? { uploadId: 'none' } : {};
      const signed = async () => {
        const wire = wireOf(
          await form.sign({ host, region: REGION, ...owner }, { bucket, key: 'as signed', ...part }),
        );
        plantSignatures(wire.toString('latin1'));
        return wire;
      };
      assert.equal(await outcomeOf(await signed()), 'forwarded', form.name);
      const changed = (await signed()).toString('latin1').replaceAll('signed', 'sealed');
      assert.equal(await outcomeOf(Buffer.from(changed, 'latin1')), 'refused', form.name);
      assert.match(String(await outcomeOf(await signed(), true)), /^(?:client_aborted|refused)$/, form.name);
    }
  });

  /** What the one audit line says of what came of these bytes. */
  async function outcomeOf(bytes: Buffer, cut = false): Promise<unknown> {
    const lines = (await gateway.audited()).length;
    await raw(bytes, cut);
    await eventually(() => gateway.auditLines().length > lines, 'an audit line');
    return (await gateway.audited())[lines]?.['outcome'];
  }

  test('in the policy of a form whose fields carry them', async () => {
    const policyOf = (conditions: readonly unknown[]) =>
      Buffer.from(JSON.stringify({ expiration: '2999-01-01T00:00:00Z', conditions })).toString('base64');
    const fields = (policy: string, secret: string): Record<string, string> => {
      plants.add('policy', policy);
      const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
      const day = date.slice(0, 8);
      const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
      const key = [day, REGION, 's3', 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secret}`);
      const signature = plants.add('signature', hmac(key, policy).toString('hex'), 'shown');
      return {
        key: 'k',
        'x-amz-algorithm': 'AWS4-HMAC-SHA256',
        'x-amz-credential': `${temporary.accessKeyId}/${day}/${REGION}/s3/aws4_request`,
        'x-amz-date': date,
        'x-amz-security-token': temporary.sessionToken,
        [CONTEXT]: context,
        policy,
        'x-amz-signature': signature,
      };
    };
    const all = [
      { bucket: 'bucket' },
      ['starts-with', '$key', ''],
      ['starts-with', '$x-amz-algorithm', ''],
      ['starts-with', '$x-amz-credential', ''],
      ['starts-with', '$x-amz-date', ''],
    ];
    const whole = [...all, { 'x-amz-security-token': temporary.sessionToken }, { [CONTEXT]: context }];
    const otherContext = plants.add('another context', `${context}AAAA`);
    const { secretAccessKey } = temporary;
    const cases: readonly (readonly [end: unknown, fields: Record<string, string>])[] = [
      [undefined, fields(policyOf(whole), secretAccessKey)],
      ['signature_mismatch', fields(policyOf(whole), 'wrong')],
      ['form_policy', fields(policyOf([...whole, ['eq', `$${CONTEXT}`, otherContext]]), secretAccessKey)],
      [
        'form_policy',
        fields(policyOf([...whole, { 'X-Amz-Security-Token': plants.make('token') }]), secretAccessKey),
      ],
      ['malformed_request', fields(`${policyOf(whole)}=`, secretAccessKey)],
    ];
    for (const [end, form] of cases) {
      const lines = (await gateway.audited()).length;
      const boundary = 'the-boundary';
      const parts = Object.entries({ ...form, file: 'content' }).map(
        ([name, value]) =>
          `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
      );
      const headers = { host: 'localhost', 'content-type': `multipart/form-data; boundary=${boundary}` };
      const body = `${parts.join('')}--${boundary}--\r\n`;
      await sent(to, { method: 'POST', path: '/bucket', headers, body });
      const [line] = (await gateway.audited()).slice(lines);
      assert.equal(line?.['reason'], end);
    }
  });

  test('in what is no HTTP', async () => {
    const secrets = `${CONTEXT}: ${context}\r\nx-amz-security-token: ${temporary.sessionToken}\r\n`;
    const query = `X-Amz-Security-Token=${temporary.sessionToken}`;
    await raw(
      Buffer.from(`PUT /open/k?${query} HTTP/1.1\r\nhost: localhost\r\n${secrets}a broken line\r\n\r\n`),
    );
    await raw(Buffer.from(`NONSENSE ${temporary.sessionToken}\r\n\r\n`));
    const long = `x-amz-meta-a: ${'a'.repeat(70_000)}\r\n`;
    await raw(Buffer.from(`PUT /open/k?${query} HTTP/1.1\r\nhost: localhost\r\n${secrets}${long}\r\n`));
    const last = (await gateway.audited()).slice(-3);
    assert.deepEqual(
      last.map(({ reason }) => reason),
      ['ambiguous_request', 'ambiguous_request', 'too_large'],
    );
  });

  test('with a backend that fails, and repeats what it was sent', async () => {
    const repeating =
      (status: number, name: string): Behaviour =>
      (request, response) => {
        const repeated = JSON.stringify(request.headers);
        answering(status, {
          [name]: `https://elsewhere.example${request.url}#${encodeURIComponent(repeated)}`,
        })(request, response);
      };
    const broken: Behaviour = (request) => {
      const { socket } = request as unknown as { socket: Socket };
      socket.end(`HTTP/1.1 200 OK\r\n${JSON.stringify(request.headers)}\r\n\r\n`);
    };
    const failures: readonly (readonly [what: string, behaviour: Behaviour])[] = [
      ['resets', (request) => request.socket.destroy()],
      ['answers nonsense', broken],
      ['redirects', repeating(307, 'location')],
      ['confirms nothing', answering(200)],
      ['confirms another key', answering(200, { [SSE]: 'aws:kms', [KEY_ID]: 'another-key' })],
    ];
    const encrypted = { [SSE]: 'aws:kms', [KEY_ID]: 'the-key', [CONTEXT]: context };
    for (const [what, behaviour] of failures) {
      backend.behave(identified(behaviour));
      const lines = (await gateway.audited()).length;
      assert.ok((await v4(to, put('/bucket/k', encrypted))).status >= 500, what);
      const presigned = plants.add('presigned query', `X-Amz-Signature=${randomBytes(32).toString('hex')}`);
      await v4(preserving, put(`/bucket/k?partNumber=1&uploadId=u`, {}));
      await sent(
        preserving,
        get(`/open/k?${presigned}&X-Amz-Algorithm=AWS4-HMAC-SHA256`, { host: 'localhost', ...customerKey }),
      );
      const outcomes = (await gateway.audited()).slice(lines).map(({ outcome }) => outcome);
      assert.ok(outcomes.length === 3 && outcomes.includes('backend_failed'), what);
    }
    backend.behave(identified(confirming));
  });

  test('in the error of a fault of the gateway itself', async () => {
    const broken = mock.method(ReceivedHeaders.prototype, 'get', () => {
      const quoted = `cannot read ${context} ${temporary.sessionToken} ${customerKey[`${SSE}-customer-key`]}`;
      throw Object.assign(new TypeError(quoted), {
        code: 'ERR_BROKEN',
        input: quoted,
        cause: new Error(quoted),
      });
    });
    const lines = (await gateway.audited()).length;
    const answer = await v4(to, put('/open/k', { [CONTEXT]: context }), temporary);
    broken.mock.restore();
    assert.deepEqual([answer.status, answer.code], [500, 'InternalError']);
    assert.equal((await gateway.audited()).length, lines + 1);
    const fault = gateway
      .logText()
      .split('\n')
      .find((line) => line.includes('fault of the gateway"'));
    assert.match(fault ?? '', /"type":"TypeError","code":"ERR_BROKEN","at":\["[^"]*secrets\.test\.ts/);
    assert.match(fault ?? '', /core\/\w+\.ts/);
  });

  test('no value that was planted stands in the log', () => {
    assert.ok(plants.values.size > 60, `${plants.values.size} values`);
    assert.deepEqual(plants.foundIn(gateway.logText()), []);
  });

  for (const path of ['/metrics', '/readyz', '/livez']) {
    test(`none stands in ${path}`, async () => {
      const text = await read(`http://${gateway.running.admin}${path}`);
      assert.ok(text.length > 0);
      assert.deepEqual(plants.foundIn(text), []);
    });
  }

  test('none stands in an error document, but for signatures and policies where S3 repeats them', () => {
    const documents = answers.filter(({ body }) => body.includes('<HostId>s3-kms-gateway</HostId>'));
    assert.ok(documents.length > 50, `${documents.length} documents`);
    assert.ok(documents.filter(({ code }) => code === 'SignatureDoesNotMatch').length > 8);
    for (const { code, body } of documents) {
      const kinds: Kind[] = code === 'SignatureDoesNotMatch' ? ['secret'] : ['secret', 'shown'];
      assert.deepEqual(plants.foundIn(body.toString('latin1'), kinds), [], body.toString('latin1'));
    }
  });

  test('every documented field of the audit line was there, and no other', async () => {
    const seen = new Set((await gateway.audited()).flatMap((line) => Object.keys(line)));
    for (const common of ['level', 'time', 'msg']) seen.delete(common);
    assert.deepEqual([...seen].sort(), [...DOCUMENTED_FIELDS].sort());
  });

  test('every answer of the gateway carries the ID of its audit line', async () => {
    const ids = new Set((await gateway.audited()).map(({ requestId }) => requestId));
    for (const { headers, status } of answers.filter((answer) => Object.keys(answer.headers).length > 0)) {
      const id = headers['x-s3-kms-gateway-request-id'];
      assert.ok(typeof id === 'string' && ids.has(id), `${status} ${id}`);
    }
    await eventually(() => ids.size > 60, 'many requests');
  });
});

/** Names the answer, as every S3 server does. */
function identified(behaviour: Behaviour): Behaviour {
  return (request, response) => {
    response.setHeader('x-amz-request-id', 'BACKEND000000001');
    response.setHeader('x-s3-kms-gateway-request-id', 'OF-ANOTHER-GATEWAY');
    behaviour(request, response);
  };
}

function read(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    http
      .get(url, async (response) => resolve(Buffer.concat(await response.toArray()).toString('utf8')))
      .on('error', reject);
  });
}
