// Kept failures are tried again; and the runner that keeps them is shown a property that does not hold.
import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { filesWithProperties, fuzz, SEEDS } from './fuzz.ts';
import { type KeptSeed, replay } from './task.ts';

const readKept = (file: string): KeptSeed => JSON.parse(readFileSync(file, 'utf8')) as KeptSeed;

describe('what npm run fuzz has found once', () => {
  for (const file of globSync('*.json', { cwd: SEEDS })) {
    test(`holds now: ${file}`, async () => {
      const outcome = await replay(readKept(join(SEEDS, file)));
      assert.ok(outcome, 'the property is no longer where it was: name it anew, or take the seed out');
      assert.equal(outcome.failure, null);
    });
  }
});

describe('npm run fuzz', () => {
  const EXAMPLE = 'test/fuzz/example/wrong.property.ts';

  async function found(only: string) {
    const seeds = mkdtempSync(join(tmpdir(), 'seeds-'));
    const said: string[] = [];
    const options = { files: [EXAMPLE], seconds: 1, only, seeds, say: (line: string) => said.push(line) };
    const failures = await fuzz(options);
    const kept = globSync('*.json', { cwd: seeds }).map((name) => readKept(join(seeds, name)));
    rmSync(seeds, { recursive: true });
    return { failures, kept, said: said.join('\n') };
  }

  test('keeps what it finds, which fails again until it is mended', async (t) => {
    const { failures, kept, said } = await found('');
    assert.equal(failures, 1);
    const [failure, ...more] = kept;
    assert.ok(failure && more.length === 0);
    assert.deepEqual(failure.place, {
      file: EXAMPLE,
      test: 'numbers > are below a thousand, or so it is said',
      ordinal: 0,
    });
    assert.match(failure.error, /Counterexample: \[1000\]/);
    assert.match(said, /✔ .*numbers > are what they are: \d{3,} inputs/);

    const again = await replay(failure);
    assert.match(again?.failure?.error ?? '', /Counterexample: \[1000\]/);
    assert.equal(again?.place.test, failure.place.test);
    process.env['WRONG_PROPERTY_MENDED'] = 'yes';
    t.after(() => delete process.env['WRONG_PROPERTY_MENDED']);
    assert.equal((await replay(failure))?.failure, null);
  });

  test('tries only what is named', async () => {
    const { failures, said } = await found('are what they are');
    assert.equal(failures, 0);
    assert.doesNotMatch(said, /below a thousand/);
  });

  test('does not take a property for another one that has gone', async () => {
    const place = { file: EXAMPLE, test: 'numbers > that nobody counts', ordinal: 0 };
    assert.equal(await replay({ place, seed: 1, path: '0', error: '' }), undefined);
  });

  test('knows every file that has a property', () => {
    const files = filesWithProperties();
    assert.ok(files.length > 30, `${files.length}`);
    for (const file of files) assert.match(readFileSync(file, 'utf8'), /from 'fast-check'/);
  });
});
