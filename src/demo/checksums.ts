// The checksums S3 knows by name, over bytes in memory. Knows algorithms only, nothing of headers or requests.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

type Checksum = (bytes: Uint8Array) => Buffer;

const digest =
  (algorithm: string): Checksum =>
  (bytes) =>
    createHash(algorithm).update(bytes).digest();

/** By the end of `x-amz-checksum-…`. */
const CHECKSUMS: ReadonlyMap<string, Checksum> = new Map([
  ['crc32', (bytes: Uint8Array) => bigEndian(0, crc32(bytes)).subarray(4)],
  ['crc32c', crc32c],
  ['crc64nvme', crc64nvme],
  ['md5', digest('md5')],
  ['sha1', digest('sha1')],
  ['sha256', digest('sha256')],
  ['sha512', digest('sha512')],
]);

/** Base64 of the checksum; `undefined` for a name that is not known here. */
export function checksumOf(name: string, bytes: Uint8Array): string | undefined {
  return CHECKSUMS.get(name)?.(bytes).toString('base64');
}

/** The reflected polynomials, in halves of 32 bits: BigInt would be too slow for parts of megabytes. */
const CRC32C_TABLE = reflectedTable(0, 0x82f63b78);
const CRC64NVME_TABLE = reflectedTable(0x9a6c9329, 0xac4bc9b5);

interface Table {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
}

function reflectedTable(polynomialHigh: number, polynomialLow: number): Table {
  const table = { high: new Uint32Array(256), low: new Uint32Array(256) };
  for (let index = 0; index < 256; index++) {
    let [high, low] = [0, index];
    for (let bit = 0; bit < 8; bit++) {
      const carry = low & 1;
      low = (low >>> 1) | (high << 31);
      high >>>= 1;
      if (carry) {
        high ^= polynomialHigh;
        low ^= polynomialLow;
      }
    }
    table.high[index] = high;
    table.low[index] = low;
  }
  return table;
}

function crc32c(bytes: Uint8Array): Buffer {
  return crc(CRC32C_TABLE, 0, bytes).subarray(4);
}

function crc64nvme(bytes: Uint8Array): Buffer {
  return crc(CRC64NVME_TABLE, 0xffffffff, bytes);
}

function crc(table: Table, initialHigh: number, bytes: Uint8Array): Buffer {
  let [high, low] = [initialHigh, 0xffffffff];
  for (const byte of bytes) {
    const index = (low ^ byte) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ (table.low[index] ?? 0);
    high = (high >>> 8) ^ (table.high[index] ?? 0);
  }
  return bigEndian(high ^ initialHigh, low ^ 0xffffffff);
}

function bigEndian(high: number, low: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(high >>> 0, 0);
  bytes.writeUInt32BE(low >>> 0, 4);
  return bytes;
}
