// The demo as a newcomer runs it, and the walk held against a backend with no gateway in front.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { startStore } from '../../src/demo/store.ts';
import { type Scene, STEPS } from '../../src/demo/walk.ts';
import { cleanEnvironment, missingProgram } from '../clients/program.ts';
import { CREDENTIALS, REGION, startFixture } from './fixture.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;

/** Starts the demo with a temporary directory of its own, where nothing may be left. */
function startDemo(test: TestContext, ...options: string[]) {
  const temporary = mkdtempSync(join(tmpdir(), 'demo-test-'));
  const env = { ...process.env, TMPDIR: temporary };
  const child = spawn(process.execPath, [MAIN, 'demo', ...options], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { text: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output.text += text;
    });
  }
  test.after(() => {
    child.kill('SIGKILL');
    rmSync(temporary, { recursive: true, force: true });
  });
  return { child, output, leftovers: () => readdirSync(temporary) };
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('close', (code) => resolve(code)));
}

describe('the demo', () => {
  it('walks through every step, leaves nothing behind and ends with 0', async (test) => {
    const { child, output, leftovers } = startDemo(test, '--once');
    assert.equal(await ended(child), 0, output.text);
    for (const { title } of STEPS) assert.ok(output.text.includes(`${title} ✔`), title);
    assert.match(output.text, /11 of 11 steps went as they should/);
    assert.equal(output.text.includes('\u001b'), false, 'colours where there is no terminal');
    const tooLong = output.text.split('\n').filter((line) => line.length > 100);
    assert.deepEqual(tooLong, []);
    assert.deepEqual(leftovers(), []);
  });

  it('stays up after the walk until SIGINT', async (test) => {
    const { child, output, leftovers } = startDemo(test);
    const closed = ended(child);
    const invited = new Promise<void>((resolve) => {
      child.stdout?.on('data', () => {
        if (output.text.includes('Ctrl+C')) resolve();
      });
    });
    await Promise.race([invited, closed]);
    assert.equal(child.exitCode, null, output.text);
    await assertPasted(output.text);
    child.kill('SIGINT');
    assert.equal(await closed, 0, output.text);
    assert.deepEqual(leftovers(), []);
  });
});

/** What it prints to be pasted, pasted: an upload that is encrypted and one that is refused, by both clients. */
async function assertPasted(printed: string): Promise<void> {
  const [, lines = ''] = /terminal:\s+([\s\S]*?)\n\nTo look rather than read/.exec(printed) ?? [];
  const [settings = '', awsLines = '', curlLines = ''] =
    /^([\s\S]*?hello\.txt\n)(aws [\s\S]*)\n\n(curl [\s\S]*)$/.exec(lines)?.slice(1) ?? [];
  const scratch = mkdtempSync(join(tmpdir(), 'demo-pasted-'));
  const paste = (text: string) => {
    const args = ['--norc', '-c', `cd ${scratch}\n${settings}${text}`];
    return new Promise<string>((resolve) => {
      execFile('/bin/bash', args, { env: cleanEnvironment(scratch, {}) }, (_error, stdout, stderr) =>
        resolve(stdout + stderr),
      );
    });
  };
  try {
    const curl = await paste(curlLines);
    assert.match(curl, /x-amz-server-side-encryption: aws:kms/);
    assert.match(curl, /requires x-amz-server-side-encryption: aws:kms/);
    assert.match(curl, /^s3_kms_gateway_requests_total/m);
    if (missingProgram('/usr/bin/aws')) return;
    const aws = await paste(awsLines);
    assert.match(aws, /upload: .*hello\.txt to s3:\/\/ledger\/hello\.txt/);
    assert.match(aws, /"ServerSideEncryption": "aws:kms"/);
    assert.match(aws, /upload failed: .*refused\.txt .*requires x-amz-server-side-encryption: aws:kms/);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

describe('the walk without a gateway', () => {
  it('finds a fault in each step that the gateway is there for', async (test) => {
    const fixture = await startFixture();
    const plaintext = await startStore({ credentials: CREDENTIALS, region: REGION, keyIds: [] });
    test.after(async () => {
      await plaintext.close();
      await fixture.close();
    });
    await fixture.client.send(new CreateBucketCommand({ Bucket: 'ledger' }));
    const credentials = { ...CREDENTIALS, sessionToken: undefined };
    const wire = { region: REGION, credentials, ca: fixture.ca };
    const scene: Scene = {
      gateway: { ...wire, protocol: 'https', port: fixture.store.port },
      plaintext: { ...wire, protocol: 'http', port: plaintext.port },
      adminPort: plaintext.port,
      store: fixture.store,
      injections: new Map(),
      refusals: [],
    };
    const passed: string[] = [];
    for (const { title, run } of STEPS) {
      const { faults } = await run(scene);
      if (faults.length === 0) passed.push(title);
    }
    // A read needs no gateway to come back as it was written.
    assert.deepEqual(passed, ['GetObject']);
  });
});
