// Clients: their secrets, and that no two can be mistaken for one another.
import type { Client } from '../core/policy/policy.ts';
import type { Entry } from './entries.ts';
import type { Report } from './fault.ts';
import { type Files, readSecret } from './files.ts';
import type { ClientSection } from './schema.ts';
import { checkUnique } from './unique.ts';

/** Builds the clients by access key ID and reports what is wrong with them. */
export function buildClients(
  entries: readonly Entry<ClientSection>[],
  files: Files,
  report: Report,
): ReadonlyMap<string, Client> {
  checkUnique(entries, 'name', (client) => client.name, report);
  checkUnique(entries, 'accessKeyId', (client) => client.accessKeyId, report);
  return new Map(entries.map((entry) => [entry.value.accessKeyId, buildClient(entry, files, report)]));
}

function buildClient({ path, value }: Entry<ClientSection>, files: Files, report: Report): Client {
  return {
    name: value.name,
    accessKeyId: value.accessKeyId,
    ...buildSecrets({ path, value }, files, report),
    buckets: value.buckets,
    access: value.access,
  };
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
