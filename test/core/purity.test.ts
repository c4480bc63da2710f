import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { describe, test } from 'node:test';

const SOURCE = join(import.meta.dirname, '../../src');

/** Path from `src`, with `/` whatever the system. */
const FILES = globSync('**/*.ts', { cwd: SOURCE })
  .map((file) => file.split(sep).join('/'))
  .sort();
const CORE = FILES.filter((file) => file.startsWith('core/'));

function read(file: string): string {
  return readFileSync(join(SOURCE, file), 'utf8');
}

/** Source without comments and without the contents of its strings: what is left is code. */
function codeOf(source: string): string {
  const tokens = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g;
  return source.replace(tokens, (token) => (token.startsWith('/') ? ' ' : "''"));
}

/** Specifiers of every import and re-export, static and dynamic, and of `require`. */
function importsOf(source: string): string[] {
  const statement = /^\s*(?:import|export)\s[^'";]*?from\s*['"]([^'"]+)['"]/gm;
  const bare = /^\s*import\s*['"]([^'"]+)['"]/gm;
  const call = /\b(?:import|require)\s*\(\s*['"`]?([^'"`)]+)/g;
  return [statement, bare, call].flatMap((form) => [...source.matchAll(form)].map((match) => match[1] ?? ''));
}

function resolved(file: string, specifier: string): string {
  return specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : specifier;
}

describe('the way this test reads sources', () => {
  const FORMS: readonly (readonly [source: string, specifier: string])[] = [
    ["import fs from 'node:fs';", 'node:fs'],
    ["import 'node:fs';", 'node:fs'],
    ["import {\n  a,\n  type B,\n} from './a.ts';", './a.ts'],
    ["import type { A } from './a.ts';", './a.ts'],
    ["export * from './a.ts';", './a.ts'],
    ["export type { A } from './a.ts';", './a.ts'],
    ["const fs = await import('node:fs');", 'node:fs'],
    ["const fs = require('node:fs');", 'node:fs'],
  ];
  for (const [source, specifier] of FORMS) {
    test(`finds the import in ${JSON.stringify(source)}`, () =>
      assert.deepEqual(importsOf(source), [specifier]));
  }
  test('sees no code in comments and strings', () => {
    assert.doesNotMatch(codeOf("// Date.now\n/* fetch( */ const a = 'process.env';"), /Date|fetch|process/);
  });
});

describe('src/core is pure', () => {
  test('there is a core to look at', () => assert.ok(CORE.length > 25, `${CORE.length} files`));

  for (const file of CORE) {
    test(`${file} imports nothing but src/core`, () => {
      for (const specifier of importsOf(read(file))) {
        if (file === 'core/sigv4/digest.ts' && specifier === 'node:crypto') continue;
        assert.ok(
          specifier.startsWith('.') && resolved(file, specifier).startsWith('core/'),
          `${file} imports ${specifier}`,
        );
      }
    });
  }

  const IMPURE: readonly (readonly [what: string, pattern: RegExp])[] = [
    ['the process', /\bprocess\b/],
    ['the clock', /\bDate\.now\b|\bnew Date\(\s*\)|\bDate\(\s*\)|\bperformance\b/],
    ['randomness', /\bMath\.random\b|\brandom(Bytes|UUID|Int|FillSync)\b|\bgetRandomValues\b/],
    ['the network', /\bfetch\s*\(|\bWebSocket\b|\bEventSource\b|\bXMLHttpRequest\b/],
    ['timers', /\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bnextTick\b/],
    ['the console', /\bconsole\b/],
    ['globals by another name', /\bglobalThis\b|\bglobal\b|\beval\b|\bnew Function\b/],
    ['promises: the core is synchronous', /\basync\b|\bawait\b|\bPromise\b/],
    ['modules by name at run time', /\bimport\s*\(|\brequire\s*\(|\bimport\.meta\b/],
  ];
  for (const [what, pattern] of IMPURE) {
    test(`nothing in it uses ${what}`, () => {
      for (const file of CORE) assert.doesNotMatch(codeOf(read(file)), pattern, file);
    });
  }
});

describe('imports point one way', () => {
  /** A file may import from its own layer and from those after it. */
  const LAYERS: readonly (readonly [layer: string, owns: RegExp])[] = [
    ['index', /^core\/index\.ts$/],
    ['decide', /^core\/decide\.ts$/],
    ['judge', /^core\/judge\.ts$/],
    ['verdict', /^core\/verdict\.ts$/],
    ['authenticate', /^core\/authenticate\.ts$/],
    ['policy', /^core\/policy\//],
    ['request', /^core\/request\.ts$/],
    ['s3', /^core\/s3\//],
    ['sigv2', /^core\/sigv2\//],
    ['sigv4', /^core\/sigv4\//],
    ['http', /^core\/http\//],
    ['facts', /^core\/facts\.ts$/],
    ['certificate', /^core\/certificate\.ts$/],
    ['refusal', /^core\/refusal\.ts$/],
    ['sensitive', /^core\/sensitive\.ts$/],
  ];
  const layerOf = (file: string): number => LAYERS.findIndex(([, owns]) => owns.test(file));

  for (const file of CORE) {
    test(`${file} imports from its layer or a lower one`, () => {
      assert.notEqual(layerOf(file), -1, `${file} is in no layer`);
      for (const specifier of importsOf(read(file)).filter((name) => name.startsWith('.'))) {
        const imported = resolved(file, specifier);
        assert.ok(layerOf(imported) >= layerOf(file), `${file} imports ${imported}`);
      }
    });
  }

  test('core/refusal.ts is a leaf', () => assert.deepEqual(importsOf(read('core/refusal.ts')), []));

  test('no import cycle runs through the core', () => {
    const path: string[] = [];
    const done = new Set<string>();
    const visit = (file: string): void => {
      assert.ok(!path.includes(file), `cycle: ${[...path, file].join(' → ')}`);
      if (done.has(file)) return;
      path.push(file);
      // Types leave nothing behind at run time, so they close no cycle.
      const values = read(file).replace(/^(?:import|export) type [^;]*;/gm, '');
      for (const name of importsOf(values).filter((one) => one.startsWith('.'))) visit(resolved(file, name));
      path.pop();
      done.add(file);
    };
    for (const file of CORE) visit(file);
  });

  /** Part of `src` → the parts it may import besides itself. */
  const PARTS: Readonly<Record<string, readonly string[]>> = {
    core: [],
    config: ['core'],
    observe: ['core'],
    kms: ['core', 'config'],
    gateway: ['core', 'config', 'kms', 'observe'],
    workers: ['core', 'config', 'gateway', 'kms', 'observe'],
    demo: ['core', 'config', 'gateway', 'observe'],
    command: ['core', 'config', 'demo', 'gateway', 'kms', 'observe'],
    page: ['core', 'command', 'config', 'gateway', 'kms', 'observe'],
    'main.ts': ['core', 'command', 'config', 'demo', 'gateway', 'kms', 'observe', 'page', 'workers'],
  };
  for (const file of FILES) {
    test(`${file} imports only parts below it`, () => {
      const part = file.split('/')[0] ?? '';
      const allowed = [part, ...(PARTS[part] ?? [])];
      for (const specifier of importsOf(read(file)).filter((name) => name.startsWith('.'))) {
        const imported = relative('.', join(dirname(file), specifier)).split(sep)[0] ?? '';
        const elsewhere = imported === '..' && specifier.endsWith('package.json');
        assert.ok(elsewhere || allowed.includes(imported), `${file} imports ${specifier}`);
      }
    });
  }
});
