// Where the ways around the rules are tried: one gateway with every kind of rule and client, in front of each backend that
// can play. What became of an attempt is asked of the backend, behind the gateway's back; never of the answer alone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as https from 'node:https';
import { after, before, describe, test } from 'node:test';
import { type Ceph, type EncryptionWitness, skipWithout, startCeph } from '../backends/ceph.ts';
import { backendOf } from '../clients/through-gateway.ts';
import { type Answer, type Endpoint, type PlainRequest, sendSigned } from '../gateway/client.ts';
import { eventually } from '../gateway/eventually.ts';
import { type FakeBackend, startFakeBackend } from '../gateway/fake-backend.ts';
import { startGateway, type TestGateway } from '../gateway/gateway.ts';
import { type TestClient, testClient } from '../gateway/setup.ts';
import { type StoreBackend, startStoreBackend } from '../gateway/store.ts';

/** Which backends an attempt is tried on. `fake` answers 200 to everything: for what no real one here can play. */
export type Stage = 'pacific' | 'tentacle' | 'store' | 'fake';

const TITLES: Readonly<Record<Stage, string>> = {
  pacific: 'Ceph 16',
  tentacle: 'Ceph 20',
  store: 'the embedded store',
  fake: 'a backend that does all it is asked',
};

/** Content of what the rules must get encrypted: no backend may come to hold it as it stands. */
export const SECRET = 'what must not lie in the clear';
/** Content of what is stored past the gateway or outside the rules. */
export const IN_THE_CLEAR = 'what may lie in the clear';

/** KMS keys by what the rules make of them. */
export interface Keys {
  readonly default: string;
  readonly allowed: string;
  /** The backend has it, no rule allows it. */
  readonly foreign: string;
}

/** Rules by the bucket they are for; each is named for it. */
function rulesOf({ default: keyId, allowed }: Keys): Record<string, unknown>[] {
  return [
    {
      name: 'context',
      buckets: ['inject'],
      prefixes: ['context/'],
      mode: 'inject',
      keyId,
      context: { app: 'ledger' },
      requiredContext: ['cost-centre'],
    },
    {
      name: 'inject',
      buckets: ['inject', 'others', 'created-*'],
      mode: 'inject',
      keyId,
      allowedKeyIds: [allowed],
    },
    { name: 'require', buckets: ['require'], mode: 'require', keyId },
    { name: 'bucket-key', buckets: ['bucket-key'], mode: 'inject', keyId, bucketKey: true },
    { name: 'upgrade', buckets: ['upgrade'], mode: 'inject', keyId, otherEncryption: 'upgrade' },
    { name: 'lenient', buckets: ['lenient'], mode: 'inject', keyId, otherEncryption: 'allow' },
    { name: 'observe', buckets: ['observe'], mode: 'observe', keyId },
    { name: 'off', buckets: ['off'], mode: 'off' },
  ];
}

/** Where every object must lie under KMS with an allowed key. */
const ENFORCED = ['inject', 'require', 'bucket-key', 'upgrade', 'others'];
/** `unruled` is in no rule; `control` is for what is done past the gateway, to show that the backend would do it. */
const FREE = ['lenient', 'observe', 'off', 'unruled', 'control'];

const OWN = [...ENFORCED.filter((bucket) => bucket !== 'others'), ...FREE.slice(0, 4), 'created-*'];

const writer: TestClient = {
  name: 'writer',
  accessKeyId: 'GATEWAYWRITER0000001',
  secretAccessKey: 'the-secret-of-the-client-that-may-write-01',
  buckets: OWN,
  access: 'read-write',
};

const reader: TestClient = {
  name: 'reader',
  accessKeyId: 'GATEWAYREADER0000001',
  secretAccessKey: 'the-secret-of-the-client-that-may-read-001',
  buckets: OWN,
  access: 'read-only',
};

const keeper: TestClient = {
  name: 'keeper',
  accessKeyId: 'GATEWAYKEEPER0000001',
  secretAccessKey: 'the-secret-of-the-client-that-may-configure',
  buckets: OWN,
  access: 'admin',
};

/** How an object lies. */
export interface Encryption {
  /** `aws:kms`, `SSE-C` or `none`; for the embedded store `AES256` too. */
  readonly method: string;
  readonly keyId: string | undefined;
}

/** An object and how it lies. */
export interface Lying extends Encryption {
  readonly bucket: string;
  readonly key: string;
}

export interface Witnessed extends Encryption {
  readonly context: Readonly<Record<string, string>>;
}

/** What an attempt must come to: the status, and the reason of the refusal or else the outcome. */
export type Attempt = readonly [what: string, send: () => Promise<Answer>, comesTo: string];

