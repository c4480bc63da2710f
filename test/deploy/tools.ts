// The programs that the tests of deploy/ run, where install.sh puts them.
// Must not know what they are run on.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { isExecutable } from '../clients/program.ts';

export const ROOT: string = join(import.meta.dirname, '..', '..');

/** What install.sh has fetched: helm, kubectl, and a node_modules with Kubernetes' schemas. */
export const TOOLS: string = join(process.env['S3_KMS_GATEWAY_CACHE'] || join(ROOT, '.cache'), 'deploy');
export const HELM: string = join(TOOLS, 'helm', 'helm');
export const KUBECTL: string = join(TOOLS, 'kubectl', 'kubectl');
export const PROMETHEUS = '/usr/bin/prometheus';
export const PROMTOOL = '/usr/bin/promtool';

/** For the `skip` option of a test: which program this machine lacks. In CI that is no reason to skip: the test then fails. */
export function skipWithout(...programs: readonly string[]): string | false {
  const missing = programs.find((program) => !isExecutable(program));
  if (missing === undefined || process.env['CI']) return false;
  const reason = `${missing} is not installed: run test/deploy/install.sh`;
  console.warn(`SKIPPED: ${reason}`);
  return reason;
}

/** Runs a program to its end in the project's directory; what it complains of is in the error. */
export function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe', maxBuffer: 64 << 20 });
}
