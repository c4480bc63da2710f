// A real S3 server with SSE-KMS for tests, and a witness of what it stored that does not go through S3.
// Each test file starts its own, in about a second, so that files run side by side without sharing anything.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { S3Client } from '@aws-sdk/client-s3';
import { type Cluster, startCluster, type User } from './ceph/cluster.ts';
import { keyIds } from './ceph/configuration.ts';
import { type CephVersion, whatIsMissing } from './ceph/installation.ts';
import { parsePoolExport } from './ceph/pool-export.ts';

export type { CephVersion } from './ceph/installation.ts';

/** Both versions, the older first. */
export const cephVersions: readonly CephVersion[] = ['pacific', 'tentacle'];

/** A running Ceph. It takes and gives encrypted objects on its HTTPS endpoint only. */
export interface Ceph {
  readonly version: CephVersion;
  readonly httpEndpoint: string;
  readonly httpsEndpoint: string;
  /** The self-signed certificate of the HTTPS endpoint: for 127.0.0.1, localhost and BUCKET.localhost. */
  readonly caFile: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  /** Names of the KMS keys it knows. */
  readonly keyIds: typeof keyIds;
  /** A client straight to it, past anything under test: to make buckets, to look at what is there. */
  readonly s3: S3Client;
  /** What is stored under a key, by Ceph's own administration; undefined where nothing is. */
  stat(bucket: string, key: string): Promise<ObjectWitness | undefined>;
  /** The bytes on the disk of an object that came in one piece of at most 4 MiB: ciphertext, if it is encrypted. */
  storedBytes(bucket: string, key: string): Promise<Buffer>;
  /** Everything that lies on the disk, parts of uploads included, by Ceph's own administration of disks. */
  disk(): Promise<readonly DiskObject[]>;
  /**
   * What Ceph keeps of a bucket besides its objects: owner, flags, and every configuration that was put, ACL and policy
   * included. By Ceph's own administration; undefined where there is no such bucket.
   */
  configuration(bucket: string): Promise<unknown>;
  /** Waits until the S3 server's log holds a match, and gives it. The log lags behind the responses. */
  logged(pattern: RegExp): Promise<RegExpExecArray>;
  /** Kills the S3 server with what it is doing; what it has stored stays. */
  killS3Server(): Promise<void>;
  /** Starts it again, at the same address. */
  startS3Server(): Promise<void>;
  stop(): Promise<void>;
}

/** An object as Ceph keeps it. */
export interface ObjectWitness {
  readonly size: number;
  /** Without quotes; of a multipart upload it ends in `-` and the number of parts. */
  readonly etag: string;
  readonly encryption: EncryptionWitness | undefined;
  /** All of Ceph's own attributes, without their prefix `user.rgw.`; binary ones are mangled. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** An object as it lies on the disk. */
export interface DiskObject {
  readonly bucket: string;
  /** Undefined for a piece of one that came in several. */
  readonly key: string | undefined;
  readonly encryption: EncryptionWitness | undefined;
  /** At most its first 4 MiB. */
  readonly data: Buffer;
}

/** How an object is encrypted. */
export interface EncryptionWitness {
  /** `SSE-KMS`, `SSE-C-AES256` or `AES256`. */
  readonly mode: string;
  readonly keyId: string | undefined;
  /** The encryption context with what Ceph added to it (`aws:s3:arn`). */
  readonly context: unknown;
}

/** The one user of a Ceph, unless its test says otherwise. */
const tester: User = {
  name: 'tester',
  accessKeyId: 'CEPHTESTER0000000001',
  secretAccessKey: 'a-secret-of-no-worth-outside-this-test-00',
};
const region = 'us-east-1';

/**
 * For the `skip` option of a test: why this machine cannot run that version, false where it can.
 * In CI a missing Pacific is no reason to skip: startCeph then fails.
 */
export function skipWithout(version: CephVersion): string | false {
  const missing = whatIsMissing(version);
  if (missing === undefined || (version === 'pacific' && process.env['CI'])) return false;
  console.warn(`SKIPPED: ${missing}`);
  return missing;
}

/** What a test may want of its Ceph. */
export interface CephOptions {
  /** 20 logs every request header that it receives. */
  readonly debugLevel?: number;
  readonly user?: User;
  /** The name that it believes to have, besides its address. */
  readonly hostname?: string;
}

/** Starts a Ceph of its own for the caller, who stops it. */
export async function startCeph(version: CephVersion, options: CephOptions = {}): Promise<Ceph> {
  const { debugLevel = 1, user = tester, hostname = 'localhost' } = options;
  const missing = whatIsMissing(version);
  if (missing !== undefined) throw new Error(missing);
  const cluster = await startCluster(version, user, { debugLevel, hostname });
  const { accessKeyId, secretAccessKey } = user;
  const caFile = join(cluster.directory, 'tls.crt');
  const httpsEndpoint = `https://127.0.0.1:${cluster.ports.https}`;
  const s3 = directClient(httpsEndpoint, caFile, user);
  return {
    version,
    httpEndpoint: `http://127.0.0.1:${cluster.ports.http}`,
    httpsEndpoint,
    caFile,
    accessKeyId,
    secretAccessKey,
    region,
    keyIds,
    s3,
    stat: async (bucket, key) => witness(await statJson(cluster, bucket, key)),
    storedBytes: (bucket, key) => storedBytes(cluster, bucket, key),
    disk: () => disk(cluster),
    configuration: (bucket) => configuration(cluster, bucket),
    logged: (pattern) => logged(cluster, pattern),
    killS3Server: () => cluster.killS3Server(),
    startS3Server: () => cluster.startS3Server(),
    stop: async () => {
      s3.destroy();
      await cluster.stop();
    },
  };
}

function directClient(endpoint: string, caFile: string, user: User): S3Client {
  return new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: user.accessKeyId, secretAccessKey: user.secretAccessKey },
    requestHandler: { httpsAgent: new Agent({ ca: readFileSync(caFile) }) },
    requestChecksumCalculation: 'WHEN_REQUIRED', // Pacific knows no trailing checksums
  });
}

