// Clients and their certificates over real TLS: who gets in, whom the gateway takes them for, and what a resumed session
// brings along.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import * as tls from 'node:tls';
import { createAuthority, type IssuedCertificate, type Role } from '../../src/demo/authority.ts';
import { signedHeaders } from './client.ts';
import { answering, type FakeBackend, startFakeBackend } from './fake-backend.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { testClient } from './setup.ts';

const SPIFFE = 'spiffe://cluster.local/ns/billing/sa/app';
const REPORTS = 'reports.apps.example';
const DAYS = 24 * 3_600_000;

const authority = createAuthority(new Date());
const issue = (uri: string, role: Role = 'client', by = authority): IssuedCertificate =>
  by.issue({ dns: [], ipv4: [], uri: [uri] }, role);
const billing = issue(SPIFFE);
const stranger = issue('spiffe://cluster.local/ns/stranger/sa/app');
const reports = authority.issue({ dns: [REPORTS], ipv4: [] }, 'client');

interface Shown extends Pick<tls.ConnectionOptions, 'maxVersion' | 'session'> {
  readonly certificate?: IssuedCertificate;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
}

interface Reply {
  readonly status: number;
  readonly code: string | undefined;
  readonly resumed: boolean;
  readonly session: Buffer | undefined;
}

