// Debian's AWS CLI, by its low-level commands (s3api), and `s3 cp` for what goes up in parts.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanEnvironment, missingProgram, run } from './program.ts';
import type { S3Access, S3Cli, S3Session } from './s3-cli.ts';

const program = '/usr/bin/aws';

export const awsCli: S3Cli = {
  name: 'AWS CLI',
  unavailable: () => missingProgram(program),
  open: async (access, scratch) => {
    const configuration = join(scratch, 'config');
    await writeFile(configuration, '[default]\ns3 =\n  addressing_style = path\n');
    return session(access, scratch, configuration);
  },
};

function session({ bucket, ...access }: S3Access, scratch: string, configuration: string): S3Session {
  const environment = cleanEnvironment(scratch, {
    AWS_ACCESS_KEY_ID: access.accessKeyId,
    AWS_SECRET_ACCESS_KEY: access.secretAccessKey,
    AWS_DEFAULT_REGION: access.region,
    AWS_CA_BUNDLE: access.caFile,
    AWS_CONFIG_FILE: configuration,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_MAX_ATTEMPTS: '1',
  });
  const file = join(scratch, 'content');
  const aws = (...args: string[]) => run(program, ['--endpoint-url', access.endpoint, ...args], environment);
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
