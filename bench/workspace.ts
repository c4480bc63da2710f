// The folder a run works in: certificates, the backend's objects, whatever else is written. In memory where it can be.
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAuthority } from '../src/demo/authority.ts';

export const SMALL_BYTES = 1024;
export const LARGE_BYTES: number = 64 * 1024 ** 2;

/** Files that everything shares. */
export interface Workspace {
  readonly folder: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/** Makes the folder. It is gone when this process is. */
export function makeWorkspace(): Workspace {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 's3-kms-gateway-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const authority = createAuthority(new Date());
  const { certificate, key } = authority.issue({ dns: ['localhost'], ipv4: ['127.0.0.1'] });
  const write = (name: string, content: string | Buffer) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  // Programs that are written here find their packages.
  symlinkSync(fileURLToPath(new URL('../node_modules', import.meta.url)), join(folder, 'node_modules'));
  mkdirSync(join(folder, 'objects'));
  write('objects/small', Buffer.alloc(SMALL_BYTES, 'a'));
  write('objects/large', Buffer.alloc(LARGE_BYTES, 'a'));
  return {
    folder,
    certificateFile: write('tls.crt', certificate),
    keyFile: write('tls.key', key),
    caFile: write('ca.crt', authority.certificate),
  };
}
