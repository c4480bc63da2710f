// Clients: their secrets, and that no two can be mistaken for one another.
import { type CertificateName, certificateKey } from '../core/certificate.ts';
import type { Client, Policy, SigningClient } from '../core/policy/policy.ts';
import type { Entry } from './entries.ts';
import type { Report } from './fault.ts';
import { type Files, readSecret } from './files.ts';
import type { CertificateSection, ClientSection } from './schema.ts';
import { checkUnique } from './unique.ts';

/** The clients by what they are known by, and in the order of the file. */
export interface Clients extends Pick<Policy, 'certificateClients'> {
  readonly signing: Policy['clients'];
  readonly all: readonly Client[];
}

/** Builds the clients and reports what is wrong with them. */
export function buildClients(
  entries: readonly Entry<ClientSection>[],
  files: Files,
  report: Report,
): Clients {
  checkUnique(entries, 'name', (client) => client.name, report);
  checkUnique(entries, 'accessKeyId', (client) => client.accessKeyId, report);
  checkUnique(entries, 'certificate', keyOf, report);
  const all = entries.map((entry) => buildClient(entry, files, report));
  return {
    all,
    signing: new Map(all.flatMap((client) => (isSigning(client) ? [[client.accessKeyId, client]] : []))),
    certificateClients: new Map(
      all.flatMap((client) => (client.certificate ? [[certificateKey(client.certificate), client]] : [])),
    ),
  };
}

function isSigning(client: Client | SigningClient): client is SigningClient {
  return 'accessKeyId' in client;
}

function buildClient(entry: Entry<ClientSection>, files: Files, report: Report): Client | SigningClient {
  const { path, value } = entry;
  const { name, buckets, access, accessKeyId } = value;
  const client = { name, buckets, access, certificate: value.certificate && nameOf(value.certificate) };
  if (accessKeyId !== undefined) return { ...client, accessKeyId, ...buildSecrets(entry, files, report) };
  const secret = SECRETS.find((key) => value[key] !== undefined);
  if (secret !== undefined) {
    report.fault([...path, secret], 'stands without accessKeyId', 'Add it, or take the secret out.');
  } else if (!client.certificate) {
    report.fault(
      path,
      'has nothing to be known by',
      'Add accessKeyId with its secret, certificate, or both.',
    );
  }
  return client;
}

const SECRETS = ['secretAccessKey', 'secretAccessKeyFile', 'sessionToken', 'sessionTokenFile'] as const;

function nameOf(section: CertificateSection): CertificateName | undefined {
  for (const kind of ['uri', 'dnsName', 'email'] as const) {
    const value = section[kind];
    if (value !== undefined) return { kind, value };
  }
  return undefined;
}

function keyOf({ certificate }: ClientSection): string | undefined {
  const name = certificate && nameOf(certificate);
  return name && certificateKey(name);
}

/** The secrets beside an access key ID, of a client or of a backend. */
export function buildSecrets(
  { path, value }: Entry<Parameters<typeof readSecret>[0]>,
  files: Files,
  report: Report,
): { secretAccessKey: string; sessionToken: string | undefined } {
  if (value.secretAccessKey === undefined && value.secretAccessKeyFile === undefined) {
    const remedy = `Add secretAccessKeyFile, or secretAccessKey: \${NAME} from the environment.`;
    report.fault(path, 'has no secret access key', remedy);
  }
  return {
    secretAccessKey: readSecret(value, 'secretAccessKey', path, files, report) ?? '',
    sessionToken: readSecret(value, 'sessionToken', path, files, report),
  };
}
