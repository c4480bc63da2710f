// Clients that do what clients do, each with objects of its own, one request after the other. Each tells the ledger what it
// was told, and the tally how it went.
import { createHash } from 'node:crypto';
import * as https from 'node:https';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { bytesOf, headLines } from '../enforcement/requests.ts';
import { type Answer, type PlainRequest, send, sendSigned, signedHeaders } from '../gateway/client.ts';
import type { Reply } from './journal.ts';
import type { Ledger, State, Version } from './ledger.ts';
import type { Random } from './random.ts';
import { BUCKETS, CONTEXT, type Identity, type Site } from './site.ts';
import { type Expected, isSuccess, type Tally } from './tally.ts';

/** Every body is made of this and its own name: what of it is found on a disk lies there in the clear. */
export const MARKER = 'plaintext of the soak';

const SSE = 'x-amz-server-side-encryption';
const KEY_ID = `${SSE}-aws-kms-key-id`;
const MIB = 1024 * 1024;
/** Objects that one client keeps at a time. */
const KEPT = 40;
const KEPT_LARGE = 2;

export interface Traffic {
  readonly site: Site;
  readonly ledger: Ledger;
  readonly tally: Tally;
}

/** A client at work. */
export interface Actor extends Traffic {
  readonly name: string;
  readonly identity: Identity;
  readonly bucket: string;
  readonly random: Random;
  /** Keys that it may read, and write unless they are open. */
  readonly keys: string[];
  readonly large: string[];
  agent: https.Agent;
  sdk: S3Client;
  count: number;
  /** Whether the last request failed: clients wait a little before the next. */
  failed: boolean;
}

type Operation = (actor: Actor) => Promise<void>;

const COMMON: readonly (readonly [weight: number, operation: Operation])[] = [
  [20, putSmall],
  [5, putLarger],
  [20, get],
  [8, head],
  [10, deleteOne],
  [6, copy],
  [3, list],
  [10, refused],
  [3, leave],
];

/** With a secret that does not change. */
const OF_SDKS: readonly (readonly [weight: number, operation: Operation])[] = [
  [8, putStreaming],
  [8, getBySdk],
  [1, putInParts],
  [5, putPresigned],
  [5, getPresigned],
  [4, postForm],
];

/** Makes the clients. Each sends on connections that it keeps. */
export function actorsOf(traffic: Traffic, randoms: () => Random): Actor[] {
  const { writer, rotating } = traffic.site;
  const places = [
    ...Array.from({ length: 5 }, () => [writer, BUCKETS.injected] as const),
    ...Array.from({ length: 3 }, () => [writer, BUCKETS.required] as const),
    ...Array.from({ length: 2 }, () => [rotating, BUCKETS.injected] as const),
  ];
  return places.map(([identity, bucket], index) => ({
    ...traffic,
    name: `client-${index}`,
    identity,
    bucket,
    random: randoms(),
    keys: [],
    large: [],
    ...connectionsOf(traffic.site, identity),
    count: 0,
    failed: false,
  }));
}

/** The tally tells what fails. */
const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

function connectionsOf({ gateway }: Site, { accessKeyId, secretAccessKey }: Identity) {
  const agent = new https.Agent({ keepAlive: true, ca: gateway.ca });
  const sdk = new S3Client({
    endpoint: gateway.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    // What fails must be seen to fail.
    maxAttempts: 1,
    logger: SILENT,
    requestHandler: { httpsAgent: agent },
  });
  return { agent, sdk };
}

/** Works until told to stop; its connections are closed when this is done. */
export async function work(actor: Actor, stop: AbortSignal): Promise<void> {
  Object.assign(actor, connectionsOf(actor.site, actor.identity));
  const weighted = actor.identity === actor.site.rotating ? COMMON : [...COMMON, ...OF_SDKS];
  const operations = weighted.flatMap(([weight, operation]) => Array<Operation>(weight).fill(operation));
  while (!stop.aborted) {
    await actor.random.one(operations)(actor);
    await sleep(actor.failed ? actor.random.between(100, 500) : actor.random.between(5, 60));
  }
  actor.sdk.destroy();
  actor.agent.destroy();
}

