// What is measured: the gateway and the baselines, each a process of its own on the proxy's core, and the backend.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gatewayConfiguration } from './gateway.ts';
import { startOn, stop } from './machine.ts';
import { backendConfiguration, passThroughConfiguration } from './nginx.ts';
import type { Workspace } from './workspace.ts';

/** Everything requests can be sent to. `direct` is the backend with nothing in front. */
export const PROXIES = [
  'gateway',
  'http-proxy',
  'undici relay',
  'TLS relay',
  'nginx',
  'gateway, 1 of each',
  'gateway, 1,000 of each',
  'gateway, 2 workers',
  'direct',
] as const;
export type ProxyName = (typeof PROXIES)[number];

/** A process that takes requests. */
export interface MeasuredProxy {
  readonly name: ProxyName;
  readonly port: number;
  readonly pid: number;
  /** Requests it has logged since the log was emptied; `undefined` for what has no log. */
  logged(): number | undefined;
  emptyLog(): void;
  stop(): Promise<void>;
}

/** Starts nginx as the backend, on the cores of the load. */
export async function startBackend(workspace: Workspace, cores: string): Promise<MeasuredProxy> {
  const port = await freePort();
  const file = join(workspace.folder, 'backend.conf');
  writeFileSync(file, backendConfiguration({ ...workspace, port }));
  return started('direct', port, nginx(cores, file));
}

/** Starts one proxy in front of the backend, on its core. */
export async function startProxy(
  name: Exclude<ProxyName, 'direct'>,
  workspace: Workspace,
  core: string,
  backendPort: number,
): Promise<MeasuredProxy> {
  const port = await freePort();
  const backend = `https://localhost:${backendPort}`;
  switch (name) {
    case 'gateway':
    case 'gateway, 1 of each':
    case 'gateway, 1,000 of each':
    case 'gateway, 2 workers':
      return startGateway(name, workspace, core, { port, backend });
    case 'nginx': {
      const file = join(workspace.folder, 'pass-through.conf');
      writeFileSync(file, passThroughConfiguration({ ...workspace, port }, backendPort));
      return started(name, port, nginx(core, file));
    }
    default: {
      const program = writeBaseline(BASELINES[name], workspace);
      const { certificateFile, keyFile, caFile } = workspace;
      const command = [
        process.execPath,
        '--disable-warning=DEP0060',
        program,
        String(port),
        backend,
        certificateFile,
        keyFile,
        caFile,
      ];
      return started(
        name,
        port,
        startOn(core, command, {
          stdio: ['ignore', 'ignore', 'inherit'],
          env: { ...process.env, NODE_ENV: 'production' },
        }),
      );
    }
  }
}

const BASELINES = {
  'http-proxy': 'http-proxy.ts',
  'undici relay': 'undici-relay.ts',
  'TLS relay': 'tls-relay.ts',
} as const;

/** A baseline in JavaScript, as the gateway is: what strips types in a process takes its memory. */
function writeBaseline(file: string, { folder }: Workspace): string {
  const source = readFileSync(new URL(`baselines/${file}`, import.meta.url), 'utf8');
  const program = join(folder, file.replace(/ts$/, 'mjs'));
  writeFileSync(program, stripTypeScriptTypes(source));
  return program;
}

/** `serve` as built, with its log in a file, in the environment of the container image. */
async function startGateway(
  name: ProxyName,
  workspace: Workspace,
  core: string,
  { port, backend }: { port: number; backend: string },
): Promise<MeasuredProxy> {
  const file = join(workspace.folder, `gateway-${port}.yaml`);
  const entries = name === 'gateway, 1,000 of each' ? 1000 : 1;
  const workers = name === 'gateway, 2 workers' ? 2 : 1;
  writeFileSync(file, gatewayConfiguration({ ...workspace, port, backend, entries, workers }));
  const logFile = join(workspace.folder, `gateway-${port}.log`);
  const log = openSync(logFile, 'a');
  const program = fileURLToPath(new URL('../dist/main.js', import.meta.url));
  const options = { stdio: ['ignore', log, 'inherit'] as const, env: imageEnvironment() };
  const command = [process.execPath, ...gatewayArguments(), program, 'serve', '--config', file];
  const child = startOn(core, command, { ...options, stdio: [...options.stdio] });
  closeSync(log);
  return {
    ...(await started(name, port, child)),
    logged: () => readFileSync(logFile, 'latin1').split('"msg":"request"').length - 1,
    emptyLog: () => truncateSync(logFile),
  };
}

/** More arguments for the Node.js that runs the gateway, such as `--cpu-prof`. */
function gatewayArguments(): string[] {
  return (process.env['BENCH_GATEWAY_ARGUMENTS'] ?? '').split(' ').filter(Boolean);
}

/** The environment that the container image sets, so that what is measured is what is shipped. */
function imageEnvironment(): NodeJS.ProcessEnv {
  const dockerfile = readFileSync(new URL('../Dockerfile', import.meta.url), 'utf8');
  const settings = [...dockerfile.matchAll(/^ENV (\w+)=(\S+)$/gm)].map(([, key, value]) => [key, value]);
  return { ...process.env, ...Object.fromEntries(settings) };
}

function nginx(cores: string, file: string): ChildProcess {
  return startOn(cores, ['nginx', '-c', file], { stdio: ['ignore', 'ignore', 'inherit'] });
}

async function started(name: ProxyName, port: number, child: ChildProcess): Promise<MeasuredProxy> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${name} ended with ${code} before it listened`);
  });
  await Promise.race([listening(port), ended]);
  ended.catch(() => {});
  return {
    name,
    port,
    pid: child.pid ?? 0,
    logged: () => undefined,
    emptyLog: () => {},
    stop: () => stop(child),
  };
}

const START_MS = 20_000;

/** Asks the kernel, not the program: a connection would be one more to account for. */
async function listening(port: number): Promise<void> {
  const wanted = new RegExp(
    `^ *\\d+: \\w+:${port.toString(16).toUpperCase().padStart(4, '0')} \\w+:0000 0A `,
    'm',
  );
  for (const deadline = Date.now() + START_MS; Date.now() < deadline; await sleep(20)) {
    if (wanted.test(readFileSync('/proc/net/tcp', 'utf8'))) return;
  }
  throw new Error(`nothing listens on port ${port}`);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
