// What the benchmark asks of Linux: which cores there are, and what a process has used (proc(5)). Knows no HTTP.
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';

/** Who runs where, as `taskset` takes it: one core for the proxy, the rest for load and backend. */
export interface Cores {
  readonly proxy: string;
  readonly load: string;
}

/** Divides the cores this process may use. */
export function divideCores(): Cores {
  const allowed = listed(statusOf(process.pid, 'Cpus_allowed_list'));
  const proxy = allowed.pop();
  if (proxy === undefined || allowed.length === 0) throw new Error('the benchmark needs two cores or more');
  return { proxy: String(proxy), load: allowed.join(',') };
}

/** `0-2,5` as numbers. */
function listed(ranges: string): number[] {
  return ranges.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** Moves this process to the cores of the load. */
export function moveTo(cores: string): void {
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', cores, String(process.pid)]);
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a program on these cores. It ends with this process at the latest. */
export function startOn(cores: string, command: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn('taskset', ['--cpu-list', cores, ...command], options);
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** Ends a program and waits until it has. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await exited;
  clearTimeout(timer);
}

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Seconds of CPU that all threads of a process and of its workers have used, in user and in kernel mode. */
export function cpuSeconds(pid: number): number {
  return sum(withWorkers(pid), (each) => {
    const text = readFileSync(`/proc/${each}/stat`, 'utf8');
    // The second field is the name in parentheses, and can hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  });
}

/** Largest resident set since `forgetPeakMemory`, in MiB; of several processes the sum. */
export function peakMemory(pid: number): number {
  return sum(withWorkers(pid), (each) => Number.parseInt(statusOf(each, 'VmHWM'), 10) / 1024);
}

export function forgetPeakMemory(pid: number): void {
  for (const each of withWorkers(pid)) writeFileSync(`/proc/${each}/clear_refs`, '5');
}

/** A process and those it has started. */
function withWorkers(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return [pid, ...children.map(Number)];
}

function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + of(pid), 0);
}

function statusOf(pid: number, name: string): string {
  const value = new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (value === undefined) throw new Error(`process ${pid} has no ${name}`);
  return value;
}

/** The machine and the versions that a result belongs to. */
export function describeMachine(): string {
  const first = (command: string, ...args: string[]) =>
    // nginx and wrk say their version on standard error.
    execFileSync('sh', ['-c', `"$0" "$@" 2>&1 | head -1`, command, ...args], { encoding: 'utf8' }).trim();
  const nginx = first('nginx', '-v').replace('nginx version: ', '');
  const wrk = first('wrk', '-v').replace(/ \[.*/, '');
  const { openssl } = process.versions;
  return `${cpus().length} cores of ${cpus()[0]?.model ?? 'an unknown make'}, Linux ${release()}, Node.js ${process.version} (OpenSSL ${openssl}), ${nginx}, ${wrk}`;
}
