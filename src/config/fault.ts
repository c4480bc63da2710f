// What is wrong with a configuration and where: the shape in which every check reports.
// Must not know what is checked.

/** Where something stands in the configuration: keys and list positions from the top. */
export type ConfigurationPath = readonly (string | number)[];

/** One thing wrong with a configuration, at a line and column counted from 1. */
export interface Fault {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Like `encryption[0].keyId`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong, without a full stop. */
  readonly message: string;
  /** What to do about it: whole sentences. */
  readonly remedy: string;
}

/** Makes a fault of what is wrong at a path. */
export type FaultAt = (path: ConfigurationPath, message: string, remedy: string) => Fault;

/** The order in which they stand in the file. */
export function byPlace(left: Fault, right: Fault): number {
  return left.line - right.line || left.column - right.column;
}

/** Takes what the checks find. A warning leaves the configuration usable. */
export interface Report {
  fault(path: ConfigurationPath, message: string, remedy: string): void;
  warning(path: ConfigurationPath, message: string, remedy: string): void;
}

/** Writes a path as people do: `encryption[0].keyId`. */
export function formatPath(path: ConfigurationPath): string {
  return path.reduce<string>((text, step) => text + formatStep(step, text === ''), '');
}

function formatStep(step: string | number, first: boolean): string {
  if (typeof step === 'number') return `[${step}]`;
  if (!/^[\w-]+$/.test(step)) return `[${JSON.stringify(step)}]`;
  return first ? step : `.${step}`;
}

/** One line for a terminal: `gateway.yaml:12:5 encryption[0].keyId: message. remedy`. */
export function formatFault(fault: Fault): string {
  const path = fault.path === '' ? '' : `${fault.path}: `;
  return `${fault.file}:${fault.line}:${fault.column} ${path}${fault.message}. ${fault.remedy}`;
}