describe('client certificates', () => {
  let backend: FakeBackend;
  let gateway: TestGateway;
  const folder = mkdtempSync(join(tmpdir(), 's3-kms-gateway-client-ca-'));

  before(async () => {
    backend = await startFakeBackend();
    backend.behave(answering(200));
    const clientCaFile = join(folder, 'clients.crt');
    writeFileSync(clientCaFile, authority.certificate);
    const asking = { certificateFile: 'gateway.crt', keyFile: 'gateway.key', clientCaFile };
    const address = '127.0.0.1:0';
    gateway = await startGateway({
      listeners: [
        { name: 'certificates', address, tls: asking, authentication: 'certificate' },
        { name: 'signatures', address, tls: asking },
        { name: 'open', address, tls: { certificateFile: 'gateway.crt', keyFile: 'gateway.key' } },
      ],
      backends: [backend.backend],
      clients: [
        { name: 'billing', certificate: { uri: SPIFFE }, buckets: ['billing'], access: 'read-write' },
        { ...testClient, certificate: { dnsName: REPORTS } },
      ],
      encryption: [{ name: 'off', mode: 'off' }],
    });
  });
  afterEach(() => mock.timers.reset());
  after(async () => {
    await gateway?.close();
    await backend?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const portOf = (listener: string) =>
    gateway.running.listeners.find(({ name }) => name === listener)?.port ?? 0;

  /** One GET on a connection of its own; rejects where the connection breaks before an answer. */
  function get(listener: string, shown: Shown = {}): Promise<Reply> {
    const { certificate, headers = {}, path = '/billing/key', maxVersion, session } = shown;
    const socket = tls.connect({
      host: '127.0.0.1',
      port: portOf(listener),
      servername: 'localhost',
      ca: gateway.ca,
      ...(certificate && { cert: certificate.certificate, key: certificate.key }),
      ...(maxVersion && { maxVersion }),
      ...(session && { session }),
    });
    const fields = { host: 'localhost', ...headers, connection: 'close' };
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    return new Promise((resolve, reject) => {
      let text = '';
      let ticket: Buffer | undefined;
      socket.on('session', (fresh: Buffer) => {
        ticket = fresh;
      });
      let resumed = false;
      socket.once('secureConnect', () => {
        resumed = socket.isSessionReused();
        socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
      });
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
      });
      socket.once('error', reject);
      socket.once('close', () => {
        const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1];
        if (status === undefined) return reject(new Error('closed without an answer'));
        const code = /<Code>(\w+)</.exec(text)?.[1];
        resolve({ status: Number(status), code, resumed, session: ticket });
      });
    });
  }

  const signed = (path: string): Promise<Record<string, string>> =>
    signedHeaders({ endpoint: 'https://localhost' }, { method: 'GET', path });

  async function lastLine(): Promise<Record<string, unknown>> {
    return (await gateway.audited()).at(-1) ?? {};
  }

  test('tell who a client is, and the audit line says so', async () => {
    assert.equal((await get('certificates', { certificate: billing })).status, 200);
    const { client, scheme, certificate, outcome, accessKeyId } = await lastLine();
    assert.deepEqual(
      { client, scheme, certificate, outcome, accessKeyId },
      {
        client: 'billing',
        scheme: 'certificate',
        certificate: [`uri:${SPIFFE}`],
        outcome: 'forwarded',
        accessKeyId: undefined,
      },
    );
    const { body } = await gateway.running.metrics.exposition();
    assert.doesNotMatch(body, /scheme="certificate"/);
  });

  test('hold a client to its buckets', async () => {
    const reply = await get('certificates', { certificate: billing, path: '/ledger/key' });
    assert.deepEqual([reply.status, reply.code], [403, 'AccessDenied']);
    assert.equal((await lastLine())['reason'], 'bucket_not_allowed');
  });

  test('of nobody who is known are refused, and their names logged', async () => {
    const reply = await get('certificates', { certificate: stranger });
    assert.deepEqual([reply.status, reply.code], [403, 'AccessDenied']);
    const { client, reason, certificate } = await lastLine();
    assert.deepEqual([client, reason], [undefined, 'unknown_certificate']);
    assert.deepEqual(certificate, ['uri:spiffe://cluster.local/ns/stranger/sa/app']);
  });

  test('are those of each connection, whoever else is connected', async () => {
    const shown = [billing, stranger, billing, reports, stranger];
    const replies = await Promise.all(shown.map((certificate) => get('certificates', { certificate })));
    assert.deepEqual(
      replies.map(({ status }) => status),
      [200, 403, 200, 200, 403],
    );
  });

  const elsewhere = createAuthority(new Date());
  const past = createAuthority(new Date(Date.now() - 40 * DAYS));
  const KEPT_OUT: readonly (readonly [what: string, certificate: IssuedCertificate | undefined])[] = [
    ['nobody without one', undefined],
    ['nobody with one of another authority', issue(SPIFFE, 'client', elsewhere)],
    ['nobody with one that has expired', issue(SPIFFE, 'client', past)],
    ['no server with its own', issue(SPIFFE, 'server')],
  ];
  for (const [what, certificate] of KEPT_OUT) {
    for (const listener of ['certificates', 'signatures']) {
      test(`let ${what} in: ${listener}`, async () => {
        const before = (await gateway.audited()).length;
        await assert.rejects(get(listener, certificate ? { certificate } : {}));
        assert.equal((await gateway.audited()).length, before, 'no request has come of it');
      });
    }
  }

  test('make an access key that is bound to one worthless without it', async () => {
    const path = '/any/key';
    const headers = await signed(path);
    const good = await get('signatures', { certificate: reports, path, headers });
    assert.equal(good.status, 200);
    const { client, scheme, certificate } = await lastLine();
    assert.deepEqual([client, scheme, certificate], ['tester', 'sigv4', [`dnsName:${REPORTS}`]]);

    const stolen = await get('signatures', { certificate: billing, path, headers });
    assert.deepEqual([stolen.status, stolen.code], [403, 'AccessDenied']);
    const line = await lastLine();
    assert.deepEqual([line['reason'], line['certificate']], ['certificate_mismatch', [`uri:${SPIFFE}`]]);

    const open = await get('open', { path, headers });
    assert.deepEqual([open.status, open.code], [403, 'AccessDenied']);
    assert.equal((await lastLine())['reason'], 'certificate_mismatch');
  });

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`come with a session that is resumed: ${maxVersion}`, async () => {
      for (const [certificate, status] of [
        [billing, 200],
        [stranger, 403],
      ] as const) {
        const first = await get('certificates', { certificate, maxVersion });
        assert.deepEqual([first.status, first.resumed], [status, false]);
        assert.ok(first.session);
        const again = await get('certificates', { certificate, maxVersion, session: first.session });
        assert.deepEqual([again.status, again.resumed], [status, true]);
      }
      const { certificate } = await lastLine();
      assert.deepEqual(certificate, ['uri:spiffe://cluster.local/ns/stranger/sa/app']);
    });

    test(`are those of the session, whatever is shown with it: ${maxVersion}`, async () => {
      const first = await get('certificates', { certificate: stranger, maxVersion });
      assert.ok(first.session);
      const other = await get('certificates', { certificate: billing, maxVersion, session: first.session });
      assert.deepEqual([other.status, other.resumed], [403, true]);
    });

    test(`lapse, also in a session that is resumed: ${maxVersion}`, async () => {
      const first = await get('certificates', { certificate: billing, maxVersion });
      assert.ok(first.session);
      // OpenSSL has its own clock: to it the certificate is still good.
      mock.timers.enable({ apis: ['Date'], now: Date.now() + 31 * DAYS });
      const late = await get('certificates', { certificate: billing, maxVersion, session: first.session });
      assert.deepEqual([late.status, late.resumed], [403, true]);
    });

    test(`cannot be done without by a session of a listener that asks for none: ${maxVersion}`, async () => {
      const open = await get('open', { maxVersion });
      assert.ok(open.session);
      await assert.rejects(get('certificates', { maxVersion, session: open.session }));
    });
  }

  test('leave names in the log and the metrics, and no secret', async () => {
    const path = '/any/key';
    const headers = await signed(path);
    await get('signatures', { certificate: billing, path, headers });
    const [, signature = ''] = /Signature=(\w+)/.exec(headers['authorization'] ?? '') ?? [];
    assert.equal(signature.length, 64);
    await gateway.audited();
    const { body } = await gateway.running.metrics.exposition();
    const written = gateway.logText() + body;
    for (const secret of [testClient.secretAccessKey, signature, 'PRIVATE KEY', 'BEGIN CERTIFICATE']) {
      assert.ok(!written.includes(secret), secret);
    }
    assert.ok(!body.includes('spiffe:'), 'names make no series');
  });
});
