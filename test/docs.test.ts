import assert from 'node:assert/strict';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { configurationJsonSchema } from '../src/config/json-schema.ts';
import { parseConfiguration } from '../src/config/load.ts';
import { createAuthority } from '../src/demo/authority.ts';
import { createMetrics } from '../src/observe/metrics.ts';
import { KILLS } from './faults/kills.ts';
import { robustnessTables, tablesOf } from './hostile/page.ts';

const ROOT = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const PAGES = globSync(['*.md', 'docs/**/*.md'], { cwd: ROOT });

describe('what the documents say is so', () => {
  for (const page of PAGES) {
    test(`every link of ${page} leads somewhere`, () => {
      for (const [, target = '', anchor] of read(page).matchAll(/\]\(([^)#\s]*)(?:#([^)]*))?\)/g)) {
        if (/^https?:/.test(target)) continue;
        const file = target === '' ? page : join(dirname(page), target);
        assert.ok(existsSync(join(ROOT, file)), `${target} does not exist`);
        if (anchor !== undefined)
          assert.ok(anchorsOf(read(file)).includes(anchor), `${file} has no #${anchor}`);
      }
    });
  }

  test('the index of the README has every page', () => {
    const [, index = ''] = /^## Documentation$([\s\S]*?)^## /m.exec(read('README.md')) ?? [];
    const pages = PAGES.filter((page) => page !== 'README.md' && !page.startsWith('docs/decisions/0'));
    assert.deepEqual(
      pages.filter((page) => !index.includes(`](${page})`)),
      [],
    );
  });

  test('the decision records are numbered without a gap, and all in their index', () => {
    const records = PAGES.filter((page) => page.startsWith('docs/decisions/0')).map((page) => basename(page));
    const index = read('docs/decisions/README.md');
    assert.ok(records.length > 0);
    for (const [at, record] of records.sort().entries()) {
      assert.equal(Number(record.slice(0, 4)), at + 1);
      assert.ok(index.includes(`](${record})`), record);
      for (const part of ['Context', 'Decision', 'Consequences']) {
        assert.ok(read(`docs/decisions/${record}`).includes(`**${part}.**`), `${record} has no ${part}`);
      }
    }
  });

  test('errors.md names every reason', () => {
    const [, reasons = ''] = /export type Reason =([\s\S]*?);/.exec(read('src/core/refusal.ts')) ?? [];
    const names = [...reasons.matchAll(/'(\w+)'/g)].map(([, name = '']) => name);
    assert.ok(names.length > 20);
    const text = read('docs/errors.md');
    assert.deepEqual(
      names.filter((name) => !text.includes(`\`${name}\``)),
      [],
    );
  });

  test('the error codes of errors.md are those of the sources', () => {
    const sources = ['src/core/refusal.ts', 'src/gateway/failure.ts'].map(read).join('\n');
    const codes = [...read('docs/errors.md').matchAll(/\b[1-5]\d\d `([\w.]+)`/g)].map(
      ([, code = '']) => code,
    );
    assert.ok(codes.length > 20);
    assert.deepEqual(
      codes.filter((code) => !sources.includes(`'${code}'`)),
      [],
    );
  });

  test('signatures.md names every payload mode and checksum', () => {
    const text = read('docs/signatures.md').toLowerCase().replaceAll('-', '');
    const modes = [...read('src/core/s3/payload-mode.ts').matchAll(/'((?:STREAMING|UNSIGNED)-[A-Z0-9-]+)'/g)];
    const [, table = ''] =
      /CHECKSUM_BYTES[^[]*\[([\s\S]*?)\]\);/.exec(read('src/core/policy/body-plan.ts')) ?? [];
    const names = [...modes, ...table.matchAll(/'(\w+)'/g)].map(([, name = '']) => name);
    assert.ok(names.length > 15);
    assert.deepEqual(
      names.filter((name) => !text.includes(name.toLowerCase().replaceAll('-', ''))),
      [],
    );
  });

  test('enforcement.md has a row for each way around, with a test that is there', () => {
    const titles = new Map(
      globSync('test/enforcement/*.ts', { cwd: ROOT }).map((file) => [
        file,
        [...read(file).matchAll(/\btest\(\s*'((?:way \d+|check [A-Z]): [^'\n]+)'/g)].map(
          ([, title = '']) => title,
        ),
      ]),
    );
    const rows = [
      ...read('docs/enforcement.md').matchAll(
        /^\| (\d+|[A-Z]) \| .* \| \[\w[\w-]*\]\(\.\.\/([^)]+)\): ([^|]+) \|$/gm,
      ),
    ];
    const wanted = [...Array.from({ length: 52 }, (_, i) => String(i + 1)), 'A', 'B'];
    assert.deepEqual(
      rows.map(([, row]) => row),
      wanted,
    );
    for (const [, row = '', file = '', title = ''] of rows) {
      const name = `${/^\d/.test(row) ? 'way' : 'check'} ${row}: ${title}`;
      assert.ok(titles.get(file)?.includes(name), `${file} has no test ‘${name}’`);
    }
    const tested = new Set([...titles.values()].flat().map((title) => title.split(':')[0]));
    assert.equal(tested.size, wanted.length, 'a test is numbered for no row');
  });

  test('robustness.md has a row for each hostile input and each fault that is tested', () => {
    const told = tablesOf(read('docs/robustness.md'));
    assert.equal(told, robustnessTables(), 'run node test/hostile/page.ts');
    const killed = read('test/faults/killed.test.ts');
    for (const kill of Object.keys(KILLS)) assert.ok(killed.includes(`test(named(KILLS.${kill})`), kill);
  });

  test('configuration.md and the example name every key', () => {
    const names = keysOf(configurationJsonSchema());
    assert.ok(names.size > 50);
    for (const file of ['docs/configuration.md', 'deploy/gateway.example.yaml']) {
      const text = read(file);
      assert.deepEqual(
        [...names].filter((name) => !new RegExp(`\\b${name}\\b`).test(text)),
        [],
        file,
      );
    }
  });

  test('observability.md names every metric', async () => {
    const { body } = await createMetrics({ version: '0', nodeVersion: '0' }).exposition();
    const names = [...body.matchAll(/^# TYPE s3_kms_gateway_(\w+) /gm)].map(([, name = '']) => name);
    assert.ok(names.length > 10);
    const text = read('docs/observability.md');
    assert.deepEqual(
      names.filter((name) => !text.includes(`| \`${name}\` |`)),
      [],
    );
  });

  test('deployment.md sizes by the figures of performance.md', () => {
    const [performance, deployment] = [read('docs/performance.md'), read('docs/deployment.md')];
    const cost = (row: string) =>
      Number(new RegExp(`^\\| ${row} \\| ([\\d.]+) `, 'm').exec(performance)?.[1]);
    const share = 0.6;
    const perSecond = (row: string) => (share * 1e6) / cost(row);
    const mebibytes = (row: string) => (share * 1024) / cost(row);
    const rows: Readonly<Record<string, number>> = {
      'GET of small objects': perSecond('GET 1 KiB'),
      'PUT of small objects, encryption injected': perSecond('PUT 1 KiB, encryption injected'),
      downloads: mebibytes('GET 64 MiB'),
      'uploads, SHA-256 verified': mebibytes('PUT 64 MiB, SHA-256 verified'),
      'uploads, UNSIGNED-PAYLOAD': mebibytes('PUT 64 MiB, UNSIGNED-PAYLOAD'),
    };
    for (const [row, figure] of Object.entries(rows)) {
      const said = Number(new RegExp(`^\\| ${row} \\| (\\d+) `, 'm').exec(deployment)?.[1]);
      assert.ok(Math.abs(said / figure - 1) < 0.1, `${row}: ${said} is said, ${figure} measured`);
    }
  });

  test('the functions that the README names stand in the files it names', () => {
    const rows = [...read('README.md').matchAll(/^\| [^|]+ \| (`[^|]+) \| (\[[^|]+) \| [^|]+ \|$/gm)];
    assert.ok(rows.length > 10);
    for (const [, functions = '', files = ''] of rows) {
      const sources = [...files.matchAll(/\]\(([^)]+)\)/g)].map(([, file = '']) => file);
      const text = sources.map(read).join('\n');
      for (const [, name = ''] of functions.matchAll(/`(\w+)`/g)) {
        assert.ok(
          new RegExp(`(?:function|const|class) ${name}\\b`).test(text),
          `no ${name} in ${sources.join(', ')}`,
        );
      }
    }
  });
});

describe('configurations that are there to be copied pass the check', () => {
  const firstYaml = (page: string) => /```yaml\n([\s\S]*?)```/.exec(read(page))?.[1] ?? '';
  const texts = {
    'README.md': firstYaml('README.md'),
    'docs/signatures.md': firstYaml('docs/signatures.md'),
    'docs/migration.md': firstYaml('docs/migration.md'),
    'deploy/gateway.example.yaml': read('deploy/gateway.example.yaml'),
    'deploy/sidecar/gateway.yaml': read('deploy/sidecar/gateway.yaml'),
    'deploy/egress/gateway.yaml': read('deploy/egress/gateway.yaml'),
    'deploy/enforcement/gateway.yaml': read('deploy/enforcement/gateway.yaml'),
  };
  for (const [name, text] of Object.entries(texts)) {
    test(name, (t) => {
      const directory = mkdtempSync(join(tmpdir(), 'documents-'));
      t.after(() => rmSync(directory, { recursive: true }));
      const result = parseConfiguration(withFiles(text, directory), join(directory, 'gateway.yaml'), {});
      assert.deepEqual(result.kind === 'faulty' ? result.faults : [], []);
      assert.deepEqual(result.warnings, []);
    });
  }
});

/** Puts real files in place of those that a configuration names. */
function withFiles(text: string, directory: string): string {
  const authority = createAuthority(new Date());
  const { certificate, key } = authority.issue({ dns: ['localhost'], ipv4: [] });
  const contents: Readonly<Record<string, string>> = { certificateFile: certificate, keyFile: key };
  return text.replace(/\b(\w+File): ([^\s,}]+)/g, (_whole, name: string) => {
    const file = join(directory, name);
    writeFileSync(file, contents[name] ?? 'secret');
    return `${name}: ${file}`;
  });
}

function keysOf(node: unknown, found: Set<string> = new Set()): Set<string> {
  if (typeof node !== 'object' || node === null) return found;
  for (const [name, value] of Object.entries(node)) {
    if (name === 'properties') for (const key of Object.keys(value as object)) found.add(key);
    keysOf(value, found);
  }
  return found;
}

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}
