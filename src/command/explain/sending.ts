// The request as its client would send it: host, length and, with the client's own keys, the signature. Plays the client;
// must not know what the gateway makes of it.
import { hostedBucketOf } from '../../core/authenticate.ts';
import { type HeaderField, ReceivedHeaders } from '../../core/http/headers.ts';
import { canonicalPath } from '../../core/http/target.ts';
import type { Policy, SigningClient } from '../../core/policy/policy.ts';
import { type ParsedRequest, parseRequest, type ReceivedRequest } from '../../core/request.ts';
import { authorizationV2 } from '../../core/sigv2/sign.ts';
import { parseAmzDate } from '../../core/sigv4/amz-date.ts';
import { sha256Hex } from '../../core/sigv4/digest.ts';
import { sign } from '../../core/sigv4/sign.ts';
import { SigningKeys } from '../../core/sigv4/signing-key.ts';
import type { AskedUrl, Question } from './question.ts';

/** A request before it is signed, its connection apart. */
export type Draft = Omit<ReceivedRequest, 'channel'>;

/** Adds what every client sends: the host, and the length of a body that there is or could be. */
export function draftOf(
  { method, data }: Question,
  { origin, target }: AskedUrl,
  given: readonly HeaderField[],
  { domains }: Policy,
): Draft {
  const has = (name: string) => given.some((field) => field.name === name);
  const fields = [...given];
  if (!has('host')) fields.unshift({ name: 'host', value: origin?.host ?? domains[0] ?? 'localhost' });
  const carriesBody = data !== undefined || method === 'PUT' || method === 'POST';
  if (carriesBody && !has('content-length') && !has('transfer-encoding')) {
    fields.push({ name: 'content-length', value: String(data?.length ?? 0) });
  }
  return { method, target, headers: new ReceivedHeaders(fields) };
}

/** Who signs, for which region, and when. */
export interface Signing {
  readonly client: SigningClient;
  readonly version: 'v4' | 'v2';
  readonly region: string;
  readonly now: Date;
  readonly data: Buffer | undefined;
}

/**
 * The request with the client's signature in its header. What the question says itself stands: another date, payload hash
 * or session token is signed as it is.
 */
export function signed(request: ReceivedRequest, policy: Policy, signing: Signing): ReceivedRequest {
  const parsed = parseRequest(request, policy.limits.headerBytes);
  if (parsed.kind === 'refused') return request;
  const added =
    signing.version === 'v2'
      ? headersV2(parsed.request, policy, signing)
      : headersV4(parsed.request, signing);
  const missing = added.filter(({ name }) => !request.headers.has(name));
  return { ...request, headers: new ReceivedHeaders([...request.headers.fields, ...missing]) };
}

/** What V4 must or, at no cost, can cover; SDKs leave out what a proxy on the way may change. */
function isSigned(name: string): boolean {
  return name === 'host' || name === 'content-type' || name === 'content-md5' || name.startsWith('x-amz-');
}

/** Written by the signer itself. */
const OF_SIGNATURE = new Set(['x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token']);

function headersV4(
  { received, target }: ParsedRequest,
  { client, region, now, data }: Signing,
): HeaderField[] {
  const { headers, method } = received;
  const names = new Set(headers.fields.map(({ name }) => name));
  const covered = [...names].filter((name) => isSigned(name) && !OF_SIGNATURE.has(name));
  const unsigned = {
    method,
    path: canonicalPath(target.rawPath),
    parameters: target.parameters,
    headers: covered.map((name) => [name, headers.all(name).join(',')] as const),
    payloadHash: headers.get('x-amz-content-sha256') ?? sha256Hex(data ?? Buffer.alloc(0)),
  };
  const sessionToken = headers.get('x-amz-security-token') ?? client.sessionToken;
  const result = sign(unsigned, {
    credentials: { ...client, sessionToken },
    region,
    now: parseAmzDate(headers.get('x-amz-date') ?? '') ?? now,
    keys: new SigningKeys(),
  });
  return result.map(([name, value]) => ({ name, value }));
}

function headersV2(
  { received, target, ...request }: ParsedRequest,
  policy: Policy,
  { client, now }: Signing,
): HeaderField[] {
  const { headers, method } = received;
  const added: HeaderField[] = [];
  const dated = headers.has('x-amz-date') || headers.has('date');
  if (!dated) added.push({ name: 'date', value: now.toUTCString() });
  const { sessionToken } = client;
  if (sessionToken !== undefined && !headers.has('x-amz-security-token')) {
    added.push({ name: 'x-amz-security-token', value: sessionToken });
  }
  const message = {
    method,
    target,
    headers: new ReceivedHeaders([...headers.fields, ...added]),
    hostedBucket: hostedBucketOf({ received, target, ...request }, policy),
  };
  return [...added, { name: 'authorization', value: authorizationV2(message, client) }];
}