function endpointOf({ site, identity, agent }: Actor) {
  const { endpoint, ca } = site.gateway;
  const { accessKeyId, secretAccessKey } = identity;
  return { endpoint, ca, agent, credentials: { accessKeyId, secretAccessKey } };
}

/** What a client must say of encryption itself, where the rule adds nothing. */
function encryptionHeaders({ bucket, site }: Actor): Record<string, string> {
  return bucket === BUCKETS.required ? { [SSE]: 'aws:kms', [KEY_ID]: site.backend.keys.first } : {};
}

function encryptionParameters({ bucket, site }: Actor) {
  return bucket === BUCKETS.required
    ? { ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId: site.backend.keys.first }
    : {};
}

interface Content {
  readonly body: Buffer;
  readonly sha256: string;
}

function content(actor: Actor, size: number): Content {
  actor.count += 1;
  const body = Buffer.alloc(size, `${MARKER} ${actor.name} ${actor.count}\n`);
  return { body, sha256: sha256(body) };
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function nameOf({ bucket }: Actor, key: string): string {
  return `${bucket}/${key}`;
}

function newKey(actor: Actor): string {
  actor.count += 1;
  return `${actor.name}/${actor.count}`;
}

/** A new key, or one that is written again. */
function keyToWrite(actor: Actor): string {
  const { keys, ledger, random } = actor;
  const closed = keys.filter((key) => !ledger.isOpen(nameOf(actor, key)));
  if (closed.length > 0 && (keys.length >= KEPT || random.next() < 0.3)) return random.one(closed);
  const key = newKey(actor);
  keys.push(key);
  return key;
}

function keyToRead(actor: Actor): string | undefined {
  return actor.keys.length === 0 ? undefined : actor.random.one(actor.keys);
}

interface Sent<T> {
  readonly reply: Reply;
  readonly answer: T | undefined;
  readonly from: number;
  readonly until: number;
}

/** Sends, and counts what comes of it. */
async function attempt<T>(
  actor: Actor,
  request: string,
  expected: Expected,
  act: () => Promise<{ reply: Reply; answer: T | undefined }>,
): Promise<Sent<T>> {
  const { tally, identity } = actor;
  const from = performance.now();
  const { reply, answer } = await act();
  const until = performance.now();
  tally.count(expected, { request, client: identity.name, from, until, reply });
  actor.failed = reply.kind === 'broken' || reply.status >= 500;
  return { reply, answer, from, until };
}

async function raw(sent: Promise<Answer>): Promise<{ reply: Reply; answer: Answer | undefined }> {
  try {
    const answer = await sent;
    const { status } = answer;
    return { reply: { kind: 'answered', status, code: answer.code }, answer };
  } catch (error) {
    return { reply: { kind: 'broken', error: messageOf(error) }, answer: undefined };
  }
}

async function bySdk<T>(sent: Promise<T>): Promise<{ reply: Reply; answer: T | undefined }> {
  try {
    return { answer: await sent, reply: { kind: 'answered', status: 200, code: undefined } };
  } catch (error) {
    const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
    const reply: Reply =
      status === undefined || status < 300
        ? { kind: 'broken', error: messageOf(error) }
        : { kind: 'answered', status, code: (error as Error).name };
    return { reply, answer: undefined };
  }
}

function messageOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return [code, message].filter(Boolean).join(': ');
}

/** Enters what a write came to. One that was refused changes nothing. */
function enter(actor: Actor, key: string, { reply }: Sent<unknown>, state: State): void {
  const name = nameOf(actor, key);
  if (isSuccess(reply)) actor.ledger.acknowledged(name, state);
  else if (reply.kind === 'broken' || reply.status >= 500) actor.ledger.unanswered(name, state);
}

function versionOf(actor: Actor, { body, sha256 }: Content, { from, until }: Sent<unknown>): Version {
  const { site, bucket } = actor;
  const keyIds = bucket === BUCKETS.required ? [site.backend.keys.first] : site.keysBetween(from, until);
  return { size: body.length, sha256, keyIds };
}

