// What is enforced where, and how it is doing: the state of a gateway as the page shows it. Field by field, so that no
// secret, access key or context value of the configuration gets out. Described in docs/observability.md.
import type { BackendConfiguration, Configuration, ListenerConfiguration } from '../config/configuration.ts';
import type { Client, EncryptionRule } from '../core/policy/policy.ts';
import type { Inspection } from '../gateway/inspection.ts';
import { nameOf } from '../kms/watch.ts';
import type { Counts, HistoryPoint } from './counts.ts';

/** The gateway's own versions, and when it was started: milliseconds since 1970. */
export interface About {
  readonly version: string;
  readonly nodeVersion: string;
  readonly startedAt: number;
}

const DAY_MS = 86_400_000;

/** The state at `now`, as it goes out in JSON. */
export function stateOf(
  gateway: Inspection,
  about: About,
  counts: Counts,
  history: readonly HistoryPoint[],
  now: number,
): object {
  const configuration = gateway.configuration();
  const { file, policy, positions, listeners, backends, clients, limits } = configuration;
  const checks = gateway.checks();
  return {
    ...about,
    uptimeSeconds: Math.floor((now - about.startedAt) / 1000),
    file,
    ready: checks.every(({ ok, informative }) => ok || informative === true),
    checks,
    processes: gateway.processes(),
    rules: policy.rules.map((rule, i) => ({ line: positions.encryption[i]?.line, ...ruleOf(rule) })),
    keys: keysOf(configuration, gateway),
    listeners: listeners.map((each, i) => ({
      line: positions.listeners[i]?.line,
      ...listenerOf(each, counts, now),
    })),
    backends: backends.map((each, i) => ({
      line: positions.backends[i]?.line,
      ...backendOf(each, gateway, counts),
    })),
    clients: clients.map((each, i) => ({
      line: positions.clients[i]?.line,
      ...clientOf(each),
    })),
    limits: [
      { name: 'connections', limit: limits.connections, used: most(counts.connections) },
      { name: 'requestsInFlight', limit: limits.requestsInFlight, used: counts.requestsInFlight },
      { name: 'bufferedBytes', limit: limits.bufferedBytes, used: counts.bufferedBytes },
    ].map((each) => ({ ...each, limit: each.limit * gateway.processes().of })),
    counts,
    history,
  };
}

function ruleOf(rule: EncryptionRule): object {
  const { name, mode, buckets, prefixes, algorithm, keyId, allowedKeyIds, bucketKey } = rule;
  const { otherEncryption, requiredContext, context } = rule;
  return {
    name,
    mode,
    buckets,
    prefixes,
    // With `off` there is nothing that it asks for.
    ...(mode === 'off' ? {} : { algorithm, keyId, allowedKeyIds, bucketKey, otherEncryption }),
    requiredContext,
    addedContext: Object.keys(context),
  };
}

/** Every key that a rule names outright, with what KMS says of it where it is asked. */
function keysOf({ policy }: Configuration, gateway: Inspection): object[] {
  const rulesOf = (keyId: string) =>
    policy.rules.filter((rule) => names(rule, keyId)).map(({ name }) => name);
  const watched = gateway.keyWatch.keys();
  const asked = watched.map(({ backend, keyId, state }) => ({
    keyId,
    backend,
    rules: rulesOf(keyId),
    state: nameOf(state) ?? 'not asked yet',
    kind: state?.kind ?? 'unknown',
    ...(state && 'detail' in state ? { detail: state.detail } : {}),
  }));
  const named = new Set(
    policy.rules.flatMap(({ keyId, allowedKeyIds }) => [keyId ?? [], allowedKeyIds].flat()),
  );
  const others = [...named].filter(
    (keyId) => !keyId.includes('*') && !watched.some((each) => each.keyId === keyId),
  );
  return [...asked, ...others.map((keyId) => ({ keyId, rules: rulesOf(keyId), kind: 'not asked' }))];
}

function names({ keyId: own, allowedKeyIds }: EncryptionRule, keyId: string): boolean {
  return own === keyId || allowedKeyIds.includes(keyId);
}

function listenerOf(
  { name, host, port, tls, secure, authentication, signing }: ListenerConfiguration,
  { connections }: Counts,
  now: number,
): object {
  const certificate = tls && {
    notAfter: tls.notAfter,
    daysLeft: Math.floor((tls.notAfter - now) / DAY_MS),
    minVersion: tls.minVersion,
    asksForClientCertificates: tls.clientCa !== undefined,
  };
  const open = connections[name] ?? 0;
  return { name, host, port, secure, authentication, signing, certificate, connections: open };
}

function backendOf(backend: BackendConfiguration, gateway: Inspection, counts: Counts): object {
  const { name, protocol, hostname, port, region, partition, addressing, buckets, credentials, kms } =
    backend;
  const { provider } = credentials;
  const answers = counts.answers[name] ?? 0;
  return {
    name,
    endpoint: `${protocol}://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`,
    region,
    partition,
    addressing,
    buckets,
    credentials: {
      provider,
      state: provider === 'none' ? 'none' : gateway.hasCredentials(backend) ? 'available' : 'not fetched yet',
    },
    asksKms: kms !== undefined,
    answers,
    firstByteMs: answers === 0 ? undefined : ((counts.firstByteSeconds[name] ?? 0) / answers) * 1000,
  };
}

function clientOf(client: Client): object {
  const { name, access, buckets, certificate } = client;
  const bound = certificate && `${certificate.kind}:${certificate.value}`;
  return { name, access, buckets, hasAccessKey: 'accessKeyId' in client, certificate: bound };
}

function most(sums: Readonly<Record<string, number>>): number {
  return Math.max(0, ...Object.values(sums));
}
