// Loads a configuration file: text → values → schema → what the parts must agree on → Configuration.
// Reports all that is wrong at once; never throws, and never half-loads.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { z } from 'zod';
import { buildBackends } from './backends.ts';
import { checkCertificates, statesCertificate } from './certificates.ts';
import { buildClients, type Clients } from './clients.ts';
import type { Configuration, ListSection } from './configuration.ts';
import { type ReadDocument, readDocument } from './document.ts';
import { buildEgress } from './egress.ts';
import { buildRules } from './encryption.ts';
import { type Entry, soundItems, soundOptional, soundSection } from './entries.ts';
import { byPlace, type Fault, type FaultAt, formatPath, type Report } from './fault.ts';
import { ABSENT, type ConfigurationFiles, type Files, type FilesRead, filesBeside, reason } from './files.ts';
import { describeIssue, readProblem } from './issue.ts';
import { buildListeners } from './listeners.ts';
import {
  type BackendSection,
  type ClientSection,
  type FileSection,
  fileSchema,
  type LimitsSection,
  type ListenerSection,
  sections,
} from './schema.ts';

/** A configuration with its warnings, or everything that is wrong with it. */
export type LoadResult = { readonly read: FilesRead } & (
  | {
      readonly kind: 'loaded';
      readonly configuration: Configuration;
      readonly warnings: readonly Fault[];
      /** A fault at its place in the file, for what is found out later. */
      readonly faultAt: FaultAt;
    }
  | { readonly kind: 'faulty'; readonly faults: readonly Fault[]; readonly warnings: readonly Fault[] }
);

/** A configuration that can be run. */
export type LoadedConfiguration = Extract<LoadResult, { readonly kind: 'loaded' }>;

/** Reads and checks a configuration file. */
export function loadConfiguration(
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): LoadResult {
  try {
    return parseConfiguration(readFileSync(file, 'utf8'), file, environment);
  } catch (error) {
    const message = `the configuration file cannot be read: ${reason(error)}`;
    const fault = {
      file,
      line: 1,
      column: 1,
      path: '',
      message,
      remedy: 'Correct the path or the permissions.',
    };
    return { kind: 'faulty', faults: [fault], warnings: [], read: new Map([[resolve(file), ABSENT]]) };
  }
}

/** Checks the text of a configuration file; the files it names are looked for beside `file`. */
export function parseConfiguration(
  text: string,
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): LoadResult {
  const document = readDocument(text, environment);
  const notes = collect(file, document);
  for (const problem of document.problems) notes.add(problem);
  const files = filesBeside(file, text, notes);
  const configuration = document.usable ? build(document, file, files, notes) : undefined;
  const faults = [...notes.faults].sort(byPlace);
  const warnings = [...notes.warnings].sort(byPlace);
  const { read } = files;
  if (configuration === undefined || faults.length > 0) return { kind: 'faulty', faults, warnings, read };
  return { kind: 'loaded', configuration, warnings, faultAt: notes.at, read };
}

interface Notes extends Report {
  readonly at: FaultAt;
  readonly faults: Fault[];
  readonly warnings: Fault[];
  add(problem: ReadDocument['problems'][number]): void;
}

function collect(file: string, document: ReadDocument): Notes {
  const at: FaultAt = (path, message, remedy) => {
    return { file, ...document.locate(path), path: formatPath(path), message, remedy };
  };
  const faults: Fault[] = [];
  const warnings: Fault[] = [];
  return {
    at,
    faults,
    warnings,
    fault: (...fault) => faults.push(at(...fault)),
    warning: (...warning) => warnings.push(at(...warning)),
    add: ({ position, path, message, remedy }) =>
      faults.push({ file, ...position, path: formatPath(path), message, remedy }),
  };
}

function build(
  document: ReadDocument,
  file: string,
  files: ConfigurationFiles,
  notes: Notes,
): Configuration | undefined {
  const { value } = document;
  if (value === null) {
    notes.fault([], 'the configuration is empty', 'Start with listeners and backends.');
    return undefined;
  }
  const parsed = fileSchema.safeParse(value, { error: describeIssue });
  if (!parsed.success) reportIssues(parsed.error.issues, notes);
  const parts = buildParts(value, files, notes);
  if (!parsed.success) return undefined;
  const { domains, signatureV2, timeouts, drain, admin, workers, log } = parsed.data;
  const { limits, processLimits } = splitLimits(parsed.data.limits);
  const { listeners, backends, clients, rules, egress } = parts;
  const { signing, certificateClients, all } = clients;
  const policy = {
    domains,
    egress,
    clients: signing,
    certificateClients,
    rules,
    backends,
    signatureV2,
    limits,
  };
  const rest = {
    admin: { ...admin.address, pageHosts: admin.pageHosts },
    timeouts,
    drain,
    workers,
    log,
    file,
    files: [...files.read.keys()],
  };
  const positions = positionsOf(parsed.data, document);
  return { policy, listeners, clients: all, backends, limits: processLimits, positions, ...rest };
}

