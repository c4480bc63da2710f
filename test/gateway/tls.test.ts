// What a TLS listener speaks: versions and suites, asked for one by one by a client that would take anything.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as tls from 'node:tls';
import { makeCertificate } from '../config/certificate.ts';
import { startFakeBackend } from './fake-backend.ts';
import { startGateway, type TestGateway } from './gateway.ts';

type Asked = Pick<tls.ConnectionOptions, 'minVersion' | 'maxVersion' | 'ciphers' | 'ALPNProtocols'>;

const HOUR = 3_600_000;
const iso = (time: number): string => new Date(time).toISOString();

describe('a TLS listener', () => {
  let gateway: TestGateway;
  const folder = mkdtempSync(join(tmpdir(), 's3-kms-gateway-tls-'));
  before(async () => {
    const backend = await startFakeBackend();
    const now = Date.now();
    const { certificate, key } = makeCertificate(iso(now - HOUR), iso(now + HOUR), 'rsa');
    const files = { certificateFile: join(folder, 'rsa.crt'), keyFile: join(folder, 'rsa.key') };
    writeFileSync(files.certificateFile, certificate);
    writeFileSync(files.keyFile, key);
    gateway = await startGateway({ backends: [backend.backend], plaintext: { name: 'rsa', tls: files } });
    await backend.close();
  });
  after(async () => {
    await gateway?.close();
    rmSync(folder, { recursive: true });
  });

  /** Version and suite of a handshake; rejects where there is none. */
  function handshake(
    asked: Asked,
    key: 'ec' | 'rsa' = 'ec',
  ): Promise<{ version: string | null; suite: string; protocol: string | false }> {
    const port = key === 'ec' ? gateway.port : gateway.plaintextPort;
    const trust = key === 'ec' ? { ca: gateway.ca } : { rejectUnauthorized: false };
    return new Promise((resolve, reject) => {
      const socket = tls.connect({ host: '127.0.0.1', port, ...trust, servername: 'localhost', ...asked });
      socket.once('error', reject);
      socket.once('secureConnect', () => {
        const protocol = socket.alpnProtocol ?? false;
        resolve({ version: socket.getProtocol(), suite: socket.getCipher().name, protocol });
        socket.destroy();
      });
    });
  }

  /** At this security level OpenSSL's own client takes what its default would not. */
  const ANYTHING = 'ALL:@SECLEVEL=0';

  for (const version of ['TLSv1', 'TLSv1.1'] as const) {
    test(`does not speak ${version}`, async () => {
      const asked = { minVersion: version, maxVersion: version, ciphers: ANYTHING } as const;
      // By an alert of the server's: the client would have gone on.
      await assert.rejects(handshake(asked), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
    });
  }

  const OFFERED = {
    'TLSv1.2': [
      'ECDHE-ECDSA-AES128-GCM-SHA256',
      'ECDHE-ECDSA-AES256-GCM-SHA384',
      'ECDHE-ECDSA-CHACHA20-POLY1305',
    ],
    'TLSv1.3': ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
  } as const;
  for (const [version, suites] of Object.entries(OFFERED)) {
    for (const suite of suites) {
      test(`speaks ${version} with ${suite}`, async () => {
        const asked = { maxVersion: version as 'TLSv1.2' | 'TLSv1.3', ciphers: suite };
        const made = await handshake(asked);
        assert.deepEqual([made.version, made.suite], [version, suite]);
      });
    }
  }

  for (const suite of ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-CHACHA20-POLY1305']) {
    test(`speaks TLSv1.2 with ${suite} where its key is an RSA key`, async () =>
      assert.equal((await handshake({ maxVersion: 'TLSv1.2', ciphers: suite }, 'rsa')).suite, suite));
  }

  /** Without forward secrecy, or not authenticated as it is encrypted; each with the key that it needs. */
  const REFUSED: readonly (readonly [suite: string, key: 'ec' | 'rsa'])[] = [
    ['AES128-GCM-SHA256', 'rsa'],
    ['AES256-GCM-SHA384', 'rsa'],
    ['AES128-SHA', 'rsa'],
    ['ECDHE-RSA-AES128-SHA256', 'rsa'],
    ['ECDHE-RSA-AES128-SHA', 'rsa'],
    ['ECDHE-ECDSA-AES128-SHA256', 'ec'],
    ['ECDHE-ECDSA-AES256-SHA', 'ec'],
    ['ECDHE-ECDSA-AES128-CCM8', 'ec'],
  ];
  const FAILURE = { code: 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE' };
  for (const [suite, key] of REFUSED) {
    test(`does not speak TLSv1.2 with ${suite}`, async () => {
      const asked = { maxVersion: 'TLSv1.2', ciphers: `${suite}:@SECLEVEL=0` } as const;
      await assert.rejects(handshake(asked, key), FAILURE);
    });
  }

  test('speaks none of all the other suites that this OpenSSL has', async () => {
    const offered = new Set<string>(Object.values(OFFERED).flat());
    const others = tls
      .getCiphers()
      .map((name) => name.toUpperCase())
      .filter(
        (name) => !name.startsWith('TLS_') && !offered.has(name) && !/^ECDHE-RSA-.*(GCM|POLY)/.test(name),
      );
    assert.ok(others.length > 20);
    const asked = { maxVersion: 'TLSv1.2', ciphers: `${others.join(':')}:@SECLEVEL=0` } as const;
    for (const key of ['ec', 'rsa'] as const) await assert.rejects(handshake(asked, key), FAILURE);
  });

  test('lets the client choose among them', async () => {
    const [first, second, third] = OFFERED['TLSv1.3'];
    for (const suites of [
      [third, first],
      [first, second],
      [second, third],
    ]) {
      assert.equal((await handshake({ ciphers: suites.join(':') })).suite, suites[0]);
    }
  });

  test('agrees on HTTP/1.1 and nothing else', async () => {
    assert.equal((await handshake({ ALPNProtocols: ['h2', 'http/1.1'] })).protocol, 'http/1.1');
    await assert.rejects(handshake({ ALPNProtocols: ['h2'] }));
  });
});