/** The parts of `radosgw-admin object stat` that are read here. */
interface StatJson {
  readonly size: number;
  readonly etag: string;
  readonly attrs: Record<string, string>;
  readonly manifest: { readonly tail_placement: { readonly bucket: { readonly marker: string } } };
}

function statJson(cluster: Cluster, bucket: string, key: string): Promise<StatJson | undefined> {
  return administer(cluster, ['object', 'stat', '--bucket', bucket, '--object', key]);
}

/** What radosgw-admin says, undefined where it finds nothing. */
async function administer<T>(cluster: Cluster, args: readonly string[]): Promise<T | undefined> {
  try {
    return JSON.parse(await cluster.run('radosgw-admin', args)) as T;
  } catch (error) {
    if (error instanceof Error && error.message.includes('No such file or directory')) return undefined;
    throw error;
  }
}

/** The parts of `radosgw-admin metadata get` that are read here. */
interface MetadataJson {
  readonly data: {
    readonly bucket: { readonly bucket_id: string };
    readonly bucket_info: unknown;
    readonly attrs: unknown;
  };
}

async function configuration(cluster: Cluster, bucket: string): Promise<unknown> {
  const metadata = (name: string) => administer<MetadataJson>(cluster, ['metadata', 'get', name]);
  const entry = await metadata(`bucket:${bucket}`);
  if (entry === undefined) return undefined;
  const instance = await metadata(`bucket.instance:${bucket}:${entry.data.bucket.bucket_id}`);
  return { info: instance?.data.bucket_info, attributes: instance?.data.attrs };
}

function witness(stat: StatJson | undefined): ObjectWitness | undefined {
  if (stat === undefined) return undefined;
  const named = Object.entries(stat.attrs).map(([name, value]) => [name.replace(/^user\.rgw\./, ''), value]);
  const attributes: Record<string, string> = Object.fromEntries(named);
  return {
    size: stat.size,
    etag: stat.etag.replaceAll('"', ''),
    encryption: encryptionWitness(attributes),
    attributes,
  };
}

function encryptionWitness(attributes: Record<string, string>): EncryptionWitness | undefined {
  const mode = attributes['crypt.mode'];
  if (mode === undefined) return undefined;
  const context = attributes['crypt.context']; // base64 of JSON
  return {
    mode,
    keyId: attributes['crypt.keyid'],
    context: context === undefined ? undefined : JSON.parse(Buffer.from(context, 'base64').toString('utf8')),
  };
}

async function storedBytes(cluster: Cluster, bucket: string, key: string): Promise<Buffer> {
  const stat = await statJson(cluster, bucket, key);
  if (stat === undefined) throw new Error(`Ceph has no object ${bucket}/${key}.`);
  const file = join(cluster.directory, 'stored');
  const name = `${stat.manifest.tail_placement.bucket.marker}_${key}`;
  await cluster.run('rados', ['--pool', 'default.rgw.buckets.data', 'get', name, file]);
  return readFile(file);
}

async function disk(cluster: Cluster): Promise<DiskObject[]> {
  const file = join(cluster.directory, 'exported');
  await cluster.run('rados', ['--pool', 'default.rgw.buckets.data', 'export', file]);
  const instances: readonly string[] = JSON.parse(
    await cluster.run('radosgw-admin', ['metadata', 'list', 'bucket.instance']),
  );
  // An instance is `BUCKET:MARKER`, an object `MARKER_KEY`, or `MARKER__…` for pieces of one; `_` in front of a key is doubled.
  const buckets = new Map(instances.map((name) => [name.split(':').at(-1) ?? '', name.split(':')[0] ?? '']));
  return parsePoolExport(await readFile(file)).map(({ name, attributes, data }) => {
    const end = name.indexOf('_');
    const key = name.slice(end + 1);
    return {
      bucket: buckets.get(name.slice(0, end)) ?? '',
      key: key.startsWith('_') && !key.startsWith('__') ? undefined : key.replace(/^__/, '_'),
      encryption: encryptionWitness(attributesOnDisk(attributes)),
      data,
    };
  });
}

function attributesOnDisk(attributes: ReadonlyMap<string, Buffer>): Record<string, string> {
  const named = [...attributes].map(([name, value]) => [
    name.replace(/^_user\.rgw\./, ''),
    value.toString('utf8').replace(/\0$/, ''),
  ]);
  return Object.fromEntries(named);
}

async function logged(cluster: Cluster, pattern: RegExp): Promise<RegExpExecArray> {
  const giveUpAt = Date.now() + 30_000;
  while (Date.now() < giveUpAt) {
    const match = pattern.exec(await readFile(join(cluster.directory, 'client.rgw.log'), 'utf8'));
    if (match !== null) return match;
    await sleep(20);
  }
  throw new Error(`Ceph's log holds nothing like ${pattern}.`);
}
