// Backends that can be killed and started again: Ceph keeps what it has stored, the embedded store does not.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { createAuthority } from '../../src/demo/authority.ts';
import { startCeph } from '../backends/ceph.ts';
import { backendOf } from '../clients/through-gateway.ts';
import { sendSigned } from '../gateway/client.ts';

/** A backend with a bucket `inject`. */
export interface Killable {
  /** As configured for the gateway. */
  readonly backend: Readonly<Record<string, unknown>>;
  readonly keyId: string;
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Size of an object that lies encrypted under the key, by the backend's own word; undefined where nothing is. */
  encryptedSize(key: string): Promise<number | undefined>;
  close(): Promise<void>;
}

export async function killableCeph(): Promise<Killable> {
  const ceph = await startCeph('tentacle');
  const [keyId] = ceph.keyIds;
  await ceph.s3.send(new CreateBucketCommand({ Bucket: 'inject' }));
  return {
    backend: backendOf(ceph),
    keyId,
    kill: ceph.killS3Server,
    restart: ceph.startS3Server,
    encryptedSize: async (key) => {
      const stat = await ceph.stat('inject', key);
      return stat?.encryption?.keyId === keyId ? stat.size : undefined;
    },
    close: ceph.stop,
  };
}

export async function killableStore(): Promise<Killable> {
  const folder = mkdtempSync(join(tmpdir(), 's3-kms-gateway-killable-'));
  const file = (name: string) => join(folder, name);
  const authority = createAuthority(new Date());
  const issued = authority.issue({ dns: ['localhost'], ipv4: ['127.0.0.1'] });
  writeFileSync(file('ca.crt'), authority.certificate);
  writeFileSync(file('tls.crt'), issued.certificate);
  writeFileSync(file('tls.key'), issued.key);
  const keyId = 'the-key';
  let port = 0;
  let child: ChildProcess | undefined;
  const credentials = { accessKeyId: 'STORE000000000000001', secretAccessKey: 'the-secret-of-the-store' };
  const direct = () => ({ endpoint: `https://localhost:${port}`, ca: authority.certificate, credentials });
  const start = async () => {
    const program = join(import.meta.dirname, 'store-process.ts');
    const parameters = [program, String(port), file('tls.crt'), file('tls.key'), keyId];
    child = spawn(process.execPath, parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(child.stdout ?? child, 'data');
    port = Number(line);
    await sendSigned(direct(), { method: 'PUT', path: '/inject' });
  };
  const kill = async () => {
    if (!child || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  await start();
  return {
    backend: {
      name: 'store',
      endpoint: `https://localhost:${port}`,
      region: 'us-east-1',
      addressing: 'path',
      caFile: file('ca.crt'),
      credentials: { provider: 'static', ...credentials },
    },
    keyId,
    kill,
    restart: start,
    encryptedSize: async (key) => {
      const { status, headers } = await sendSigned(direct(), { method: 'HEAD', path: `/inject/${key}` });
      const isUnderKey = headers['x-amz-server-side-encryption-aws-kms-key-id'] === keyId;
      return status === 200 && isUnderKey ? Number(headers['content-length']) : undefined;
    },
    close: async () => {
      await kill();
      rmSync(folder, { recursive: true });
    },
  };
}
