// A policy, its parts, and requests as they stand on the wire, signed by a signer that is not ours.
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import type { HttpRequest } from '@smithy/types';
import {
  type Backend,
  type Channel,
  type DecisionContext,
  type EncryptionRule,
  type Policy,
  ReceivedHeaders,
  type ReceivedRequest,
  type SigningClient,
  SigningKeys,
} from '../../src/core/index.ts';

export const NOW: Date = new Date('2026-11-23T12:00:00Z');
export const REGION = 'eu-central-1';
export const KEY_ARN = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
export const OTHER_KEY_ARN = 'arn:aws:kms:eu-central-1:111122223333:key/99999999-12ab-34cd-56ef-1234567890ab';
export const FOREIGN_KEY_ARN =
  'arn:aws:kms:eu-central-1:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab';
export const EMPTY_HASH = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

export const CLIENT: SigningClient = {
  name: 'billing',
  accessKeyId: 'BILLING0000000000001',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  sessionToken: undefined,
  buckets: ['*'],
  access: 'admin',
};

export const BACKEND: Backend = {
  name: 'primary',
  protocol: 'https',
  hostname: 's3.eu-central-1.amazonaws.com',
  port: 443,
  region: REGION,
  partition: 'aws',
  addressing: 'path',
  buckets: ['*'],
  trailers: true,
  keyAliases: new Map(),
  rareOperations: 'all',
};

export const BACKEND_CREDENTIALS = {
  accessKeyId: 'GATEWAY0000000000001',
  secretAccessKey: 'the-gateway-s-own-secret',
  sessionToken: 'session/token+of=the-gateway',
} as const;

export const TLS: Channel = {
  encrypted: true,
  declaredSecure: false,
  peerTrusted: false,
  authentication: 'signature',
  signing: 'replace',
};
export const PLAINTEXT: Channel = { ...TLS, encrypted: false };

/** A rule in mode `inject` for every bucket and key. */
export function rule(overrides: Partial<EncryptionRule> = {}): EncryptionRule {
  return {
    name: 'all',
    buckets: ['*'],
    prefixes: [],
    mode: 'inject',
    algorithm: 'aws:kms',
    keyId: KEY_ARN,
    allowedKeyIds: [],
    context: {},
    requiredContext: [],
    bucketKey: false,
    otherEncryption: 'refuse',
    ...overrides,
  };
}

export function policy(overrides: Partial<Policy> = {}): Policy {
  return {
    domains: ['s3.gateway.example'],
    egress: undefined,
    clients: new Map([[CLIENT.accessKeyId, CLIENT]]),
    certificateClients: new Map(),
    rules: [rule()],
    backends: [BACKEND],
    signatureV2: 'refuse-kms',
    limits: { headerBytes: 8192, contextBytes: 4096 },
    ...overrides,
  };
}

export function context(overrides: Partial<Policy> = {}): DecisionContext {
  return {
    policy: policy(overrides),
    credentials: () => BACKEND_CREDENTIALS,
    now: NOW,
    keys: new SigningKeys(),
  };
}

/** Text as Node hands it over: one char for each byte of its UTF-8 form. */
export function wire(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Percent-encoding byte by byte, written apart from the one under test. */
export function escapeBytes(text: string, keep = ''): string {
  let out = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const character = String.fromCharCode(byte);
    const plain = /[A-Za-z0-9\-._~]/.test(character) || keep.includes(character);
    out += plain ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

export type Query = Record<string, string | string[]>;

export function queryString(query: Query): string {
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) pairs.push(`${escapeBytes(name)}=${escapeBytes(one)}`);
  }
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

export function headersOf(headers: Readonly<Record<string, string>>): ReceivedHeaders {
  return ReceivedHeaders.fromRaw(Object.entries(headers).flatMap(([name, value]) => [name, wire(value)]));
}

/** The reference implementation, set up as the S3 client of AWS's SDK for JavaScript sets it up. */
export function oracle(
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string | undefined },
  region: string = REGION,
): SignatureV4 {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  return new SignatureV4({
    service: 's3',
    region,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    sha256: Sha256,
    uriEscapePath: false,
    applyChecksum: true,
  });
}

export interface ClientRequest {
  readonly method: string;
  /** Escaped. */
  readonly path: string;
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  readonly host?: string;
}

export function httpRequest({ method, path, query = {}, headers = {}, host }: ClientRequest): HttpRequest {
  return {
    method,
    protocol: 'https:',
    hostname: host ?? 'gateway.example',
    path,
    query,
    headers: { host: host ?? 'gateway.example', ...headers },
  };
}

/** What arrives when the client of the fixture signs this request with its Authorization header. */
export async function signedRequest(
  request: ClientRequest,
  channel: Channel = TLS,
): Promise<ReceivedRequest> {
  const body = request.method === 'PUT' || request.method === 'POST';
  const headers = { 'x-amz-content-sha256': body ? 'UNSIGNED-PAYLOAD' : EMPTY_HASH, ...request.headers };
  const signed = await oracle(CLIENT).sign(httpRequest({ ...request, headers }), { signingDate: NOW });
  return received(signed, channel);
}

/** What arrives when somebody opens a URL that the client of the fixture presigned. */
export async function presignedRequest(
  request: ClientRequest,
  channel: Channel = TLS,
): Promise<ReceivedRequest> {
  const unhoistableHeaders = new Set(Object.keys(request.headers ?? {}));
  const options = { signingDate: NOW, expiresIn: 300, unhoistableHeaders };
  const headers = { ...request.headers, 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD' };
  return received(await oracle(CLIENT).presign(httpRequest({ ...request, headers }), options), channel);
}

function received(signed: HttpRequest, channel: Channel): ReceivedRequest {
  const target = signed.path + queryString((signed.query ?? {}) as Query);
  return { method: signed.method, target, headers: headersOf(signed.headers), channel };
}

/** A request of a listener whose clients need not sign. */
export function unsignedRequest(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  channel: Channel = { ...TLS, authentication: 'none' },
): ReceivedRequest {
  return { method, target, headers: headersOf({ host: 'gateway.example', ...headers }), channel };
}
