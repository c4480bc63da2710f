// Puts what zod finds into plain English: what is wrong, and what to do.
// Knows zod's issues; must not know any key of the configuration.
import { z } from 'zod';

/** zod carries one string for each issue: the message on the first line, the remedy on the second. */
export function problem(message: string, remedy: string): string {
  return `${message}\n${remedy}`;
}

/** Takes the two apart again. */
export function readProblem(text: string): { message: string; remedy: string } {
  const [message = '', remedy = ''] = text.split('\n');
  return { message, remedy };
}

type RawIssue = Parameters<z.core.$ZodErrorMap>[0];

/** The text for each issue that no schema words itself. Never repeats a value: it may be a secret. */
export function describeIssue(issue: RawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeProblem(issue, issue.expected);
    case 'invalid_value':
      return choiceProblem(issue, issue.values.map(String));
    case 'unrecognized_keys':
      return problem('is not a known key', `Known here: ${knownKeys(issue.inst).join(', ')}.`);
    case 'too_small':
      return smallProblem(issue);
    case 'too_big':
      return problem(`must be ${issue.maximum} or less`, 'Lower it.');
    case 'invalid_union':
      return unionProblem(issue);
    default:
      return problem('is not valid', wanted(issue));
  }
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

function typeProblem(issue: RawIssue, expected: string): string {
  const absence = absent(issue);
  if (absence !== undefined) return absence;
  const received = Array.isArray(issue.input) ? 'array' : typeof issue.input;
  const wantedType = TYPES[expected] ?? expected;
  const quotes = expected === 'string' && (received === 'number' || received === 'boolean');
  return problem(
    received === expected || expected === 'int'
      ? `must be ${wantedType}`
      : `must be ${wantedType}, not ${TYPES[received] ?? received}`,
    quotes ? 'Put it in quotes.' : wanted(issue),
  );
}

function choiceProblem(issue: RawIssue, choices: readonly string[]): string {
  return absent(issue) ?? problem(`must be ${choices.join(' or ')}`, wanted(issue));
}

function smallProblem(issue: RawIssue & { code: 'too_small' }): string {
  if (issue.origin === 'array') return problem('is empty', 'Add at least one.');
  if (issue.origin !== 'string') return problem(`must be ${issue.minimum} or more`, 'Raise it.');
  return issue.input === ''
    ? problem('is empty', 'Give it a value.')
    : problem(`is shorter than ${issue.minimum} characters`, 'Write it in full.');
}

function unionProblem(issue: RawIssue & { code: 'invalid_union' }): string {
  const options = (issue as { options?: unknown }).options;
  if (Array.isArray(options)) return problem(`must be one of ${options.join(', ')}`, wanted(issue));
  return absent(issue) ?? problem('is none of the forms it may take', wanted(issue));
}

function absent(issue: RawIssue): string | undefined {
  if (issue.input === undefined) return problem('is missing', wanted(issue, 'Add it'));
  if (issue.input === null) return problem('has no value', 'Give it one, or take the line out.');
  return undefined;
}

function wanted(issue: RawIssue, lead = 'Expected'): string {
  const description = issue.inst instanceof z.ZodType ? issue.inst.description : undefined;
  return description === undefined ? 'Correct it.' : `${lead}: ${description}.`;
}

function knownKeys(schema: unknown): readonly string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}
