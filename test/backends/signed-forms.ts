// One small valid upload in every form of authentication, as the bytes that go over the wire, and which of them the form
// vouches for. Signed by independent signers, Signature Version 2 by its definition. Must not know who receives it.
import { createHash, createHmac } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Sha256 } from '@aws-crypto/sha256-js';
import { S3Client } from '@aws-sdk/client-s3';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { SignatureV4 } from '@smithy/signature-v4';
import { SignatureV4a } from '@smithy/signature-v4a';
import { hmacSigner, signBody } from '../core/sigv4/chunk-signer.ts';

/** Who signs, and for which host. */
export interface Site {
  /** With its port. */
  readonly host: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Where the upload goes. */
export interface Destination {
  readonly bucket: string;
  readonly key: string;
  /** Makes it a part, number 1, of that multipart upload. */
  readonly uploadId?: string;
}

/** A stretch of a request's bytes. */
export interface Piece {
  readonly what: string;
  readonly bytes: Buffer;
  /** Whether a change of any of its bytes must be refused; `sampled` data are too many to change one by one. */
  readonly covered: 'every byte' | 'sampled' | 'not';
}

/** A signed request. */
export interface RawRequest {
  /** The head before and after the Content-Length line, which stands apart because a cut body needs another. */
  readonly head: readonly Piece[];
  readonly contentLength: 'signed' | 'not signed';
  readonly body: readonly Piece[];
  /** What is to be stored. */
  readonly data: Buffer;
}

/** A form of authentication. */
export interface Form {
  readonly name: string;
  /** Signature Version 2 may write only what is not under KMS. */
  readonly version: 'V4' | 'V2';
  readonly upload: 'object' | 'part';
  /** Whether a body cut short, under a Content-Length that fits it, contradicts what was signed. */
  readonly coversBody: boolean;
  sign(site: Site, to: Destination): Promise<RawRequest>;
}

/** In the order of the documentation. */
export const forms: readonly Form[] = [
  v4('SigV4 header, hash of the body', signedWhole),
  v4('SigV4 header, unsigned chunks with a checksum as trailer', unsignedChunks),
  v4('SigV4 header, signed chunks', (site, to) => signedChunks(site, to, false)),
  v4('SigV4 header, signed chunks with a signed trailer', (site, to) => signedChunks(site, to, true)),
  { ...v4('SigV4 presigned URL', presigned), coversBody: false },
  v4('SigV4A header', asymmetric),
  v4('POST form with a V4 policy', postForm),
  v2('SigV2 header', 'object', async (site, to) => v2Header(site, to)),
  v2('SigV2 header, with subresources', 'part', async (site, to) => v2Header(site, to)),
  v2('SigV2 presigned URL', 'object', async (site, to) => v2Presigned(site, to)),
];

function v4(name: string, sign: Form['sign']): Form {
  return { name, version: 'V4', upload: 'object', coversBody: true, sign };
}

function v2(name: string, upload: Form['upload'], sign: Form['sign']): Form {
  return { name, version: 'V2', upload, coversBody: false, sign };
}

/** The request on the wire. With another body than its own it has the Content-Length of that. */
export function wireOf(request: RawRequest, body: readonly Piece[] = request.body): Buffer {
  return join([...headOf(request, body), ...body]);
}

/** The pieces of the head, for a body. */
export function headOf({ head, contentLength }: RawRequest, body: readonly Piece[]): Piece[] {
  const covered = contentLength === 'signed' ? 'every byte' : 'not';
  const length = piece('content-length', `content-length: ${join(body).length}\r\n`, covered);
  return [...head.slice(0, -1), length, ...head.slice(-1)];
}

export function join(pieces: readonly Piece[]): Buffer {
  return Buffer.concat(pieces.map(({ bytes }) => bytes));
}

function piece(what: string, content: string | Buffer, covered: Piece['covered'] = 'every byte'): Piece {
  return { what, bytes: Buffer.from(content as string), covered };
}

type Headers = Readonly<Record<string, string>>;

/** `uncovered` names headers that this form does not sign. */
function headPieces(method: string, target: string, headers: Headers, uncovered: readonly string[]): Piece[] {
  const lines = Object.entries(headers).filter(([name]) => name !== 'content-length');
  return [
    piece('request line', `${method} ${target} HTTP/1.`),
    piece('HTTP version', '1', 'not'), // HTTP/1.0 asks for the very same
    piece('end of the request line', '\r\n'),
    piece('connection', 'connection: close\r\n', 'not'), // hop-by-hop: no form signs it
    ...lines.map(([name, value]) =>
      piece(name, `${name}: ${value}\r\n`, uncovered.includes(name) ? 'not' : 'every byte'),
    ),
    piece('end of the head', '\r\n'),
  ];
}

/** Escapes in the path, so that decoding it is on the way of every form. */
function pathOf({ bucket, key }: Destination): string {
  return `/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
}

const SMALL = Buffer.from('Every byte of this text was vouched for by whoever signed it.\n');
const NOTE = { 'content-type': 'text/plain', 'x-amz-meta-note': 'as it was signed' };

/** Chunks of a body; only the last may be smaller than 8192 bytes. */
const CHUNKS = [8192, 8192, 100].map((size, i) =>
  Buffer.alloc(size, `chunk ${i} of a body that is streamed, `),
);
const STREAMED = Buffer.concat(CHUNKS);
const CHECKSUM = 'x-amz-checksum-crc32';

function checksum(data: Buffer): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(data));
  return bytes.toString('base64');
}

async function signHeader(site: Site, to: Destination, headers: Headers, body?: Buffer): Promise<Headers> {
  const { accessKeyId, secretAccessKey, region } = site;
  const credentials = { accessKeyId, secretAccessKey };
  const settings = { credentials, region, service: 's3', sha256: Sha256, uriEscapePath: false };
  const signed = await new SignatureV4(settings).sign({
    method: 'PUT',
    protocol: 'http:',
    hostname: site.host,
    path: pathOf(to),
    query: {},
    headers: { host: site.host, ...NOTE, ...headers },
    body,
  });
  return signed.headers;
}

async function signedWhole(site: Site, to: Destination): Promise<RawRequest> {
  const headers = await signHeader(site, to, { 'content-length': String(SMALL.length) }, SMALL);
  const head = headPieces('PUT', pathOf(to), headers, []);
  return { head, contentLength: 'signed', body: [piece('body', SMALL)], data: SMALL };
}

function streamingHeaders(mode: string, trailer: boolean): Headers {
  return {
    'content-encoding': 'aws-chunked',
    'x-amz-content-sha256': mode,
    'x-amz-decoded-content-length': String(STREAMED.length),
    ...(trailer ? { 'x-amz-trailer': CHECKSUM, 'x-amz-sdk-checksum-algorithm': 'CRC32' } : {}),
  };
}

async function unsignedChunks(site: Site, to: Destination): Promise<RawRequest> {
  const headers = await signHeader(site, to, streamingHeaders('STREAMING-UNSIGNED-PAYLOAD-TRAILER', true));
  const body = [
    ...CHUNKS.flatMap((chunk) => [
      piece('chunk size', `${chunk.length.toString(16)}\r\n`),
      piece('data', chunk, 'sampled'),
      piece('end of the chunk', '\r\n'),
    ]),
    piece('last chunk', '0\r\n'),
    piece('trailer', `${CHECKSUM}:${checksum(STREAMED)}\r\n`),
    piece('end of the body', '\r\n'),
  ];
  const head = headPieces('PUT', pathOf(to), headers, []);
  return { head, contentLength: 'not signed', body, data: STREAMED };
}

/** Without a trailer this is also the one upload that Ceph stores although its end is missing. */
export async function signedChunks(site: Site, to: Destination, trailer: boolean): Promise<RawRequest> {
  const mode = `STREAMING-AWS4-HMAC-SHA256-PAYLOAD${trailer ? '-TRAILER' : ''}`;
  const headers = await signHeader(site, to, streamingHeaders(mode, trailer));
  const amzDate = headers['x-amz-date'] ?? '';
  const authorization = headers['authorization'] ?? '';
  const [, scope = ''] = /Credential=[^/]+\/([^,]+)/.exec(authorization) ?? [];
  const [, seed = ''] = /Signature=([0-9a-f]+)/.exec(authorization) ?? [];
  const signer = hmacSigner(site.secretAccessKey, amzDate.slice(0, 8), site.region);
  const trailers = trailer ? { [CHECKSUM]: checksum(STREAMED) } : undefined;
  const parts = signBody(signer, { amzDate, scope, seed }, CHUNKS, trailers);
  const body = parts.map(({ kind, bytes }) => piece(kind, bytes, kind === 'data' ? 'sampled' : 'every byte'));
  return {
    head: headPieces('PUT', pathOf(to), headers, []),
    contentLength: 'not signed',
    body,
    data: STREAMED,
  };
}

async function presigned(site: Site, to: Destination): Promise<RawRequest> {
  const { accessKeyId, secretAccessKey, region, host } = site;
  const credentials = { accessKeyId, secretAccessKey };
  const settings = { credentials, region, service: 's3', sha256: Sha256, uriEscapePath: false };
  const request = { method: 'PUT', protocol: 'http:', hostname: host, path: pathOf(to), query: {} };
  const headers = { host, ...NOTE, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
  const signed = await new SignatureV4(settings).presign(
    { ...request, headers },
    {
      expiresIn: 600,
      signableHeaders: new Set(['host', 'content-type']),
      unhoistableHeaders: new Set(),
    },
  );
  const query = Object.entries(signed.query ?? {}).map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`,
  );
  const head = headPieces('PUT', `${pathOf(to)}?${query.join('&')}`, signed.headers, []);
  return { head, contentLength: 'not signed', body: [piece('body', SMALL, 'not')], data: SMALL };
}

