// Free TCP ports for one Ceph, safe against other test processes that look for some at the same time.
// Knows ports only; must not know what listens on them.
import { createServer, type Server } from 'node:net';
import type { Ports } from './configuration.ts';

/** Ports that no one else takes as long as they are held. */
export interface ClaimedPorts extends Ports {
  release(): void;
}

// Below the range from which Linux hands out ports to outgoing connections (32768 and up).
const lowest = 20_000;
const blockSize = 50;
const blocks = 240;

/** Listens on a port of 127.0.0.1; undefined where it is taken. */
function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer().unref();
    server.once('error', () => resolve(undefined));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => resolve(server));
  });
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen(port);
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

/** Claims a block by listening on its first port for as long as this process holds it: a lock that dies with the process. */
async function claimBlock(first: number): Promise<ClaimedPorts | undefined> {
  const claim = await listen(first);
  if (claim === undefined) return undefined;
  const [monitor, http, https] = [first + 1, first + 2, first + 3];
  const free = await Promise.all([monitor, http, https].map(isFree));
  if (free.every(Boolean)) {
    const release = () => void claim.close();
    return { monitor, http, https, storeFirst: first + 4, storeLast: first + blockSize - 1, release };
  }
  claim.close();
  return undefined;
}

/** Claims ports for one Ceph. */
export async function claimPorts(): Promise<ClaimedPorts> {
  const start = process.pid % blocks; // any spread will do: it only makes the first try likely to hit
  for (let step = 0; step < blocks; step += 1) {
    const claimed = await claimBlock(lowest + ((start + step) % blocks) * blockSize);
    if (claimed !== undefined) return claimed;
  }
  throw new Error(
    `No block of free ports on 127.0.0.1 from ${lowest} to ${lowest + blocks * blockSize - 1}.`,
  );
}
