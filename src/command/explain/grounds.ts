// What the configuration says on the matter of a refusal: a message to a client tells less than its operator may know.
// Quotes the configuration; must not judge.
import type { Configuration } from '../../config/configuration.ts';
import { certificateKey } from '../../core/certificate.ts';
import type { Facts } from '../../core/decide.ts';
import type { Client, Policy } from '../../core/policy/policy.ts';
import type { Refusal } from '../../core/refusal.ts';
import { operationNamed } from '../../core/s3/operation.ts';

/** What is configured about buckets, rights and keys, where the refusal is about them. */
export function groundsOf(
  { reason, code }: Refusal,
  facts: Readonly<Facts>,
  { policy, clients }: Pick<Configuration, 'policy' | 'clients'>,
): readonly string[] {
  const client = clients.find(({ name }) => name === facts.client);
  switch (reason) {
    case 'bucket_not_allowed':
      return bucketGrounds(client, policy);
    case 'operation_not_allowed':
      return code === 'AccessDenied' ? accessGrounds(facts, client) : [];
    case 'key_not_allowed':
      return keyGrounds(facts, policy);
    case 'no_rule':
      return policy.rules.map(({ name, buckets, prefixes }) => {
        const under = prefixes.length === 0 ? '' : `, keys that begin with ${prefixes.join(' or ')}`;
        return `rule ${name} is for the buckets ${buckets.join(', ')}${under}`;
      });
    case 'unknown_certificate':
    case 'certificate_mismatch':
      return certificateGrounds(facts, client ? [client] : clients);
    default:
      return [];
  }
}

function certificateGrounds({ certificate = [] }: Readonly<Facts>, clients: readonly Client[]): string[] {
  const shown = certificate.length === 0 ? 'no certificate' : `a certificate with ${certificate.join(', ')}`;
  const stated = clients.flatMap(({ name, certificate: own }) =>
    own ? [`client ${name} is known by ${certificateKey(own)}`] : [],
  );
  return [`the connection has shown ${shown}`, ...stated];
}

function bucketGrounds(client: Client | undefined, policy: Policy): string[] {
  const own = client ? [`client ${client.name} has the buckets ${client.buckets.join(', ')}`] : [];
  return [
    ...own,
    ...policy.backends.map(({ name, buckets }) => `backend ${name} serves the buckets ${buckets.join(', ')}`),
  ];
}

/** The least `access` that gives each right. */
const TAKEN = { preflight: 'read-only', read: 'read-only', write: 'read-write', admin: 'admin' } as const;

function accessGrounds(facts: Readonly<Facts>, client: Client | undefined): string[] {
  const { access } = operationNamed(facts.operation);
  const takes = access === 'never' ? 'is for nobody' : `takes access: ${TAKEN[access]}`;
  const has = client ? `; client ${client.name} has access: ${client.access}` : '';
  return [`${facts.operation} ${takes}${has}`];
}

function keyGrounds({ rule: name }: Readonly<Facts>, { rules }: Policy): string[] {
  const rule = rules.find((one) => one.name === name);
  const keys = [...(rule?.keyId === undefined ? [] : [rule.keyId]), ...(rule?.allowedKeyIds ?? [])];
  return [`rule ${name} allows ${keys.join(' or ')}`];
}
