// A gateway as its users run it: `s3-kms-gateway serve` in a process of its own, which may have workers.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseExposition, type Sample } from '../observe/exposition.ts';
import { type GatewaySetup, type WrittenSetup, writeSetup } from './setup.ts';

/** A running `serve`. */
export interface GatewayProcess {
  /** `https://localhost:PORT`. */
  readonly endpoint: string;
  readonly plaintextEndpoint: string;
  /** `http://HOST:PORT` of the admin listener. */
  readonly admin: string;
  /** Where its configuration lies, to be written anew. */
  readonly written: WrittenSetup;
  readonly caFile: string;
  readonly ca: string;
  readonly pid: number;
  readonly child: ChildProcess;
  /** Everything on standard output so far, line by line, the unfinished end left out. */
  readonly lines: readonly string[];
  /** Processes that it has started and that still run. */
  workers(): number[];
  samples(): Promise<readonly Sample[]>;
  /** The value of one metric, all its series together. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  /** Largest resident set so far, in MiB (VmHWM of proc(5)). */
  peakMemory(): number;
  /** Ends it; gives its exit code. */
  stop(): Promise<number | null>;
}

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** The environment that the container image sets, so that what is measured is what is shipped. */
function imageEnvironment(): Record<string, string> {
  const dockerfile = readFileSync(new URL('../../Dockerfile', import.meta.url), 'utf8');
  const settings = [...dockerfile.matchAll(/^ENV (\w+)="?([^"\n]+)"?$/gm)];
  return Object.fromEntries(settings.map(([, name, value]) => [name, value]));
}

/** The words before `serve`, for a gateway whose configuration is in this folder. */
export type GatewayCommand = (folder: string) => readonly [string, ...string[]];

const fromSources: GatewayCommand = () => [process.execPath, program];

/** Starts `serve` and waits until it says that its listeners listen, the admin listener last. */
export async function startGatewayProcess(
  setup: GatewaySetup,
  environment: Readonly<Record<string, string>> = {},
  command: GatewayCommand = fromSources,
): Promise<GatewayProcess> {
  const written = writeSetup(setup);
  const [executable, ...args] = command(written.folder);
  const child = spawn(executable, [...args, 'serve', '--config', written.file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...imageEnvironment(), ...environment },
  });
  const lines: string[] = [];
  const { tls, plaintext, admin } = await addressesOf(child, lines).catch((error: unknown) => {
    written.remove();
    throw error;
  });
  const pid = child.pid ?? 0;
  const samples = async () => parseExposition(await (await fetch(`${admin}/metrics`)).text());
  return {
    endpoint: `https://localhost:${tls}`,
    plaintextEndpoint: `http://localhost:${plaintext}`,
    admin,
    written,
    caFile: written.caFile,
    ca: written.ca,
    pid,
    child,
    lines,
    workers: () => childrenOf(pid),
    samples,
    metric: async (name, labels = {}) => {
      const wanted = Object.entries(labels);
      const found = (await samples()).filter(
        (sample) => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value),
      );
      return found.reduce((sum, { value }) => sum + value, 0);
    },
    peakMemory: () => memoryOf(pid, 'VmHWM'),
    stop: async () => {
      const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
      child.kill('SIGTERM');
      await exited;
      written.remove();
      return child.exitCode;
    },
  };
}

/** Memory of a process in MiB: VmRSS is what is resident now, VmHWM the most that ever was. */
export function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024;
}

/** What a process has open, sockets without their numbers. */
export function openFiles(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  const targets = readdirSync(folder).flatMap((fd) => {
    try {
      return [readlinkSync(`${folder}/${fd}`).replace(/:\[\d+\]$/, '')];
    } catch {
      return []; // closed in the meantime
    }
  });
  return targets.sort();
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

interface Addresses {
  readonly tls: number;
  readonly plaintext: number;
  readonly admin: string;
}

async function addressesOf(child: ChildProcess, lines: string[]): Promise<Addresses> {
  if (!child.stdout) throw new Error('the gateway has no standard output');
  const ports = new Map<string, number>();
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`serve ended with ${code} before it listened`)));
    // Every line is read, also after those that count: a full pipe would be the gateway's problem.
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      lines.push(line);
      if (!line.includes('listening')) return;
      const { msg, listener, port, address } = JSON.parse(line);
      if (msg === 'listening') ports.set(listener, port);
      else if (msg === 'admin listening') {
        const [tls = 0, plaintext = 0] = [ports.get('tls'), ports.get('plaintext')];
        resolve({ tls, plaintext, admin: `http://${address}` });
      }
    });
  });
}
