// The requests that are sent, signed beforehand, with the headers that boto3 sends. Knows the forms of signature; sends
// nothing. No Host names a proxy, so every proxy is sent the same bytes.
import { createHash, createHmac } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { formatAmzDate } from '../src/core/sigv4/amz-date.ts';
import { canonicalQuery, canonicalRequest } from '../src/core/sigv4/canonical-request.ts';
import { EMPTY_SHA256, sha256Hex } from '../src/core/sigv4/digest.ts';
import { deriveSigningKey, formatScope } from '../src/core/sigv4/signing-key.ts';
import { stringToSign } from '../src/core/sigv4/string-to-sign.ts';
import { BUCKET, CLIENT, DECODED_BUCKET, REGION } from './gateway.ts';
import { LARGE_BYTES, SMALL_BYTES } from './workspace.ts';

/** A request as it goes over the wire. */
export interface SignedRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

/** A request before its signature. */
interface Draft {
  readonly method: string;
  readonly path: string;
  readonly payloadHash: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

const HOST = 'localhost';
const UNSIGNED_HEADERS = {
  'Accept-Encoding': 'identity',
  'User-Agent':
    'Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.13 Botocore/1.40.0',
  'amz-sdk-invocation-id': 'b2f3a9e0-6b1c-4a0e-9f7d-0c8a3a4f7b52',
  'amz-sdk-request': 'attempt=1',
};

interface Signature {
  readonly amzDate: string;
  readonly scope: string;
  readonly signature: string;
  readonly key: Buffer;
}

function signWith(now: Date, canonical: (amzDate: string, scope: string) => string): Signature {
  const amzDate = formatAmzDate(now);
  const scope = { date: amzDate.slice(0, 8), region: REGION, service: 's3' };
  const key = deriveSigningKey(CLIENT.secretAccessKey, scope);
  const toSign = stringToSign(amzDate, scope, canonical(amzDate, formatScope(scope)));
  return { amzDate, scope: formatScope(scope), signature: hmac(key, toSign), key };
}

function hmac(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

/** Signs in the Authorization header. */
function signed(
  { method, path, payloadHash, headers = {}, body }: Draft,
  now: Date,
): SignedRequest & Signature {
  const amz = Object.entries({
    host: HOST,
    'x-amz-content-sha256': payloadHash,
    'x-amz-date': formatAmzDate(now),
    ...headers,
  }).sort(([a], [b]) => (a < b ? -1 : 1));
  const signature = signWith(now, () =>
    canonicalRequest({ method, canonicalPath: path, canonicalQuery: '', headers: amz, payloadHash }),
  );
  const names = amz.map(([name]) => name).join(';');
  const authorization = `AWS4-HMAC-SHA256 Credential=${CLIENT.accessKeyId}/${signature.scope}, SignedHeaders=${names}, Signature=${signature.signature}`;
  return {
    ...signature,
    method,
    target: path,
    headers: {
      ...Object.fromEntries(amz),
      ...UNSIGNED_HEADERS,
      Authorization: authorization,
      ...(body === undefined ? {} : { 'content-length': String(body.length) }),
    },
    ...(body === undefined ? {} : { body }),
  };
}

/** Distinct requests for each batch of prepared ones: more than any cache of a parser would hold. */
const DISTINCT = 1000;

function distinct(make: (key: string) => SignedRequest): SignedRequest[] {
  return Array.from({ length: DISTINCT }, (_, i) => make(`object-${String(i).padStart(6, '0')}.bin`));
}

/** GET of 1 KiB. */
export function smallGets(now: Date): SignedRequest[] {
  return distinct((key) =>
    signed({ method: 'GET', path: `/${BUCKET}/small/${key}`, payloadHash: EMPTY_SHA256 }, now),
  );
}

/** PUT of 1 KiB with its hash and nothing about encryption: the rule adds it. */
export function smallPuts(now: Date): SignedRequest[] {
  const body = Buffer.alloc(SMALL_BYTES, 'b');
  const payloadHash = sha256Hex(body);
  return distinct((key) =>
    signed({ method: 'PUT', path: `/${BUCKET}/small/${key}`, payloadHash, body }, now),
  );
}

/** Presigned GET of 1 KiB. */
export function presignedGets(now: Date): SignedRequest[] {
  return distinct((key) => presigned(`/${BUCKET}/small/${key}`, now));
}

function presigned(path: string, now: Date): SignedRequest {
  let query = '';
  const { signature } = signWith(now, (amzDate, scope) => {
    query = canonicalQuery([
      { name: 'X-Amz-Algorithm', value: 'AWS4-HMAC-SHA256' },
      { name: 'X-Amz-Credential', value: `${CLIENT.accessKeyId}/${scope}` },
      { name: 'X-Amz-Date', value: amzDate },
      { name: 'X-Amz-Expires', value: '86400' },
      { name: 'X-Amz-SignedHeaders', value: 'host' },
    ]);
    return canonicalRequest({
      method: 'GET',
      canonicalPath: path,
      canonicalQuery: query,
      headers: [['host', HOST]],
      payloadHash: 'UNSIGNED-PAYLOAD',
    });
  });
  const target = `${path}?${query}&X-Amz-Signature=${signature}`;
  return { method: 'GET', target, headers: { host: HOST, 'User-Agent': 'curl/8.15.0', Accept: '*/*' } };
}

/** GET of 64 MiB. */
export function largeGet(now: Date): SignedRequest {
  return signed({ method: 'GET', path: `/${BUCKET}/large/object.bin`, payloadHash: EMPTY_SHA256 }, now);
}

const LARGE_BODY = Buffer.alloc(LARGE_BYTES, 'c');

function largePut(now: Date, payloadHash: string, more: Partial<Draft> & { bucket?: string } = {}) {
  const { bucket = BUCKET, ...rest } = more;
  return signed(
    { method: 'PUT', path: `/${bucket}/large/object.bin`, payloadHash, body: LARGE_BODY, ...rest },
    now,
  );
}

/** PUT of 64 MiB, its SHA-256 promised. */
export function largePutHashed(now: Date): SignedRequest {
  return largePut(now, sha256Hex(LARGE_BODY));
}

/** PUT of 64 MiB that only TLS protects. */
export function largePutUnsigned(now: Date): SignedRequest {
  return largePut(now, 'UNSIGNED-PAYLOAD');
}

/** The size of chunk that SDKs for Python write; the one for JavaScript writes 64 KiB. */
const UNSIGNED_CHUNK = 1024 ** 2;

/** PUT of 64 MiB in chunks with a checksum behind them, as SDKs send by default. */
export function largePutTrailer(now: Date, bucket?: string): SignedRequest {
  const parts: Buffer[] = [];
  for (let at = 0; at < LARGE_BYTES; at += UNSIGNED_CHUNK) {
    const chunk = LARGE_BODY.subarray(at, at + UNSIGNED_CHUNK);
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  }
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(LARGE_BODY));
  parts.push(Buffer.from(`0\r\nx-amz-checksum-crc32:${checksum.toString('base64')}\r\n\r\n`));
  return largePut(now, 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', {
    headers: {
      'content-encoding': 'aws-chunked',
      'x-amz-decoded-content-length': String(LARGE_BYTES),
      'x-amz-sdk-checksum-algorithm': 'CRC32',
      'x-amz-trailer': 'x-amz-checksum-crc32',
    },
    body: Buffer.concat(parts),
    ...(bucket === undefined ? {} : { bucket }),
  });
}

