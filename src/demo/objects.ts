// Buckets, objects and multipart uploads in memory. Object bytes are here as ciphertext only.
// Must not know HTTP or XML.
import { createHash, randomBytes } from 'node:crypto';
import type { Encryption } from './encryption.ts';
import type { DataKey, Sealed } from './vault.ts';

/** What is kept beside the bytes: content headers and `x-amz-meta-*`, as they are answered. */
export type Metadata = readonly (readonly [name: string, value: string])[];

export interface StoredObject {
  readonly key: string;
  readonly etag: string;
  readonly lastModified: Date;
  readonly size: number;
  readonly encryption: Encryption;
  readonly dataKey: DataKey;
  /** One, or one for each part. */
  readonly segments: readonly Sealed[];
  readonly metadata: Metadata;
  /** Headers `x-amz-checksum-*` of the whole object. */
  readonly checksums: Metadata;
}

export interface StoredPart {
  readonly number: number;
  readonly etag: string;
  readonly size: number;
  readonly lastModified: Date;
  readonly sealed: Sealed;
}

export interface Upload {
  readonly id: string;
  readonly key: string;
  readonly encryption: Encryption;
  readonly dataKey: DataKey;
  readonly metadata: Metadata;
  readonly parts: Map<number, StoredPart>;
}

export interface Bucket {
  readonly name: string;
  readonly created: Date;
  readonly objects: Map<string, StoredObject>;
  readonly uploads: Map<string, Upload>;
}

/** All buckets, with a bound on the bytes they hold together. */
export class Buckets {
  readonly #byName = new Map<string, Bucket>();
  readonly capacity: number;
  #held = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get free(): number {
    return this.capacity - this.#held;
  }

  get(name: string): Bucket | undefined {
    return this.#byName.get(name);
  }

  all(): Bucket[] {
    return [...this.#byName.values()].sort((a, b) => compareKeys(a.name, b.name));
  }

  create(name: string, created: Date): void {
    this.#byName.set(name, { name, created, objects: new Map(), uploads: new Map() });
  }

  remove(name: string): void {
    this.#byName.delete(name);
  }

  put(bucket: Bucket, object: StoredObject): void {
    this.removeObject(bucket, object.key);
    bucket.objects.set(object.key, object);
    this.#held += object.size;
  }

  removeObject(bucket: Bucket, key: string): void {
    this.#held -= bucket.objects.get(key)?.size ?? 0;
    bucket.objects.delete(key);
  }

  putPart(upload: Upload, part: StoredPart): void {
    this.#held += part.size - (upload.parts.get(part.number)?.size ?? 0);
    upload.parts.set(part.number, part);
  }

  removeUpload(bucket: Bucket, upload: Upload): void {
    for (const part of upload.parts.values()) this.#held -= part.size;
    bucket.uploads.delete(upload.id);
  }
}

/** MD5 for what S3 itself encrypts; for KMS an ETag says nothing of the content. */
export function etagOf(encryption: Encryption, bytes: Uint8Array): string {
  return encryption.algorithm === 'AES256'
    ? createHash('md5').update(bytes).digest('hex')
    : randomBytes(16).toString('hex');
}

/** The ETag of a completed upload: of the parts' ETags, and their number. */
export function multipartEtag(encryption: Encryption, parts: readonly StoredPart[]): string {
  const etags = Buffer.concat(parts.map((part) => Buffer.from(part.etag, 'hex')));
  return `${etagOf(encryption, etags)}-${parts.length}`;
}

/** A page of a listing: keys, and common prefixes up to a delimiter. */
export interface Page {
  readonly objects: readonly StoredObject[];
  readonly commonPrefixes: readonly string[];
  /** The last name on this page, when there are more. */
  readonly next: string | undefined;
}

export interface PageRequest {
  readonly prefix: string;
  readonly delimiter: string;
  /** Only names after this one. */
  readonly after: string;
  readonly maxKeys: number;
}

/** Lists a bucket in the byte order of its keys. */
export function listPage(bucket: Bucket, { prefix, delimiter, after, maxKeys }: PageRequest): Page {
  const objects: StoredObject[] = [];
  const prefixes: string[] = [];
  let last: string | undefined;
  const keys = [...bucket.objects.keys()].filter((key) => key.startsWith(prefix)).sort(compareKeys);
  for (const key of keys) {
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const name = cut < 0 ? key : key.slice(0, cut + delimiter.length);
    if (name === last || compareKeys(name, after) <= 0) continue;
    if (objects.length + prefixes.length === maxKeys)
      return { objects, commonPrefixes: prefixes, next: last };
    last = name;
    const object = bucket.objects.get(key);
    if (cut >= 0) prefixes.push(name);
    else if (object) objects.push(object);
  }
  return { objects, commonPrefixes: prefixes, next: undefined };
}

/** UTF-8 order, which is not that of JavaScript strings beyond U+FFFF. */
function compareKeys(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
