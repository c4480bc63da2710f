// Named keys and envelope encryption: each object has a data key of its own, kept only wrapped under a named key, with
// the encryption context as additional authenticated data. Knows AES-256-GCM; must not know HTTP, buckets or objects.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** Bytes under AES-256-GCM. The ciphertext is as long as the plaintext. */
export interface Sealed {
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

/** A data key as it is kept: wrapped, with what it takes to unwrap it. */
export interface DataKey {
  readonly keyId: string;
  readonly wrapped: Sealed;
  readonly associated: Buffer;
}

const KEY_BYTES = 32;
const NONCE_BYTES = 12;

/** Random keys by name, for as long as the process lives. */
export class Vault {
  readonly #keys: ReadonlyMap<string, Buffer>;

  constructor(keyIds: readonly string[]) {
    this.#keys = new Map(keyIds.map((keyId) => [keyId, randomBytes(KEY_BYTES)]));
  }

  has(keyId: string): boolean {
    return this.#keys.has(keyId);
  }

  generateDataKey(keyId: string, context: ReadonlyMap<string, string>): DataKey {
    const associated = associatedData(context);
    return { keyId, wrapped: encrypt(this.#key(keyId), randomBytes(KEY_BYTES), associated), associated };
  }

  seal(dataKey: DataKey, plaintext: Uint8Array): Sealed {
    return encrypt(this.#unwrap(dataKey), plaintext, dataKey.associated);
  }

  /** Throws where the bytes, the key or the context are not those of `seal`. */
  open(dataKey: DataKey, sealed: Sealed): Buffer {
    return decrypt(this.#unwrap(dataKey), sealed, dataKey.associated);
  }

  #unwrap({ keyId, wrapped, associated }: DataKey): Buffer {
    return decrypt(this.#key(keyId), wrapped, associated);
  }

  #key(keyId: string): Buffer {
    const key = this.#keys.get(keyId);
    if (!key) throw new Error(`no key ${keyId} in the vault`);
    return key;
  }
}

/** One form for equal contexts: pairs in order of their keys. */
function associatedData(context: ReadonlyMap<string, string>): Buffer {
  const pairs = [...context].sort(([left], [right]) => (left < right ? -1 : 1));
  return Buffer.from(JSON.stringify(pairs), 'utf8');
}

function encrypt(key: Buffer, plaintext: Uint8Array, associated: Buffer): Sealed {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associated);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return { nonce, ciphertext, tag: cipher.getAuthTag() };
}

function decrypt(key: Buffer, { nonce, ciphertext, tag }: Sealed, associated: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAAD(associated).setAuthTag(tag);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
}
