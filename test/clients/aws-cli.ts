// The AWS CLI, by its low-level commands (s3api), and `s3 cp` for what goes up in parts: Debian's, and the newer one where
// one stands first in PATH.
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AwsAccess, type AwsClient, awsEnvironment } from './at-aws.ts';
import { cleanEnvironment, missingProgram, run } from './program.ts';
import type { S3Access, S3Cli, S3Session } from './s3-cli.ts';

const debian = '/usr/bin/aws';

/** Debian bookworm's AWS CLI (2.9), from before trailing checksums. */
export const awsCli: S3Cli = {
  name: 'AWS CLI of Debian',
  unavailable: () => missingProgram(debian),
  open: (access, scratch) => openWith(debian, access, scratch),
};

/** The `aws` that stands first in PATH: since 1.37 and 2.23 it uploads with a trailing checksum. */
export const recentAwsCli: S3Cli = {
  name: 'AWS CLI with trailing checksums',
  unavailable: () => {
    const version = /^aws-cli\/((\d+)\.(\d+)\S*)/.exec(printed('aws', '--version'));
    const [, text = 'missing', major = '0', minor = '0'] = version ?? [];
    const recent = Number(major) > 1 ? Number(minor) >= 23 : Number(minor) >= 37;
    return recent ? undefined : `the aws in PATH is ${text}, older than 1.37 and 2.23`;
  },
  open: (access, scratch) => openWith(printed('sh', '-c', 'command -v aws'), access, scratch),
};

/** Debian's, told no endpoint. */
export const awsCliAtAws: AwsClient = {
  name: awsCli.name,
  unavailable: awsCli.unavailable,
  open: async (access, scratch) => {
    const settings = { ...awsEnvironment(access), ...(await configured(access, scratch, access.addressing)) };
    const aws = (...args: string[]) => run(debian, args, cleanEnvironment(scratch, settings));
    const presign = (key: string) => aws('s3', 'presign', `s3://${access.bucket}/${key}`);
    return {
      ...session(aws, access.bucket, scratch),
      presign: async (key) => String(await presign(key)).trim(),
    };
  },
};

function printed(program: string, ...args: string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8' }).trim();
  } catch {
    return '';
  }
}

async function openWith(program: string, access: S3Access, scratch: string): Promise<S3Session> {
  const environment = cleanEnvironment(scratch, {
    ...(await configured(access, scratch, 'path')),
    AWS_DEFAULT_REGION: access.region,
    AWS_CA_BUNDLE: access.caFile,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_MAX_ATTEMPTS: '1',
  });
  const aws = (...args: string[]) => run(program, ['--endpoint-url', access.endpoint, ...args], environment);
  return session(aws, access.bucket, scratch);
}

async function configured(
  access: Pick<AwsAccess, 'accessKeyId' | 'secretAccessKey'>,
  scratch: string,
  addressing: AwsAccess['addressing'],
): Promise<Record<string, string>> {
  const configuration = join(scratch, 'config');
  await writeFile(configuration, `[default]\ns3 =\n  addressing_style = ${addressing}\n`);
  return {
    AWS_ACCESS_KEY_ID: access.accessKeyId,
    AWS_SECRET_ACCESS_KEY: access.secretAccessKey,
    AWS_CONFIG_FILE: configuration,
  };
}

function session(aws: (...args: string[]) => Promise<Buffer>, bucket: string, scratch: string): S3Session {
  const file = join(scratch, 'content');
  const api = (operation: string, ...args: string[]) =>
    aws('s3api', operation, '--bucket', bucket, '--output', 'json', ...args);
  const download = async (key: string, ...args: string[]) => {
    await api('get-object', '--key', key, ...args, file);
    return readFile(file);
  };
  return {
    put: async (key, content) => {
      await writeFile(file, content);
      await api('put-object', '--key', key, '--body', file);
    },
    putInParts: async (key, content) => {
      await writeFile(file, content);
      await aws('s3', 'cp', '--only-show-errors', file, `s3://${bucket}/${key}`);
    },
    get: (key) => download(key),
    getRange: (key, first, last) => download(key, '--range', `bytes=${first}-${last}`),
    size: async (key) => JSON.parse(String(await api('head-object', '--key', key))).ContentLength,
    copy: async (from, to) => {
      await api('copy-object', '--key', to, '--copy-source', `${bucket}/${from}`);
    },
    list: async (prefix) => {
      const answer = String(await api('list-objects-v2', '--prefix', prefix));
      const contents: { Key: string }[] = answer === '' ? [] : (JSON.parse(answer).Contents ?? []);
      return contents.map(({ Key }) => Key);
    },
    delete: async (key) => {
      await api('delete-object', '--key', key);
    },
    close: async () => {},
  };
}
