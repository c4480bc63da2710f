// The backends that a soak can run against: how each is killed and started again, and what it holds, asked behind the
// gateway's back. Knows nothing of traffic.
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { S3Client } from '@aws-sdk/client-s3';
import { startCeph } from '../backends/ceph.ts';
import { backendOf } from '../clients/through-gateway.ts';
import { DEFAULT_KEY, FOREIGN_KEY, OTHER_KEY, startStoreBackend } from '../gateway/store.ts';

/** How an object lies there, by the backend's own books and not by an answer over S3. */
export interface Lying {
  readonly keyId: string | undefined;
  readonly algorithm: string;
  readonly context: Readonly<Record<string, unknown>>;
}

/** Everything that lies there. */
export interface Stock {
  /** By `BUCKET/KEY`. */
  readonly objects: ReadonlyMap<string, Lying | undefined>;
  /** Of larger objects and of unfinished uploads. */
  readonly pieces: number;
  /** How many objects and pieces lie there with this text in the clear. */
  inTheClear(text: string): number;
}

export interface SoakBackend {
  readonly name: string;
  /** As configured for the gateway. */
  readonly backend: Record<string, unknown>;
  /** Names of KMS keys. `foreign` is one that the backend has and no rule allows. */
  readonly keys: { readonly first: string; readonly second: string; readonly foreign: string };
  /** How it calls SSE-KMS. */
  readonly kms: string;
  /** Straight to it. */
  readonly s3: S3Client;
  /** One object, as it lies there now. */
  lying(bucket: string, key: string): Promise<Lying | undefined>;
  /** Everything that lies there, of these objects and of whatever else there is. */
  stock(names: readonly string[]): Promise<Stock>;
  /** Breaks all that it is doing, and answers nobody. */
  kill(): Promise<void>;
  /** Answers again when this is done, with all that it had stored. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Ceph 20, whose S3 server is killed; the objects are in another process. */
export async function startCephBackend(): Promise<SoakBackend> {
  const ceph = await startCeph('tentacle');
  const [first, second, foreign] = ceph.keyIds;
  const lyingOf = (encryption: Awaited<ReturnType<typeof ceph.stat>>): Lying | undefined =>
    encryption?.encryption && asLying(encryption.encryption);
  return {
    name: 'Ceph 20 (Tentacle)',
    backend: backendOf(ceph),
    keys: { first, second, foreign },
    kms: 'SSE-KMS',
    s3: ceph.s3,
    lying: async (bucket, key) => lyingOf(await ceph.stat(bucket, key)),
    stock: async () => {
      const disk = await ceph.disk();
      const named = disk.filter(({ key }) => key !== undefined);
      return {
        objects: new Map(
          named.map(({ bucket, key, encryption }) => [`${bucket}/${key}`, encryption && asLying(encryption)]),
        ),
        pieces: disk.length - named.length,
        inTheClear: (text) => disk.filter(({ data }) => data.includes(text)).length,
      };
    },
    kill: () => ceph.killS3Server(),
    start: () => ceph.startS3Server(),
    stop: () => ceph.stop(),
  };
}

function asLying(encryption: {
  readonly mode: string;
  readonly keyId: string | undefined;
  readonly context: unknown;
}): Lying {
  const { mode: algorithm, keyId, context } = encryption;
  return { algorithm, keyId, context: { ...(context as object) } };
}

/**
 * The embedded store. It keeps everything in memory, so that a killed process would lose what it has acknowledged: killed
 * are its connections and its address.
 */
export async function startEmbeddedBackend(): Promise<SoakBackend> {
  const { store, backend, direct, close } = await startStoreBackend();
  const relay = await startRelay(store.port);
  const caFile = String(backend['caFile']);
  const s3 = new S3Client({
    endpoint: store.endpoint,
    region: direct.region,
    forcePathStyle: true,
    credentials: direct.credentials,
    requestHandler: { httpsAgent: new Agent({ ca: readFileSync(caFile) }) },
  });
  const lying = (name: string) => {
    const slash = name.indexOf('/');
    const stored = store.stored(name.slice(0, slash), name.slice(slash + 1));
    return stored && { ...stored, context: Object.fromEntries(stored.context) };
  };
  return {
    name: 'the embedded store',
    backend: { ...backend, endpoint: `https://localhost:${relay.port}` },
    keys: { first: DEFAULT_KEY, second: OTHER_KEY, foreign: FOREIGN_KEY },
    kms: 'aws:kms',
    s3,
    lying: async (bucket, key) => lying(`${bucket}/${key}`),
    stock: async (names) => {
      const objects = new Map(names.flatMap((name) => (lying(name) ? [[name, lying(name)]] : [])));
      const inTheClear = (text: string) =>
        [...objects.values()].filter((stored) => stored?.ciphertext.includes(text)).length;
      return { objects, pieces: 0, inTheClear };
    },
    kill: relay.cut,
    start: relay.open,
    stop: async () => {
      s3.destroy();
      await relay.cut();
      await close();
    },
  };
}

interface Relay {
  readonly port: number;
  /** Resets all connections and refuses new ones. */
  cut(): Promise<void>;
  open(): Promise<void>;
}

async function startRelay(to: number): Promise<Relay> {
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let port = 0;
  const open = async () => {
    server = createServer({ noDelay: true }, (near) => {
      const far = connect(to, '127.0.0.1');
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
    await new Promise<void>((resolve) => server?.listen(port, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  };
  const cut = async () => {
    const closed = new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
    for (const socket of sockets) socket.resetAndDestroy();
    await closed;
    server = undefined;
  };
  await open();
  return { port, cut, open };
}
