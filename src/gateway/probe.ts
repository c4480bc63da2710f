// Tries a backend out with one signed request, on the connections and with the signature that clients' requests get.
// Knows what S3 answers to a request that it does not trust; must not know how findings are reported.
import type { Dispatcher } from 'undici';
import type { BackendConfiguration, Timeouts } from '../config/configuration.ts';
import type { SigningCredentials } from '../core/policy/policy.ts';
import { destinationOf, requestTarget } from '../core/policy/rewrite.ts';
import { EMPTY_SHA256 } from '../core/sigv4/digest.ts';
import { sign } from '../core/sigv4/sign.ts';
import { SigningKeys } from '../core/sigv4/signing-key.ts';
import { openAgent } from './backend.ts';
import { describeFailure, UNTRUSTED_CODES } from './failure.ts';

/** Something wrong with a backend, and under which of its keys in the configuration it is put right. */
export interface Finding {
  readonly severity: 'fault' | 'warning';
  readonly key: 'endpoint' | 'region' | 'caFile' | 'credentials';
  readonly message: string;
  readonly remedy: string;
}

/** Bounds the whole try. */
const TIMEOUT_MS = 10_000;
/** What is read of an answer: more than any error document has. In bytes. */
const MAX_ANSWER = 64 * 1024;

/**
 * Asks for the list of buckets, one of them. It takes no bucket's name, so none need be known or exist; it changes nothing;
 * every maker has it; and as a GET its errors come with a code, which HeadBucket's do not. The right to it is not needed:
 * S3 verifies a signature before it looks at rights, so AccessDenied proves as much as a list does.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
 */
export async function probeBackend(
  backend: BackendConfiguration,
  timeouts: Timeouts,
  credentials: SigningCredentials | undefined,
): Promise<Finding | undefined> {
  const agent = openAgent(backend, timeouts);
  try {
    const answer = await listBuckets(agent, backend, credentials);
    // Without a signature there is nothing more to learn: whoever answers is there.
    return credentials === undefined ? undefined : judgeProbe(answer, backend, credentials);
  } catch (error) {
    return connectionFinding(error instanceof Error ? error : new Error(String(error)), backend);
  } finally {
    await agent.destroy();
  }
}

interface ProbeAnswer {
  readonly status: number;
  readonly location: string | undefined;
  readonly document: string;
}

async function listBuckets(
  agent: Dispatcher,
  backend: BackendConfiguration,
  credentials: SigningCredentials | undefined,
): Promise<ProbeAnswer> {
  const query = [{ name: 'max-buckets', value: '1' }];
  const destination = destinationOf(backend, { resource: 'service' }, query);
  const host = [['host', destination.host]] as const;
  const unsigned = { method: 'GET', ...destination, headers: host, payloadHash: EMPTY_SHA256 };
  const { region } = backend;
  const context = { region, now: new Date(), keys: new SigningKeys() };
  const headers = credentials === undefined ? host : sign(unsigned, { ...context, credentials });
  const {
    statusCode,
    headers: received,
    body,
  } = await agent.request({
    origin: destination.origin,
    path: requestTarget(destination),
    method: 'GET',
    headers: headers.flat(),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_ANSWER) break;
  }
  const location = String(received['location'] ?? '') || undefined;
  return { status: statusCode, location, document: Buffer.concat(chunks).toString('utf8') };
}

function fault(key: Finding['key'], message: string, remedy: string): Finding {
  return { severity: 'fault', key, message, remedy };
}

/** What the answer to a signed request says of the configuration. */
export function judgeProbe(
  { status, location, document }: ProbeAnswer,
  { region }: Pick<BackendConfiguration, 'region'>,
  { accessKeyId }: Pick<SigningCredentials, 'accessKeyId'>,
): Finding | undefined {
  const element = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(document)?.[1];
  const code = element('Code');
  if (status < 300) {
    if (document.includes('<ListAllMyBucketsResult')) return undefined;
    return fault('endpoint', 'answers, but not as an S3 server does', 'Correct the endpoint.');
  }
  if (code === 'AccessDenied') return undefined;
  const expected = element('Region');
  if (code === 'AuthorizationHeaderMalformed' && expected !== undefined) {
    return fault('region', `is ${region}, but the backend is in ${expected}`, `Write ${expected}.`);
  }
  if (status < 400 || code === 'PermanentRedirect' || code === 'TemporaryRedirect') {
    const where = location ?? element('Endpoint') ?? 'nowhere';
    const remedy = 'Name the endpoint of the region: no redirect is followed.';
    return fault('endpoint', `answers with a redirect to ${where}`, remedy);
  }
  const refused = REFUSED[code ?? ''];
  if (refused) return fault('credentials', refused.message(accessKeyId), refused.remedy);
  return unclear(status, code, element('Message'));
}

