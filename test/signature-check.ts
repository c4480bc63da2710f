// Verifies Signature Version 4 for any AWS service, by a signer that is not ours: what servers of the tests ask before they answer.
import type { IncomingMessage } from 'node:http';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';

/** Credentials as a server knows them. */
export interface KnownCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** What a request was signed with, or what is wrong with it. */
export type SignatureCheck =
  | { readonly ok: true; readonly region: string; readonly credentials: KnownCredentials }
  | { readonly ok: false; readonly why: 'unsigned' | 'unknown key' | 'wrong token' | 'wrong signature' };

const FORM =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

/** Signs the request again, with what the server knows, and compares. */
export async function checkSignature(
  request: IncomingMessage,
  body: Buffer | undefined,
  service: string,
  known: readonly KnownCredentials[],
): Promise<SignatureCheck> {
  const { authorization = '', ...headers } = request.headers as Record<string, string>;
  const [, accessKeyId, region = '', forService, signedHeaders = ''] = FORM.exec(authorization) ?? [];
  if (accessKeyId === undefined || forService !== service) return { ok: false, why: 'unsigned' };
  const credentials = known.find((each) => each.accessKeyId === accessKeyId);
  if (credentials === undefined) return { ok: false, why: 'unknown key' };
  if (headers['x-amz-security-token'] !== credentials.sessionToken) return { ok: false, why: 'wrong token' };
  const names = signedHeaders.split(';');
  const signer = new SignatureV4({
    credentials: { accessKeyId, secretAccessKey: credentials.secretAccessKey },
    region,
    service,
    sha256: Sha256,
    uriEscapePath: service !== 's3',
    applyChecksum: false,
  });
  const url = new URL(request.url ?? '', 'http://server');
  const signed = await signer.sign(
    {
      method: request.method ?? '',
      protocol: 'http:',
      hostname: 'server',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: Object.fromEntries(names.map((name) => [name, headers[name] ?? ''])),
      body,
    },
    { signingDate: dateOf(headers['x-amz-date'] ?? '') },
  );
  return signed.headers['authorization']?.replaceAll(' ', '') === authorization.replaceAll(' ', '')
    ? { ok: true, region, credentials }
    : { ok: false, why: 'wrong signature' };
}

function dateOf(amzDate: string): Date {
  return new Date(amzDate.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

/** The whole body of a request. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
