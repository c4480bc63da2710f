// Reads YAML into plain values and remembers where each stood. Expands environment variables in strings.
// Must not know what a configuration holds.
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { expand } from './expand.ts';
import { type ConfigurationPath, formatPath } from './fault.ts';

/** A place in the text, counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Something wrong with the text itself. */
export interface DocumentProblem {
  readonly position: Position;
  readonly path: ConfigurationPath;
  readonly message: string;
  readonly remedy: string;
}

/** The values of a YAML text; `usable` is false when they cannot be made out. */
export interface ReadDocument {
  readonly value: unknown;
  readonly usable: boolean;
  readonly problems: readonly DocumentProblem[];
  /** Position of a path's key, or of the nearest thing above it that stands in the text. */
  locate(path: ConfigurationPath): Position;
}

/** More than any real configuration has: the bound on what aliases can multiply. */
const MAX_NODES = 100_000;
const MAX_DEPTH = 32;
const START: Position = { line: 1, column: 1 };

interface Walk {
  readonly document: Document;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly position: (offset: number) => Position;
  readonly positions: Map<string, Position>;
  readonly problems: DocumentProblem[];
  nodes: number;
}

/** Reads a YAML 1.2 text (core schema: JSON types, no tags of its own). Never throws. */
export function readDocument(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): ReadDocument {
  const lines = new LineCounter();
  const document = parse(text, lines);
  if (document === undefined) {
    const message = 'is nested too deeply to be read';
    const problem = { position: START, path: [], message, remedy: 'Write it flatter.' };
    return { value: undefined, usable: false, problems: [problem], locate: () => START };
  }
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return line > 0 ? { line, column: col } : START;
  };
  const problems = syntaxProblems(document, position);
  // With a key given twice the rest of the text is still clear, and worth checking in the same run.
  const usable = document.errors.every((error) => error.code === 'DUPLICATE_KEY');
  const walk: Walk = { document, environment, position, positions: new Map(), problems, nodes: 0 };
  const value = usable ? readNode(document.contents, [], walk) : undefined;
  return { value, usable: usable && walk.nodes <= MAX_NODES, problems, locate: locator(walk.positions) };
}

function parse(text: string, lineCounter: LineCounter): Document | undefined {
  try {
    return parseDocument(text, {
      version: '1.2',
      schema: 'core',
      stringKeys: true,
      prettyErrors: false,
      lineCounter,
    });
  } catch {
    return undefined; // the parser recurses, and throws a RangeError on thousands of nested brackets
  }
}

/** Faults that deserve better words than the parser's. */
const KNOWN_ERRORS: Readonly<Record<string, { message: string; remedy: string }>> = {
  DUPLICATE_KEY: { message: 'the same key stands here twice', remedy: 'Keep one of the two.' },
  MULTIPLE_DOCS: { message: 'a second document begins here', remedy: 'Keep one document in the file.' },
};

function syntaxProblems(document: Document, position: (offset: number) => Position): DocumentProblem[] {
  return [...document.errors, ...document.warnings].map((error) => ({
    position: position(error.pos[0]),
    path: [],
    ...(KNOWN_ERRORS[error.code] ?? {
      message: `is not valid YAML: ${withoutText(error.message)}`,
      remedy: 'Correct the text here.',
    }),
  }));
}

/** Some messages end with a piece of the text, which may be a secret. */
function withoutText(message: string): string {
  return message.replace(/(YAML stream|extra characters): .*$/s, '$1').replace(/\.$/, '');
}

function locator(positions: ReadonlyMap<string, Position>): (path: ConfigurationPath) => Position {
  return (path) => {
    for (let length = path.length; length >= 0; length--) {
      const position = positions.get(formatPath(path.slice(0, length)));
      if (position !== undefined) return position;
    }
    return START;
  };
}

function readNode(node: unknown, path: ConfigurationPath, walk: Walk): unknown {
  if (exceeds(path, walk)) return undefined;
  if (isAlias(node)) return aliased(node, path, walk);
  if (isMap(node)) return mapping(node, path, walk);
  if (isSeq(node)) return sequence(node, path, walk);
  if (!isScalar(node)) return null;
  return typeof node.value === 'string' ? expanded(node.value, path, walk) : node.value;
}

function aliased(node: Alias, path: ConfigurationPath, walk: Walk): unknown {
  const anchored = node.resolve(walk.document);
  if (anchored !== undefined) return readNode(anchored, path, walk);
  const remedy = `Set the anchor &${node.source} before it, or write the value out.`;
  problem(walk, path, `the alias *${node.source} stands for nothing`, remedy);
  return undefined;
}

/** Counts the nodes that aliases lead to as often as they are led to; deeper than real files go counts as all of them. */
function exceeds(path: ConfigurationPath, walk: Walk): boolean {
  if (walk.nodes > MAX_NODES) return true;
  walk.nodes = path.length > MAX_DEPTH ? MAX_NODES + 1 : walk.nodes + 1;
  if (walk.nodes <= MAX_NODES) return false;
  walk.problems.push({
    position: START,
    path: [],
    message: `is nested deeper than ${MAX_DEPTH} levels or larger than ${MAX_NODES} values, its aliases followed`,
    remedy: 'Take the aliases out, or split the configuration.',
  });
  return true;
}

function mapping(node: YAMLMap, path: ConfigurationPath, walk: Walk): Record<string, unknown> {
  if (path.length === 0) note(node, path, walk);
  const pairs = node.items.flatMap((pair: Pair) => {
    const key = isScalar(pair.key) ? String(pair.key.value) : '';
    const inner = [...path, key];
    note(pair.key, inner, walk);
    if (key !== '__proto__') return [[key, readNode(pair.value, inner, walk)] as const];
    // Libraries below drop this key without a word, and nothing may be dropped.
    problem(walk, inner, 'this key cannot be used', 'Choose another name.');
    return [];
  });
  return Object.fromEntries(pairs);
}

function sequence(node: YAMLSeq, path: ConfigurationPath, walk: Walk): unknown[] {
  return node.items.map((item, index) => {
    const inner = [...path, index];
    note(item, inner, walk);
    return readNode(item, inner, walk);
  });
}

function expanded(text: string, path: ConfigurationPath, walk: Walk): string {
  const expansion = expand(text, walk.environment);
  if (expansion.kind === 'expanded') return expansion.text;
  for (const { message, remedy } of expansion.problems) problem(walk, path, message, remedy);
  return text;
}

function problem(walk: Walk, path: ConfigurationPath, message: string, remedy: string): void {
  walk.problems.push({ position: locator(walk.positions)(path), path, message, remedy });
}

function note(node: unknown, path: ConfigurationPath, walk: Walk): void {
  const range = (node as Node | null | undefined)?.range;
  if (range) walk.positions.set(formatPath(path), walk.position(range[0]));
}
