// The configurations of the gateway that are measured, as a user would write them.
import { stringify } from 'yaml';
import { KEY_ID } from './nginx.ts';

/** A client that may use every bucket of the benchmark. */
export const CLIENT = {
  accessKeyId: 'BENCHMARK00000000001',
  secretAccessKey: 'the-secret-of-the-benchmarks-client-0001',
};
export const REGION = 'us-east-1';
/** The bucket of most cases, and one whose backend does not take trailers. */
export const BUCKET = 'bench-objects';
export const DECODED_BUCKET = 'bench-decoded';

/** Where things are. */
export interface GatewayOptions {
  readonly port: number;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  readonly backend: string;
  /** Rules, clients and backends, each as many as this; requests meet the last of them. */
  readonly entries: number;
  readonly workers: number;
}

/** Signatures, policy, an inject rule, metrics and audit log: everything is on. */
export function gatewayConfiguration(options: GatewayOptions): string {
  const { port, certificateFile, keyFile, entries, workers } = options;
  const others = Array.from({ length: entries - 1 }, (_, i) => String(i + 1).padStart(4, '0'));
  return stringify({
    listeners: [{ name: 'clients', address: `127.0.0.1:${port}`, tls: { certificateFile, keyFile } }],
    domains: ['s3.bench.test'],
    admin: { address: '127.0.0.1:0' },
    workers,
    backends: [
      ...others.map((other) => backend(options, `other-${other}`, other)),
      backend(options, 'without-trailers', DECODED_BUCKET, { trailers: false }),
      backend(options, 'primary', 'bench-*'),
    ],
    clients: [
      ...others.map((other) => ({
        ...CLIENT,
        name: `other-${other}`,
        accessKeyId: `BENCHMARKOTHER00${other}`,
        ...ownBuckets(other),
      })),
      { name: 'bench', ...CLIENT, buckets: ['bench-*'], access: 'read-write' },
    ],
    encryption: [
      ...others.map((other) => ({ ...rule(`other-${other}`), ...ownBuckets(other) })),
      { ...rule('bench'), buckets: ['bench-*'] },
    ],
  });
}

/** Exact names and patterns by turns. */
function ownBuckets(other: string): { buckets: string[] } {
  return { buckets: [Number(other) % 2 === 0 ? `team-${other}` : `team-${other}-*`] };
}

function backend(
  { backend: endpoint, caFile }: GatewayOptions,
  name: string,
  bucket: string,
  more: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const buckets = name.startsWith('other-') ? ownBuckets(bucket).buckets : [bucket];
  const credentials = {
    provider: 'static',
    accessKeyId: 'BACKEND0000000000001',
    secretAccessKey: 'of-the-backend',
  };
  return { name, endpoint, region: REGION, caFile, buckets, credentials, ...more };
}

function rule(name: string): Record<string, unknown> {
  return { name, mode: 'inject', keyId: KEY_ID, context: { app: 'bench' } };
}
