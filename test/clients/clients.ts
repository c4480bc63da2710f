// The real clients that everything is tried with. A new one is a file beside this and a row here.
import { awsCli, recentAwsCli } from './aws-cli.ts';
import { awsSdk, awsSdkStreaming } from './aws-sdk.ts';
import { boto3, recentBoto3 } from './boto3.ts';
import { minio, minioStreaming } from './minio.ts';
import { rclone } from './rclone.ts';
import type { S3Cli } from './s3-cli.ts';
import { s3cmd } from './s3cmd.ts';
import { s3fs } from './s3fs.ts';

export const clients: readonly S3Cli[] = [
  awsCli,
  recentAwsCli,
  boto3,
  recentBoto3,
  awsSdk,
  awsSdkStreaming,
  minio,
  minioStreaming,
  s3cmd,
  rclone,
  s3fs,
];
