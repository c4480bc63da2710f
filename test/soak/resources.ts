// Memory and open files of a gateway with all its workers, out of proc(5).
import { readdirSync } from 'node:fs';
import { type GatewayProcess, memoryOf } from '../gateway/gateway-process.ts';

/** Of one moment. */
export interface Resources {
  readonly primaryMiB: number;
  /** The workers' average: they may have been replaced, their number stays. */
  readonly workerMiB: number;
  /** Of all processes together. */
  readonly handles: number;
}

/** What a gateway uses now; undefined while one of its workers is ending. */
export function resourcesOf(gateway: GatewayProcess): Resources | undefined {
  const workers = gateway.workers();
  try {
    const memory = workers.map((pid) => memoryOf(pid, 'VmRSS'));
    const handles = [gateway.pid, ...workers].map((pid) => readdirSync(`/proc/${pid}/fd`).length);
    const workerMiB = sum(memory) / memory.length;
    const primaryMiB = memoryOf(gateway.pid, 'VmRSS');
    return Number.isFinite(workerMiB) ? { primaryMiB, workerMiB, handles: sum(handles) } : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

/** What has grown by more than a tenth. */
export function grown(before: Resources, after: Resources): string[] {
  const names = ['primaryMiB', 'workerMiB', 'handles'] as const;
  return names.flatMap((name) =>
    after[name] > before[name] * 1.1
      ? [`${name} has grown from ${before[name].toFixed(0)} to ${after[name].toFixed(0)}`]
      : [],
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
