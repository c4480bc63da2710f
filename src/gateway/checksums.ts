// The checksum algorithms of S3 over a stream of bytes. The algorithms are libraries'; here is only which name is which.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html

import { crc32 } from 'node:zlib';
import { AwsCrc32c } from '@aws-crypto/crc32c';
import { Crc64Nvme } from '@aws-sdk/crc64-nvme';
import { createXXHash3, createXXHash64, createXXHash128, type IHasher } from 'hash-wasm';
import { startDigest } from '../core/sigv4/digest.ts';

/** A checksum that is fed piece by piece. */
export interface RunningChecksum {
  update(data: Uint8Array): void;
  /** Base64 of the big-endian bytes, as S3 writes it. Ends the checksum. */
  digest(): Promise<string>;
}

/** Starts a checksum by the last part of its header name: `crc32` of `x-amz-checksum-crc32`. */
export function startChecksum(algorithm: string): RunningChecksum {
  switch (algorithm) {
    case 'crc32':
      return startCrc32();
    case 'crc32c':
      return fromLibrary(new AwsCrc32c());
    case 'crc64nvme':
      return fromLibrary(new Crc64Nvme());
    case 'sha1':
    case 'sha256':
    case 'sha512':
    case 'md5':
      return fromDigest(algorithm);
    case 'xxhash64':
      return fromSharedHasher(XXHASH64);
    case 'xxhash3':
      return fromSharedHasher(XXHASH3);
    case 'xxhash128':
      return fromSharedHasher(XXHASH128);
    default:
      throw new Error(`no checksum algorithm ${algorithm}`);
  }
}

function startCrc32(): RunningChecksum {
  let value = 0;
  return {
    update: (data) => {
      value = crc32(data, value);
    },
    digest: async () => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return bytes.toString('base64');
    },
  };
}

function fromLibrary(checksum: {
  update(data: Uint8Array): void;
  digest(): Promise<Uint8Array>;
}): RunningChecksum {
  return {
    update: (data) => checksum.update(data),
    digest: async () => Buffer.from(await checksum.digest()).toString('base64'),
  };
}

function fromDigest(algorithm: 'sha1' | 'sha256' | 'sha512' | 'md5'): RunningChecksum {
  const running = startDigest(algorithm);
  return { update: (data) => running.update(data), digest: async () => running.digest().toString('base64') };
}

const [XXHASH64, XXHASH3, XXHASH128] = await Promise.all([
  createXXHash64(),
  createXXHash3(),
  createXXHash128(),
]);

/** One WebAssembly instance serves all bodies: making one is asynchronous and takes memory, so each body only keeps its state. */
function fromSharedHasher(hasher: IHasher): RunningChecksum {
  let state = hasher.init().save();
  return {
    update: (data) => {
      state = hasher.load(state).update(data).save();
    },
    digest: async () => Buffer.from(hasher.load(state).digest('binary')).toString('base64'),
  };
}
