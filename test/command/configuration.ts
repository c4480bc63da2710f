// A configuration in memory, for what is asked about requests: a policy, and one listener with a channel of choice.
import type { Configuration, ListenerConfiguration } from '../../src/config/configuration.ts';
import type { Channel, Policy } from '../../src/core/index.ts';
import { BACKEND_CREDENTIALS } from '../core/fixture.ts';

/** Peers that the listener trusts as proxies, and one that it does not. */
export const TRUSTED_PEER = '192.0.2.1';
export const OTHER_PEER = '198.51.100.1';

const TLS_MATERIAL: NonNullable<ListenerConfiguration['tls']> = {
  certificate: '',
  key: '',
  clientCa: undefined,
  minVersion: 'TLSv1.2',
  notAfter: 0,
};

/** A listener whose connections are this channel; one with names of certificates, be there none, asks for certificates. */
export function listenerOf(name: string, channel: Channel): ListenerConfiguration {
  return {
    name,
    host: '127.0.0.1',
    port: 8443,
    tls: channel.encrypted ? { ...TLS_MATERIAL, clientCa: channel.certificateNames && 'PEM' } : undefined,
    secure: channel.encrypted || channel.declaredSecure,
    trustedProxies: [`${TRUSTED_PEER}/32`],
    authentication: channel.authentication,
    signing: channel.signing,
  };
}

export function configurationOf(policy: Policy, listeners: readonly ListenerConfiguration[]): Configuration {
  const credentials = { provider: 'static', ...BACKEND_CREDENTIALS } as const;
  const clients = [...new Set([...policy.clients.values(), ...policy.certificateClients.values()])];
  const lines = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ line: index + 1, column: 5 }));
  return {
    policy,
    listeners,
    clients,
    backends: policy.backends.map((backend) => ({ ...backend, ca: undefined, credentials, kms: undefined })),
    positions: {
      listeners: lines(listeners.length),
      backends: lines(policy.backends.length),
      clients: lines(clients.length),
      encryption: lines(policy.rules.length),
    },
    limits: { connections: 1, requestsInFlight: 1, bufferedBytes: 1 },
    admin: { host: '127.0.0.1', port: 9090, pageHosts: [] },
    timeouts: {
      tlsHandshake: 1,
      requestHeader: 1,
      bodyIdle: 1,
      backendConnect: 1,
      backendFirstByte: 1,
      backendIdle: 1,
    },
    drain: { delay: 0, deadline: 1 },
    workers: 1,
    log: { level: 'info' },
    file: 'gateway.yaml',
    files: [],
  };
}
