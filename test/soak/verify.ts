// The end of a soak: what the backend holds against what clients were told, without the gateway.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  type MultipartUpload,
  paginateListObjectsV2,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { MARKER, sha256 } from './actor.ts';
import type { Lying, SoakBackend } from './backends.ts';
import type { Found, Ledger, Version } from './ledger.ts';
import { BUCKETS, CONTEXT } from './site.ts';

export interface Verified {
  /** Objects that are there, whole and encrypted, each asked for and witnessed. */
  readonly objects: number;
  /** Of those that are there, or are not, those whose last write got no answer. */
  readonly open: number;
  /** Pieces of large objects and of unfinished uploads, none of them in the clear. */
  readonly pieces: number;
  /** Undefined where the backend cannot list them. */
  readonly unfinishedUploads: number | undefined;
  readonly violations: readonly string[];
}

/** Objects that are asked for at a time. */
const WIDTH = 8;

export async function verify(backend: SoakBackend, ledger: Ledger): Promise<Verified> {
  const violations: string[] = [];
  const note = (objection: string | undefined) => {
    if (objection) violations.push(objection);
  };
  const present = await listed(backend);
  const names = [...ledger.entries()].map(([name]) => name);
  for (const name of names) if (!present.has(name)) note(ledger.objection(name, undefined));
  const stock = await backend.stock([...present]);
  for (const name of stock.objects.keys())
    if (!present.has(name)) note(`${name} lies there and is not listed`);
  const left = [...present];
  const examine = async () => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      const found = await content(backend, name);
      note(ledger.objection(name, found));
      const version = found && ledger.match(name, found);
      if (version) note(wrongly(backend, name, version, stock.objects.get(name)));
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, examine));
  const inTheClear = stock.inTheClear(MARKER);
  if (inTheClear > 0) note(`${inTheClear} things lie there in the clear`);
  const open = names.filter((name) => ledger.isOpen(name)).length;
  const unfinishedUploads = await finish(backend, note);
  return { objects: present.size, open, pieces: stock.pieces, unfinishedUploads, violations };
}

/** What is wrong with how an object lies there. */
export function wrongly(
  backend: SoakBackend,
  name: string,
  { keyIds }: Version,
  lying: Lying | undefined,
): string | undefined {
  if (lying === undefined) return `${name} is not encrypted`;
  const { algorithm, keyId = '', context } = lying;
  if (algorithm !== backend.kms) return `${name} lies there under ${algorithm}`;
  if (!keyIds.includes(keyId)) return `${name} lies under ${keyId}, not ${keyIds.join(' or ')}`;
  if (context['aws:s3:arn'] !== `arn:aws:s3:::${name}`) return `${name} is bound to ${context['aws:s3:arn']}`;
  const isInjected = name.startsWith(`${BUCKETS.injected}/`);
  if (isInjected && context['app'] !== CONTEXT.app) return `${name} lacks the context of its rule`;
  return undefined;
}

async function listed({ s3 }: SoakBackend): Promise<Set<string>> {
  const names = new Set<string>();
  for (const Bucket of Object.values(BUCKETS)) {
    for await (const { Contents = [] } of paginateListObjectsV2({ client: s3 }, { Bucket })) {
      for (const { Key } of Contents) names.add(`${Bucket}/${Key}`);
    }
  }
  return names;
}

/** As the backend gives it to whoever asks it directly: it must still be able to decrypt it. */
async function content({ s3 }: SoakBackend, name: string): Promise<Found | undefined> {
  const slash = name.indexOf('/');
  try {
    const answer = await s3.send(
      new GetObjectCommand({ Bucket: name.slice(0, slash), Key: name.slice(slash + 1) }),
    );
    const bytes = (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
    return { size: bytes.length, sha256: sha256(bytes) };
  } catch (error) {
    if (error instanceof S3ServiceException && error.name === 'NoSuchKey') return undefined;
    throw error;
  }
}

/** Completes what was begun and not finished, past the gateway: how its parts are encrypted shows in the object alone. */
async function finish(
  backend: SoakBackend,
  note: (objection: string | undefined) => void,
): Promise<number | undefined> {
  const { s3, keys } = backend;
  const uploads = await unfinished(backend);
  for (const { bucket: Bucket, upload } of uploads ?? []) {
    const { Key = '', UploadId } = upload;
    const listed = (await s3.send(new ListPartsCommand({ Bucket, Key, UploadId }))).Parts ?? [];
    const Parts = listed.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }));
    if (Parts.length === 0) await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    else {
      const MultipartUpload = { Parts };
      await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload }));
      const keyIds = [keys.first, keys.second];
      const lying = await backend.lying(Bucket, Key);
      note(wrongly(backend, `${Bucket}/${Key}`, { size: 0, sha256: '', keyIds }, lying));
    }
  }
  return uploads?.length;
}

/** The embedded store cannot list them. */
async function unfinished({
  s3,
}: SoakBackend): Promise<{ bucket: string; upload: MultipartUpload }[] | undefined> {
  const found: { bucket: string; upload: MultipartUpload }[] = [];
  try {
    for (const bucket of Object.values(BUCKETS)) {
      const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
      found.push(...Uploads.map((upload) => ({ bucket, upload })));
    }
    return found;
  } catch (error) {
    if (error instanceof S3ServiceException && error.name === 'NotImplemented') return undefined;
    throw error;
  }
}
