// Runs a client program in an environment that holds nothing but what it is given.
// Must not know S3.
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Where Debian installs: its own programs are meant, not those that stand first in someone's PATH. */
const path = '/usr/bin:/bin:/usr/sbin:/sbin';

/** Settings of one's own (AWS_*, CA bundles, proxies, dot files) stay outside: HOME is the scratch directory. */
export function cleanEnvironment(scratch: string, settings: Record<string, string>): Record<string, string> {
  return { PATH: path, HOME: scratch, TMPDIR: scratch, LANG: 'C.UTF-8', ...settings };
}

/** Runs a program to its end and gives its standard output. What it complained of is in the error. */
export async function run(
  program: string,
  args: readonly string[],
  environment: Record<string, string>,
): Promise<Buffer> {
  const options = {
    env: environment,
    encoding: 'buffer',
    maxBuffer: 256 * 1024 * 1024,
    timeout: 120_000,
  } as const;
  return (await execute(program, args, options)).stdout;
}

/** For `unavailable`: the first of the files that this machine does not have. */
export function missingProgram(...files: readonly string[]): string | undefined {
  const missing = files.find((file) => !isExecutable(file));
  return missing === undefined ? undefined : `${missing} is not installed: run test/backends/ceph/install.sh`;
}

/** Whether this machine has a program. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
