// A minimal S3 client over real sockets for tests that need a request just so. Signed by the independent signer.
import { createHmac } from 'node:crypto';
import * as http from 'node:http';
import * as https from 'node:https';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { testClient } from './setup.ts';

/** A request before its signature. */
export interface PlainRequest {
  readonly method: string;
  /** Path and query, encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  /** Value of x-amz-content-sha256; the body's own hash unless given. */
  readonly payloadHash?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  /** Of an S3 error document. */
  readonly code: string | undefined;
  readonly message: string | undefined;
}

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Where to send to, and which authority to trust there. */
export interface Endpoint {
  readonly endpoint: string;
  readonly ca?: string;
  readonly region?: string;
  readonly credentials?: Credentials;
  /** Keeps connections open, which it must itself be told the authority of; without it each request has its own. */
  readonly agent?: http.Agent;
}

/** Signs with Signature Version 4 and sends. */
export async function sendSigned(to: Endpoint, request: PlainRequest): Promise<Answer> {
  return send(to, { ...request, headers: await signedHeaders(to, request) });
}

/** The headers of a request with its signature. */
export async function signedHeaders(to: Endpoint, request: PlainRequest): Promise<Record<string, string>> {
  const url = new URL(to.endpoint);
  const signer = new SignatureV4({
    credentials: to.credentials ?? testClient,
    region: to.region ?? 'us-east-1',
    service: 's3',
    sha256: Sha256,
    uriEscapePath: false,
  });
  const [path = '', query] = request.path.split('?');
  const headers: Record<string, string> = { host: url.host, ...request.headers };
  if (request.payloadHash !== undefined) headers['x-amz-content-sha256'] = request.payloadHash;
  const signed = await signer.sign({
    method: request.method,
    protocol: url.protocol,
    hostname: url.hostname,
    path,
    query: Object.fromEntries(new URLSearchParams(query ?? '')),
    headers,
    body: request.body,
  });
  return signed.headers;
}

/** Signs with Signature Version 2, by the definition of RESTAuthentication.html. */
export function sendV2(to: Endpoint, request: PlainRequest): Promise<Answer> {
  const { host } = new URL(to.endpoint);
  const date = new Date().toUTCString();
  const amz = Object.entries(request.headers ?? {})
    .sort()
    .map(([name, value]) => `${name}:${value}\n`)
    .join('');
  const toSign = `${request.method}\n\n\n${date}\n${amz}${request.path}`;
  const authorization = `AWS ${testClient.accessKeyId}:${createHmac('sha1', testClient.secretAccessKey).update(toSign).digest('base64')}`;
  const length = request.body === undefined ? {} : { 'content-length': String(request.body.length) };
  return send(to, { ...request, headers: { ...request.headers, host, date, authorization, ...length } });
}

/** Sends a request as it stands. */
export function send(to: Endpoint, request: PlainRequest): Promise<Answer> {
  const url = new URL(to.endpoint);
  const options = {
    host: '127.0.0.1',
    port: url.port,
    method: request.method,
    path: request.path,
    headers: request.headers ?? {},
    agent: to.agent ?? (false as const),
  };
  return new Promise((resolve, reject) => {
    const take = (message: http.IncomingMessage) => readAnswer(message).then(resolve, reject);
    const outgoing =
      url.protocol === 'https:'
        ? https.request({ ...options, ca: to.ca, servername: 'localhost' }, take)
        : http.request(options, take);
    outgoing.on('error', reject);
    outgoing.end(request.body);
  });
}

async function readAnswer(message: http.IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const element = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body.toString())?.[1];
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    body,
    code: element('Code'),
    message: element('Message')?.replaceAll('&apos;', "'").replaceAll('&quot;', '"'),
  };
}