async function put(actor: Actor, kind: string, size: number): Promise<void> {
  const key = keyToWrite(actor);
  const what = content(actor, size);
  const request: PlainRequest = {
    method: 'PUT',
    path: `/${nameOf(actor, key)}`,
    headers: encryptionHeaders(actor),
    body: what.body,
    payloadHash: what.sha256,
  };
  const sent = await attempt(actor, kind, 'success', () => raw(sendSigned(endpointOf(actor), request)));
  enter(actor, key, sent, versionOf(actor, what, sent));
}

function putSmall(actor: Actor): Promise<void> {
  return put(actor, 'PUT, read whole', actor.random.between(0, 16_384));
}

function putLarger(actor: Actor): Promise<void> {
  return put(actor, 'PUT, signed hash', actor.random.between(16_385, 400_000));
}

async function putStreaming(actor: Actor): Promise<void> {
  const key = keyToWrite(actor);
  const what = content(actor, actor.random.between(1, 300_000));
  const command = new PutObjectCommand({
    Bucket: actor.bucket,
    Key: key,
    Body: inPieces(what.body),
    ContentLength: what.body.length,
    ...encryptionParameters(actor),
  });
  const sent = await attempt(actor, 'PUT, checksum in a trailer', 'success', () =>
    bySdk(actor.sdk.send(command)),
  );
  enter(actor, key, sent, versionOf(actor, what, sent));
}

function inPieces(body: Buffer): Readable {
  const size = 64 * 1024;
  const count = Math.ceil(body.length / size);
  return Readable.from(Array.from({ length: count }, (_, n) => body.subarray(n * size, (n + 1) * size)));
}

/** Large objects: the oldest makes room first. */
async function putInParts(actor: Actor): Promise<void> {
  const [oldest] = actor.large;
  if (oldest !== undefined && actor.large.length >= KEPT_LARGE) {
    actor.large.shift();
    await deleteKey(actor, oldest);
  }
  const key = newKey(actor);
  const what = content(actor, actor.random.between(5 * MIB + 1, 11 * MIB));
  const params = { Bucket: actor.bucket, Key: key, Body: what.body, ...encryptionParameters(actor) };
  const leavePartsOnError = actor.random.next() < 0.5;
  const upload = new Upload({ client: actor.sdk, params, leavePartsOnError });
  const sent = await attempt(actor, 'upload in parts', 'success', () => bySdk(upload.done()));
  enter(actor, key, sent, versionOf(actor, what, sent));
  if (isSuccess(sent.reply)) actor.large.push(key);
}

async function putPresigned(actor: Actor): Promise<void> {
  const key = keyToWrite(actor);
  const what = content(actor, actor.random.between(0, 60_000));
  const parameters = encryptionParameters(actor);
  const command = new PutObjectCommand({ Bucket: actor.bucket, Key: key, ...parameters });
  const headers = encryptionHeaders(actor);
  const { pathname, search, host } = new URL(
    await presigned(actor, command, { unhoistableHeaders: new Set(Object.keys(headers)) }),
  );
  const request: PlainRequest = {
    method: 'PUT',
    path: `${pathname}${search}`,
    headers: { host, 'content-length': String(what.body.length), ...headers },
    body: what.body,
  };
  const sent = await attempt(actor, 'PUT, presigned', 'success', () => raw(send(endpointOf(actor), request)));
  enter(actor, key, sent, versionOf(actor, what, sent));
}

type SignedCommand = PutObjectCommand | GetObjectCommand;

