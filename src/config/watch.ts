// Sees when files that a configuration was made of have changed. Knows contents only; must not know what they are for.
// Contents are compared once a second: events of the file system miss a directory that Kubernetes swaps by its symbolic
// link, a mount that is replaced and a network file system, and time stamps miss what is written within one tick.
import { readFile } from 'node:fs/promises';
import { ABSENT, digestOf, type FilesRead } from './files.ts';

const POLL_MS = 1_000;
/** Until the second look at what has changed. */
const SETTLE_MS = 250;

/** A watch over files. */
export interface FileWatch {
  close(): void;
}

/**
 * Calls `onChange` once the files are others than those that `read` gives, and are the same at two looks in a row: editors
 * and copies take a moment in which a file is gone or half written. `read` is asked at each look.
 */
export function watchFiles(read: () => FilesRead, onChange: () => Promise<void>): FileWatch {
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let before: string | undefined;
  const look = async () => {
    const known = read();
    const found = await digests([...known.keys()]);
    if (closed) return;
    const settled = found === before;
    before = found;
    // What has been read anew meanwhile is held against the next look.
    const changed = read() === known && found !== [...known.values()].join();
    if (changed && settled) await onChange();
    if (!closed) timer = setTimeout(look, changed && !settled ? SETTLE_MS : POLL_MS).unref();
  };
  timer = setTimeout(look, POLL_MS).unref();
  return {
    close: () => {
      closed = true;
      clearTimeout(timer);
    },
  };
}

async function digests(files: readonly string[]): Promise<string> {
  const found = files.map((file) => readFile(file, 'utf8').then(digestOf, () => ABSENT));
  return (await Promise.all(found)).join();
}
