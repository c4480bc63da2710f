// `s3-kms-gateway check`: what is wrong with a configuration, for people and for programs.
// Returns text; must not touch the process.
import type { Configuration } from '../config/configuration.ts';
import { type Fault, formatFault } from '../config/fault.ts';
import type { LoadResult } from '../config/load.ts';
import type { TriedOut } from './online.ts';

/** The report for a terminal: faults, then warnings, then what was found when all is well; and what was tried out. */
export function checkReport(result: LoadResult, tried?: TriedOut): string {
  const faults = result.kind === 'faulty' ? result.faults : [];
  const lines = [...faultLines(faults), ...warningLines(result.warnings)];
  lines.push(result.kind === 'faulty' ? countLine(result.faults) : summaryLine(result.configuration));
  if (tried) lines.push(triedLine(tried));
  return `${lines.join('\n')}\n`;
}

/** One line for each fault. */
export function faultLines(faults: readonly Fault[]): readonly string[] {
  return faults.map(formatFault);
}

/** One line for each warning. */
export function warningLines(warnings: readonly Fault[]): readonly string[] {
  return warnings.map((warning) => `warning: ${formatFault(warning)}`);
}

/** The same report as JSON. */
export function checkJson(result: LoadResult, tried?: TriedOut): string {
  const { warnings } = result;
  const report =
    result.kind === 'faulty'
      ? { ok: false, faults: result.faults, warnings }
      : { ok: true, faults: [], warnings, summary: summary(result.configuration) };
  return `${JSON.stringify(tried ? { ...report, online: tried } : report, null, 2)}\n`;
}

function triedLine({ backends, keys }: TriedOut): string {
  const answer = backends.length === 1 ? 'answers' : 'answer';
  return `online: ${count(backends.length, 'backend')} ${answer}, ${count(keys.length, 'KMS key')} usable`;
}

function countLine(faults: readonly Fault[]): string {
  return count(faults.length, 'fault');
}

function summaryLine(configuration: Configuration): string {
  const { listeners, backends, clients, rules } = summary(configuration);
  const parts = [
    count(listeners.length, 'listener'),
    count(backends.length, 'backend'),
    count(clients.length, 'client'),
    count(rules.length, 'encryption rule'),
  ];
  return `${configuration.file} is sound: ${parts.join(', ')}`;
}

function summary(
  configuration: Configuration,
): Readonly<Record<'listeners' | 'backends' | 'clients' | 'rules', readonly string[]>> {
  const { policy, listeners, backends, clients } = configuration;
  return {
    listeners: listeners.map(({ name }) => name),
    backends: backends.map(({ name }) => name),
    clients: clients.map(({ name }) => name),
    rules: policy.rules.map(({ name }) => name),
  };
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
