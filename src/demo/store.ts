// A small S3 store for the demo and for tests: in memory, on loopback, with SigV4 and real envelope encryption.
// The HTTP server and the way of a request through it. Never a backend for `serve`: nothing here outlives the process.
import { randomBytes, randomUUID } from 'node:crypto';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type HeaderField, ReceivedHeaders } from '../core/http/headers.ts';
import * as refusals from '../core/refusal.ts';
import { type ParsedRequest, parseRequest } from '../core/request.ts';
import { addressOf } from '../core/s3/address.ts';
import { HOST_FORMS } from '../core/s3/aws-host.ts';
import { routeOperation } from '../core/s3/operation.ts';
import { headerClaim, queryClaim, type SigV4Claim } from '../core/sigv4/claim.ts';
import { SigningKeys } from '../core/sigv4/signing-key.ts';
import { verifySigV4 } from '../core/sigv4/verify.ts';
import { type Answer, errorAnswer, type Fault, fault, isFault } from './answers.ts';
import { MANAGED_KEY, misplacedHeader, STORE_KEY } from './encryption.ts';
import { Buckets } from './objects.ts';
import { HANDLERS } from './operations.ts';
import { type Payload, readPayload } from './payload.ts';
import type { Outcome, Shelves } from './shelves.ts';
import { Vault } from './vault.ts';

export interface DemoStoreOptions {
  /** The one identity that may sign requests. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly region: string;
  /** Names of the KMS keys there are. */
  readonly keyIds: readonly string[];
  /** PEM text. Without it the store speaks plain HTTP, and refuses all that is under KMS. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** A loopback address; 127.0.0.1 unless given. */
  readonly host?: string;
  /** A free one unless given. */
  readonly port?: number;
}

/** An object as it is kept, seen from behind: no answer of the store is asked. */
export interface StoredWitness {
  readonly algorithm: string;
  readonly keyId: string;
  /** The encryption context as it was sent, decoded. */
  readonly context: ReadonlyMap<string, string>;
  readonly bucketKey: boolean;
  readonly size: number;
  readonly ciphertext: Buffer;
}

/** The head of a request as the store received it. */
export interface ReceivedLine {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly HeaderField[];
}

export interface DemoStore {
  readonly port: number;
  readonly endpoint: string;
  stored(bucket: string, key: string): StoredWitness | undefined;
  /** The latest requests, oldest first. */
  readonly requests: readonly ReceivedLine[];
  close(): Promise<void>;
}

/** Bytes that all objects and parts may hold together. */
const CAPACITY = 256 * 1024 * 1024;
/** Requests remembered for witnesses. */
const REMEMBERED = 1000;
/** S3's own bound: RequestHeaderSectionTooLarge. */
const HEADER_BYTES = 8192;

interface Context {
  readonly shelves: Shelves;
  readonly client: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken: undefined;
  };
  readonly keys: SigningKeys;
  readonly encrypted: boolean;
  readonly requests: ReceivedLine[];
}

/** Starts a store; rejects when its address cannot be bound. */
export async function startStore(options: DemoStoreOptions): Promise<DemoStore> {
  const { tls, host = '127.0.0.1' } = options;
  const context = contextOf(options);
  const server =
    tls === undefined ? createHttpServer() : createHttpsServer({ cert: tls.certificate, key: tls.key });
  server.on('request', (request, response) => void serve(context, request, response, 'at once'));
  server.on('checkContinue', (request, response) => void serve(context, request, response, 'when asked'));
  const port = await listen(server, host, options.port ?? 0);
  return {
    port,
    endpoint: `${tls === undefined ? 'http' : 'https'}://localhost:${port}`,
    stored: (bucket, key) => witness(context.shelves, bucket, key),
    requests: context.requests,
    close: () => close(server),
  };
}

