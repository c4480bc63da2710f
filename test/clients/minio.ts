// The MinIO client for JavaScript in this process. It is told no region: it asks for that of the bucket, and signs for it.
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { Readable } from 'node:stream';
import { Client } from 'minio';
import type { S3Access, S3Cli, S3Session } from './s3-cli.ts';

const MIB = 1024 * 1024;

export const minio: S3Cli = {
  name: 'MinIO client for JavaScript',
  unavailable: () => undefined,
  open: async (access) => session(access, (content) => content),
};

export const minioStreaming: S3Cli = {
  name: 'MinIO client for JavaScript with streams',
  unavailable: () => undefined,
  open: async (access) => session(access, (content) => Readable.from([content])),
};

/** A client as its users make one; the agent is for its connections and holds the certificate to trust. */
export function minioClient(access: Omit<S3Access, 'bucket'>, transportAgent: Agent): Client {
  const { hostname, port } = new URL(access.endpoint);
  return new Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: true,
    accessKey: access.accessKeyId,
    secretKey: access.secretAccessKey,
    ...(access.sessionToken === undefined ? {} : { sessionToken: access.sessionToken }),
    partSize: 5 * MIB,
    transportAgent,
  });
}

export function agentTrusting(caFile: string): Agent {
  return new Agent({ ca: readFileSync(caFile), keepAlive: true });
}

function session(access: S3Access, asBody: (content: Buffer) => Buffer | Readable): S3Session {
  const { bucket } = access;
  const agent = agentTrusting(access.caFile);
  const client = minioClient(access, agent);
  return {
    put: async (key, content) => {
      await client.putObject(bucket, key, asBody(content), content.length);
    },
    // It cuts streams into parts, never buffers.
    putInParts: async (key, content) => {
      await client.putObject(bucket, key, Readable.from([content]), content.length);
    },
    get: async (key) => gathered(await client.getObject(bucket, key)),
    getRange: async (key, first, last) =>
      gathered(await client.getPartialObject(bucket, key, first, last - first + 1)),
    size: async (key) => (await client.statObject(bucket, key)).size,
    copy: async (from, to) => {
      await client.copyObject(bucket, to, `/${bucket}/${from}`);
    },
    list: async (prefix) => {
      const entries: { name: string }[] = await client.listObjectsV2(bucket, prefix, true).toArray();
      return entries.map(({ name }) => name);
    },
    delete: (key) => client.removeObject(bucket, key),
    close: async () => agent.destroy(),
  };
}

async function gathered(stream: Readable): Promise<Buffer> {
  return Buffer.concat(await stream.toArray());
}
