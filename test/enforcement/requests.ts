// Requests as attackers and odd clients send them: the same write in every form of signature, and bytes as they stand.
// Signed by the independent signer, Signature Version 2 by its definition.
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { connect } from 'node:tls';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { type Answer, type Endpoint, type PlainRequest, send, sendSigned } from '../gateway/client.ts';
import { testClient } from '../gateway/setup.ts';
import { SECRET } from './site.ts';

export type Headers = Readonly<Record<string, string>>;

export const SSE = 'x-amz-server-side-encryption';
export const KEY_ID: string = `${SSE}-aws-kms-key-id`;
export const CONTEXT: string = `${SSE}-context`;
export const BUCKET_KEY: string = `${SSE}-bucket-key-enabled`;

const customerKey = Buffer.from('a key of 32 bytes, of the client');

/** The three headers of SSE-C, of the target or, with their prefix, of a copy's source. */
export function customerKeyHeaders(of: 'target' | 'source' = 'target'): Record<string, string> {
  const prefix = of === 'target' ? SSE : `x-amz-copy-source-${SSE.slice('x-amz-'.length)}`;
  return {
    [`${prefix}-customer-algorithm`]: 'AES256',
    [`${prefix}-customer-key`]: customerKey.toString('base64'),
    [`${prefix}-customer-key-md5`]: createHash('md5').update(customerKey).digest('base64'),
  };
}

export function put(path: string, headers: Headers = {}, body: string | Buffer = SECRET): PlainRequest {
  return { method: 'PUT', path, headers, body };
}

/** How a request is signed; `hoisted` moves every x-amz-* header into the query, as some SDKs do. */
export type SignatureForm = 'header' | 'presigned' | 'hoisted';
export const SIGNATURE_FORMS: readonly SignatureForm[] = ['header', 'presigned', 'hoisted'];

/** Sends a request signed in that form. */
export async function sendAs(form: SignatureForm, to: Endpoint, request: PlainRequest): Promise<Answer> {
  return form === 'header' ? sendSigned(to, request) : send(to, await presign(form, to, request));
}

/** The request with a presigned URL. */
export async function presign(
  form: 'presigned' | 'hoisted',
  to: Endpoint,
  request: PlainRequest,
  at: Date = new Date(),
): Promise<PlainRequest> {
  const url = new URL(to.endpoint);
  const [path = '', query] = request.path.split('?');
  const amz = Object.keys(request.headers ?? {}).filter((name) => name.startsWith('x-amz-'));
  const signed = await signer(to).presign(
    {
      method: request.method,
      protocol: url.protocol,
      hostname: url.hostname,
      path,
      query: Object.fromEntries(new URLSearchParams(query ?? '')),
      headers: { host: url.host, 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD', ...request.headers },
    },
    {
      expiresIn: 600,
      signingDate: at,
      ...(form === 'presigned' ? { unhoistableHeaders: new Set(amz) } : {}),
    },
  );
  const length =
    request.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(request.body)) };
  return {
    ...request,
    path: `${signed.path}?${queryText(signed.query ?? {})}`,
    headers: { ...signed.headers, ...length },
  };
}

function signer({ credentials = testClient, region = 'us-east-1' }: Endpoint): SignatureV4 {
  return new SignatureV4({ credentials, region, service: 's3', sha256: Sha256, uriEscapePath: false });
}

function queryText(query: Readonly<Record<string, string | string[] | null>>): string {
  const escaped = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return Object.entries(query)
    .map(([name, value]) => `${escaped(name)}=${escaped(String(value ?? ''))}`)
    .join('&');
}

/**
 * Signature Version 2. `place` `query` puts every x-amz-* header into a presigned URL; `path` holds only subresources that
 * are signed. https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
 */
