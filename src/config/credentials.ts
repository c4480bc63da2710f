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

/** Fetches credentials afresh, past any cache of its own. */
export type FetchCredentials = () => Promise<FetchedCredentials>;

/** What AWS's providers give. */
export interface FetchedCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  readonly expiration?: Date | undefined;
}

/** Credentials as configured. `onFailure` hears of each refresh that fails; it is tried again. */
export function credentialsProvider(
  spec: CredentialsSpec,
  region: string,
  onFailure: (error: Error) => void = () => {},
): CredentialSource {
  if (spec.provider === 'none') return { current: () => undefined, ready: async () => {}, close: () => {} };
  if (spec.provider !== 'static') {
    const what = spec.provider === 'default' ? 'the default chain' : `the role ${spec.roleArn}`;
    return refreshingSource(fetchFromAws(spec, region), what, onFailure);
  }
  const { accessKeyId, secretAccessKey, sessionToken } = spec;
  const credentials = { accessKeyId, secretAccessKey, sessionToken };
  return { current: () => credentials, ready: async () => {}, close: () => {} };
}

type AwsSpec = Exclude<CredentialsSpec, { readonly provider: 'static' | 'none' }>;

function fetchFromAws(spec: AwsSpec, region: string): FetchCredentials {
  let provider: Promise<(properties: Record<string, unknown>) => Promise<FetchedCredentials>> | undefined;
  return async () => {
    provider ??= awsProvider(spec, region);
    // Without forceRefresh the chain answers a failed refresh with the old credentials and no error.
    return (await provider)({ forceRefresh: true });
  };
}

/** The SDK is heavy, and static credentials do without it: it is loaded on first use. */
async function awsProvider(
  spec: AwsSpec,
  region: string,
): Promise<(properties: Record<string, unknown>) => Promise<FetchedCredentials>> {
  const sdk = await import('@aws-sdk/credential-providers');
  if (spec.provider === 'default') return sdk.fromNodeProviderChain({ clientConfig: { region } });
  const { roleArn, sessionName, externalId } = spec;
  return sdk.fromTemporaryCredentials({
    params: {
      RoleArn: roleArn,
      RoleSessionName: sessionName,
      ...(externalId === undefined ? {} : { ExternalId: externalId }),
    },
    clientConfig: { region },
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

/** Keeps what `fetch` gives fresh. `what` names its origin in errors. */
export function refreshingSource(
  fetch: FetchCredentials,
  what: string,
  onFailure: (error: Error) => void,
): CredentialSource {
  let current: SigningCredentials | undefined;
  let pending: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const refresh = async (): Promise<void> => {
    const fetched = await fetch();
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = fetched;
    current = { accessKeyId, secretAccessKey, sessionToken };
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

function refreshDelay(expiration: Date): number {
  const delay = expiration.getTime() - Date.now() - REFRESH_AHEAD_MS;
  return Math.min(Math.max(delay, SHORTEST_REFRESH_MS), LONGEST_REFRESH_MS);
}

function failure(what: string, cause: unknown): Error {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new Error(`cannot get credentials from ${what}: ${message}`, { cause });
}