/** The same for a backend that does not know trailers: the gateway takes the chunks apart. */
export function largePutDecoded(now: Date): SignedRequest {
  return largePutTrailer(now, DECODED_BUCKET);
}

const SIGNED_CHUNK = 64 * 1024;

/** PUT of 64 MiB, each chunk of 64 KiB with a signature of its own. */
export function largePutSignedChunks(now: Date): SignedRequest {
  const request = largePut(now, 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', {
    headers: { 'content-encoding': 'aws-chunked', 'x-amz-decoded-content-length': String(LARGE_BYTES) },
  });
  const { amzDate, scope, key, headers } = request;
  const parts: Buffer[] = [];
  let previous = request.signature;
  for (let at = 0; at <= LARGE_BYTES; at += SIGNED_CHUNK) {
    const chunk = LARGE_BODY.subarray(at, at + SIGNED_CHUNK);
    const hash = createHash('sha256').update(chunk).digest('hex');
    previous = hmac(
      key,
      `AWS4-HMAC-SHA256-PAYLOAD\n${amzDate}\n${scope}\n${previous}\n${EMPTY_SHA256}\n${hash}`,
    );
    const head = `${chunk.length.toString(16)};chunk-signature=${previous}\r\n`;
    parts.push(Buffer.from(head), chunk, Buffer.from('\r\n'));
  }
  const body = Buffer.concat(parts);
  return { ...request, body, headers: { ...headers, 'content-length': String(body.length) } };
}
