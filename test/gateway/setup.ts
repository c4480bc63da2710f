// The configuration of a gateway under test, written to a folder of its own as a user would write it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createAuthority, type DemoAuthority } from '../../src/demo/authority.ts';

/** The parts of a configuration that tests vary; addresses and certificates are filled in. */
export interface GatewaySetup {
  readonly backends: readonly Readonly<Record<string, unknown>>[];
  readonly clients?: readonly (TestClient | Readonly<Record<string, unknown>>)[];
  readonly encryption?: readonly Readonly<Record<string, unknown>>[];
  /** Merged into the TLS listener, the first of the two. */
  readonly encrypted?: Readonly<Record<string, unknown>>;
  /** Merged into the plaintext listener, the second. */
  readonly plaintext?: Readonly<Record<string, unknown>>;
  /** Names that the certificate of the TLS listener covers besides localhost. */
  readonly certificateNames?: readonly string[];
  readonly [section: string]: unknown;
}

/** A client as configured. */
export interface TestClient {
  readonly name: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly buckets: readonly string[];
  readonly access: string;
}

/** The client that a gateway under test knows, with every right. */
export const testClient: TestClient = {
  name: 'tester',
  accessKeyId: 'GATEWAYTESTER0000001',
  secretAccessKey: 'the-secret-of-the-tests-own-client-00001',
  buckets: ['*'],
  access: 'admin',
};

/** A configuration on disk. */
export interface WrittenSetup {
  readonly folder: string;
  readonly file: string;
  readonly text: string;
  /** The authority that signed the certificate of the TLS listener. */
  readonly caFile: string;
  readonly ca: string;
  /** The authority itself. */
  readonly authority: DemoAuthority;
  remove(): void;
}

/** Writes configuration, certificate and key; every listener on a port of the system's choice. */
export function writeSetup(setup: GatewaySetup): WrittenSetup {
  const folder = mkdtempSync(join(tmpdir(), 's3-kms-gateway-test-'));
  const authority = createAuthority(new Date());
  const { encrypted, plaintext, certificateNames = [], ...sections } = setup;
  const dns = ['localhost', '*.localhost', ...certificateNames];
  const { certificate, key } = authority.issue({ dns, ipv4: ['127.0.0.1'] });
  const caFile = join(folder, 'ca.crt');
  writeFileSync(caFile, authority.certificate);
  writeFileSync(join(folder, 'gateway.crt'), certificate);
  writeFileSync(join(folder, 'gateway.key'), key);
  const text = stringify({
    listeners: [
      {
        name: 'tls',
        address: '127.0.0.1:0',
        tls: { certificateFile: 'gateway.crt', keyFile: 'gateway.key' },
        ...encrypted,
      },
      { name: 'plaintext', address: '127.0.0.1:0', ...plaintext },
    ],
    domains: ['localhost'],
    admin: { address: '127.0.0.1:0' },
    drain: { delay: '0s', deadline: '10s' },
    clients: [testClient],
    ...sections,
  });
  const file = join(folder, 'gateway.yaml');
  writeFileSync(file, text);
  const remove = () => rmSync(folder, { recursive: true, force: true });
  return { folder, file, text, caFile, ca: authority.certificate, authority, remove };
}
