// What is shipped beside the gateway's own code: its bill of materials, its licences, and what the audit makes of each answer.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';

const ROOT = join(import.meta.dirname, '..');

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly version: string; readonly license?: string; readonly dev?: boolean }>
  >;
}

const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lock;
const shipped = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && !dev);

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'supply-chain-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test('npm run sbom lists every package with its licence, and tells what is shipped from what is for development', () => {
  const { stdout, status } = spawnSync('npm', ['run', '--silent', 'sbom'], { cwd: ROOT, encoding: 'utf8' });
  assert.equal(status, 0);
  const bill = JSON.parse(stdout) as {
    bomFormat: string;
    components: readonly {
      name: string;
      group?: string;
      version: string;
      licenses?: readonly { license: { id: string } }[];
      properties: readonly { name: string; value: string }[];
    }[];
  };
  assert.equal(bill.bomFormat, 'CycloneDX');
  // npm's own --omit=dev also leaves out what both need.
  const isShipped = ({ properties }: (typeof bill.components)[number]) =>
    !properties.some(({ name }) => name === 'cdx:npm:package:development');
  const listed = bill.components.filter(isShipped).map(({ group, name, version, licenses }) => {
    return `${group ? `${group}/` : ''}${name} ${version} ${licenses?.[0]?.license.id}`;
  });
  assert.ok(listed.length < bill.components.length);
  const expected = shipped.map(
    ([path, { version, license }]) => `${path.replace(/^.*node_modules\//, '')} ${version} ${license}`,
  );
  assert.ok(expected.length > 30);
  assert.deepEqual(listed.sort(), [...new Set(expected)].sort());
});

describe('the check of licences', () => {
  const check = (...args: string[]) =>
    spawnSync(process.execPath, [join(ROOT, '.ci/licences.mjs'), ...args], { encoding: 'utf8' });

  test('passes what is shipped', () => assert.equal(check().status, 0));

  for (const license of ['GPL-3.0', 'MIT OR GPL-3.0', 'UNLICENSED', undefined]) {
    test(`fails on ${license}`, (t) => {
      const file = join(folderFor(t), 'package-lock.json');
      const packages = { ...lock.packages, 'node_modules/odd': { version: '1.2.3', license } };
      writeFileSync(file, JSON.stringify({ packages }));
      const { status, stderr } = check(file);
      assert.equal(status, 1);
      assert.match(stderr, new RegExp(`^odd 1\\.2\\.3: ${license ?? 'no licence stated'}$`, 'm'));
    });
  }

  test('passes it where it is not shipped', (t) => {
    const file = join(folderFor(t), 'package-lock.json');
    const packages = {
      ...lock.packages,
      'node_modules/odd': { version: '1.2.3', license: 'GPL-3.0', dev: true },
    };
    writeFileSync(file, JSON.stringify({ packages }));
    assert.equal(check(file).status, 0);
  });
});

describe('the audit', () => {
  const counts = (high: number) =>
    JSON.stringify({ metadata: { vulnerabilities: { low: 3, moderate: 1, high, critical: 0 } } });
  const ANSWERS: readonly (readonly [answer: string, npm: string, status: number, says: RegExp])[] = [
    ['nothing known', `echo '${counts(0)}'`, 0, /^No vulnerability/],
    ['a vulnerability', `echo '${counts(1)}'; exit 1`, 1, /high/],
    ['an error', `echo '{"error":{"code":"E405"}}'; exit 1`, 0, /^NOT AUDITED/],
    ['no answer at all', 'echo "405 Method Not Allowed" >&2; exit 1', 0, /^NOT AUDITED/],
    ['an answer that is not JSON', 'echo "<html>"; exit 0', 0, /^NOT AUDITED/],
  ];
  for (const [answer, npm, status, says] of ANSWERS) {
    test(`of a registry that answers with ${answer} exits with ${status}`, (t) => {
      const folder = folderFor(t);
      writeFileSync(join(folder, 'npm'), `#!/bin/bash\n${npm}\n`, { mode: 0o755 });
      const result = spawnSync(join(ROOT, '.ci/audit'), {
        encoding: 'utf8',
        env: { ...process.env, PATH: `${folder}:${process.env['PATH']}` },
      });
      assert.equal(result.status, status);
      assert.match(result.stdout, says);
    });
  }
});
