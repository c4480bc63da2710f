// s3cmd, with a configuration file of its own.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanEnvironment, missingProgram, run } from './program.ts';
import type { S3Access, S3Cli, S3Session } from './s3-cli.ts';

const program = '/usr/bin/s3cmd';

export const s3cmd: S3Cli = {
  name: 's3cmd',
  unavailable: () => missingProgram(program),
  open: (access, scratch) => configured(access, scratch, 'False'),
};

/** It can still be told to sign as of old. */
export const s3cmdV2: S3Cli = {
  name: 's3cmd --signature-v2',
  unavailable: () => missingProgram(program),
  open: (access, scratch) => configured(access, scratch, 'True'),
};

async function configured(
  access: S3Access,
  scratch: string,
  signatureV2: 'True' | 'False',
): Promise<S3Session> {
  const configuration = join(scratch, 's3cfg');
  await writeFile(configuration, `${configurationFor(access)}signature_v2 = ${signatureV2}\n`);
  return session(access.bucket, scratch, configuration);
}

function configurationFor({ endpoint, caFile, accessKeyId, secretAccessKey, region }: S3Access): string {
  const { host } = new URL(endpoint);
  // A host_bucket without %(bucket)s means path style.
  return `[default]
access_key = ${accessKeyId}
secret_key = ${secretAccessKey}
host_base = ${host}
host_bucket = ${host}
bucket_location = ${region}
use_https = True
ca_certs_file = ${caFile}
multipart_chunk_size_mb = 5
`;
}

function session(bucket: string, scratch: string, configuration: string): S3Session {
  const environment = cleanEnvironment(scratch, {});
  const file = join(scratch, 'content');
  const s3cmd = (...args: string[]) => run(program, ['--config', configuration, ...args], environment);
  const urlOf = (key: string) => `s3://${bucket}/${key}`;
  const upload = async (key: string, content: Buffer) => {
    await writeFile(file, content);
    await s3cmd('put', '--quiet', file, urlOf(key));
  };
  return {
    put: upload,
    putInParts: upload,
    get: async (key) => {
      await s3cmd('get', '--quiet', '--force', urlOf(key), file);
      return readFile(file);
    },
    size: async (key) => {
      const information = String(await s3cmd('info', urlOf(key)));
      return Number(/File size:\s*(\d+)/.exec(information)?.[1]);
    },
    copy: async (from, to) => {
      await s3cmd('cp', '--quiet', urlOf(from), urlOf(to));
    },
    list: async (prefix) => {
      const lines = String(await s3cmd('ls', '--recursive', urlOf(prefix))).split('\n');
      return lines.flatMap((line) => line.split(`s3://${bucket}/`)[1] ?? []);
    },
    delete: async (key) => {
      await s3cmd('del', '--quiet', urlOf(key));
    },
    close: async () => {},
  };
}
