// An STS for tests, over real sockets: AssumeRole for those who sign with what it knows, AssumeRoleWithWebIdentity for a token.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { bodyOf, checkSignature, type KnownCredentials } from '../signature-check.ts';

/** Credentials as it hands them out. */
export interface IssuedCredentials extends KnownCredentials {
  readonly sessionToken: string;
  readonly expiration: Date;
}

export interface TestSts {
  readonly endpoint: string;
  /** Who may assume roles. */
  readonly known: readonly KnownCredentials[];
  /** The web identity token that is good. */
  webIdentityToken: string | undefined;
  /** How long what it issues is good for, in milliseconds. */
  lifetime: number;
  /** How long it thinks before it answers, in milliseconds. */
  delay: number;
  /** How it answers: `silent` takes requests and says nothing. */
  mood: 'well' | 'silent' | 'failing';
  /** Requests so far, whatever became of them. */
  received: number;
  /** Of these, those that it has thought about: an answer, or silence, was chosen. */
  thought: number;
  /** Parameters of the requests that it granted, and the region they were signed for. */
  readonly granted: { readonly region: string | undefined; readonly parameters: URLSearchParams }[];
  readonly issued: IssuedCredentials[];
  close(): Promise<void>;
}

/** Starts one on loopback. */
export async function startSts(known: readonly KnownCredentials[]): Promise<TestSts> {
  const server = createServer((request, response) => void answer(sts, request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sts: TestSts = {
    endpoint: `http://localhost:${(server.address() as AddressInfo).port}`,
    known,
    webIdentityToken: undefined,
    lifetime: 3_600_000,
    delay: 0,
    mood: 'well',
    received: 0,
    thought: 0,
    granted: [],
    issued: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return sts;
}

async function answer(sts: TestSts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await bodyOf(request);
  sts.received += 1;
  await sleep(sts.delay);
  sts.thought += 1;
  if (sts.mood === 'silent') return;
  if (sts.mood === 'failing')
    return refuse(response, 403, 'AccessDenied', 'Not authorized to perform sts:AssumeRole');
  const parameters = new URLSearchParams(body.toString());
  const action = parameters.get('Action');
  if (action === 'AssumeRoleWithWebIdentity') {
    if (parameters.get('WebIdentityToken') !== sts.webIdentityToken) {
      return refuse(response, 400, 'InvalidIdentityToken', 'The token is not good');
    }
    return grant(sts, response, action, undefined, parameters);
  }
  const checked = await checkSignature(request, body, 'sts', sts.known);
  if (!checked.ok) return refuse(response, 403, 'SignatureDoesNotMatch', checked.why);
  if (action !== 'AssumeRole') return refuse(response, 400, 'InvalidAction', String(action));
  grant(sts, response, action, checked.region, parameters);
}

function grant(
  sts: TestSts,
  response: ServerResponse,
  action: string,
  region: string | undefined,
  parameters: URLSearchParams,
): void {
  const number = sts.issued.length + 1;
  const issued: IssuedCredentials = {
    accessKeyId: `ASIAROLE${String(number).padStart(12, '0')}`,
    secretAccessKey: `secret-of-session-${number}`,
    sessionToken: `token+of/session=${number}`,
    expiration: new Date(Date.now() + sts.lifetime),
  };
  sts.issued.push(issued);
  sts.granted.push({ region, parameters });
  const credentials =
    `<AccessKeyId>${issued.accessKeyId}</AccessKeyId><SecretAccessKey>${issued.secretAccessKey}</SecretAccessKey>` +
    `<SessionToken>${issued.sessionToken}</SessionToken><Expiration>${issued.expiration.toISOString()}</Expiration>`;
  const body =
    `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result><Credentials>${credentials}` +
    `</Credentials></${action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></${action}Response>`;
  response.writeHead(200, { 'content-type': 'text/xml' }).end(body);
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  const body = `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>r</RequestId></ErrorResponse>`;
  response.writeHead(status, { 'content-type': 'text/xml' }).end(body);
}
