// rclone, configured by its environment alone.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanEnvironment, missingProgram, run } from './program.ts';
import type { S3Access, S3Cli, S3Session } from './s3-cli.ts';

const program = '/usr/bin/rclone';

export const rclone: S3Cli = {
  name: 'rclone',
  unavailable: () => missingProgram(program),
  open: async (access, scratch) => {
    const configuration = join(scratch, 'rclone.conf');
    await writeFile(configuration, ''); // or it warns that there is none
    return session(access, scratch, configuration);
  },
};

function session(access: S3Access, scratch: string, configuration: string): S3Session {
  const environment = cleanEnvironment(scratch, {
    RCLONE_CONFIG: configuration,
    RCLONE_CA_CERT: access.caFile,
    RCLONE_RETRIES: '1',
    RCLONE_LOW_LEVEL_RETRIES: '1',
    RCLONE_CONFIG_S3_TYPE: 's3',
    RCLONE_CONFIG_S3_PROVIDER: 'Other',
    RCLONE_CONFIG_S3_ENDPOINT: access.endpoint,
    RCLONE_CONFIG_S3_REGION: access.region,
    RCLONE_CONFIG_S3_ACCESS_KEY_ID: access.accessKeyId,
    RCLONE_CONFIG_S3_SECRET_ACCESS_KEY: access.secretAccessKey,
    RCLONE_CONFIG_S3_NO_CHECK_BUCKET: 'true',
    RCLONE_CONFIG_S3_UPLOAD_CUTOFF: '5M',
    RCLONE_CONFIG_S3_CHUNK_SIZE: '5M',
  });
  const file = join(scratch, 'content');
  const rclone = (...args: string[]) => run(program, args, environment);
  const remote = (key: string) => `s3:${access.bucket}/${key}`;
  const upload = async (key: string, content: Buffer) => {
    await writeFile(file, content);
    await rclone('copyto', file, remote(key));
  };
  return {
    put: upload,
    putInParts: upload,
    get: (key) => rclone('cat', remote(key)),
    getRange: (key, first, last) =>
      rclone('cat', '--offset', `${first}`, '--count', `${last - first + 1}`, remote(key)),
    size: async (key) => JSON.parse(String(await rclone('size', '--json', remote(key)))).bytes,
    copy: async (from, to) => {
      await rclone('copyto', remote(from), remote(to));
    },
    list: async (prefix) => {
      const lines = String(await rclone('lsf', '--recursive', '--files-only', remote(prefix))).split('\n');
      return lines.filter((line) => line !== '').map((line) => prefix + line);
    },
    delete: async (key) => {
      await rclone('deletefile', remote(key));
    },
    close: async () => {},
  };
}
