// `s3-kms-gateway check --online`: tries out what a sound configuration rests on – backends, credentials, KMS keys – and
// reports in the form of `check`. Everything side by side, and nothing for longer than its time.
import type { BackendConfiguration, Configuration } from '../config/configuration.ts';
import { type CredentialSource, credentialsProvider } from '../config/credentials.ts';
import { byPlace, type ConfigurationPath, type Fault } from '../config/fault.ts';
import type { LoadedConfiguration, LoadResult } from '../config/load.ts';
import { probeBackend } from '../gateway/probe.ts';
import { describeKeys } from '../kms/describe.ts';
import { type KeyState, REMEDIES } from '../kms/key-state.ts';
import { type KeyUse, keysByBackend, keyUses } from '../kms/key-uses.ts';

/** What answered and did as it should. */
export interface TriedOut {
  readonly backends: readonly string[];
  readonly keys: readonly string[];
}

/** The result of a check with what was found out on the network. */
export interface OnlineResult {
  readonly result: LoadResult;
  readonly tried: TriedOut;
}

/** One thing found, with the place where it is put right. */
interface Finding {
  readonly severity: 'fault' | 'warning';
  readonly path: ConfigurationPath;
  readonly message: string;
  readonly remedy: string;
}

/** The time for credentials to be had. */
const CREDENTIALS_TIMEOUT_MS = 15_000;

/** Tries everything out; never rejects for what it finds. */
export async function checkOnline(loaded: LoadedConfiguration): Promise<OnlineResult> {
  const { configuration, faultAt } = loaded;
  const uses = keyUses(configuration);
  const tries = await Promise.all(
    configuration.backends.map((backend, index) => tryBackend(configuration, backend, index, uses)),
  );
  const findings = tries.flatMap((each) => each.findings);
  const placed = (severity: Finding['severity']): Fault[] =>
    findings
      .filter((finding) => finding.severity === severity)
      .map(({ path, message, remedy }) => faultAt(path, oneLine(message), remedy));
  const faults = placed('fault').sort(byPlace);
  const warnings = [...loaded.warnings, ...placed('warning')].sort(byPlace);
  const tried = {
    backends: tries.flatMap((each) => each.answering),
    keys: [...new Set(tries.flatMap((each) => each.usable))],
  };
  if (faults.length > 0) return { result: { kind: 'faulty', faults, warnings, read: loaded.read }, tried };
  return { result: { ...loaded, warnings }, tried };
}

/** What others said stands on a line of ours: none of its line breaks and other control characters, and one full stop. */
function oneLine(message: string): string {
  return message.replace(/[\s\p{Cc}]+/gu, ' ').replace(/\.$/, '');
}

interface Try {
  readonly findings: readonly Finding[];
  readonly answering: readonly string[];
  readonly usable: readonly string[];
}

async function tryBackend(
  configuration: Configuration,
  backend: BackendConfiguration,
  index: number,
  uses: readonly KeyUse[],
): Promise<Try> {
  const path = ['backends', index];
  const source = credentialsProvider(backend.credentials, backend.region);
  try {
    const missing = await credentialsFinding(source, backend, path);
    // Reached all the same: two faults in one run are better than one after the other.
    const [probed, keys] = await Promise.all([
      probeBackend(backend, configuration.timeouts, source.current()),
      missing ? NO_KEYS : tryKeys(backend, source, path, uses),
    ]);
    const found = probed === undefined ? [] : [{ ...probed, path: [...path, probed.key] }];
    const answers = missing === undefined && probed?.severity !== 'fault';
    return {
      findings: [...(missing ? [missing] : []), ...found, ...keys.findings],
      answering: answers ? [backend.name] : [],
      usable: keys.usable,
    };
  } finally {
    source.close();
  }
}

async function credentialsFinding(
  source: CredentialSource,
  backend: BackendConfiguration,
  path: ConfigurationPath,
): Promise<Finding | undefined> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('cannot be had in time')), CREDENTIALS_TIMEOUT_MS);
  try {
    await Promise.race([source.ready(), late.promise]);
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const remedy =
      backend.credentials.provider === 'assume-role'
        ? 'The credentials of the environment must be allowed to assume the role.'
        : 'Provide them where this command runs, as where the gateway does.';
    return { severity: 'fault', path: [...path, 'credentials'], message, remedy };
  } finally {
    clearTimeout(timer);
  }
}

type KeysTry = Pick<Try, 'findings' | 'usable'>;
const NO_KEYS: KeysTry = { findings: [], usable: [] };

async function tryKeys(
  backend: BackendConfiguration,
  source: CredentialSource,
  path: ConfigurationPath,
  uses: readonly KeyUse[],
): Promise<KeysTry> {
  const own = uses.filter((use) => use.backend === backend);
  const [entry] = keysByBackend(own);
  if (entry === undefined) return NO_KEYS;
  const states = await describeKeys(entry[0], source.current(), entry[1]);
  const usable = [...states].flatMap(([keyId, { kind }]) => (kind === 'usable' ? [keyId] : []));
  const findings = own.flatMap((use) => keyFinding(use, states.get(use.keyId), [...path, 'kms']) ?? []);
  return { findings: unique(findings), usable };
}

/** A fault of a key stands where the rule names it, one of the KMS at the backend. */
function keyFinding(
  { backend, keyId, path }: KeyUse,
  state: KeyState | undefined,
  kms: ConfigurationPath,
): Finding | undefined {
  if (state === undefined || state.kind === 'usable') return undefined;
  const remedy = REMEDIES[state.why];
  const named = `${keyId} ${state.detail} (backend ${backend.name})`;
  if (state.kind === 'unusable') return { severity: 'fault', path, message: named, remedy };
  if (state.why === 'access_denied') return { severity: 'warning', path, message: named, remedy };
  return { severity: 'fault', path: kms, message: state.detail, remedy };
}

/** A KMS that cannot be asked is so for all keys, and is told once. */
function unique(findings: readonly Finding[]): readonly Finding[] {
  const byText = new Map(findings.map((finding) => [`${finding.path.join()} ${finding.message}`, finding]));
  return [...byText.values()];
}
