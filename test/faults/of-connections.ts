// What can be wrong on the way to a backend: addresses, names, certificates. Each in a bucket of its own.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, type IssuedCertificate } from '../../src/demo/authority.ts';
import { converse } from '../hostile/site.ts';
import { type Fault, requestBytes } from './fault.ts';

/** Backends that cannot be reached. */
export interface Unreachable {
  /** As configured, each for the bucket of its name. */
  readonly backends: readonly Readonly<Record<string, unknown>>[];
  /** Requests that any of them was sent all the same. */
  readonly asked: number;
  close(): Promise<void>;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Starts them all. */
export async function startUnreachable(): Promise<Unreachable> {
  let asked = 0;
  const folder = mkdtempSync(join(tmpdir(), 's3-kms-gateway-unreachable-'));
  const caFile = join(folder, 'ca.crt');
  const [now, old, stranger] = [new Date(), new Date(Date.now() - 90 * DAY_MS), new Date()].map(
    createAuthority,
  );
  writeFileSync(caFile, `${now?.certificate}${old?.certificate}`);
  const names = { dns: ['localhost'], ipv4: ['127.0.0.1'] };
  const answer: http.RequestListener = (_request, response) => {
    asked += 1;
    response.end();
  };
  const secured = (issued: IssuedCertificate | undefined, options: https.ServerOptions = {}) =>
    https.createServer({ cert: issued?.certificate, key: issued?.key, ...options }, answer);
  const servers: Readonly<Record<string, Server>> = {
    expired: secured(old?.issue(names)),
    'wrong-name': secured(now?.issue({ dns: ['another.example'], ipv4: [] })),
    stranger: secured(stranger?.issue(names)),
    'old-tls': secured(now?.issue(names), {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    }),
    'wants-certificate': secured(now?.issue(names), { requestCert: true, maxVersion: 'TLSv1.2' }),
    'not-tls': http.createServer(answer),
    silent: createServer((socket) => socket.on('error', () => {}).resume()),
    refused: createServer(),
  };
  const open = new Set<{ destroy(): void }>();
  const ports = new Map<string, number>();
  for (const [name, server] of Object.entries(servers)) {
    server.on('connection', (socket) => open.add(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    ports.set(name, (server.address() as AddressInfo).port);
  }
  servers['refused']?.close();
  const credentials = { provider: 'static', accessKeyId: 'BACKEND', secretAccessKey: 'backend-secret' };
  const common = { region: 'us-east-1', addressing: 'path', caFile, credentials };
  return {
    backends: [
      ...[...ports].map(([name, port]) => ({
        name,
        buckets: [name],
        endpoint: `https://localhost:${port}`,
        ...common,
      })),
      { name: 'nowhere', buckets: ['nowhere'], endpoint: 'https://nowhere.invalid', ...common },
    ],
    get asked() {
      return asked;
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      await Promise.all(
        Object.values(servers).map((server) => new Promise((resolve) => server.close(resolve))),
      );
      rmSync(folder, { recursive: true });
    },
  };
}

const unreachable = (
  id: string,
  fault: string,
  bucket: string,
  sees = '503 ServiceUnavailable, goes on',
): Fault => ({
  id,
  fault,
  sees,
  whole: 0,
  provoke: async (site) => {
    const body = 'what nobody may read';
    return converse(
      site.ports,
      undefined,
      await requestBytes(site, { method: 'PUT', path: `/${bucket}/${id}`, body }),
    );
  },
});

export const ofConnections: readonly Fault[] = [
  unreachable('K01', 'nothing listens at its address', 'refused'),
  unreachable('K02', 'its name has no address', 'nowhere'),
  unreachable(
    'K03',
    'it takes the connection, and never answers the handshake of TLS (`backendConnect`)',
    'silent',
  ),
  unreachable('K04', 'its certificate has expired', 'expired'),
  unreachable('K05', 'its certificate is for another name', 'wrong-name'),
  unreachable('K06', 'its certificate is of an authority that is not trusted', 'stranger'),
  unreachable('K07', 'it speaks TLS 1.1 at most', 'old-tls'),
  unreachable('K08', 'it wants a certificate of the gateway', 'wants-certificate'),
  unreachable('K09', 'it does not speak TLS', 'not-tls'),
];