/** A gateway, what stands behind it, and who may ask. */
export interface Site {
  readonly stage: Stage;
  readonly ceph: Ceph | undefined;
  readonly fake: FakeBackend | undefined;
  readonly store: StoreBackend | undefined;
  readonly keys: Keys;
  readonly gateway: TestGateway;
  /** Clients, by what they may do, over TLS. `writer` and `reader` have every bucket but `others` and `control`. */
  readonly admin: Endpoint;
  readonly writer: Endpoint;
  readonly reader: Endpoint;
  /** An admin of the writer's buckets alone. */
  readonly keeper: Endpoint;
  /** The writer over plaintext. */
  readonly plaintext: Endpoint;
  /** Past the gateway, with the backend's own credentials. */
  readonly direct: Endpoint;
  /** As configured for another gateway. */
  readonly backend: Readonly<Record<string, unknown>>;
  /** How the object lies, asked of the backend past the gateway; undefined where there is none. */
  encryptionOf(bucket: string, key: string): Promise<Encryption | undefined>;
  /** The same by the backend's own administration, its context too. On Ceph that takes a while. */
  witnessed(bucket: string, key: string): Promise<Witnessed | undefined>;
  /** Every object, by the backend's own administration. */
  all(): Promise<readonly Lying[]>;
  /** Everything the backend holds, with the time at which it was written. For the fake: every request it got. */
  holdings(): Promise<ReadonlyMap<string, string>>;
  /** Sends all of them; asserts what each comes to, and that nothing is stored, changed or removed by any. */
  repels(attempts: readonly Attempt[]): Promise<void>;
  /** Asserts what each comes to; the backend may change. */
  comeTo(attempts: readonly Attempt[]): Promise<void>;
  /** `bucket/key` of what lies outside its rule and was reported by the gateway: the sweep at the end expects it. */
  readonly reported: Set<string>;
  close(): Promise<void>;
}

/** Some of the ways: registers the tests that a stage can play. */
export type Group = (stage: Stage, site: () => Site) => void;

/** Runs the groups on each stage, and at its end asks the backend for everything that lies there. */
export function onEach(stages: readonly Stage[], groups: Readonly<Record<string, Group>>): void {
  for (const stage of stages) {
    const skip = stage === 'pacific' || stage === 'tentacle' ? skipWithout(stage) : false;
    describe(`in front of ${TITLES[stage]}`, { skip }, () => {
      let site: Site;
      before(async () => {
        site = await startSite(stage);
      });
      after(() => site?.close());
      for (const [title, group] of Object.entries(groups)) describe(title, () => group(stage, () => site));
      if (stage === 'fake') return;
      test('after all this, every object of an enforced bucket lies under an allowed key', () => sweep(site));
    });
  }
}

/** The last word on each object is the backend's own administration's; and nothing secret lies on its disk. */
async function sweep(site: Site): Promise<void> {
  const all = await site.all();
  const enforced = all.filter(({ bucket }) => ENFORCED.includes(bucket) || bucket.startsWith('created-'));
  assert.ok(enforced.length > 0, 'nothing lies there: the sweep says nothing');
  const outside = enforced.filter(
    ({ bucket, method, keyId }) => method !== 'aws:kms' || !allowedKeys(site.keys, bucket).includes(keyId),
  );
  const names = outside.map(({ bucket, key }) => `${bucket}/${key}`);
  assert.deepEqual(names.sort(), [...site.reported].sort());
  const disk = Buffer.concat((await site.ceph?.disk())?.map(({ data }) => data) ?? []);
  if (!site.ceph) return;
  assert.ok(
    disk.includes(IN_THE_CLEAR),
    'what was stored in the clear is not found: the search says nothing',
  );
  assert.ok(!disk.includes(SECRET), 'a text that must be encrypted lies on the disk');
}

function allowedKeys(keys: Keys, bucket: string): (string | undefined)[] {
  return ENFORCED.slice(0, 1).includes(bucket) ? [keys.default, keys.allowed] : [keys.default];
}

