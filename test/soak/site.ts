// The gateway that a soak is about: rules, clients and listeners, and how they are changed while it serves.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { type GatewayProcess, startGatewayProcess } from '../gateway/gateway-process.ts';
import { mount } from '../gateway/mounted.ts';
import type { SoakBackend } from './backends.ts';
import { ROTATING } from './journal.ts';

/** `injected` has an inject rule, `required` a require rule, `unruled` none. */
export const BUCKETS = { injected: 'injected', required: 'required', unruled: 'unruled' } as const;

/** What the inject rule adds to every context. */
export const CONTEXT = { app: 'soak' } as const;

export const WORKERS = 2;

/** A client. Its secret can be changed. */
export interface Identity {
  readonly name: string;
  readonly accessKeyId: string;
  secretAccessKey: string;
}

/** A KMS key that the inject rule fell back to, in milliseconds of `performance.now()`. */
interface InForce {
  readonly keyId: string;
  readonly from: number;
  until: number;
}

export interface Site {
  readonly backend: SoakBackend;
  readonly gateway: GatewayProcess;
  readonly writer: Identity;
  readonly reader: Identity;
  readonly rotating: Identity;
  /** The keys that the inject rule may have given to a write of that time. */
  keysBetween(from: number, until: number): readonly string[];
  changeRule(): Promise<void>;
  changeSecret(): Promise<void>;
  changeCertificate(): Promise<void>;
  breakConfiguration(): Promise<void>;
  breakCertificate(): Promise<void>;
  hangUp(): Promise<void>;
}

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** In MiB. Without a bound an idle process collects its heap so rarely that the size of what it holds does not show. */
const HEAP = '--max-old-space-size=64';

/** Starts the gateway, with certificate and secret in mounted directories. */
export async function startSite(backend: SoakBackend): Promise<Site> {
  const identity = (name: string): Identity => ({
    name,
    accessKeyId: `SOAK${name.toUpperCase().padEnd(16, '0')}`,
    secretAccessKey: `the-first-secret-of-the-client-${name}`,
  });
  const [writer, reader, rotating] = [identity('writer'), identity('reader'), identity(ROTATING)];
  const buckets = Object.values(BUCKETS);
  const { first, second } = backend.keys;
  const setup = {
    backends: [backend.backend],
    workers: WORKERS,
    clients: [
      { ...writer, buckets, access: 'read-write' },
      { ...reader, buckets, access: 'read-only' },
      { ...rotating, buckets, access: 'read-write' },
    ],
    encryption: [
      {
        name: 'inject',
        buckets: [BUCKETS.injected],
        mode: 'inject',
        keyId: first,
        allowedKeyIds: [second],
        context: CONTEXT,
      },
      { name: 'require', buckets: [BUCKETS.required], mode: 'require', keyId: first },
    ],
  };
  const gateway = await startGatewayProcess(setup, {}, () => [process.execPath, HEAP, program]);
  const changes = changesOf(backend, gateway, rotating);
  await changes.mountFiles();
  return { backend, gateway, writer, reader, rotating, ...changes };
}

// biome-ignore lint/suspicious/noExplicitAny: a configuration file, to be edited as one.
type Sections = any;

function changesOf(backend: SoakBackend, gateway: GatewayProcess, rotating: Identity) {
  const { folder, file, authority } = gateway.written;
  const inForce: InForce[] = [{ keyId: backend.keys.first, from: 0, until: Number.POSITIVE_INFINITY }];
  let secrets = 0;

  const edit = (change: (configuration: Sections) => void) => {
    const configuration: Sections = parse(readFileSync(file, 'utf8'));
    change(configuration);
    replaceFile(file, stringify(configuration));
  };
  /** Done when the gateway has counted one more reload with this result. */
  const counted = async (result: 'success' | 'failure', act: () => void) => {
    const count = () => gateway.metric('s3_kms_gateway_config_reloads_total', { result });
    const before = await count();
    act();
    for (const giveUpAt = performance.now() + 60_000; (await count()) === before; await sleep(10)) {
      if (performance.now() > giveUpAt) throw new Error(`no reload has ended with ${result}`);
    }
  };
  const issue = () => authority.issue({ dns: ['localhost'], ipv4: ['127.0.0.1'] });
  const mountCertificate = (certificate: string, key: string) =>
    mount(join(folder, 'tls'), { 'tls.crt': certificate, 'tls.key': key });
  const mountNewCertificate = () => {
    const { certificate, key } = issue();
    mountCertificate(certificate, key);
  };
  const mountSecret = (secret: string) => mount(join(folder, 'secrets'), { rotating: secret });

  return {
    keysBetween: (from: number, until: number) =>
      inForce.filter((each) => each.from <= until && from <= each.until).map(({ keyId }) => keyId),
    mountFiles: async () => {
      mountNewCertificate();
      mountSecret(rotating.secretAccessKey);
      await counted('success', () =>
        edit((configuration) => {
          configuration.listeners[0].tls = { certificateFile: 'tls/tls.crt', keyFile: 'tls/tls.key' };
          const { secretAccessKey: _inline, ...client } = configuration.clients[2];
          configuration.clients[2] = { ...client, secretAccessKeyFile: 'secrets/rotating' };
        }),
      );
    },
    changeRule: async () => {
      const last = inForce.at(-1);
      const { first, second } = backend.keys;
      const next = { keyId: last?.keyId === first ? second : first, from: performance.now() };
      inForce.push({ ...next, until: Number.POSITIVE_INFINITY });
      await counted('success', () =>
        edit((configuration) => {
          const [rule] = configuration.encryption;
          rule.keyId = next.keyId;
          rule.allowedKeyIds = [next.keyId === first ? second : first];
        }),
      );
      if (last) last.until = performance.now();
    },
    changeSecret: async () => {
      secrets += 1;
      const secret = `secret-number-${secrets}-of-the-rotating-client`;
      await counted('success', () => mountSecret(secret));
      rotating.secretAccessKey = secret;
    },
    changeCertificate: () => counted('success', mountNewCertificate),
    breakConfiguration: async () => {
      const before = readFileSync(file, 'utf8');
      await counted('failure', () =>
        edit((configuration) => {
          configuration.encryption[0].mode = 'injekt';
          // Nothing of a faulty configuration may come into force: with this, no client would be known.
          configuration.clients = [];
        }),
      );
      await counted('success', () => replaceFile(file, before));
    },
    breakCertificate: async () => {
      const { certificate } = issue();
      const { key } = issue();
      await counted('failure', () => mountCertificate(certificate, key));
      await counted('success', mountNewCertificate);
    },
    hangUp: () => counted('success', () => process.kill(gateway.pid, 'SIGHUP')),
  };
}

function replaceFile(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}
