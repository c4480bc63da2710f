// The heap of a process that serves: seen by what V8 tells of its collections and its settings.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { runInNewContext } from 'node:vm';
import { bodyPassed, keepHeapInStep } from '../../src/gateway/garbage.ts';

const MIB = 1024 ** 2;
const run = promisify(execFile);

test('collects when 32 MiB have passed, and only in a process that serves', async () => {
  let forced = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntriesByType('gc')) {
      const { kind, flags } = (entry as PerformanceEntry & { detail: Record<'kind' | 'flags', number> })
        .detail;
      const minor = kind === constants.NODE_PERFORMANCE_GC_MINOR;
      if (minor && flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) forced += 1;
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  const after = async (pieces: number) => {
    for (let i = 0; i < pieces; i++) bodyPassed(MIB);
    for (let i = 0; i < 10; i++) await turn();
    return forced;
  };
  assert.equal(await after(64), 0);
  keepHeapInStep();
  assert.equal(await after(31), 0);
  assert.equal(await after(1), 1);
  assert.equal(await after(96), 4);
  observer.disconnect();
});

test('sets what V8 knows, in this version as well', async () => {
  const module = new URL('../../src/gateway/garbage.ts', import.meta.url);
  // V8's help ends the process, and states each flag with the value that it has at that moment.
  const program = `
    import { setFlagsFromString } from 'node:v8';
    import { keepHeapInStep } from ${JSON.stringify(module.href)};
    keepHeapInStep();
    setFlagsFromString('--help');`;
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '--eval', program]);
  for (const flag of ['--heap-growing-percent=100', '--memory-reducer-gc-count=0', '--no-expose-gc']) {
    assert.match(stdout, new RegExp(`default: ${flag}\\n`));
  }
  assert.doesNotMatch(stderr, /unrecognized/);
});

test('leaves no function to collect with behind', () => {
  assert.equal(runInNewContext('typeof gc'), 'undefined');
});
