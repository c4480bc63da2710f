// Sends load at a proxy: by wrk for small requests, by load.ts for the rest. Every answer must be a success.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Connections, LoadJob, LoadResult } from './load.ts';
import { startOn } from './machine.ts';
import type { SignedRequest } from './requests.ts';
import type { Workspace } from './workspace.ts';

/** What a load came to. */
export interface Driven extends LoadResult {
  /** Latencies in microseconds, where they were taken. */
  readonly p50?: number;
  readonly p99?: number;
}

/** Where load comes from. */
export interface Driver {
  readonly workspace: Workspace;
  readonly cores: string;
}

export interface WrkOptions {
  readonly connections: number;
  readonly seconds: number;
  /** Mean wait of a connection before each request, in milliseconds; evenly spread from nothing to twice that. */
  readonly wait?: number;
}

/** Writes the requests as wrk takes them: a script in Lua that gives one after another. */
export function prepareWrk({ workspace }: Driver, name: string, requests: readonly SignedRequest[]): string {
  const file = join(workspace.folder, `${name}.lua`);
  const wires = requests.map(({ method, target, headers, body }) => {
    const lines = Object.entries(headers).map(([header, value]) => `${header}: ${value}\r\n`);
    return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body ?? ''}`;
  });
  // JSON's strings of ASCII are Lua's.
  const script = `
local requests = { ${wires.map((wire) => JSON.stringify(wire)).join(',\n')} }
local wait, at = 0, 0
function init(args) wait = tonumber(args[1]) end
function delay() return math.random(0, 2 * wait) end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('\\n{"requests":%d,"bytes":%d,"seconds":%f,"p50":%f,"p99":%f,"failed":%d}\\n',
    summary.requests, summary.bytes, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
`;
  // wrk asks for a wait before every request where there is such a function.
  writeFileSync(file, script);
  writeFileSync(withoutWait(file), script.replace(/^function delay.*\n/m, ''));
  return file;
}

function withoutWait(file: string): string {
  return file.replace(/\.lua$/, '-at-once.lua');
}

/** Runs wrk. */
export async function wrk(
  { cores }: Driver,
  port: number,
  file: string,
  options: WrkOptions,
): Promise<Driven> {
  const { connections, seconds, wait } = options;
  const command = [
    ...[
      'wrk',
      '--threads',
      '1',
      '--connections',
      String(connections),
      '--duration',
      `${Math.ceil(seconds)}s`,
    ],
    ...['--timeout', '10s', '--script', wait === undefined ? withoutWait(file) : file],
    ...[`https://127.0.0.1:${port}`, '--', String(Math.round(wait ?? 0))],
  ];
  const child = startOn(cores, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (!child.stdout) throw new Error('wrk has no standard output');
  const output = await text(child.stdout);
  const { failed, ...driven } = JSON.parse(/^\{.*\}$/m.exec(output)?.[0] ?? '{}');
  if (failed !== 0) throw new Error(`wrk: ${failed} requests failed\n${output}`);
  return driven;
}

/** Writes a request's body where load.ts finds it. */
export function prepareLoad(
  { workspace }: Driver,
  name: string,
  { method, target, headers, body }: SignedRequest,
  count: number,
): Connections {
  if (!body) return { method, target, headers, bodyFile: undefined, count };
  const bodyFile = join(workspace.folder, `${name}.body`);
  writeFileSync(bodyFile, body);
  return { method, target, headers, bodyFile, count };
}

const PROGRAM = fileURLToPath(new URL('load.ts', import.meta.url));

function startLoad({ workspace, cores }: Driver, job: Omit<LoadJob, 'caFile'>) {
  const file = join(workspace.folder, 'job.json');
  writeFileSync(file, JSON.stringify({ ...job, caFile: workspace.caFile }));
  const child = startOn(cores, [process.execPath, PROGRAM, file], { stdio: ['pipe', 'pipe', 'inherit'] });
  if (!child.stdout || !child.stdin) throw new Error('the load has no standard input or output');
  return { stdin: child.stdin, stdout: child.stdout };
}

/** Runs load.ts. */
export async function load(driver: Driver, job: Omit<LoadJob, 'caFile'>): Promise<Driven> {
  const { stdout } = startLoad(driver, job);
  return JSON.parse(await text(stdout));
}

/** Opens connections, each good for one request so far, and holds them until the result is called. */
export async function holdIdle(
  driver: Driver,
  port: number,
  connections: Connections,
): Promise<() => Promise<void>> {
  const { stdin, stdout } = startLoad(driver, { kind: 'idle', port, seconds: 0, connections: [connections] });
  const ended = once(stdout, 'close');
  await Promise.race([once(stdout, 'data'), ended]);
  if (stdout.closed) throw new Error('the idle connections could not be opened');
  return async () => {
    stdin.end('\n');
    await ended;
  };
}
