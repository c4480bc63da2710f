// The one file that uses node:crypto: SHA-2, SHA-1 and MD5 digests, HMAC, ECDSA over P-256 and constant-time comparison.
// Knows no protocol.
import {
  createECDH,
  createHash,
  createHmac,
  createPublicKey,
  hash,
  type KeyObject,
  timingSafeEqual,
  verify,
} from 'node:crypto';

/** SHA-256 of no bytes: the payload hash of a request without a body. */
export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** Lower-case hex SHA-256 of a latin1 string (one char, one byte) or of bytes. */
export function sha256Hex(data: string | Uint8Array): string {
  return hash('sha256', typeof data === 'string' ? Buffer.from(data, 'latin1') : data, 'hex');
}

/** HMAC-SHA256 of an ASCII string. */
export function hmacSha256(key: string | Uint8Array, data: string): Buffer {
  return createHmac('sha256', key).update(data, 'latin1').digest();
}

/** Bytes that SHA-256 takes at a time, and gives. */
const BLOCK = 64;
const DIGEST = 32;

/**
 * A key of HMAC-SHA256 that signs again and again, its two pads made ready. RFC 2104 over one-shot hashes: half the work of
 * Node's Hmac, which is a stream.
 */
export class HmacKey {
  readonly #inner = Buffer.alloc(BLOCK, 0x36);
  readonly #outer = Buffer.alloc(BLOCK + DIGEST, 0x5c);

  /** Throws a RangeError for a key longer than a block, which would have to be hashed first: none here is. */
  constructor(key: Uint8Array) {
    if (key.length > BLOCK) throw new RangeError(`a key of ${key.length} bytes`);
    for (const [i, byte] of key.entries()) {
      this.#inner.writeUInt8(this.#inner.readUInt8(i) ^ byte, i);
      this.#outer.writeUInt8(this.#outer.readUInt8(i) ^ byte, i);
    }
  }

  /** Lower-case hex HMAC-SHA256 of a latin1 string (one char, one byte). */
  signHex(data: string): string {
    const inner = Buffer.allocUnsafe(BLOCK + data.length);
    this.#inner.copy(inner);
    inner.write(data, BLOCK, 'latin1');
    this.#outer.write(hash('sha256', inner, 'hex'), BLOCK, 'hex');
    return hash('sha256', this.#outer, 'hex');
  }
}

/** Base64 HMAC-SHA1 of a latin1 string: the signature of Signature Version 2. */
export function hmacSha1Base64(key: string, data: string): string {
  return createHmac('sha1', key).update(data, 'latin1').digest('base64');
}

/** Compares two strings in time that depends on their lengths only. */
export function equalInConstantTime(left: string, right: string): boolean {
  const a = Buffer.from(left, 'utf8');
  const b = Buffer.from(right, 'utf8');
  return a.length === b.length && timingSafeEqual(a, b);
}

/** A digest that is fed piece by piece. */
export interface RunningDigest {
  update(data: Uint8Array): void;
  digest(): Buffer;
}

/** Starts a digest over a stream of bytes. */
export function startDigest(algorithm: 'sha256' | 'sha1' | 'sha512' | 'md5'): RunningDigest {
  const running = createHash(algorithm);
  return {
    update: (data) => {
      running.update(data);
    },
    digest: () => running.digest(),
  };
}

/** A public key on the curve P-256. */
export type EcdsaPublicKey = KeyObject;

/** The public key that belongs to a private one: a number of 32 bytes, from 1 to the order of P-256 less 1. */
export function ecdsaPublicKey(privateKey: Uint8Array): EcdsaPublicKey {
  const pair = createECDH('prime256v1');
  pair.setPrivateKey(privateKey);
  const point = pair.getPublicKey();
  const coordinate = (start: number) => point.subarray(start, start + 32).toString('base64url');
  const jwk = { kty: 'EC', crv: 'P-256', x: coordinate(1), y: coordinate(33) };
  return createPublicKey({ key: jwk, format: 'jwk' });
}

/** Whether a DER signature over the SHA-256 of a latin1 string is this key's. */
export function ecdsaHolds(key: EcdsaPublicKey, data: string, signature: Uint8Array): boolean {
  return verify('sha256', Buffer.from(data, 'latin1'), { key, dsaEncoding: 'der' }, signature);
}
