// A bucket mounted by s3fs: objects are files, and big ones are written in parts. It has no range or copy to ask for.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanEnvironment, missingProgram, run } from './program.ts';
import type { S3Access, S3Cli, S3Session } from './s3-cli.ts';

const program = '/usr/bin/s3fs';

export const s3fs: S3Cli = {
  name: 's3fs',
  unavailable: () => missingProgram(program) ?? withoutFuse(),
  open: async (access, scratch) => {
    const mountPoint = join(scratch, 'mount');
    await mkdir(mountPoint);
    const daemon = await mount(access, scratch, mountPoint);
    return session(mountPoint, () => unmount(daemon, scratch, mountPoint));
  },
};

function withoutFuse(): string | undefined {
  try {
    closeSync(openSync('/dev/fuse', 'r+'));
    return undefined;
  } catch {
    return 'this machine has no usable /dev/fuse, which a mount needs';
  }
}

async function mount(access: S3Access, scratch: string, mountPoint: string): Promise<ChildProcess> {
  const passwords = join(scratch, 'passwords');
  await writeFile(passwords, `${access.accessKeyId}:${access.secretAccessKey}`, { mode: 0o600 });
  const settings = [`url=${access.endpoint}`, `endpoint=${access.region}`, `passwd_file=${passwords}`];
  const options = [...settings, 'use_path_request_style', 'multipart_size=10'];
  const args = [access.bucket, mountPoint, '-f', ...options.flatMap((option) => ['-o', option])];
  const log = openSync(join(scratch, 's3fs.log'), 'a');
  // s3fs looks at this variable only once a first try has failed on the certificate: it needs a retry to mount.
  const env = cleanEnvironment(scratch, { CURL_CA_BUNDLE: access.caFile });
  // It unmounts and ends when this process dies, however it dies.
  const daemon = spawn('setpriv', ['--pdeathsig', 'TERM', '--', program, ...args], {
    env,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const giveUpAt = Date.now() + 30_000;
  while (!(await isMounted(mountPoint))) {
    if (daemon.exitCode !== null || Date.now() > giveUpAt) {
      daemon.kill('SIGKILL');
      throw new Error(`s3fs did not mount: ${await readFile(join(scratch, 's3fs.log'), 'utf8')}`);
    }
    await sleep(50);
  }
  return daemon;
}

async function isMounted(mountPoint: string): Promise<boolean> {
  return (await readFile('/proc/self/mounts', 'utf8')).includes(` ${mountPoint} fuse.s3fs `);
}

async function unmount(daemon: ChildProcess, scratch: string, mountPoint: string): Promise<void> {
  const exited = daemon.exitCode === null ? once(daemon, 'exit') : undefined;
  await run('fusermount', ['-u', mountPoint], cleanEnvironment(scratch, {}));
  await exited;
}

function session(mountPoint: string, close: () => Promise<void>): S3Session {
  const pathOf = (key: string) => join(mountPoint, key);
  const write = async (key: string, content: Buffer) => {
    await mkdir(dirname(pathOf(key)), { recursive: true });
    await writeFile(pathOf(key), content);
  };
  return {
    put: write,
    putInParts: write,
    get: (key) => readFile(pathOf(key)),
    size: async (key) => (await stat(pathOf(key))).size,
    list: async (prefix) => {
      const entries = await readdir(pathOf(prefix), { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile());
      return files.map((entry) => join(entry.parentPath, entry.name).slice(mountPoint.length + 1));
    },
    delete: (key) => rm(pathOf(key)),
    close,
  };
}