function positionsOf(sections: FileSection, { locate }: ReadDocument): Configuration['positions'] {
  const of = (section: ListSection) => sections[section].map((_item, index) => locate([section, index]));
  return {
    listeners: of('listeners'),
    backends: of('backends'),
    clients: of('clients'),
    encryption: of('encryption'),
  };
}

/** One section of the file: what bounds a request is the policy's affair, what bounds a process is not. */
function splitLimits(section: LimitsSection): {
  limits: Configuration['policy']['limits'];
  processLimits: Configuration['limits'];
} {
  const { connections, requestsInFlight, requestsInFlightPerClient, bufferedBytes, ...limits } = section;
  return {
    limits,
    processLimits: { connections, requestsInFlight, requestsInFlightPerClient, bufferedBytes },
  };
}

function buildParts(
  value: unknown,
  files: Files,
  notes: Notes,
): Pick<Configuration, 'listeners' | 'backends'> &
  Pick<Configuration['policy'], 'rules' | 'egress'> & { readonly clients: Clients } {
  const listeners = soundItems(value, 'listeners', sections.listener);
  const backends = soundItems(value, 'backends', sections.backend);
  const clients = soundItems(value, 'clients', sections.client);
  const rules = soundItems(value, 'encryption', sections.encryptionRule);
  const domains = soundItems(value, 'domains', sections.domain);
  const limits = soundSection(value, 'limits', sections.limits);
  const egress = buildEgress(soundOptional(value, 'egress', sections.egress), domains, backends, notes);
  const admin = soundSection(value, 'admin', sections.admin);
  // A rule is held against all backends or, while one of them is faulty, against none.
  const known = notes.faults.some((fault) => fault.path.startsWith('backends')) ? [] : backends;
  checkCredentials(listeners, backends, notes);
  checkCertificates(listeners, clients, notes);
  if (notes.faults.length === 0) {
    warnOfAbsence(listeners, clients, rules.length, notes);
  }
  return {
    listeners: buildListeners(listeners, admin, clients.some(statesCertificate), files, notes),
    egress,
    backends: buildBackends(backends, egress !== undefined, files, notes),
    clients: buildClients(clients, files, notes),
    rules: buildRules(
      rules,
      known.map((entry) => entry.value),
      egress !== undefined,
      limits,
      notes,
    ),
  };
}

/** Only where every listener preserves signatures is there nothing to sign with credentials. */
function checkCredentials(
  listeners: readonly Entry<ListenerSection>[],
  backends: readonly Entry<BackendSection>[],
  report: Report,
): void {
  const signing = listeners.find(({ value }) => value.signing === 'replace');
  if (!signing) return;
  for (const { path, value } of backends) {
    if (value.credentials.provider !== 'none') continue;
    const message = `is none, but ${formatPath(signing.path)} signs requests anew`;
    report.fault(
      [...path, 'credentials', 'provider'],
      message,
      'Name a provider, or set signing: preserve there.',
    );
  }
}

function warnOfAbsence(
  listeners: readonly Entry<ListenerSection>[],
  clients: readonly Entry<ClientSection>[],
  rules: number,
  report: Report,
): void {
  if (rules === 0) {
    report.warning(['encryption'], 'there is no encryption rule: all writes are refused', 'Add one.');
  }
  const signed = listeners.some(
    ({ value }) => value.authentication === 'signature' && value.signing === 'replace',
  );
  if (signed && clients.length === 0) {
    report.warning(['clients'], 'there is no client: signed requests are all refused', 'Add one.');
  }
}

function reportIssues(issues: readonly z.core.$ZodIssue[], notes: Notes): void {
  // A value whose variables could not be filled in is at fault for that alone.
  const unexpanded = new Set(notes.faults.map((fault) => fault.path).filter((path) => path !== ''));
  for (const issue of issues.flatMap(innermost)) {
    const path = issue.path.filter((step) => typeof step !== 'symbol');
    if (unexpanded.has(formatPath(path))) continue;
    const { message, remedy } = readProblem(issue.message);
    if (issue.code !== 'unrecognized_keys') notes.fault(path, message, remedy);
    else for (const key of issue.keys) notes.fault([...path, key], message, remedy);
  }
}

/** What is wrong with the key of a pair stands inside the issue. */
function innermost(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_key') return [issue];
  return issue.issues.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}
