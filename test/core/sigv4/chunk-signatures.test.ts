// The worked examples of streamed uploads in AWS's documentation, intermediate by intermediate.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { headerClaim, parseTarget, SigningKeys, verifySigV4 } from '../../../src/core/index.ts';
import {
  ChunkSignatures,
  canonicalTrailers,
  chunkStringToSign,
  trailerStringToSign,
} from '../../../src/core/sigv4/chunk-signatures.ts';
import { sha256Hex } from '../../../src/core/sigv4/digest.ts';
import { canonicalRequestOf, chunkSeed } from '../../../src/core/sigv4/verify.ts';
import { EMPTY_HASH, headersOf } from '../fixture.ts';

const CLIENT = { secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', sessionToken: undefined };
const NOW = new Date('2013-05-24T00:00:00Z');
const SCOPE = '20130524/us-east-1/s3/aws4_request';
const CHUNKS = [Buffer.alloc(65536, 'a'), Buffer.alloc(1024, 'a'), Buffer.alloc(0)];
const CHUNK_HASHES = [
  'bf718b6f653bebc184e1479f1935b8da974d701b893afcf49e701f3e2f9f9c5a',
  '2edc986847e209b4016e141a6dc8716d3207350f416969382d431539bf292e4a',
  EMPTY_HASH,
];

interface Example {
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly canonicalRequestHash: string;
  readonly seed: string;
  readonly chunks: readonly string[];
}

const COMMON = {
  Host: 's3.amazonaws.com',
  'x-amz-date': '20130524T000000Z',
  'x-amz-storage-class': 'REDUCED_REDUNDANCY',
  'Content-Encoding': 'aws-chunked',
  'x-amz-decoded-content-length': '66560',
};

/** https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html */
const PLAIN: Example = {
  name: 'an upload in signed chunks',
  headers: {
    ...COMMON,
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'Content-Length': '66824',
  },
  canonicalRequestHash: 'cee3fed04b70f867d036f722359b0b1f2f0e5dc0efadbc082b76c4c60e316455',
  seed: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
  chunks: [
    'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
    '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
    'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
  ],
};

/** https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html */
const TRAILER: Example = {
  name: 'an upload in signed chunks with a trailer',
  headers: {
    ...COMMON,
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    'x-amz-trailer': 'x-amz-checksum-crc32c',
  },
  canonicalRequestHash: '44d48b8c2f70eae815a0198cc73d7a546a73a93359c070abbaa5e6c7de112559',
  seed: '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
  chunks: [
    'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
    '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
    '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
  ],
};
const TRAILERS = new Map([['x-amz-checksum-crc32c', 'sOO8/Q==']]);
const TRAILERS_HASH = '1e376db7e1a34a8ef1c4bcee131a2d60a1cb62503747488624e10995f448d774';
const TRAILER_SIGNATURE = 'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435';

function verified({ headers, seed }: Example) {
  const names = Object.keys(headers).map((name) => name.toLowerCase());
  const signedHeaders = names.sort().join(';');
  const authorization = `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/${SCOPE},SignedHeaders=${signedHeaders},Signature=${seed}`;
  const received = headersOf({ ...headers, Authorization: authorization });
  const claimed = headerClaim(received);
  const target = parseTarget('/examplebucket/chunkObject.txt');
  assert.ok(claimed.kind === 'claim' && target);
  const { claim } = claimed;
  const message = { method: 'PUT', target, headers: received };
  const keys = new SigningKeys();
  const refusal = verifySigV4(claim, message, { client: CLIENT, regions: ['us-east-1'], now: NOW, keys });
  return { claim, message, refusal, seed: chunkSeed(claim, CLIENT, keys) };
}

for (const example of [PLAIN, TRAILER]) {
  describe(`the example of ${example.name}`, () => {
    const { claim, message, refusal, seed } = verified(example);

    test('canonical request', () => {
      assert.equal(sha256Hex(canonicalRequestOf(claim, message)), example.canonicalRequestHash);
    });
    test('seed signature', () => {
      assert.equal(refusal, undefined);
      assert.equal(seed.signature, example.seed);
    });
    test('strings to sign of the chunks', () => {
      CHUNKS.forEach((chunk, i) => {
        assert.equal(sha256Hex(chunk), CHUNK_HASHES[i]);
        const previous = i === 0 ? example.seed : (example.chunks[i - 1] ?? '');
        assert.equal(
          chunkStringToSign(seed, previous, CHUNK_HASHES[i] ?? ''),
          `AWS4-HMAC-SHA256-PAYLOAD\n20130524T000000Z\n${SCOPE}\n${previous}\n${EMPTY_HASH}\n${CHUNK_HASHES[i]}`,
        );
      });
    });
    test('chunk signatures', () => {
      const chain = new ChunkSignatures(seed);
      CHUNKS.forEach((chunk, i) => {
        chain.update(chunk.subarray(0, 100));
        chain.update(chunk.subarray(100));
        assert.equal(chain.proveChunk(example.chunks[i] ?? '').kind, 'proven', `chunk ${i + 1}`);
      });
    });
    test('chunks in another order are not proven', () => {
      const chain = new ChunkSignatures(seed);
      chain.update(CHUNKS[1] ?? Buffer.alloc(0));
      assert.equal(chain.proveChunk(example.chunks[1] ?? '').kind, 'unproven');
    });
    test('the final chunk is not proven by the signature of another', () => {
      const chain = new ChunkSignatures(seed);
      assert.equal(chain.proveChunk(example.chunks[2] ?? '').kind, 'unproven');
    });
  });
}

describe('the trailer of the example', () => {
  const { seed } = verified(TRAILER);
  const last = TRAILER.chunks[2] ?? '';

  test('canonical trailers', () => {
    assert.equal(canonicalTrailers(TRAILERS), 'x-amz-checksum-crc32c:sOO8/Q==\n');
    assert.equal(sha256Hex(canonicalTrailers(TRAILERS)), TRAILERS_HASH);
  });
  test('string to sign', () => {
    assert.equal(
      trailerStringToSign(seed, last, TRAILERS),
      `AWS4-HMAC-SHA256-TRAILER\n20130524T000000Z\n${SCOPE}\n${last}\n${TRAILERS_HASH}`,
    );
  });
  test('trailer signature', () => {
    const chain = new ChunkSignatures(seed);
    CHUNKS.forEach((chunk, i) => {
      chain.update(chunk);
      chain.proveChunk(TRAILER.chunks[i] ?? '');
    });
    assert.equal(chain.proveTrailers(TRAILERS, TRAILER_SIGNATURE).kind, 'proven');
  });
  test('trailers are sorted by name, not by line', () => {
    const trailers = new Map([
      ['a-b', '1'],
      ['a', '2'],
    ]);
    assert.equal(canonicalTrailers(trailers), 'a:2\na-b:1\n');
  });
});

test('three trailers sign as in the example of aws-c-auth', () => {
  const { seed } = verified(PLAIN);
  const chain = new ChunkSignatures(seed);
  CHUNKS.forEach((chunk, i) => {
    chain.update(chunk);
    chain.proveChunk(PLAIN.chunks[i] ?? '');
  });
  const trailers = new Map([
    ['second', '2nd'],
    ['first', '1st'],
    ['third', '3rd'],
  ]);
  const signature = 'df5735bd9f3295cd9386572292562fefc93ba94e80a0a1ddcbd652c4e0a75e6c';
  assert.equal(chain.proveTrailers(trailers, signature).kind, 'proven');
});
