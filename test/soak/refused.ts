// What clients do that must not be done: requests that must be refused, and uploads that nobody finishes. Nothing of them may
// be stored, whatever becomes of the gateway or the backend meanwhile.
import { connect } from 'node:tls';
import { bytesOf, headLines } from '../enforcement/requests.ts';
import { type Answer, sendSigned, signedHeaders } from '../gateway/client.ts';
import {
  type Actor,
  attempt,
  content,
  encryptionHeaders,
  endpointOf,
  KEY_ID,
  nameOf,
  newKey,
  raw,
  SSE,
} from './actor.ts';
import { BUCKETS, CONTEXT, type Identity } from './site.ts';

/** Requests that must be refused, at a key that is new or at one that is there; what is there must stay as it is. */
const REFUSED: readonly (readonly [
  kind: string,
  codes: readonly string[],
  send: (actor: Actor, path: string) => Promise<Answer>,
])[] = [
  ['SSE-S3', ['AccessDenied'], (actor, path) => putWith(actor, path, { [SSE]: 'AES256' })],
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
    'a context of another object',
    ['InvalidArgument'],
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
  ['a body with another hash', ['XAmzContentSHA256Mismatch'], (actor, path) => putOther(actor, path, 3_000)],
  [
    'a large body with another hash',
    ['XAmzContentSHA256Mismatch'],
    (actor, path) => putOther(actor, path, 200_000),
  ],
  ['KMS in plaintext', ['InvalidArgument'], (actor, path) => putInPlaintext(actor, path)],
];

export async function refused(actor: Actor): Promise<void> {
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
export async function leave(actor: Actor): Promise<void> {
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