export function signV2(place: 'header' | 'query', to: Endpoint, request: PlainRequest): PlainRequest {
  const { accessKeyId, secretAccessKey } = to.credentials ?? testClient;
  const amz = Object.entries(request.headers ?? {}).filter(([name]) => name.startsWith('x-amz-'));
  const lines = amz.sort().map(([name, value]) => `${name}:${value}\n`);
  const date = place === 'header' ? new Date().toUTCString() : String(Math.floor(Date.now() / 1000) + 600);
  const text = `${request.method}\n\n\n${date}\n${lines.join('')}${request.path}`;
  const signature = createHmac('sha1', secretAccessKey).update(text).digest('base64');
  const length =
    request.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(request.body)) };
  const common = { host: new URL(to.endpoint).host, ...length };
  if (place === 'header') {
    const authorization = `AWS ${accessKeyId}:${signature}`;
    return { ...request, headers: { ...request.headers, ...common, date, authorization } };
  }
  const query = queryText({
    ...Object.fromEntries(amz),
    AWSAccessKeyId: accessKeyId,
    Expires: date,
    Signature: signature,
  });
  return {
    ...request,
    path: `${request.path}${request.path.includes('?') ? '&' : '?'}${query}`,
    headers: common,
  };
}

/**
 * Writes bytes on a TLS connection of their own and gives every answer that comes until the other end closes, or falls silent
 * after one.
 */
export function exchangeBytes(to: Endpoint, wire: Buffer | string): Promise<Answer[]> {
  const { port } = new URL(to.endpoint);
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port: Number(port),
      servername: 'localhost',
      ...(to.ca === undefined ? {} : { ca: to.ca }),
    });
    let text = '';
    let silence: NodeJS.Timeout | undefined;
    const giveUp = setTimeout(() => socket.destroy(), 10_000);
    socket.setEncoding('latin1');
    socket.on('data', (more: string) => {
      text += more;
      clearTimeout(silence);
      if (answersIn(text).rest === '') silence = setTimeout(() => socket.destroy(), 200);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') reject(error);
    });
    socket.on('close', () => {
      clearTimeout(giveUp);
      clearTimeout(silence);
      resolve(answersIn(text).answers);
    });
    socket.write(wire);
  });
}

/** One answer, and only one. */
export async function exchangeOne(to: Endpoint, wire: Buffer | string): Promise<Answer> {
  const [answer, ...more] = await exchangeBytes(to, wire);
  assert.ok(answer, 'there was no answer');
  assert.deepEqual(
    more.map(({ status }) => status),
    [],
    'bytes of the request were answered as another',
  );
  return answer;
}

/** A request as bytes: the lines of its head, each without its end, and its body. */
export function bytesOf(lines: readonly string[], body: string | Buffer = ''): Buffer {
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body as string)]);
}

/** The head of a signed request, a line each, for a test to change. Text goes as the bytes of its UTF-8 form. */
export function headLines(method: string, target: string, headers: Headers): string[] {
  const lines = Object.entries(headers).map(
    ([name, value]) => `${name}: ${Buffer.from(value).toString('latin1')}`,
  );
  return [`${method} ${target} HTTP/1.1`, ...lines];
}

/** The whole answers at the beginning of a connection's text, and what is left. */
function answersIn(text: string): { answers: Answer[]; rest: string } {
  const answers: Answer[] = [];
  let rest = text;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return { answers, rest };
    const [first = '', ...lines] = rest.slice(0, end).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1]);
    const headers = Object.fromEntries(
      lines.map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    );
    const length = status < 200 || status === 204 ? 0 : Number(headers['content-length'] ?? 0);
    const start = end + 4;
    if (rest.length < start + length) return { answers, rest };
    const body = Buffer.from(rest.slice(start, start + length), 'latin1');
    rest = rest.slice(start + length);
    if (status >= 200) {
      const element = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body.toString())?.[1];
      answers.push({ status, headers, body, code: element('Code'), message: element('Message') });
    }
  }
}

/** A KMS encryption context as its header has it. */
export function contextHeader(pairs: unknown): string {
  return Buffer.from(typeof pairs === 'string' ? pairs : JSON.stringify(pairs)).toString('base64');
}
