// Credentials for a backend, kept fresh: fetched once before serving, then again ahead of each expiry.
// Knows where credentials come from; must not know what is signed with them.
import type { SigningCredentials } from '../core/policy/policy.ts';
import type { CredentialsSpec } from './configuration.ts';

/** The credentials of one backend over time. */
export interface CredentialSource {
  /** What to sign with now; nothing before the first fetch. Old credentials stay until new ones are there. */
  current(): SigningCredentials | undefined;
  /** Done once there are credentials; fails with what is wrong when they cannot be had. May be called again then. */
  ready(): Promise<void>;
  /** Stops refreshing. */
  close(): void;
}

/** Fetches credentials afresh, past any cache. */
export type FetchCredentials = () => Promise<FetchedCredentials>;

/** What AWS's providers give. */
export interface FetchedCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  readonly expiration?: Date | undefined;
}

/** Credentials as configured. `onFailure` hears of each refresh that fails; it is tried again. `onFetched` hears of the others. */
export function credentialsProvider(
  spec: CredentialsSpec,
  region: string,
  onFailure: (error: Error) => void = () => {},
  onFetched: (credentials: SigningCredentials) => void = () => {},
): CredentialSource {
  if (spec.provider === 'none') return { current: () => undefined, ready: async () => {}, close: () => {} };
  if (spec.provider !== 'static') {
    const what = spec.provider === 'default' ? 'the default chain' : `the role ${spec.roleArn}`;
    return refreshingSource(fetchFromAws(spec, region), what, onFailure, onFetched);
  }
  const { accessKeyId, secretAccessKey, sessionToken } = spec;
  const credentials = { accessKeyId, secretAccessKey, sessionToken };
  return { current: () => credentials, ready: async () => {}, close: () => {} };
}

type AwsSpec = Exclude<CredentialsSpec, { readonly provider: 'static' | 'none' }>;

/** A provider of its own for each fetch: none answers from its memory, and one that hangs does not hold up the next. */
function fetchFromAws(spec: AwsSpec, region: string): FetchCredentials {
  return async () => (await awsProvider(spec, region))();
}

/** STS answers in well under a second; a connection that hangs is not waited for longer than this. */
const STS_TIMEOUT_MS = 10_000;

/** The SDK is heavy, and static credentials do without it: it is loaded on first use. */
async function awsProvider(spec: AwsSpec, region: string): Promise<FetchCredentials> {
  const sdk = await import('@aws-sdk/credential-providers');
  const requestHandler = {
    connectionTimeout: STS_TIMEOUT_MS / 2,
    requestTimeout: STS_TIMEOUT_MS,
    throwOnRequestTimeout: true,
  };
  const clientConfig = { region, requestHandler };
  const chain = sdk.fromNodeProviderChain({ clientConfig });
  if (spec.provider === 'default') return chain;
  const { roleArn, sessionName, externalId, stsEndpoint } = spec;
  return sdk.fromTemporaryCredentials({
    // Of its own the SDK would ask the STS of another region for these, where no region is set in the environment.
    masterCredentials: chain,
    params: {
      RoleArn: roleArn,
      RoleSessionName: sessionName,
      ...(externalId === undefined ? {} : { ExternalId: externalId }),
    },
    clientConfig: { ...clientConfig, ...(stsEndpoint === undefined ? {} : { endpoint: stsEndpoint }) },
  });
}

/** How long before expiry new credentials are fetched: SDKs take the last five minutes as expired already. */
const REFRESH_AHEAD_MS = 5 * 60_000;
/** A provider may hand out credentials that are about to expire: it is not asked more often than this. */
const SHORTEST_REFRESH_MS = 10_000;
/** Far below the 24 days that a timer can hold; an early refresh does no harm. */
const LONGEST_REFRESH_MS = 12 * 3_600_000;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
/** A fetch that has not ended by then never will, and the next may: credentials that expire wait for nobody. */
const FETCH_TIMEOUT_MS = 60_000;

/** Keeps what `fetch` gives fresh. `what` names its origin in errors. */
export function refreshingSource(
  fetch: FetchCredentials,
  what: string,
  onFailure: (error: Error) => void,
  onFetched: (credentials: SigningCredentials) => void = () => {},
): CredentialSource {
  let current: SigningCredentials | undefined;
  let pending: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const refresh = async (): Promise<void> => {
    const fetched = await inTime(fetch());
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = fetched;
    current = { accessKeyId, secretAccessKey, sessionToken };
    if (!closed) onFetched(current);
    if (expiration !== undefined) schedule(refreshDelay(expiration), FIRST_RETRY_MS);
  };
  const schedule = (delay: number, retry: number): void => {
    if (closed) return;
    timer = setTimeout(() => {
      refresh().catch((error: unknown) => {
        if (closed) return;
        onFailure(failure(what, error));
        schedule(retry, Math.min(retry * 2, LONGEST_RETRY_MS));
      });
    }, delay);
    timer.unref();
  };
  const first = async (): Promise<void> => {
    try {
      await refresh();
    } catch (error) {
      throw failure(what, error);
    } finally {
      pending = undefined;
    }
  };
  return {
    current: () => current,
    ready: async () => {
      if (current !== undefined) return;
      pending ??= first();
      await pending;
    },
    close: () => {
      closed = true;
      clearTimeout(timer);
    },
  };
}

async function inTime<T>(fetching: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const message = `there was no answer within ${FETCH_TIMEOUT_MS / 1000} s`;
  const timer = setTimeout(() => late.reject(new Error(message)), FETCH_TIMEOUT_MS);
  timer.unref();
  try {
    return await Promise.race([fetching, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function refreshDelay(expiration: Date): number {
  const delay = expiration.getTime() - Date.now() - REFRESH_AHEAD_MS;
  return Math.min(Math.max(delay, SHORTEST_REFRESH_MS), LONGEST_REFRESH_MS);
}

function failure(what: string, cause: unknown): Error {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new Error(`cannot get credentials from ${what}: ${message}`, { cause });
}