/** A client that adds no checksum of the empty body. */
async function presigned(
  { site, identity }: Actor,
  command: SignedCommand,
  options: { unhoistableHeaders?: Set<string> } = {},
): Promise<string> {
  const { accessKeyId, secretAccessKey } = identity;
  const client = new S3Client({
    endpoint: site.gateway.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  return getSignedUrl(client, command as GetObjectCommand, { expiresIn: 600, ...options });
}

async function postForm(actor: Actor): Promise<void> {
  const key = keyToWrite(actor);
  const what = content(actor, actor.random.between(0, 60_000));
  const fields = encryptionHeaders(actor);
  const { fields: signed } = await createPresignedPost(actor.sdk, {
    Bucket: actor.bucket,
    Key: key,
    Fields: fields,
    Conditions: Object.entries(fields).map(([name, value]) => ({ [name]: value })),
    Expires: 600,
  });
  const boundary = '----a-boundary-of-the-soak';
  const parts = Object.entries(signed).map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const file = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n`;
  const body = Buffer.concat([
    Buffer.from(parts.join('') + file),
    what.body,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
  const headers = {
    host: new URL(actor.site.gateway.endpoint).host,
    'content-type': `multipart/form-data; boundary=${boundary}`,
    'content-length': String(body.length),
  };
  const request: PlainRequest = { method: 'POST', path: `/${actor.bucket}`, headers, body };
  const sent = await attempt(actor, 'POST form', 'success', () => raw(send(endpointOf(actor), request)));
  enter(actor, key, sent, versionOf(actor, what, sent));
}

/** Holds what was read against the ledger. */
function check(actor: Actor, key: string, sent: Sent<Uint8Array>): void {
  const { ledger, tally } = actor;
  const { reply, answer } = sent;
  const found = answer && { size: answer.length, sha256: sha256(answer) };
  const isAbsent = reply.kind === 'answered' && reply.status === 404;
  if (!isAbsent && found === undefined) return;
  const objection = ledger.objection(nameOf(actor, key), found);
  if (objection) tally.violations.push(`GET: ${objection}`);
}

/** What a read of this object must come to. Of one that is open, either is right. */
function expectedOf(actor: Actor, key: string): Expected {
  const possible = actor.ledger.possible(nameOf(actor, key));
  if (possible.every((state) => state !== 'absent')) return 'success';
  return possible.length === 1 ? ['NoSuchKey'] : 'either';
}

async function get(actor: Actor): Promise<void> {
  const key = keyToRead(actor);
  if (key === undefined) return;
  const path = `/${nameOf(actor, key)}`;
  await read(actor, 'GET', key, () => wholeBody(raw(sendSigned(endpointOf(actor), { method: 'GET', path }))));
}

async function getPresigned(actor: Actor): Promise<void> {
  const key = keyToRead(actor);
  if (key === undefined) return;
  const command = new GetObjectCommand({ Bucket: actor.bucket, Key: key });
  const { pathname, search, host } = new URL(await presigned(actor, command));
  const request = { method: 'GET', path: `${pathname}${search}`, headers: { host } };
  await read(actor, 'GET, presigned', key, () => wholeBody(raw(send(endpointOf(actor), request))));
}

async function getBySdk(actor: Actor): Promise<void> {
  const key = keyToRead({ ...actor, keys: [...actor.keys, ...actor.large] });
  if (key === undefined) return;
  const download = async () => {
    const answer = await actor.sdk.send(new GetObjectCommand({ Bucket: actor.bucket, Key: key }));
    return (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
  };
  await read(actor, 'GET by the SDK', key, () => bySdk(download()));
}

async function wholeBody(
  sent: Promise<{ reply: Reply; answer: Answer | undefined }>,
): Promise<{ reply: Reply; answer: Uint8Array | undefined }> {
  const { reply, answer } = await sent;
  return { reply, answer: isSuccess(reply) ? answer?.body : undefined };
}

async function read(
  actor: Actor,
  kind: string,
  key: string,
  act: () => Promise<{ reply: Reply; answer: Uint8Array | undefined }>,
): Promise<void> {
  check(actor, key, await attempt(actor, kind, expectedOf(actor, key), act));
}

async function head(actor: Actor): Promise<void> {
  const key = keyToRead(actor);
  if (key === undefined || expectedOf(actor, key) !== 'success') return;
  const path = `/${nameOf(actor, key)}`;
  const request = { method: 'HEAD', path };
  const { reply, answer } = await attempt(actor, 'HEAD', 'success', () =>
    raw(sendSigned(endpointOf(actor), request)),
  );
  if (isSuccess(reply) && answer?.headers[SSE] !== 'aws:kms')
    actor.tally.violations.push(`HEAD: ${path} is not said to be encrypted`);
}

async function deleteOne(actor: Actor): Promise<void> {
  const closed = actor.keys.filter((key) => !actor.ledger.isOpen(nameOf(actor, key)));
  if (closed.length < KEPT / 2) return;
  const key = actor.random.one(closed);
  actor.keys.splice(actor.keys.indexOf(key), 1);
  await deleteKey(actor, key);
}

async function deleteKey(actor: Actor, key: string): Promise<void> {
  const byRaw = { method: 'DELETE', path: `/${nameOf(actor, key)}` };
  const command = new DeleteObjectCommand({ Bucket: actor.bucket, Key: key });
  const sent: Sent<unknown> = await attempt<unknown>(actor, 'DELETE', 'success', () =>
    actor.identity === actor.site.rotating
      ? raw(sendSigned(endpointOf(actor), byRaw))
      : bySdk(actor.sdk.send(command)),
  );
  enter(actor, key, sent, 'absent');
}

async function copy(actor: Actor): Promise<void> {
  const { ledger, random } = actor;
  const sources = actor.keys.flatMap((key) => {
    const [state, ...more] = ledger.possible(nameOf(actor, key));
    return state === undefined || state === 'absent' || more.length > 0 ? [] : [{ key, state }];
  });
  if (sources.length === 0) return;
  const source = random.one(sources);
  const key = keyToWrite(actor);
  if (key === source.key) return;
  const CopySource = nameOf(actor, source.key);
  const headers = { 'x-amz-copy-source': `/${CopySource}`, ...encryptionHeaders(actor) };
  const byRaw = { method: 'PUT', path: `/${nameOf(actor, key)}`, headers };
  const command = new CopyObjectCommand({
    Bucket: actor.bucket,
    Key: key,
    CopySource,
    ...encryptionParameters(actor),
  });
  const sent: Sent<unknown> = await attempt<unknown>(actor, 'copy', 'success', () =>
    actor.identity === actor.site.rotating
      ? raw(sendSigned(endpointOf(actor), byRaw))
      : bySdk(actor.sdk.send(command)),
  );
  const { keyIds } = versionOf(actor, { body: Buffer.of(), sha256: '' }, sent);
  enter(actor, key, sent, { ...source.state, keyIds });
}

async function list(actor: Actor): Promise<void> {
  const prefix = `${actor.name}/`;
  const path = `/${actor.bucket}?list-type=2&max-keys=1000&prefix=${encodeURIComponent(prefix)}`;
  const { reply, answer } = await attempt(actor, 'list', 'success', () =>
    raw(sendSigned(endpointOf(actor), { method: 'GET', path })),
  );
  if (!isSuccess(reply) || !answer) return;
  const listed = new Set([...answer.body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key));
  for (const key of actor.keys) {
    if (expectedOf(actor, key) === 'success' && !listed.has(key))
      actor.tally.violations.push(`list: ${nameOf(actor, key)} is not there`);
  }
}

/** Requests that must be refused, at a key that is new or at one that is there; what is there must stay as it is. */
const REFUSED: readonly (readonly [
  kind: string,
  codes: readonly string[],
  send: (actor: Actor, path: string) => Promise<Answer>,
])[] = [
  ['SSE-S3', ['AccessDenied', 'InvalidArgument'], (actor, path) => putWith(actor, path, { [SSE]: 'AES256' })],
  [
    'a foreign key',
    ['AccessDenied'],
    (actor, path) => putWith(actor, path, { [SSE]: 'aws:kms', [KEY_ID]: actor.site.backend.keys.foreign }),
  ],
  [
    'no rule',
    ['AccessDenied'],
    (actor, path) => putWith(actor, `/${BUCKETS.unruled}${path.slice(path.indexOf('/', 1))}`, {}),
  ],
  [
    'a context that is none',
    ['InvalidArgument', 'AccessDenied'],
    (actor, path) =>
      putWith(actor, path, {
        [SSE]: 'aws:kms',
        [KEY_ID]: actor.site.backend.keys.first,
        [`${SSE}-context`]: Buffer.from(
          JSON.stringify({ ...CONTEXT, 'aws:s3:arn': 'arn:aws:s3:::elsewhere' }),
        ).toString('base64'),
      }),
  ],
  [
    'a wrong secret',
    ['SignatureDoesNotMatch'],
    (actor, path) => putWith(actor, path, encryptionHeaders(actor), { secretAccessKey: 'guessed' }),
  ],
  [
    'an unknown access key',
    ['InvalidAccessKeyId'],
    (actor, path) => putWith(actor, path, encryptionHeaders(actor), { accessKeyId: 'SOAKNOBODY0000000000' }),
  ],
  [
    'a client that may only read',
    ['AccessDenied'],
    (actor, path) => putWith(actor, path, encryptionHeaders(actor), actor.site.reader),
  ],
  [
    'a body with another hash',
    ['XAmzContentSHA256Mismatch', 'BadDigest'],
    (actor, path) => putOther(actor, path, 3_000),
  ],
  [
    'a large body with another hash',
    ['XAmzContentSHA256Mismatch', 'BadDigest'],
    (actor, path) => putOther(actor, path, 200_000),
  ],
  [
    'KMS in plaintext',
    ['AccessDenied', 'InvalidArgument', 'InvalidRequest'],
    (actor, path) => putInPlaintext(actor, path),
  ],
];

async function refused(actor: Actor): Promise<void> {
  const { random, keys } = actor;
  const [kind, codes, send] = random.one(REFUSED);
  const key = keys.length > 0 && random.next() < 0.5 ? random.one(keys) : newKey(actor);
  await attempt(actor, `refused: ${kind}`, codes, () => raw(send(actor, `/${nameOf(actor, key)}`)));
}

function putWith(
  actor: Actor,
  path: string,
  headers: Readonly<Record<string, string>>,
  otherwise: Partial<Identity> = {},
): Promise<Answer> {
  const { body, sha256 } = content(actor, actor.random.between(1, 40_000));
  const to = endpointOf(actor);
  const credentials = { ...to.credentials, ...otherwise };
  return sendSigned({ ...to, credentials }, { method: 'PUT', path, headers, body, payloadHash: sha256 });
}

function putOther(actor: Actor, path: string, size: number): Promise<Answer> {
  const { body } = content(actor, size);
  const { sha256 } = content(actor, size);
  const headers = encryptionHeaders(actor);
  return sendSigned(endpointOf(actor), { method: 'PUT', path, headers, body, payloadHash: sha256 });
}

function putInPlaintext(actor: Actor, path: string): Promise<Answer> {
  const { body, sha256 } = content(actor, 1_000);
  const { accessKeyId, secretAccessKey } = actor.identity;
  const to = {
    endpoint: actor.site.gateway.plaintextEndpoint,
    credentials: { accessKeyId, secretAccessKey },
  };
  const headers = { [SSE]: 'aws:kms', [KEY_ID]: actor.site.backend.keys.first };
  return sendSigned(to, { method: 'PUT', path, headers, body, payloadHash: sha256 });
}

/** Announces a body and goes away in the middle of it. Nobody is told anything, and nothing may be stored. */
async function leave(actor: Actor): Promise<void> {
  const { body, sha256 } = content(actor, actor.random.between(1_000, 500_000));
  const key =
    actor.keys.length > 0 && actor.random.next() < 0.5 ? actor.random.one(actor.keys) : newKey(actor);
  const path = `/${nameOf(actor, key)}`;
  const request = { method: 'PUT', path, headers: encryptionHeaders(actor), body, payloadHash: sha256 };
  const to = endpointOf(actor);
  const headers = { ...(await signedHeaders(to, request)), 'content-length': String(body.length) };
  const sent = body.subarray(0, actor.random.between(0, body.length - 1));
  await attempt(actor, 'left in mid upload', 'success', async () => {
    await leaveAfter(to, bytesOf(headLines('PUT', path, headers), sent), actor.random.between(0, 200));
    return { reply: { kind: 'answered', status: 200, code: undefined }, answer: undefined };
  });
}

function leaveAfter(to: { endpoint: string; ca: string }, bytes: Buffer, ms: number): Promise<void> {
  const port = Number(new URL(to.endpoint).port);
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: to.ca });
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.resume();
    socket.write(bytes, () => setTimeout(() => socket.destroy(), ms));
  });
}