async function asymmetric(site: Site, to: Destination): Promise<RawRequest> {
  const { accessKeyId, secretAccessKey, host } = site;
  const credentials = { accessKeyId, secretAccessKey };
  const settings = { credentials, region: '*', service: 's3', sha256: Sha256, uriEscapePath: false };
  const sha256 = createHash('sha256').update(SMALL).digest('hex');
  const unsigned = { host, ...NOTE, 'x-amz-content-sha256': sha256 };
  const request = { method: 'PUT', protocol: 'http:', hostname: host, path: pathOf(to), query: {} };
  const { headers } = await new SignatureV4a(settings).sign({ ...request, headers: unsigned }, {});
  const head = headPieces('PUT', pathOf(to), headers, []);
  return { head, contentLength: 'not signed', body: [piece('body', SMALL)], data: SMALL };
}

/** A policy covers every field and, by the name of its bucket, the URL; no policy covers the content of the file. */
async function postForm(site: Site, { bucket, key }: Destination): Promise<RawRequest> {
  const { accessKeyId, secretAccessKey, region, host } = site;
  const credentials = { accessKeyId, secretAccessKey };
  const s3 = new S3Client({ endpoint: `http://${host}`, region, credentials, forcePathStyle: true });
  const extra = { ...NOTE, success_action_status: '201' };
  const conditions = Object.entries(extra).map(([name, value]) => ({ [name]: value }));
  const wish = { Bucket: bucket, Key: key, Fields: extra, Conditions: conditions, Expires: 600 };
  const { fields } = await createPresignedPost(s3, wish);
  s3.destroy();
  const boundary = 'boundary-of-the-form';
  const open = (name: string) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`;
  const body = [
    ...Object.entries(fields).map(([name, value]) => piece(`field ${name}`, `${open(name)}${value}\r\n`)),
    // It names no file: a name that the policy does not speak of is not covered either.
    piece('opening of the file', open('file')),
    piece('file', SMALL, 'not'),
    piece('end of the form', `\r\n--${boundary}--\r\n`),
  ];
  const headers = { host, 'content-type': `multipart/form-data; boundary=${boundary}` };
  const head = headPieces('POST', `/${bucket}`, headers, ['host']);
  return { head, contentLength: 'not signed', body, data: SMALL };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html */
function signatureV2({ secretAccessKey }: Site, target: string, date: string, headers: Headers): string {
  const amz = Object.keys(headers).filter((name) => name.startsWith('x-amz-'));
  const text = [
    'PUT',
    headers['content-md5'] ?? '',
    headers['content-type'] ?? '',
    date,
    ...amz.sort().map((name) => `${name}:${headers[name]}`),
    target,
  ].join('\n');
  return createHmac('sha1', secretAccessKey).update(text).digest('base64');
}

function v2Header(site: Site, to: Destination): RawRequest {
  // Both subresources are among those that are signed, in this order.
  const query = to.uploadId === undefined ? '' : `?partNumber=1&uploadId=${encodeURIComponent(to.uploadId)}`;
  const target = `${pathOf(to)}${query}`;
  const date = new Date().toUTCString();
  const md5 = createHash('md5').update(SMALL).digest('base64');
  const note = to.uploadId === undefined ? NOTE : { 'content-type': NOTE['content-type'] };
  const signed = { ...note, 'content-md5': md5, date };
  const authorization = `AWS ${site.accessKeyId}:${signatureV2(site, target, date, signed)}`;
  const head = headPieces('PUT', target, { host: site.host, ...signed, authorization }, ['host']);
  return { head, contentLength: 'not signed', body: [piece('body', SMALL, 'not')], data: SMALL };
}

function v2Presigned(site: Site, to: Destination): RawRequest {
  const expires = String(Math.floor(Date.now() / 1000) + 600);
  const signature = signatureV2(site, pathOf(to), expires, NOTE);
  const query = `AWSAccessKeyId=${site.accessKeyId}&Expires=${expires}&Signature=${encodeURIComponent(signature)}`;
  const head = headPieces('PUT', `${pathOf(to)}?${query}`, { host: site.host, ...NOTE }, ['host']);
  return { head, contentLength: 'not signed', body: [piece('body', SMALL, 'not')], data: SMALL };
}
