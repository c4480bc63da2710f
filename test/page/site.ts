// A gateway with its page, a backend that confirms everything, and clients with planted secrets.
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import type { Answer } from '../gateway/client.ts';
import { sendSigned } from '../gateway/client.ts';
import { type FakeBackend, startFakeBackend } from '../gateway/fake-backend.ts';
import { type GatewayProcess, startGatewayProcess } from '../gateway/gateway-process.ts';

export const KEY = 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
export const ALLOWED = 'arn:aws:kms:us-east-1:111122223333:key/0badbad0-0bad-0bad-0bad-0badbad0bad0';
export const SSE = 'x-amz-server-side-encryption';

/** What must be seen nowhere: secrets of the configuration, and a value of a rule's encryption context. */
export const PLANTED: Readonly<Record<string, string>> = Object.fromEntries(
  ['billing', 'reader', 'backend', 'token', 'context'].map((what) => [
    what,
    `planted-${what}-${randomBytes(12).toString('hex')}`,
  ]),
);

export type ClientName = 'billing' | 'reader';

const CLIENTS = {
  billing: { accessKeyId: 'BILLING0000000000001', buckets: ['billing-*', 'trial'], access: 'read-write' },
  reader: { accessKeyId: 'READER00000000000001', buckets: ['billing-*'], access: 'read-only' },
};

// biome-ignore lint/suspicious/noExplicitAny: a configuration file, to be edited as one.
export type Sections = any;

export interface Site {
  readonly backend: FakeBackend;
  readonly gateway: GatewayProcess;
  /** Where the admin listener is: `http://HOST:PORT`. */
  readonly admin: string;
  put(client: ClientName, path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Rewrites the configuration; it is taken up, or turned down, some time later. */
  change(edit: (configuration: Sections) => void): void;
  close(): Promise<void>;
}

export async function startSite(
  workers: number,
  sections: Readonly<Record<string, unknown>> = {},
): Promise<Site> {
  const backend = await startFakeBackend();
  const credentials = {
    provider: 'static',
    accessKeyId: 'BACKEND',
    secretAccessKey: PLANTED['backend'],
    sessionToken: PLANTED['token'],
  };
  const gateway = await startGatewayProcess({
    backends: [{ ...backend.backend, name: 'primary', credentials }],
    clients: Object.entries(CLIENTS).map(([name, rest]) => ({
      name,
      secretAccessKey: PLANTED[name],
      ...rest,
    })),
    encryption: [
      {
        name: 'ledger',
        buckets: ['billing-*'],
        prefixes: ['ledger/'],
        mode: 'inject',
        keyId: KEY,
        allowedKeyIds: [ALLOWED],
        context: { app: PLANTED['context'] },
      },
      { name: 'billing', buckets: ['billing-*'], mode: 'inject', keyId: KEY },
      { name: 'trial', buckets: ['trial'], mode: 'observe', keyId: KEY },
    ],
    workers,
    ...sections,
  });
  const put: Site['put'] = (client, path, headers = {}) => {
    const own = { accessKeyId: CLIENTS[client].accessKeyId, secretAccessKey: PLANTED[client] ?? '' };
    const to = { endpoint: gateway.endpoint, ca: gateway.ca, credentials: own };
    return sendSigned(to, { method: 'PUT', path, headers, body: 'content' });
  };
  const change: Site['change'] = (edit) => {
    const { file } = gateway.written;
    const configuration: Sections = parse(readFileSync(file, 'utf8'));
    edit(configuration);
    writeFileSync(file, stringify(configuration));
    gateway.child.kill('SIGHUP');
  };
  const close = async () => {
    await gateway.stop();
    await backend.close();
  };
  return { backend, gateway, admin: gateway.admin, put, change, close };
}

/** What is planted and stands in a text, as it is or in base64 at the beginning of something. */
export function plantedIn(text: string): string[] {
  return Object.entries(PLANTED).flatMap(([what, value]) => {
    const encoded = Buffer.from(value).toString('base64').slice(0, 40);
    return text.includes(value) || text.includes(encoded) ? [what] : [];
  });
}
