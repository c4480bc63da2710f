// boto3, driven by boto3_driver.py: Debian's, and the newer one where the machine's first python3 has one. And boto,
// the library before it, whose driver takes the same commands.
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AwsAccess, type AwsClient, awsEnvironment } from './at-aws.ts';
import { cleanEnvironment, run } from './program.ts';
import type { S3Access, S3Cli, S3Session } from './s3-cli.ts';

const driver = join(import.meta.dirname, 'boto3_driver.py');
const botoDriver = join(import.meta.dirname, 'boto_driver.py');

/** Debian bookworm's boto3 (1.26), from before trailing checksums. */
export const boto3: S3Cli = {
  name: 'boto3 of Debian',
  unavailable: () => withoutBoto3('/usr/bin/python3'),
  open: async (access, scratch) => session('/usr/bin/python3', access, scratch),
};

/** Debian bookworm's boto (2.49), which signs with Signature Version 2. */
export const boto: S3Cli = {
  name: 'boto of Debian',
  unavailable: () => withoutModule('/usr/bin/python3', 'boto'),
  open: async (access, scratch) => session('/usr/bin/python3', access, scratch, botoDriver),
};

/** The boto3 of the python3 that stands first in PATH: since 1.36 it uploads with a trailing checksum. */
export const recentBoto3: S3Cli = {
  name: 'boto3 with trailing checksums',
  unavailable: () => withoutBoto3('python3') ?? tooOld(),
  open: async (access, scratch) => session(firstPython(), access, scratch),
};

/** Debian's, told no endpoint. */
export const boto3AtAws: AwsClient = {
  name: boto3.name,
  unavailable: boto3.unavailable,
  open: async (access, scratch) => {
    const { names: _led, ...told } = access;
    const environment = cleanEnvironment(scratch, awsEnvironment(access));
    const drive = driveWith('/usr/bin/python3', driver, told, environment);
    return { ...sessionOf(drive, scratch), presign: (key) => drive('presign', { key }) };
  },
};

export function withoutBoto3(python: string): string | undefined {
  return withoutModule(python, 'boto3');
}

function withoutModule(python: string, module: string): string | undefined {
  try {
    execFileSync(python, ['-c', `import ${module}`], { stdio: 'ignore' });
    return undefined;
  } catch {
    return `${python} has no ${module}`;
  }
}

function tooOld(): string | undefined {
  const version = printed('import boto3; print(boto3.__version__)');
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 1 || minor >= 36 ? undefined : `the boto3 of python3 in PATH is ${version}, older than 1.36`;
}

function firstPython(): string {
  return printed('import sys; print(sys.executable)');
}

function printed(code: string): string {
  return execFileSync('python3', ['-c', code], { encoding: 'utf8' }).trim();
}

function session(python: string, access: S3Access, scratch: string, program: string = driver): S3Session {
  const environment = cleanEnvironment(scratch, { AWS_EC2_METADATA_DISABLED: 'true' });
  return sessionOf(driveWith(python, program, access, environment), scratch);
}

/** Runs one operation of a driver and gives what it printed. */
// biome-ignore lint/suspicious/noExplicitAny: JSON of whatever the operation answers.
type Drive = (operation: string, args: Record<string, unknown>) => Promise<any>;

function driveWith(
  python: string,
  program: string,
  access: S3Access | Omit<AwsAccess, 'names'>,
  environment: Record<string, string>,
): Drive {
  return async (operation, args) => {
    const request = JSON.stringify({ access, operation, arguments: args });
    return JSON.parse(String(await run(python, [program, request], environment)));
  };
}

function sessionOf(drive: Drive, scratch: string): S3Session {
  const file = join(scratch, 'content');
  const upload = async (operation: string, key: string, content: Buffer) => {
    await writeFile(file, content);
    await drive(operation, { key, file });
  };
  const download = async (operation: string, args: Record<string, unknown>) => {
    await drive(operation, { ...args, file });
    return readFile(file);
  };
  return {
    put: (key, content) => upload('put', key, content),
    putInParts: (key, content) => upload('put_in_parts', key, content),
    get: (key) => download('get', { key }),
    getRange: (key, first, last) => download('get_range', { key, first, last }),
    size: (key) => drive('size', { key }),
    copy: (from, to) => drive('copy', { source: from, key: to }),
    list: (prefix) => drive('list_keys', { prefix }),
    delete: (key) => drive('delete', { key }),
    close: async () => {},
  };
}