/** The codes with which S3 turns credentials down: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
const REFUSED: Readonly<Record<string, { message: (accessKeyId: string) => string; remedy: string }>> = {
  InvalidAccessKeyId: {
    message: (accessKeyId) => `the backend does not know the access key ID ${accessKeyId}`,
    remedy: 'Correct it, or the endpoint.',
  },
  SignatureDoesNotMatch: {
    message: (accessKeyId) => `the backend refuses the signature made with the secret of ${accessKeyId}`,
    remedy:
      'Correct the secret access key. A proxy before the backend must leave Host, path and headers as they are.',
  },
  InvalidToken: {
    message: () => 'the backend refuses the session token',
    remedy: 'Correct it, or take it out where the access key is not a temporary one.',
  },
  ExpiredToken: {
    message: () => 'the session token has expired',
    remedy: 'Get a new one, or name a provider that renews them.',
  },
  RequestTimeTooSkewed: {
    message: () => "the backend's clock and this machine's are too far apart",
    remedy: 'Set the clock.',
  },
};

function unclear(status: number, code: string | undefined, message: string | undefined): Finding {
  const what = [status, code, message && `"${message}"`].filter(Boolean).join(' ');
  if (code === undefined) {
    return fault('endpoint', `answers ${status}, but not as an S3 server does`, 'Correct the endpoint.');
  }
  if (status >= 500 && status !== 501)
    return fault('endpoint', `answers ${what}`, 'Try again, or look at the backend.');
  if (status === 401 || status === 403) {
    return fault('credentials', `the backend refuses them: ${what}`, 'Correct them.');
  }
  // Some makers have no ListBuckets; that they are there is known, and no more.
  const text = `answers ${what}: whether it takes the credentials is not known`;
  return { severity: 'warning', key: 'endpoint', message: text, remedy: 'Try a request of a client.' };
}

const SILENT = new Set(['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);

/** What a request that got no answer says of the configuration. */
function connectionFinding(error: Error, { hostname, port, protocol, ca }: BackendConfiguration): Finding {
  if (error.name === 'TimeoutError') {
    return fault('endpoint', 'took the request and did not answer in time', 'Look at the backend.');
  }
  const { code = '' } = error as NodeJS.ErrnoException;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return fault('endpoint', `has no address: ${hostname} is not known to the name server`, 'Correct it.');
  }
  if (code === 'ECONNREFUSED') {
    return fault('endpoint', `cannot be reached: nothing listens on port ${port}`, 'Correct the port.');
  }
  if (SILENT.has(code)) {
    return fault('endpoint', `cannot be reached: ${describeFailure(error)}`, 'Let the gateway out to it.');
  }
  if (UNTRUSTED_CODES.has(code)) {
    const remedy = ca === undefined ? 'Name its authorities in caFile.' : 'Put its authorities into caFile.';
    return fault('caFile', 'the certificate of the backend is of an authority that is not trusted', remedy);
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const message = `the certificate of the backend is not for ${hostname}`;
    return fault('endpoint', message, 'Name the host as its certificate does.');
  }
  if (code.startsWith('CERT_')) {
    return fault('endpoint', `the certificate of the backend is not valid: ${error.message}`, 'Renew it.');
  }
  const other = protocol === 'https' ? 'http' : 'https';
  const remedy = `Write ${other}:// if that is what it speaks.`;
  // What OpenSSL says runs over several lines; its code says as much.
  const what = code.startsWith('ERR_SSL_') ? code : describeFailure(error);
  return fault('endpoint', `broke off the request: ${what}`, remedy);
}
