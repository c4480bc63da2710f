// Every command of the documents is run: here, or where the table says. What is not run by any test is named with a reason.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createAuthority } from '../src/demo/authority.ts';

const ROOT = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
/** docs/clients.md has a test of its own, which runs it block by block. */
const PAGES = globSync(['*.md', 'docs/**/*.md'], { cwd: ROOT }).filter((page) => page !== 'docs/clients.md');

/** Run by this test, in a folder with the gateway.yaml of the README. */
const HERE = /^(! )?s3-kms-gateway (check|explain|schema)\b/;

/** Run by another file, which says so in these words. */
const ELSEWHERE: readonly (readonly [command: RegExp, file: string, words: RegExp])[] = [
  [/^npm ci && npm start$/, '.ci/run', /^npm cit\b[\s\S]*^npm start -- --once$/m],
  [/^npm cit$/, '.ci/run', /^npm cit\b/m],
  [
    /^npm run lint && npm run typecheck$/,
    'package.json',
    /"pretest": "npm run -s lint && npm run -s typecheck"/,
  ],
  [/^node --test (--test-name-pattern="[^"]+" )?test\/\w+$/, 'package.json', /"test": "node --test/],
  [/^npm run sbom$/, '.ci/run', /npm run --silent sbom/],
  [/^test\/backends\/ceph\/install\.sh$/, '.ci/run', /^test\/backends\/ceph\/install\.sh$/m],
  [/^npm run soak\b/, '.ci/run', /npm run --silent soak/],
  [/^npm run fuzz$/, 'test/fuzz/fuzz.test.ts', /fuzz\.ts/],
  [/^s3-kms-gateway serve --config gateway\.yaml$/, 'test/gateway/gateway-process.ts', /'serve', '--config'/],
  [/s3-kms-gateway completion (bash|zsh|fish)\b/, 'test/command/completion.test.ts', /'completion', shell/],
  [/^kubectl apply --kustomize /, 'test/deploy/manifests.test.ts', /kubectl apply --kustomize/],
  [/^helm install /, 'test/deploy/manifests.test.ts', /helm install/],
  [/^export AWS_/, 'test/clients/settings.test.ts', /docs', 'clients\.md/],
];

/** Run by no test. */
const NOT_RUN: readonly (readonly [command: RegExp, reason: string])[] = [
  [/^\.ci\/run$/, 'it runs the tests'],
  [/^npm run format$/, 'it writes into the sources; `npm run lint` asks whether it would'],
  [/^npm run bench\b|^bench\/install\.sh$/, 'a benchmark needs a quiet machine'],
  [/^kubectl create /, 'it needs a cluster'],
  [/^aws eks /, 'it needs an AWS account'],
];

interface Block {
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

const blocks: readonly Block[] = PAGES.flatMap((page) =>
  [...read(page).matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)].map(([, language = '', text = '']) => ({
    page,
    language,
    text,
  })),
);

interface Command {
  readonly page: string;
  readonly line: string;
  /** What a console shows below it; undefined in a block of commands alone. */
  readonly output: string | undefined;
}

/** In a console, what begins with `$` is a command, and what follows is its output. */
function commandsOf({ page, language, text }: Block): Command[] {
  if (language === 'console') {
    return text
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const [line = '', ...output] = part.split('\n');
        return { page, line, output: output.join('\n') };
      });
  }
  const lines = text
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim());
  return lines.filter(Boolean).map((line) => ({ page, line, output: undefined }));
}

const commands = blocks.filter(({ language }) => ['sh', 'console'].includes(language)).flatMap(commandsOf);

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'commands-'));
  const [, configuration = ''] = /```yaml\n([\s\S]*?)```/.exec(read('README.md')) ?? [];
  const { certificate, key } = createAuthority(new Date()).issue({ dns: ['localhost'], ipv4: [] });
  const program = `#!/bin/sh\nexec ${process.execPath} ${join(ROOT, 'src', 'main.ts')} "$@"\n`;
  writeFileSync(join(folder, 's3-kms-gateway'), program, { mode: 0o755 });
  const files = {
    'gateway.yaml': configuration,
    'tls.crt': certificate,
    'tls.key': key,
    'billing.secret': 'secret',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
});
after(() => rmSync(folder, { recursive: true, force: true }));

describe('the commands of the documents', () => {
  test('there are some', () => assert.ok(commands.length > 40, `${commands.length}`));

  for (const { page, line, output } of commands) {
    const row = ELSEWHERE.find(([command]) => command.test(line));
    if (row) {
      const [, file, words] = row;
      test(`${page}: ${line} is run by ${file}`, () => assert.match(read(file), words));
    } else if (HERE.test(line)) {
      test(`${page}: ${line}`, () => assertRuns(line, output));
    } else {
      test(`${page}: ${line} is run, or there is a reason why not`, () => {
        assert.ok(
          NOT_RUN.some(([command]) => command.test(line)),
          'add it to a table of this test',
        );
      });
    }
  }

  test('no command stands in a block that is not marked as one', () => {
    for (const { page, language, text } of blocks.filter(({ language }) => language === '')) {
      assert.doesNotMatch(
        text,
        /^(\$ |npm |node |npx |kubectl |helm |aws |export |curl )/m,
        `${page} ${language}`,
      );
    }
  });

  test('no row of the tables is left over', () => {
    const rows = [...ELSEWHERE, ...NOT_RUN].map(([command]) => command);
    assert.deepEqual(
      rows.filter((row) => !commands.some(({ line }) => row.test(line))),
      [],
    );
  });
});

/** A command that shows its output is held to it; any other to its exit code. */
function assertRuns(line: string, output: string | undefined): void {
  const env = { PATH: `${folder}:/usr/bin:/bin`, NO_COLOR: '1' };
  const { status, stdout, stderr } = spawnSync('/bin/bash', ['--norc', '-c', line], {
    cwd: folder,
    encoding: 'utf8',
    env,
  });
  if (output === undefined) assert.equal(status, 0, stderr);
  else assert.equal(undated(stdout), undated(output));
}

function undated(text: string): string {
  return text.replaceAll(/\b\d{8}T\d{6}Z\b/g, 'DATE').trimEnd();
}
