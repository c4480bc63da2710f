// A KMS that says of its keys whatever a test needs, over real sockets: states that take an account and days to bring about.
// It verifies signatures, and speaks AWS's JSON 1.1.
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { bodyOf, checkSignature, type KnownCredentials } from '../signature-check.ts';

/** What it answers about one key. */
export type FakeKey =
  | {
      readonly state?: string;
      readonly spec?: string;
      readonly usage?: string;
      readonly arn?: string;
      readonly deletion?: Date;
    }
  | { readonly error: string; readonly message?: string; readonly status?: number }
  /** The request is taken and never answered. */
  | 'silence'
  /** An answer that is no KMS's. */
  | 'nonsense';

export interface FakeKms {
  readonly endpoint: string;
  /** By key ID; a key that is not here is not found. */
  readonly keys: Map<string, FakeKey>;
  /** Who may sign; nobody else is answered. */
  known: readonly KnownCredentials[];
  /** The key IDs that were asked about, in order. */
  readonly asked: string[];
  close(): Promise<void>;
}

export const ACCOUNT = '111122223333';

/** An ARN of a key that differs by its last digits. */
export function arnOf(number: number, region = 'eu-central-1', partition = 'aws'): string {
  const digits = String(number).padStart(12, '0');
  return `arn:${partition}:kms:${region}:${ACCOUNT}:key/1234abcd-12ab-34cd-56ef-${digits}`;
}

/** Starts one on loopback; with TLS where it is given a certificate. */
export async function startFakeKms(
  known: readonly KnownCredentials[],
  tls?: { readonly certificate: string; readonly key: string },
): Promise<FakeKms> {
  const server = tls ? createHttpsServer({ cert: tls.certificate, key: tls.key }) : createHttpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const kms: FakeKms = {
    endpoint: `${tls ? 'https' : 'http'}://localhost:${port}`,
    keys: new Map(),
    known,
    asked: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  server.on('request', (request, response) => void answer(kms, request, response));
  return kms;
}

async function answer(kms: FakeKms, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await bodyOf(request);
  const checked = await checkSignature(request, body, 'kms', kms.known);
  if (!checked.ok) {
    const error =
      checked.why === 'wrong signature' ? 'InvalidSignatureException' : 'UnrecognizedClientException';
    return fail(response, 400, error, 'The security token included in the request is invalid.');
  }
  if (request.headers['x-amz-target'] !== 'TrentService.DescribeKey') {
    return fail(response, 400, 'UnknownOperationException', '');
  }
  const { KeyId: keyId } = JSON.parse(body.toString()) as { KeyId: string };
  kms.asked.push(keyId);
  const key = kms.keys.get(keyId);
  if (key === undefined) return fail(response, 400, 'NotFoundException', `Key '${keyId}' does not exist`);
  if (key === 'silence') return;
  if (key === 'nonsense') return send(response, 200, { hello: 'world' });
  if ('error' in key) return fail(response, key.status ?? 400, key.error, key.message ?? '');
  send(response, 200, { KeyMetadata: metadata(keyId, key) });
}

function metadata(keyId: string, key: Exclude<FakeKey, string | { error: string }>): object {
  const arn = key.arn ?? (keyId.startsWith('arn:') ? keyId : arnOf(0).replace(/[^/]*$/, keyId));
  return {
    AWSAccountId: ACCOUNT,
    KeyId: arn.replace(/^.*\//, ''),
    Arn: arn,
    Enabled: (key.state ?? 'Enabled') === 'Enabled',
    KeyState: key.state ?? 'Enabled',
    KeySpec: key.spec ?? 'SYMMETRIC_DEFAULT',
    KeyUsage: key.usage ?? 'ENCRYPT_DECRYPT',
    ...(key.deletion ? { DeletionDate: key.deletion.getTime() / 1000 } : {}),
  };
}

function fail(response: ServerResponse, status: number, type: string, message: string): void {
  send(response, status, { __type: type, message });
}

function send(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(value));
}
