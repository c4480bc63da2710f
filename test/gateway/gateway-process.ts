// A gateway as its users run it: `s3-kms-gateway serve` in a process of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type GatewaySetup, writeSetup } from './setup.ts';

/** A running `serve`. */
export interface GatewayProcess {
  /** `https://localhost:PORT`. */
  readonly endpoint: string;
  readonly caFile: string;
  readonly pid: number;
  /** Largest resident set so far, in MiB (VmHWM of proc(5)). */
  peakMemory(): number;
  stop(): Promise<void>;
}

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** The environment that the container image sets, so that what is measured is what is shipped. */
function imageEnvironment(): Record<string, string> {
  const dockerfile = readFileSync(new URL('../../Dockerfile', import.meta.url), 'utf8');
  const settings = [...dockerfile.matchAll(/^ENV (\w+)=(\S+)$/gm)];
  return Object.fromEntries(settings.map(([, name, value]) => [name, value]));
}

/** Starts `serve` and waits until its TLS listener says that it listens. */
export async function startGatewayProcess(setup: GatewaySetup): Promise<GatewayProcess> {
  const written = writeSetup(setup);
  const child = spawn(process.execPath, [program, 'serve', '--config', written.file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...imageEnvironment() },
  });
  const port = await listeningPort(child).catch((error: unknown) => {
    written.remove();
    throw error;
  });
  const pid = child.pid ?? 0;
  return {
    endpoint: `https://localhost:${port}`,
    caFile: written.caFile,
    pid,
    peakMemory: () =>
      Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024,
    stop: async () => {
      const exited = child.exitCode === null ? once(child, 'exit') : undefined;
      child.kill('SIGTERM');
      await exited;
      written.remove();
    },
  };
}

async function listeningPort(child: ChildProcess): Promise<number> {
  if (!child.stdout) throw new Error('the gateway has no standard output');
  const lines = createInterface({ input: child.stdout });
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`serve ended with ${code} before it listened`)));
    // Every line is read, also after the one that counts: a full pipe would be the gateway's problem.
    lines.on('line', (line) => {
      const { msg, listener, port } = JSON.parse(line);
      if (msg === 'listening' && listener === 'tls') resolve(port);
    });
  });
}