/** What the backend says of an object, asked past the gateway. */
async function statedEncryption(
  direct: Endpoint,
  bucket: string,
  key: string,
): Promise<Encryption | undefined> {
  const path = `/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
  const { status, headers } = await sendSigned(direct, { method: 'HEAD', path });
  if (status === 404) return undefined;
  // Without its key nothing else can be said of it.
  if (status === 400) return { method: 'SSE-C', keyId: undefined };
  const [method, keyId] = ['', '-aws-kms-key-id'].map((end) => headers[`x-amz-server-side-encryption${end}`]);
  return { method: method === undefined ? 'none' : String(method), keyId: keyId && String(keyId) };
}

/** What stands behind the gateway. */
interface Behind {
  readonly ceph?: Ceph;
  readonly fake?: FakeBackend;
  readonly store?: StoreBackend;
  readonly backend: Readonly<Record<string, unknown>>;
  readonly direct: Endpoint;
  readonly keys: Keys;
  witnessed(bucket: string, key: string): Promise<Witnessed | undefined>;
  all(): Promise<readonly Lying[]>;
  holdings(): Promise<ReadonlyMap<string, string>>;
  close(): Promise<void>;
}

/** Starts a backend with every bucket, and the gateway before it. */
export async function startSite(stage: Stage): Promise<Site> {
  const behind = await startBehind(stage);
  try {
    return await startBefore(stage, behind);
  } catch (error) {
    await behind.close();
    throw error;
  }
}

async function startBefore(stage: Stage, behind: Behind): Promise<Site> {
  if (stage !== 'fake') {
    for (const bucket of [...ENFORCED, ...FREE]) {
      assert.equal((await sendSigned(behind.direct, { method: 'PUT', path: `/${bucket}` })).status, 200);
    }
  }
  const gateway = await startGateway({
    backends: [behind.backend],
    clients: [testClient, writer, reader, keeper],
    encryption: rulesOf(behind.keys),
  });
  const agent = new https.Agent({ keepAlive: true, ca: gateway.ca, servername: 'localhost' });
  const tls = { endpoint: gateway.endpoint, ca: gateway.ca, agent };
  const comeTo = async (attempts: readonly Attempt[]) => {
    const answers: [string, Answer][] = [];
    for (const [what, send] of attempts) answers.push([what, await send()]);
    const lines = await linesOf(
      gateway,
      answers.map(([, answer]) => requestId(answer)),
    );
    assert.deepEqual(
      answers.map(([what, answer]) => [what, describeOutcome(answer, lines.get(requestId(answer)))]),
      attempts.map(([what, , comesTo]) => [what, comesTo]),
    );
  };
  return {
    ...behind,
    stage,
    ceph: behind.ceph,
    fake: behind.fake,
    store: behind.store,
    gateway,
    admin: tls,
    writer: { ...tls, credentials: writer },
    reader: { ...tls, credentials: reader },
    keeper: { ...tls, credentials: keeper },
    plaintext: { endpoint: gateway.plaintextEndpoint, credentials: writer },
    comeTo,
    repels: async (attempts) => {
      const held = await behind.holdings();
      await comeTo(attempts);
      assert.deepEqual(await behind.holdings(), held);
    },
    reported: new Set(),
    encryptionOf: (bucket, key) => statedEncryption(behind.direct, bucket, key),
    close: async () => {
      agent.destroy();
      await gateway.close();
      await behind.close();
    },
  };
}

/** The gateway's ID of a request. */
function requestId({ headers }: Answer): unknown {
  return headers['x-s3-kms-gateway-request-id'] ?? headers['x-amz-request-id'];
}

type AuditLine = Readonly<Record<string, unknown>>;

/** The audit line of each request. A line can be on its way to the file while its request is over. */
async function linesOf(gateway: TestGateway, ids: readonly unknown[]): Promise<Map<unknown, AuditLine>> {
  let lines = new Map<unknown, AuditLine>();
  await eventually(async () => {
    lines = new Map((await gateway.audited()).map((line) => [line['requestId'], line]));
    return ids.every((id) => lines.has(id));
  }, 'an audit line for each request');
  return lines;
}

/** The answer's status, and what the audit line says of it. */
function describeOutcome({ status }: Answer, line: AuditLine = {}): string {
  const failure = line['unconfirmed'] ? 'unconfirmed' : line['backendError'] && 'backend failed';
  return `${status} ${line['reason'] ?? failure ?? line['outcome']}`;
}

function startBehind(stage: Stage): Promise<Behind> {
  if (stage === 'store') return behindStore();
  return stage === 'fake' ? behindFake() : behindCeph(stage);
}

async function behindCeph(version: 'pacific' | 'tentacle'): Promise<Behind> {
  const ceph = await startCeph(version);
  const [first, second, third] = ceph.keyIds;
  const ca = readFileSync(ceph.caFile, 'utf8');
  const agent = new https.Agent({ keepAlive: true, ca, servername: 'localhost' });
  const direct = { endpoint: ceph.httpsEndpoint, ca, credentials: ceph, agent };
  return {
    ceph,
    backend: backendOf(ceph),
    direct,
    keys: { default: first, allowed: second, foreign: third },
    witnessed: async (bucket, key) => {
      const witness = await ceph.stat(bucket, key);
      if (witness === undefined) return undefined;
      const { context = {} } = witness.encryption ?? {};
      return { ...cephEncryption(witness.encryption), context: context as Record<string, string> };
    },
    all: async () =>
      (await ceph.disk()).flatMap(({ bucket, key, encryption }) =>
        key === undefined ? [] : [{ bucket, key, ...cephEncryption(encryption) }],
      ),
    // Listings are no secret: without TLS they are quicker.
    holdings: () => holdings({ endpoint: ceph.httpEndpoint, credentials: ceph }, 'with uploads'),
    close: () => {
      agent.destroy();
      return ceph.stop();
    },
  };
}

function cephEncryption(encryption: EncryptionWitness | undefined): Encryption {
  const mode = encryption?.mode ?? 'none';
  const method = mode.startsWith('SSE-C') ? 'SSE-C' : mode === 'SSE-KMS' ? 'aws:kms' : mode;
  return { method, keyId: encryption?.keyId };
}

const KEY = 'arn:aws:kms:us-east-1:111122223333:key';

async function behindStore(): Promise<Behind> {
  const keys = {
    default: `${KEY}/1234abcd-12ab-34cd-56ef-1234567890ab`,
    allowed: `${KEY}/mrk-1234abcd12ab34cd56ef1234567890ab`,
    foreign: 'arn:aws:kms:us-east-1:999988887777:key/1234abcd-12ab-34cd-56ef-1234567890ab',
  };
  const store = await startStoreBackend({ keyIds: Object.values(keys) });
  return {
    store,
    backend: store.backend,
    direct: store.direct,
    keys,
    witnessed: async (bucket, key) => {
      const stored = store.store.stored(bucket, key);
      if (stored === undefined) return undefined;
      const { algorithm, keyId, context } = stored;
      return { method: algorithm, keyId, context: Object.fromEntries(context) };
    },
    all: async () => {
      const names = [...(await holdings(store.direct, 'objects only')).keys()];
      return names.flatMap((name) => {
        const [, bucket = '', key = ''] = /^object ([^/]+)\/(.+)$/s.exec(name) ?? [];
        const stored = store.store.stored(bucket, key);
        return stored ? [{ bucket, key, method: stored.algorithm, keyId: stored.keyId }] : [];
      });
    },
    holdings: () => holdings(store.direct, 'objects only'),
    close: store.close,
  };
}

async function behindFake(): Promise<Behind> {
  const fake = await startFakeBackend();
  const keys = { default: `${KEY}/default`, allowed: `${KEY}/allowed`, foreign: `${KEY}/foreign` };
  return {
    fake,
    backend: fake.backend,
    direct: { endpoint: fake.endpoint },
    keys,
    witnessed: async () => undefined,
    all: async () => [],
    holdings: async () =>
      new Map(fake.received.map(({ method, target }, i) => [`request ${i}`, `${method} ${target}`])),
    close: fake.close,
  };
}

/** Buckets, objects and uploads, listed straight at the backend. */
async function holdings(
  direct: Endpoint,
  depth: 'with uploads' | 'objects only',
): Promise<Map<string, string>> {
  const buckets = elements(await listed(direct, '/'), 'Name');
  const found = await Promise.all(
    buckets.map(async (bucket) => {
      const contents = await listed(direct, `/${bucket}?list-type=2`);
      const uploads = depth === 'with uploads' ? await listed(direct, `/${bucket}?uploads=`) : '';
      const objects = [...contents.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, object = '']) => {
        const [key, etag, time] = ['Key', 'ETag', 'LastModified'].map((name) => elements(object, name)[0]);
        return [`object ${bucket}/${key}`, `${etag} ${time}`] as const;
      });
      const begun = elements(uploads, 'UploadId').map((id) => [`upload ${bucket} ${id}`, ''] as const);
      return [[`bucket ${bucket}`, ''] as const, ...objects, ...begun];
    }),
  );
  return new Map(found.flat());
}

async function listed(direct: Endpoint, path: string): Promise<string> {
  const answer = await sendSigned(direct, { method: 'GET', path });
  assert.equal(answer.status, 200, answer.body.toString());
  return answer.body.toString();
}

/** Texts of the elements of this name, entities of XML resolved. */
export function elements(xml: string, name: string): string[] {
  const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
  const resolve = (text: string) => text.replace(/&(\w+);/g, (whole, entity) => entities[entity] ?? whole);
  return [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text = '']) =>
    resolve(text),
  );
}

/** Sends what a client without the gateway would send, and expects it to work. */
export async function pastTheGateway({ direct }: Site, request: PlainRequest): Promise<Answer> {
  const answer = await sendSigned(direct, request);
  assert.ok(answer.status < 300, `${answer.status} ${answer.body}`);
  return answer;
}
