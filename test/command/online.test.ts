// `check --online` as its users run it, against servers on loopback: what is found, where it is placed, and how it ends.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createAuthority } from '../../src/demo/authority.ts';
import { startStore } from '../../src/demo/store.ts';
import { answering, type FakeBackend, startFakeBackend } from '../gateway/fake-backend.ts';
import { type StoreBackend, startStoreBackend } from '../gateway/store.ts';
import { arnOf, type FakeKms, startFakeKms } from '../kms/fake-kms.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const KEY = arnOf(1, 'us-east-1');
const OTHER = arnOf(2, 'us-east-1');

interface Run {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe('check --online', () => {
  const folder = mkdtempSync(join(tmpdir(), 's3-kms-gateway-online-'));
  const file = join(folder, 'gateway.yaml');
  let store: StoreBackend;
  let kms: FakeKms;
  let fake: FakeBackend;
  let silent: Server;

  before(async () => {
    [store, kms, fake] = await Promise.all([
      startStoreBackend(),
      startFakeKms([{ accessKeyId: 'STORE000000000000001', secretAccessKey: 'the-secret-of-the-store' }]),
      startFakeBackend(),
    ]);
    silent = createServer().listen(0, '127.0.0.1');
    kms.keys.set(KEY, {}).set(OTHER, {});
    writeFileSync(join(folder, 'other.crt'), createAuthority(new Date()).certificate);
  });
  after(async () => {
    await Promise.all([store?.close(), kms?.close(), fake?.close()]);
    silent?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The lines of a sound configuration: each value on a line that is known. */
  function text(changes: Readonly<Record<string, string>> = {}): string {
    const values = {
      endpoint: store.direct.endpoint,
      region: 'us-east-1',
      caFile: String(store.backend['caFile']),
      accessKeyId: 'STORE000000000000001',
      secretAccessKey: 'the-secret-of-the-store',
      kms: kms.endpoint,
      keyId: KEY,
      ...changes,
    };
    return `listeners: [{ address: 127.0.0.1:8080 }]
clients: [{ name: c, accessKeyId: AAA, secretAccessKey: s, buckets: [a] }]
backends:
  - name: store
    endpoint: ${values.endpoint}
    region: ${values.region}
    ${values.caFile === '' ? '# caFile: none' : `caFile: ${values.caFile}`}
    credentials:
      provider: static
      accessKeyId: ${values.accessKeyId}
      secretAccessKey: ${values.secretAccessKey}
    kms: { endpoint: ${values.kms} }
encryption:
  - name: ledger
    keyId: ${values.keyId}
    allowedKeyIds: [${OTHER}]
`;
  }

  function run(content: string, ...options: readonly string[]): Promise<Run> {
    writeFileSync(file, content);
    const env = { ...process.env, NODE_NO_WARNINGS: '1', AWS_EC2_METADATA_DISABLED: 'true' };
    const argv = [MAIN, 'check', '--online', '--config', 'gateway.yaml', ...options];
    return new Promise((resolve) => {
      execFile(process.execPath, argv, { cwd: folder, env }, (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  }

  /** Runs with changes and expects one fault. */
  async function fault(changes: Readonly<Record<string, string>>): Promise<string> {
    const { status, stdout } = await run(text(changes));
    const lines = stdout.trimEnd().split('\n');
    assert.equal(status, 1, stdout);
    assert.equal(lines[1], '1 fault', stdout);
    return lines[0] ?? '';
  }

  test('says that all is well', async () => {
    assert.deepEqual(await run(text()), {
      status: 0,
      stdout:
        'gateway.yaml is sound: 1 listener, 1 backend, 1 client, 1 encryption rule\n' +
        'online: 1 backend answers, 2 KMS keys usable\n',
      stderr: '',
    });
  });

  test('--json says the same to programs', async () => {
    const { status, stdout } = await run(text(), '--json');
    const report = JSON.parse(stdout);
    assert.equal(status, 0);
    assert.equal(report.ok, true);
    assert.deepEqual(report.online, { backends: ['store'], keys: [KEY, OTHER] });
    const faulty = JSON.parse((await run(text({ secretAccessKey: 'wrong' }), '--json')).stdout);
    assert.deepEqual([faulty.ok, faulty.online], [false, { backends: [], keys: [] }]);
    assert.deepEqual(
      faulty.faults.map(({ path, line }: { path: string; line: number }) => [path, line]),
      [
        ['backends[0].credentials', 8],
        ['backends[0].kms', 12],
      ],
    );
  });

  test('contacts nobody where the file itself is faulty', async () => {
    const asked = kms.asked.length;
    const { status, stdout } = await run(text({ region: 'US East' }));
    assert.equal(status, 1);
    assert.match(stdout, /^gateway\.yaml:6:5 backends\[0\]\.region: is not a region\./);
    assert.doesNotMatch(stdout, /online/);
    assert.equal(kms.asked.length, asked);
  });

  test('a region that the backend is not in', async () => {
    // The KMS of the tests takes any region; the store names its own, and so does the ARN of a key.
    const { stdout } = await run(text({ region: 'eu-west-9' }));
    assert.match(
      stdout,
      /^gateway\.yaml:6:5 backends\[0\]\.region: is eu-west-9, but the backend is in us-east-1\. Write us-east-1\.$/m,
    );
    assert.match(
      stdout,
      /^gateway\.yaml:15:5 encryption\[0\]\.keyId: arn:\S+ is in us-east-1, but the backend is in eu-west-9 \(backend store\)\. Name a key/m,
    );
  });

  test('an access key that the backend does not know, which KMS may know all the same', async () => {
    const known = kms.known;
    kms.known = [...known, { accessKeyId: 'NOBODY', secretAccessKey: 'the-secret-of-the-store' }];
    assert.equal(
      await fault({ accessKeyId: 'NOBODY' }),
      'gateway.yaml:8:5 backends[0].credentials: the backend does not know the access key ID NOBODY. Correct it, or the endpoint.',
    );
    kms.known = known;
  });

  test('a certificate of authorities that are not trusted, named and unnamed', async () => {
    assert.equal(
      await fault({ caFile: 'other.crt' }),
      'gateway.yaml:7:5 backends[0].caFile: the certificate of the backend is of an authority that is not trusted. Put its authorities into caFile.',
    );
    assert.equal(
      await fault({ caFile: '' }),
      'gateway.yaml:4:5 backends[0].caFile: the certificate of the backend is of an authority that is not trusted. Name its authorities in caFile.',
    );
  });

  test('TLS where there is none, and none where there is', async () => {
    assert.match(
      await fault({ endpoint: fake.endpoint.replace('http', 'https') }),
      /^gateway\.yaml:5:5 backends\[0\]\.endpoint: broke off the request: ERR_SSL_WRONG_VERSION_NUMBER\. Write http:\/\/ if that is what it speaks\.$/,
    );
    assert.match(
      await fault({ endpoint: store.direct.endpoint.replace('https', 'http') }),
      /^gateway\.yaml:5:5 backends\[0\]\.endpoint: broke off the request: .*\. Write https:\/\/ if that is what it speaks\.$/,
    );
  });

  test('a host that is not known, and a port where nothing listens', async () => {
    assert.equal(
      await fault({ endpoint: 'https://s3.invalid' }),
      'gateway.yaml:5:5 backends[0].endpoint: has no address: s3.invalid is not known to the name server. Correct it.',
    );
    assert.equal(
      await fault({ endpoint: 'http://127.0.0.1:1' }),
      'gateway.yaml:5:5 backends[0].endpoint: cannot be reached: nothing listens on port 1. Correct the port.',
    );
  });

  test('a certificate for another host', async (t) => {
    const authority = createAuthority(new Date());
    writeFileSync(join(folder, 'elsewhere.crt'), authority.certificate);
    const elsewhere = await startStore({
      credentials: store.direct.credentials,
      region: 'us-east-1',
      keyIds: [],
      tls: authority.issue({ dns: ['elsewhere.example'], ipv4: [] }),
    });
    t.after(() => elsewhere.close());
    assert.equal(
      await fault({ endpoint: elsewhere.endpoint, caFile: 'elsewhere.crt' }),
      'gateway.yaml:5:5 backends[0].endpoint: the certificate of the backend is not for localhost. Name the host as its certificate does.',
    );
  });

  test('a server that is not S3, and one that redirects', async () => {
    fake.behave(answering(200, { 'content-type': 'text/html' }, '<html>hello</html>'));
    assert.equal(
      await fault({ endpoint: fake.endpoint }),
      'gateway.yaml:5:5 backends[0].endpoint: answers, but not as an S3 server does. Correct the endpoint.',
    );
    fake.behave(answering(307, { location: 'https://elsewhere/' }));
    assert.equal(
      await fault({ endpoint: fake.endpoint }),
      'gateway.yaml:5:5 backends[0].endpoint: answers with a redirect to https://elsewhere/. Name the endpoint of the region: no redirect is followed.',
    );
  });

  test('AccessDenied proves the signature: no right is needed', async () => {
    fake.behave(answering(403, {}, '<Error><Code>AccessDenied</Code><Message>no</Message></Error>'));
    const { status, stdout } = await run(text({ endpoint: fake.endpoint }));
    assert.deepEqual([status, stdout.split('\n')[1]], [0, 'online: 1 backend answers, 2 KMS keys usable']);
    const [request] = fake.received.slice(-1);
    assert.deepEqual([request?.method, request?.target], ['GET', '/?max-buckets=1']);
  });

  test('a backend that takes the request and never answers does not hold up the rest', {
    timeout: 60_000,
  }, async () => {
    const { port } = silent.address() as AddressInfo;
    const started = Date.now();
    assert.equal(
      await fault({ endpoint: `http://localhost:${port}` }),
      'gateway.yaml:5:5 backends[0].endpoint: took the request and did not answer in time. Look at the backend.',
    );
    assert.ok(Date.now() - started < 30_000);
  });

  test('keys that cannot be used, each at the line that names it', async () => {
    kms.keys.set(OTHER, { state: 'PendingDeletion', deletion: new Date('2027-01-02') });
    const missing = arnOf(9, 'us-east-1');
    const { status, stdout } = await run(text({ keyId: missing }));
    assert.equal(status, 1);
    assert.deepEqual(stdout.trimEnd().split('\n'), [
      `gateway.yaml:15:5 encryption[0].keyId: ${missing} does not exist: KMS says "Key '${missing}' does not exist" (backend store). ` +
        "Correct the ARN, or create the key: in the bucket's own region.",
      `gateway.yaml:16:21 encryption[0].allowedKeyIds[0]: ${OTHER} will be deleted on 2027-01-02 (backend store). ` +
        'Cancel the deletion at once: what lies under the key cannot be read without it.',
      '2 faults',
      'online: 1 backend answers, 0 KMS keys usable',
    ]);
    kms.keys.set(OTHER, {});
  });

  test('a key that may not be looked at is a warning', async () => {
    kms.keys.set(KEY, {
      error: 'AccessDeniedException',
      message: 'not authorized to perform: kms:DescribeKey',
    });
    const { status, stdout } = await run(text());
    assert.equal(status, 0);
    assert.deepEqual(stdout.trimEnd().split('\n'), [
      `warning: gateway.yaml:15:5 encryption[0].keyId: ${KEY} could not be looked at: KMS says "not authorized to perform: kms:DescribeKey" (backend store). ` +
        "Allow kms:DescribeKey on the key to the backend's credentials.",
      'gateway.yaml is sound: 1 listener, 1 backend, 1 client, 1 encryption rule',
      'online: 1 backend answers, 1 KMS key usable',
    ]);
    kms.keys.set(KEY, {});
  });

  test('a KMS that cannot be reached is one fault, however many keys', async () => {
    assert.match(
      await fault({ kms: 'http://127.0.0.1:1' }),
      /^gateway\.yaml:12:5 backends\[0\]\.kms: KMS cannot be asked: .*ECONNREFUSED.* Correct kms\.endpoint or kms\.caFile/,
    );
  });

  test('credentials that cannot be had: the backend is reached all the same', async () => {
    const lines = text().replace(/provider: static\n.*\n.*\n/, 'provider: default\n');
    const { status, stdout } = await run(lines);
    assert.equal(status, 1);
    assert.match(
      stdout,
      /^gateway\.yaml:8:5 backends\[0\]\.credentials: cannot get credentials from the default chain: .*Provide them where this command runs, as where the gateway does\.\n1 fault\nonline: 0 backends answer, 0 KMS keys usable\n$/,
    );
  });

  test('a backend without credentials of its own is reached, and no more is asked of it', async () => {
    fake.behave(answering(403, {}, '<Error><Code>AccessDenied</Code></Error>'));
    const lines = text({ endpoint: fake.endpoint })
      .replace(/provider: static\n.*\n.*\n.*\n/, 'provider: none\n')
      .replace('127.0.0.1:8080', '127.0.0.1:8080, signing: preserve');
    const { status, stdout } = await run(lines);
    assert.equal(status, 0, stdout);
    assert.match(stdout, /online: 1 backend answers, 0 KMS keys usable/);
    assert.equal(fake.received.at(-1)?.headers.authorization, undefined);
  });
});
