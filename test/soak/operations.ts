// What clients do with objects, in each form in which it can be sent. Each request must succeed.
import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { type Answer, type PlainRequest, send, sendSigned } from '../gateway/client.ts';
import {
  type Actor,
  attempt,
  bySdk,
  content,
  encryptionHeaders,
  encryptionParameters,
  endpointOf,
  enter,
  KEPT,
  keyToRead,
  keyToWrite,
  nameOf,
  newKey,
  raw,
  type Sent,
  SSE,
  sha256,
  versionOf,
} from './actor.ts';
import type { Reply } from './journal.ts';
import { type Expected, isSuccess } from './tally.ts';

const MIB = 1024 * 1024;
/** Large objects that one client keeps at a time. */
const KEPT_LARGE = 2;

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

export function putSmall(actor: Actor): Promise<void> {
  return put(actor, 'PUT, read whole', actor.random.between(0, 16_384));
}

export function putLarger(actor: Actor): Promise<void> {
  return put(actor, 'PUT, signed hash', actor.random.between(16_385, 400_000));
}

export async function putStreaming(actor: Actor): Promise<void> {
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
export async function putInParts(actor: Actor): Promise<void> {
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

export async function putPresigned(actor: Actor): Promise<void> {
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

export async function postForm(actor: Actor): Promise<void> {
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

export async function get(actor: Actor): Promise<void> {
  const key = keyToRead(actor);
  if (key === undefined) return;
  const path = `/${nameOf(actor, key)}`;
  await read(actor, 'GET', key, () => wholeBody(raw(sendSigned(endpointOf(actor), { method: 'GET', path }))));
}

export async function getPresigned(actor: Actor): Promise<void> {
  const key = keyToRead(actor);
  if (key === undefined) return;
  const command = new GetObjectCommand({ Bucket: actor.bucket, Key: key });
  const { pathname, search, host } = new URL(await presigned(actor, command));
  const request = { method: 'GET', path: `${pathname}${search}`, headers: { host } };
  await read(actor, 'GET, presigned', key, () => wholeBody(raw(send(endpointOf(actor), request))));
}

export async function getBySdk(actor: Actor): Promise<void> {
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

export async function head(actor: Actor): Promise<void> {
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

export async function deleteOne(actor: Actor): Promise<void> {
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

export async function copy(actor: Actor): Promise<void> {
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

export async function list(actor: Actor): Promise<void> {
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
