// The demo's temporary directory: certificates, secrets, log, and a configuration file that is fit to be copied.
// Knows what stands in the files; starts nothing but sockets to find free ports.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SigningCredentials } from '../core/sigv4/sign.ts';
import { createAuthority, type IssuedCertificate } from './authority.ts';

export const REGION = 'eu-west-1';
export const BUCKET = 'ledger';
/** The keys of the demo's KMS: the rule names the first and allows the second, the third is another account's. */
export const KEYS = {
  fallback: 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
  allowed: 'arn:aws:kms:eu-west-1:111122223333:key/5678cdef-56cd-78ef-90ab-5678901234cd',
  foreign: 'arn:aws:kms:eu-west-1:999988887777:key/0badbad0-0bad-0bad-0bad-0badbad0bad0',
} as const;

/** What lies in the directory and who uses it. */
export interface Workspace {
  readonly directory: string;
  readonly configurationFile: string;
  readonly caFile: string;
  readonly logFile: string;
  readonly ca: string;
  readonly storeTls: IssuedCertificate;
  readonly client: SigningCredentials;
  readonly gateway: SigningCredentials;
  readonly ports: Ports;
  /** Writes the configuration, for a backend at this endpoint. */
  configure(endpoint: string): void;
  remove(): void;
}

interface Ports {
  readonly tls: number;
  readonly plaintext: number;
  readonly admin: number;
}

/** Makes the directory, readable to its owner alone. */
export async function createWorkspace(now: Date): Promise<Workspace> {
  const directory = mkdtempSync(join(tmpdir(), 's3-kms-gateway-demo-'));
  const authority = createAuthority(now);
  // OpenSSL takes no wildcard right below a top-level name, so the bucket's own host is named too.
  const dns = ['localhost', '*.localhost', `${BUCKET}.localhost`];
  const issue = () => authority.issue({ dns, ipv4: ['127.0.0.1'] });
  const listener = issue();
  const client = credentials('DEMOCLIENT0000000001');
  const gateway = credentials('DEMOGATEWAY000000001');
  const ports = await choosePorts();
  const file = (name: string, text: string) => writeFileSync(join(directory, name), text, { mode: 0o600 });
  file('ca.crt', authority.certificate);
  file('gateway.crt', listener.certificate);
  file('gateway.key', listener.key);
  file('client.secret', client.secretAccessKey);
  file('backend.secret', gateway.secretAccessKey);
  return {
    directory,
    configurationFile: join(directory, 'gateway.yaml'),
    caFile: join(directory, 'ca.crt'),
    logFile: join(directory, 'gateway.log'),
    ca: authority.certificate,
    storeTls: issue(),
    client,
    gateway,
    ports,
    configure: (endpoint) => file('gateway.yaml', configuration(endpoint, ports, client, gateway)),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Letters and digits only, so that a secret can be pasted into any shell. */
function credentials(accessKeyId: string): SigningCredentials {
  return { accessKeyId, secretAccessKey: randomBytes(20).toString('hex'), sessionToken: undefined };
}

async function choosePorts(): Promise<Ports> {
  const tls = await usablePort(8443, []);
  const plaintext = await usablePort(8080, [tls]);
  return { tls, plaintext, admin: await usablePort(9090, [tls, plaintext]) };
}

/** The port asked for, or a free one where that is taken. */
async function usablePort(preferred: number, taken: readonly number[]): Promise<number> {
  const found = (await tryPort(preferred)) ?? (await tryPort(0));
  if (found === undefined) throw new Error('No port is free on 127.0.0.1: the demo needs three.');
  return taken.includes(found) ? usablePort(0, taken) : found;
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(undefined));
    probe.listen(port, '127.0.0.1', () => {
      const address = probe.address();
      const bound = typeof address === 'object' && address !== null ? address.port : undefined;
      probe.close(() => resolve(bound));
    });
  });
}

function configuration(
  endpoint: string,
  ports: Ports,
  client: SigningCredentials,
  gateway: SigningCredentials,
): string {
  return `# The configuration of the demo. Copy it and change what stands under backends, clients and encryption.
# Paths start from this file. \`s3-kms-gateway check --config gateway.yaml\` finds what is wrong with it.
listeners:
  - address: 127.0.0.1:${ports.tls}
    tls: { certificateFile: gateway.crt, keyFile: gateway.key }
  - address: 127.0.0.1:${ports.plaintext}               # plaintext: whatever needs KMS is refused here
domains: [localhost]                    # ${BUCKET}.localhost is virtual-hosted style
admin: { address: 127.0.0.1:${ports.admin} }     # /metrics, /livez, /readyz

backends:
  - name: demo-store
    endpoint: ${endpoint}    # at AWS: https://s3.${REGION}.amazonaws.com, and no caFile
    region: ${REGION}
    caFile: ca.crt
    credentials:
      provider: static                  # at AWS: default
      accessKeyId: ${gateway.accessKeyId}
      secretAccessKeyFile: backend.secret

clients:
  - name: newcomer
    accessKeyId: ${client.accessKeyId}
    secretAccessKeyFile: client.secret
    buckets: [${BUCKET}]                   # fails closed: nothing outside these
    access: read-write

encryption:
  - name: ${BUCKET}
    buckets: [${BUCKET}]
    mode: inject                        # adds what is missing, refuses what contradicts
    keyId: ${KEYS.fallback}
    allowedKeyIds:
      - ${KEYS.allowed}
`;
}
