// A client of the demo: signs a request, sends it over a connection of its own and takes the whole answer.
// Knows HTTP and signatures; must not know what the gateway should make of them.
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { ReceivedHeaders } from '../core/http/headers.ts';
import { encodePath, formatQuery, parseTarget, type QueryParameter } from '../core/http/target.ts';
import { authorizationV2 } from '../core/sigv2/sign.ts';
import { sha256Hex } from '../core/sigv4/digest.ts';
import { type SigningCredentials, sign } from '../core/sigv4/sign.ts';
import { SigningKeys } from '../core/sigv4/signing-key.ts';

/** Where to send, and as whom. */
export interface Wire {
  readonly protocol: 'http' | 'https';
  readonly port: number;
  /** PEM text of the authority to trust. */
  readonly ca: string;
  readonly region: string;
  readonly credentials: SigningCredentials;
}

export interface WireRequest {
  readonly method: string;
  /** Decoded, from the leading slash. */
  readonly path: string;
  readonly query?: readonly QueryParameter[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Signature Version 4 unless given. */
  readonly signature?: 'v4' | 'v2';
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Sends one request; rejects where the connection fails. */
export function send(wire: Wire, request: WireRequest): Promise<WireAnswer> {
  const query = request.query ?? [];
  const target = encodePath(request.path) + (query.length === 0 ? '' : `?${formatQuery(query)}`);
  const headers = request.signature === 'v2' ? signedV2(wire, request, target) : signedV4(wire, request);
  const to = { host: '127.0.0.1', port: wire.port, method: request.method, path: target, agent: false };
  const fields = { ...Object.fromEntries(headers), 'content-length': request.body?.length ?? 0 };
  return new Promise((resolve, reject) => {
    const sent =
      wire.protocol === 'https'
        ? httpsRequest({ ...to, headers: fields, ca: wire.ca, servername: 'localhost' })
        : httpRequest({ ...to, headers: fields });
    sent.on('error', reject);
    sent.on('response', async (response) => {
      try {
        const pieces = await response.toArray();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) });
      } catch (error) {
        reject(error);
      }
    });
    sent.end(request.body);
  });
}

type Headers = readonly (readonly [name: string, value: string])[];

function signedV4(wire: Wire, { method, path, query = [], headers = {}, body }: WireRequest): Headers {
  const { credentials, region } = wire;
  const unsigned = {
    method,
    path: encodePath(path),
    parameters: query,
    headers: [['host', hostOf(wire)] as const, ...Object.entries(headers)],
    payloadHash: sha256Hex(body ?? Buffer.alloc(0)),
  };
  return sign(unsigned, { credentials, region, now: new Date(), keys: new SigningKeys() });
}

function signedV2(wire: Wire, { method, headers = {} }: WireRequest, rawTarget: string): Headers {
  const fields: Headers = [
    ['host', hostOf(wire)],
    ['date', new Date().toUTCString()],
    ...Object.entries(headers),
  ];
  const target = parseTarget(rawTarget);
  if (!target) throw new Error(`not a request target: ${rawTarget}`);
  const received = new ReceivedHeaders(fields.map(([name, value]) => ({ name, value })));
  const message = { method, target, headers: received, hostedBucket: undefined };
  return [...fields, ['authorization', authorizationV2(message, wire.credentials)]];
}

function hostOf({ port }: Wire): string {
  return `localhost:${port}`;
}
