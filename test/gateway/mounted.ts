// Files as Kubernetes mounts them: in a directory of their own, which a symbolic link names and an update swaps.
import { mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

let versions = 0;

/** Writes the files of a mounted directory, all of them new at once. */
export function mount(folder: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(folder, { recursive: true });
  const version = `..version-${versions++}`;
  mkdirSync(join(folder, version));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, version, name), content);
  const data = join(folder, '..data');
  const before = linkOf(data);
  symlinkSync(version, `${data}_tmp`);
  renameSync(`${data}_tmp`, data);
  if (before !== undefined) {
    rmSync(join(folder, before), { recursive: true });
    return;
  }
  for (const name of Object.keys(files)) symlinkSync(join('..data', name), join(folder, name));
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
