// moto, an AWS of other people's making, as a second witness of what KMS and STS answer: where this machine has it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../gateway/free-port.ts';

export interface Moto {
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** For the `skip` option of a test: why this machine cannot run it, false where it can. */
export function skipWithoutMoto(): string | false {
  const { status } = spawnSync('python3', ['-c', 'import moto.server, flask'], { stdio: 'ignore' });
  if (status === 0) return false;
  const missing = 'moto is not installed: pip install "moto[server,kms,sts]"';
  console.warn(`SKIPPED: ${missing}`);
  return missing;
}

/** Starts one on loopback; the caller stops it. */
export async function startMoto(): Promise<Moto> {
  const port = await freePort();
  const options = ['-c', 'from moto.server import main; main()', '-H', '127.0.0.1', '-p', String(port)];
  const child = spawn('python3', options, { stdio: 'ignore' });
  const endpoint = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  const giveUpAt = Date.now() + 60_000;
  while (!(await answers(endpoint))) {
    if (child.exitCode !== null || Date.now() > giveUpAt) {
      await stop();
      throw new Error('moto did not start');
    }
    await sleep(100);
  }
  return { endpoint, stop };
}

async function answers(endpoint: string): Promise<boolean> {
  try {
    const response = await fetch(`${endpoint}/moto-api/`);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
