// A client at work: its keys and connections, what it sends and what comes of it. Tells the ledger what it was told, and the
// tally how it went. Must not know which requests there are.
import { createHash } from 'node:crypto';
import type * as https from 'node:https';
import { type PutObjectCommandInput, type S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import type { Answer, Endpoint } from '../gateway/client.ts';
import type { Reply } from './journal.ts';
import type { Ledger, State, Version } from './ledger.ts';
import type { Random } from './random.ts';
import { BUCKETS, type Identity, type Site } from './site.ts';
import { type Expected, isSuccess, type Tally } from './tally.ts';

/** Every body is made of this and its own name: what of it is found on a disk lies there in the clear. */
export const MARKER = 'plaintext of the soak';

export const SSE = 'x-amz-server-side-encryption';
export const KEY_ID: string = `${SSE}-aws-kms-key-id`;
/** Objects that one client keeps at a time. */
export const KEPT: number = 40;

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

export function endpointOf({
  site,
  identity,
  agent,
}: Actor): Endpoint & Required<Pick<Endpoint, 'ca' | 'credentials'>> {
  const { endpoint, ca } = site.gateway;
  const { accessKeyId, secretAccessKey } = identity;
  return { endpoint, ca, agent, credentials: { accessKeyId, secretAccessKey } };
}

/** What a client must say of encryption itself, where the rule adds nothing. */
export function encryptionHeaders({ bucket, site }: Actor): Record<string, string> {
  return bucket === BUCKETS.required ? { [SSE]: 'aws:kms', [KEY_ID]: site.backend.keys.first } : {};
}

/** The same for the SDK. */
export function encryptionParameters({
  bucket,
  site,
}: Actor): Pick<PutObjectCommandInput, 'ServerSideEncryption' | 'SSEKMSKeyId'> {
  return bucket === BUCKETS.required
    ? { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: site.backend.keys.first }
    : {};
}

export interface Content {
  readonly body: Buffer;
  readonly sha256: string;
}

export function content(actor: Actor, size: number): Content {
  actor.count += 1;
  const body = Buffer.alloc(size, `${MARKER} ${actor.name} ${actor.count}\n`);
  return { body, sha256: sha256(body) };
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function nameOf({ bucket }: Actor, key: string): string {
  return `${bucket}/${key}`;
}

export function newKey(actor: Actor): string {
  actor.count += 1;
  return `${actor.name}/${actor.count}`;
}

/** A new key, or one that is written again. */
export function keyToWrite(actor: Actor): string {
  const { keys, ledger, random } = actor;
  const closed = keys.filter((key) => !ledger.isOpen(nameOf(actor, key)));
  if (closed.length > 0 && (keys.length >= KEPT || random.next() < 0.3)) return random.one(closed);
  const key = newKey(actor);
  keys.push(key);
  return key;
}

export function keyToRead(actor: Actor): string | undefined {
  return actor.keys.length === 0 ? undefined : actor.random.one(actor.keys);
}

export interface Sent<T> {
  readonly reply: Reply;
  readonly answer: T | undefined;
  readonly from: number;
  readonly until: number;
}

/** Sends, and counts what comes of it. */
export async function attempt<T>(
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

export async function raw(sent: Promise<Answer>): Promise<{ reply: Reply; answer: Answer | undefined }> {
  try {
    const answer = await sent;
    const { status } = answer;
    return { reply: { kind: 'answered', status, code: answer.code }, answer };
  } catch (error) {
    return { reply: { kind: 'broken', error: messageOf(error) }, answer: undefined };
  }
}

export async function bySdk<T>(sent: Promise<T>): Promise<{ reply: Reply; answer: T | undefined }> {
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
export function enter(actor: Actor, key: string, { reply }: Sent<unknown>, state: State): void {
  const name = nameOf(actor, key);
  if (isSuccess(reply)) actor.ledger.acknowledged(name, state);
  else if (reply.kind === 'broken' || reply.status >= 500) actor.ledger.unanswered(name, state);
}

export function versionOf(actor: Actor, { body, sha256 }: Content, { from, until }: Sent<unknown>): Version {
  const { site, bucket } = actor;
  const keyIds = bucket === BUCKETS.required ? [site.backend.keys.first] : site.keysBetween(from, until);
  return { size: body.length, sha256, keyIds };
}
