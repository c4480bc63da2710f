// The settings of docs/clients.md as a user pastes them: every block is taken from the page, and what it uploads must lie
// under the rule's key. Knows the page's conventions; must not know any client's settings.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sendSigned } from '../gateway/client.ts';
import { type GatewayProcess, startGatewayProcess } from '../gateway/gateway-process.ts';
import { DEFAULT_KEY, type StoreBackend, startStoreBackend } from '../gateway/store.ts';
import { awsCli, recentAwsCli } from './aws-cli.ts';
import { boto3 } from './boto3.ts';
import { cleanEnvironment, missingProgram, run } from './program.ts';
import { rclone } from './rclone.ts';
import { s3cmd } from './s3cmd.ts';
import { s3fs } from './s3fs.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(ROOT, 'docs', 'clients.md'), 'utf8');
const BUCKET = 'billing-eu';
/** As the page says. */
const client = {
  name: 'billing',
  accessKeyId: 'BILLING0000000000001',
  secretAccessKey: 'the-secret-you-were-given',
  buckets: [BUCKET],
  access: 'read-write',
};

/** A section of the page, and what must lie in the bucket once it has run. */
interface Section {
  readonly key: string;
  /** Sections whose files it takes for granted. */
  readonly after?: string;
  /** Folders that stand before Debian's in PATH. */
  readonly path?: () => string;
  /** Debian has none, or an older one: where there is one it is tried. */
  readonly optional?: true;
  unavailable(): string | undefined;
}

const inPath = (program: string) =>
  spawnSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).stdout.trim();
const terraform = inPath('terraform');
const available = () => undefined;
const withNode = { path: () => dirname(process.execPath), unavailable: available };
const sections: Readonly<Record<string, Section>> = {
  'AWS CLI': {
    key: 'aws-cli.txt',
    path: () => dirname(inPath('aws')),
    optional: true,
    unavailable: recentAwsCli.unavailable,
  },
  'AWS CLI before 2.13': { key: 'older-aws-cli.txt', after: 'AWS CLI', unavailable: awsCli.unavailable },
  boto3: { key: 'boto3.txt', unavailable: boto3.unavailable },
  'AWS SDK for JavaScript v3': { key: 'sdk-js.txt', ...withNode },
  'MinIO SDK for JavaScript': { key: 'minio-js.txt', ...withNode },
  s3cmd: { key: 's3cmd.txt', unavailable: s3cmd.unavailable },
  rclone: { key: 'rclone.txt', unavailable: rclone.unavailable },
  restic: { key: 'restic/config', unavailable: () => missingProgram('/usr/bin/restic') },
  s3fs: { key: 's3fs.txt', unavailable: s3fs.unavailable },
  'Terraform, S3 backend': {
    key: 'terraform.tfstate',
    path: () => dirname(terraform),
    optional: true,
    unavailable: () => (terraform === '' ? 'there is no terraform in PATH' : undefined),
  },
};

describe('the settings of docs/clients.md', () => {
  let store: StoreBackend;
  let gateway: GatewayProcess;

  before(async () => {
    store = await startStoreBackend({ region: 'eu-central-1' });
    assert.equal((await sendSigned(store.direct, { method: 'PUT', path: `/${BUCKET}` })).status, 200);
    gateway = await startGatewayProcess({
      backends: [store.backend],
      clients: [client],
      encryption: [{ name: 'billing', buckets: [BUCKET], mode: 'inject', keyId: DEFAULT_KEY }],
    });
  });
  after(async () => {
    await gateway?.stop();
    await store?.close();
  });

  test('what the page says is run is what is run here', () => {
    const [, said = ''] = /^## Run by a test$([\s\S]*?)^## /m.exec(page) ?? [];
    const titles = [...said.matchAll(/^### (.+)$/gm)].map(([, title]) => title);
    assert.deepEqual(titles, Object.keys(sections));
  });

  for (const [title, section] of Object.entries(sections)) {
    test(title, { skip: skipUnavailable(title, section) }, async (t) => {
      const home = mkdtempSync(join(tmpdir(), 'settings-'));
      const environment = cleanEnvironment(home, {});
      if (section.path) environment['PATH'] = `${section.path()}:${environment['PATH']}`;
      t.after(() => {
        leaveMount(home);
        rmSync(home, { recursive: true, force: true });
      });
      symlinkSync(join(ROOT, 'node_modules'), join(home, 'node_modules'));
      const blocks = [...(section.after ? filesOf(section.after) : []), ...blocksOf(title)];
      for (const { language, file, text } of blocks) {
        const mine = adapted(text, gateway);
        if (file !== undefined) write(join(home, file.replace(/^~\//, '')), mine);
        else if (language === 'sh')
          await run('/bin/bash', ['--norc', '-euc', `cd ${home}\n${mine}`], environment);
        else assert.fail(`${title} has a block that is neither a file nor a command`);
      }
      const kept = store.store.stored(BUCKET, section.key);
      assert.ok(kept, `${title} stored no ${section.key}`);
      assert.equal(kept.keyId, DEFAULT_KEY);
      assert.ok(kept.size > 0);
    });
  }
});

interface Block {
  readonly language: string;
  /** The name of the file that the block is. */
  readonly file: string | undefined;
  readonly text: string;
}

function blocksOf(title: string): Block[] {
  const start = page.indexOf(`\n### ${title}\n`);
  const section = page.slice(start + 1).split(/^##/m)[1] ?? '';
  const blocks = [...section.matchAll(/^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm)];
  assert.ok(blocks.length > 0, `docs/clients.md has no block under ${title}`);
  return blocks.map(([, language = '', file, text = '']) => ({ language, file, text }));
}

function filesOf(title: string): Block[] {
  return blocksOf(title).filter(({ file }) => file !== undefined);
}

/** For this gateway in place of the page's; nothing else is changed. */
function adapted(text: string, { endpoint, caFile }: GatewayProcess): string {
  const { hostname, port } = new URL(endpoint);
  return text
    .replaceAll('s3.gateway.example', hostname)
    .replaceAll('8443', port)
    .replaceAll('/etc/ssl/gateway-ca.pem', caFile);
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** Where a section broke off before it unmounted. */
function leaveMount(home: string): void {
  if (!readFileSync('/proc/self/mounts', 'utf8').includes(` ${home}/mnt `)) return;
  execFileSync('fusermount', ['-uz', join(home, 'mnt')]);
}

/** In CI what installs Debian's clients has run: there one that is missing is a failure. A mount needs the machine's leave. */
function skipUnavailable(title: string, section: Section): string | false {
  const reason = section.unavailable();
  if (reason === undefined) return false;
  if (process.env['CI'] && !section.optional && !reason.includes('/dev/fuse')) throw new Error(reason);
  console.warn(`SKIPPED: the settings for ${title}: ${reason}`);
  return reason;
}
