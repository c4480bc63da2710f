import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeFixture } from './fixture.ts';

const fixture = makeFixture();
after(() => fixture.remove());

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

function run(...argv: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, NODE_NO_WARNINGS: '1' };
  return spawnSync(process.execPath, [MAIN, ...argv], { encoding: 'utf8', cwd: fixture.directory, env });
}

fixture.write(
  'gateway.yaml',
  `listeners:
  - { address: 127.0.0.1:8080 }
backends:
  - { name: ceph, endpoint: http://localhost:7480, region: default }
clients:
  - { name: billing, accessKeyId: BILLING, secretAccessKeyFile: billing.secret, buckets: ["*"] }
encryption:
  - { name: rest, keyId: testkey-1 }
`,
);
const client = (name: string) =>
  `  - { name: ${name}, accessKeyId: ${name}, secretAccessKeyFile: billing.secret, buckets: ["*"], access: read-write }\n`;
const withClients = (clients: string) => `listeners:
  - { address: 127.0.0.1:8443, tls: { certificateFile: tls.crt, keyFile: tls.key } }
backends:
  - { name: ceph, endpoint: http://localhost:7480, region: default }
encryption:
  - { name: rest, keyId: testkey-1 }
clients:
${clients}`;
fixture.write('explained.yaml', withClients(client('billing')));
fixture.write('two.yaml', withClients(client('billing') + client('other')));
fixture.write('faulty.yaml', 'listeners: []\nbackends:\n  - { name: a, endpoint: h, region: r }\n');
fixture.write(
  'dubious.yaml',
  'listeners: [{ address: 127.0.0.1:1 }]\nbackends: [{ name: a, endpoint: http://localhost, region: r }]\n',
);

