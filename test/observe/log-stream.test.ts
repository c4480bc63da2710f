import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { createLogger } from '../../src/observe/log.ts';
import { type LogStream, openLogStream, toDescriptor } from '../../src/observe/log-stream.ts';

const flushed = (stream: LogStream) => new Promise<void>((resolve) => stream.flush(resolve));

/** Runs `body` with a log stream to a new file; gives back what the file then holds. */
async function written(body: (stream: LogStream) => void | Promise<void>): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'log-stream-'));
  const file = join(directory, 'log');
  const fd = openSync(file, 'a');
  try {
    await body(
      openLogStream({ sink: toDescriptor(fd), onLinesLost: (count) => assert.fail(`${count} lines lost`) }),
    );
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  }
}

const LINES = Array.from({ length: 5000 }, (_, i) => `${i} ${'ü'.repeat(i % 50)}\n`);

describe('log stream', () => {
  it('writes every line, in order, before a flush calls back', async () => {
    const content = await written(async (stream) => {
      for (const line of LINES) stream.write(line);
      await flushed(stream);
    });
    assert.equal(content, LINES.join(''));
  });

  it('calls back at once when there is nothing to flush', async () => {
    assert.equal(await written((stream) => flushed(stream)), '');
  });

  it('keeps taking lines after a flush and between writes', async () => {
    const content = await written(async (stream) => {
      for (const part of [LINES.slice(0, 1), LINES.slice(1, 3000), LINES.slice(3000)]) {
        for (const line of part) stream.write(line);
        await flushed(stream);
      }
    });
    assert.equal(content, LINES.join(''));
  });

  it('writes what is left when the process has no more time', async () => {
    const content = await written((stream) => {
      stream.write('last words\n');
      stream.flushSync();
    });
    assert.equal(content, 'last words\n');
  });

  it('is flushed by the logger that writes to it', async () => {
    const content = await written(async (stream) => {
      const logger = createLogger({ level: 'info', destination: stream });
      logger.info('hello');
      await new Promise<void>((resolve) => logger.flush(() => resolve()));
    });
    assert.match(content, /"msg":"hello"}\n$/);
  });

  it('counts lines that a full destination does not take, and goes on', async () => {
    const fd = openSync('/dev/full', 'w');
    let lost = 0;
    const stream = openLogStream({ sink: toDescriptor(fd), onLinesLost: (count) => (lost += count) });
    stream.write('one\n');
    stream.write('two\n');
    await flushed(stream);
    assert.equal(lost, 2);
    stream.write('three\n');
    stream.flushSync();
    assert.equal(lost, 3);
    closeSync(fd);
  });
});

describe('log stream to a destination that does not keep up', () => {
  it('holds 64 MiB, loses and counts what comes on top, and takes lines again later', async () => {
    const fd = openSync('/dev/null', 'w');
    let lost = 0;
    const stream = openLogStream({
      sink: toDescriptor(fd),
      onLinesLost: (count) => {
        lost += count;
      },
    });
    // The first line is on its way; nothing else can be written before this loop ends.
    for (let i = 0; i < 1 + 64 + 3; i++) stream.write('x'.repeat(1 << 20));
    assert.equal(lost, 3);
    await flushed(stream);
    stream.write('again\n');
    await flushed(stream);
    assert.equal(lost, 3);
    closeSync(fd);
  });
});

describe('log stream of a process that ends', () => {
  const PROGRAM = `
    import { openLogStream, toDescriptor } from ${JSON.stringify(new URL('../../src/observe/log-stream.ts', import.meta.url).href)};
    const stream = openLogStream({ sink: toDescriptor(1), onLinesLost: (count) => process.stderr.write('lost ' + count + '\\n') });
    process.once('exit', () => stream.flushSync());
    const write = (count) => { for (let i = 0; i < count; i++) stream.write(i + '\\n'); };
  `;
  const run = (rest: string): ChildProcess =>
    spawn(process.execPath, ['--input-type=module', '--eval', PROGRAM + rest], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => `${i}\n`).join('');

  it('writes lines in time that nobody flushes, again and again', async () => {
    const child = run('process.stdin.on("data", (line) => stream.write(line));');
    assert.ok(child.stdout && child.stdin);
    const chunks = child.stdout.setEncoding('utf8')[Symbol.asyncIterator]();
    for (const line of ['one\n', 'two\n', 'three\n']) {
      child.stdin.write(line);
      assert.equal((await chunks.next()).value, line);
    }
    child.stdin.end();
    await once(child, 'close');
  });

  // Node makes a pipe non-blocking when process.stdout is first used; full, it then takes a part or nothing.
  for (const [how, end] of [
    ['goes on', 'setInterval(() => stream.flush(() => process.exit()), 1)'],
    ['exits', 'process.exit()'],
  ] as const) {
    it(`writes everything to a non-blocking pipe that is read late, when the process ${how}`, async () => {
      const child = run(`process.stdout; write(200_000); process.stderr.write("full\\n"); ${end};`);
      assert.ok(child.stdout && child.stderr);
      await once(child.stderr, 'data');
      const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
      assert.equal(output === numbers(200_000), true, `${output.length} characters, not those written`);
    });
  }

  it('has written everything when the event loop runs dry', async () => {
    const child = run('write(100_000);');
    assert.ok(child.stdout);
    const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
    assert.equal(output, numbers(100_000));
  });

  it('has written everything at process.exit', async () => {
    const child = run('write(1000); process.exit(3);');
    assert.ok(child.stdout);
    const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
    assert.equal(output, numbers(1000));
    assert.equal(code, 3);
  });

  it('has written everything when it dies of an exception', async () => {
    const child = run('write(1000); throw new Error("bug");');
    assert.ok(child.stdout);
    const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
    assert.equal(output, numbers(1000));
  });

  it('ends although nobody reads its log any more, and says what was lost', async () => {
    const child = run('process.stdin.once("data", () => { write(10); process.exit(0); });');
    assert.ok(child.stdout && child.stderr && child.stdin);
    child.stdout.destroy();
    await once(child.stdout, 'close');
    child.stdin.end('go');
    const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
    assert.equal(errors, 'lost 10\n');
    assert.equal(code, 0);
  });
});