function contextOf({ credentials, region, keyIds, tls }: DemoStoreOptions): Context {
  const shelves: Shelves = {
    region,
    buckets: new Buckets(CAPACITY),
    vault: new Vault([STORE_KEY, MANAGED_KEY, ...keyIds]),
    newUploadId: () => randomBytes(24).toString('base64url'),
  };
  const client = { ...credentials, sessionToken: undefined };
  return { shelves, client, keys: new SigningKeys(), encrypted: tls !== undefined, requests: [] };
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function witness({ buckets }: Shelves, bucket: string, key: string): StoredWitness | undefined {
  const object = buckets.get(bucket)?.objects.get(key);
  if (!object) return undefined;
  const { algorithm, keyId, context, bucketKey } = object.encryption;
  const ciphertext = Buffer.concat(object.segments.map((segment) => segment.ciphertext));
  return { algorithm, keyId, context, bucketKey, size: object.size, ciphertext };
}

/** Whether the client sends its body at once, or waits for a 100 first. */
type BodyComes = 'at once' | 'when asked';

async function serve(
  context: Context,
  request: IncomingMessage,
  response: ServerResponse,
  bodyComes: BodyComes,
): Promise<void> {
  const requestId = randomUUID();
  let asked = bodyComes === 'at once';
  const askForBody = () => {
    if (!asked) response.writeContinue();
    asked = true;
  };
  try {
    const outcome = await answerTo(context, request, askForBody);
    const answer = isFault(outcome) ? errorAnswer(outcome, request.url ?? '', requestId) : outcome;
    // A body that was never asked for may still come, and must not be read as the next request.
    const headers: Answer['headers'] = asked ? answer.headers : [...answer.headers, ['connection', 'close']];
    send(request, response, { ...answer, headers }, requestId);
  } catch (error) {
    // The client left in the middle of its body: there is nobody to answer, and nothing was stored.
    if (request.destroyed && !request.complete) response.destroy();
    else send(request, response, errorAnswer(internal(error), request.url ?? '', requestId), requestId);
  }
}

function internal(error: unknown): Fault {
  const why = error instanceof Error ? error.message : String(error);
  return fault(500, 'InternalError', `The demo store has a bug: ${why}`);
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer, requestId: string): void {
  const bodyless = answer.status === 204 || answer.status === 304;
  const length: [string, string][] = bodyless ? [] : [['content-length', String(answer.body.length)]];
  const fixed: [string, string][] = [
    ['x-amz-request-id', requestId],
    ['x-amz-id-2', 'demo'],
    ['server', 's3-kms-gateway-demo'],
  ];
  const headers = [...fixed, ...answer.headers, ...length].map(([name, value]) => [name, value]);
  response.writeHead(answer.status, headers.flat());
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}

async function answerTo(
  context: Context,
  request: IncomingMessage,
  askForBody: () => void,
): Promise<Outcome> {
  const headers = ReceivedHeaders.fromRaw(request.rawHeaders);
  const received = { method: request.method ?? '', target: request.url ?? '', headers };
  remember(context.requests, { method: received.method, target: received.target, headers: headers.fields });
  const channel = {
    encrypted: context.encrypted,
    declaredSecure: false,
    peerTrusted: false,
    authentication: 'signature',
    signing: 'replace',
  } as const;
  const parsed = parseRequest({ ...received, channel }, HEADER_BYTES);
  if (parsed.kind === 'refused') return parsed.refusal;
  const { target, host, query, fields } = parsed.request;
  const addressed = addressOf(host, target, ['localhost'], HOST_FORMS);
  if (addressed.kind === 'refused') return addressed.refusal;
  if (addressed.kind === 'elsewhere') return refusals.hostNotAllowed();
  const routed = routeOperation(received.method, addressed.address.resource, query, headers);
  if (routed.kind === 'refused') return routed.refusal;
  const claim = authenticate(context, parsed.request);
  if (isFault(claim)) return claim;
  const handler = HANDLERS.get(routed.operation.name);
  if (!handler)
    return fault(501, 'NotImplemented', `The demo store does not implement ${routed.operation.name}.`);
  const misplaced = misplacedHeader(routed.operation, fields);
  if (misplaced) return misplaced;
  const payload = () => {
    askForBody();
    return boundedPayload(context, request, claim.payloadHash, fields);
  };
  const parameters = new Map(query.map(({ name, value }) => [name, value]));
  return handler(
    { address: addressed.address, fields, query: parameters, channel, now: new Date(), payload },
    context.shelves,
  );
}

async function boundedPayload(
  { shelves }: Context,
  request: IncomingMessage,
  payloadHash: string,
  fields: ReadonlyMap<string, string>,
): Promise<Payload | Fault> {
  const { buckets } = shelves;
  const payload = await readPayload(request, { payloadHash, fields, maximum: buckets.free });
  // Others may have taken the room meanwhile.
  const size = isFault(payload) ? 0 : payload.bytes.length;
  return size > buckets.free ? refusals.tooLarge(size, buckets.free) : payload;
}

function remember(requests: ReceivedLine[], line: ReceivedLine): void {
  requests.push(line);
  if (requests.length > REMEMBERED) requests.shift();
}

function authenticate({ client, keys, shelves }: Context, request: ParsedRequest): SigV4Claim | Fault {
  const { form, received, target } = request;
  const { headers, method } = received;
  if (form === 'none') return refusals.anonymous();
  if (form === 'unsupported') return refusals.authorizationInvalid('Unsupported Authorization Type');
  if (form === 'sigv2-header' || form === 'sigv2-query') return refusals.signatureV2NotSupported();
  const claimed = form === 'sigv4-header' ? headerClaim(headers) : queryClaim(target.parameters, headers);
  if (claimed.kind === 'refused') return claimed.refusal;
  const { claim } = claimed;
  const refusal = verifySigV4(
    claim,
    { method, target, headers },
    {
      client: claim.accessKeyId === client.accessKeyId ? client : undefined,
      regions: [shelves.region],
      now: new Date(),
      keys,
    },
  );
  return refusal ?? claim;
}