describe('the command line', () => {
  test('--version prints the version of the package', () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    const { status, stdout, stderr } = run('--version');
    assert.deepEqual([status, stdout, stderr], [0, `${version}\n`, '']);
  });

  test('--help names the commands, and each command has help with an example', () => {
    const help = run('--help');
    assert.equal(help.status, 0);
    for (const command of ['serve', 'check', 'explain', 'demo', 'schema', 'completion']) {
      assert.match(help.stdout, new RegExp(`^  ${command} `, 'm'));
      const { status, stdout } = run(command, '--help');
      assert.equal(status, 0);
      assert.match(stdout, new RegExp(`Examples:\\n  # .+\\n  \\$ s3-kms-gateway ${command}`));
    }
  });

  for (const argv of [[], ['frobnicate'], ['check'], ['check', '--frobnicate'], ['check', '-c', 'a', 'b']]) {
    test(`exits 2 on: ${argv.join(' ') || 'nothing'}`, () => {
      const { status, stdout, stderr } = run(...argv);
      assert.equal(status, 2);
      assert.equal(stdout, '');
      assert.notEqual(stderr, '');
    });
  }

  test('check sums a sound configuration up', () => {
    const { status, stdout } = run('check', '--config', 'gateway.yaml');
    assert.equal(stdout, 'gateway.yaml is sound: 1 listener, 1 backend, 1 client, 1 encryption rule\n');
    assert.equal(status, 0);
  });

  test('check prints each fault with its place and remedy, and exits 1', () => {
    const { status, stdout } = run('check', '--config', 'faulty.yaml');
    assert.deepEqual(stdout.split('\n'), [
      'faulty.yaml:1:1 listeners: is empty. Add at least one.',
      'faulty.yaml:3:16 backends[0].endpoint: is not the URL of an S3 server. ' +
        'Write http:// or https://, a host and perhaps a port: no path, query or credentials.',
      '2 faults',
      '',
    ]);
    assert.equal(status, 1);
  });

  test('check prints warnings and exits 0 with them', () => {
    const { status, stdout } = run('check', '--config', 'dubious.yaml');
    assert.match(
      stdout,
      /^warning: dubious\.yaml:1:1 encryption: there is no encryption rule: all writes are refused\. Add one\.$/m,
    );
    assert.equal(status, 0);
  });

  test('check --json reports the same to programs', () => {
    const faulty = run('check', '--json', '--config', 'faulty.yaml');
    const report = JSON.parse(faulty.stdout);
    assert.equal(report.ok, false);
    assert.deepEqual(report.faults[0], {
      file: 'faulty.yaml',
      line: 1,
      column: 1,
      path: 'listeners',
      message: 'is empty',
      remedy: 'Add at least one.',
    });
    assert.equal(faulty.status, 1);
    const sound = run('check', '--json', '--config', 'gateway.yaml');
    assert.deepEqual(JSON.parse(sound.stdout).summary, {
      listeners: ['127.0.0.1:8080'],
      backends: ['ceph'],
      clients: ['billing'],
      rules: ['rest'],
    });
  });

  test('serve prints the faults of its configuration and exits 1', () => {
    const { status, stdout, stderr } = run('serve', '--config', 'faulty.yaml');
    assert.equal(status, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^faulty\.yaml:1:1 listeners: is empty\./m);
  });

  const explain = ['explain', '--config', 'explained.yaml'] as const;

  test('explain says what would become of a request, and exits 0 where it would be forwarded', () => {
    const { status, stdout, stderr } = run(...explain, 'PUT', '/bucket/a');
    assert.match(stdout, /^PutObject bucket a ✔ forwarded\n {3}sent {5}PUT \/bucket\/a\n/);
    assert.match(stdout, /^ {3}rule {5}rest \(explained\.yaml:6\), mode inject$/m);
    assert.match(stdout, /^ {12}\+ x-amz-server-side-encryption-aws-kms-key-id: testkey-1$/m);
    assert.deepEqual([status, stderr], [0, '']);
  });

  test('explain --json exits 1 where it would be refused', () => {
    const header = 'x-amz-server-side-encryption: AES256';
    const { status, stdout } = run(
      ...explain,
      '--json',
      'PUT',
      '/bucket/a',
      '-H',
      'x-amz-meta-a: 1',
      '-H',
      header,
    );
    const { outcome, reason, ruleLine, clientLine } = JSON.parse(stdout);
    assert.deepEqual([outcome, reason, ruleLine, clientLine], ['refused', 'encryption_downgrade', 6, 8]);
    assert.equal(status, 1);
  });

  test('explain proves a body', () => {
    const hash = `x-amz-content-sha256: ${'a'.repeat(64)}`;
    const { status, stdout } = run(...explain, 'PUT', '/bucket/a', '--data', 'billing.secret', '-H', hash);
    assert.match(stdout, /reason payload_mismatch/);
    assert.equal(status, 1);
  });

  for (const [what, argv, message] of [
    [
      'a client that is not there',
      [...explain, '--client', 'x', 'GET', '/b/k'],
      /has no client x\. It has: billing$/m,
    ],
    [
      'a client that is not named',
      ['explain', '-c', 'two.yaml', 'GET', '/b/k'],
      /\(--client\): one of billing, other/,
    ],
    ['a file that is not there', [...explain, 'PUT', '/b/k', '--data', 'nothing'], /ENOENT/],
    [
      'a faulty configuration',
      ['explain', '-c', 'faulty.yaml', 'GET', '/b/k'],
      /^faulty\.yaml:1:1 listeners/,
    ],
    [
      'a signature there is not',
      [...explain, '--signature', 'v3', 'GET', '/b/k'],
      /Allowed choices are v4, v2, none/,
    ],
    ['no URL', [...explain, 'GET', 'b'], /b is no URL/],
    ['no URL at all', [...explain, 'GET'], /missing required argument 'url'/],
  ] as const) {
    test(`explain exits 2, for there is no answer: ${what}`, () => {
      const { status, stdout, stderr } = run(...argv);
      assert.equal(stdout, '');
      assert.match(stderr, message);
      assert.equal(status, 2);
    });
  }

  test('schema prints JSON', () => {
    const { status, stdout } = run('schema');
    assert.equal(status, 0);
    assert.equal(JSON.parse(stdout).title, 's3-kms-gateway configuration');
  });
});
