// A real Prometheus on loopback that scrapes one gateway every second.
// Must not know what is asked of it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { freePort } from '../gateway/free-port.ts';
import { PROMETHEUS } from './tools.ts';

export interface Prometheus {
  /** The values of an instant query, one for each series. */
  query(expression: string): Promise<readonly number[]>;
  stop(): Promise<void>;
}

/** Starts one; `target` is HOST:PORT of an admin listener. */
export async function startPrometheus(target: string): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 's3-kms-gateway-prometheus-'));
  const job = { job_name: 's3-kms-gateway', static_configs: [{ targets: [target] }] };
  const timing = { scrape_interval: '1s', scrape_timeout: '1s' };
  writeFileSync(join(folder, 'prometheus.yml'), stringify({ global: timing, scrape_configs: [job] }));
  const address = `127.0.0.1:${await freePort()}`;
  const options = {
    'config.file': join(folder, 'prometheus.yml'),
    'storage.tsdb.path': join(folder, 'data'),
    'web.listen-address': address,
  };
  const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', PROMETHEUS, ...args], { stdio: 'ignore' });
  const stop = async () => {
    if (child.exitCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    }
    rmSync(folder, { recursive: true });
  };
  const giveUpAt = Date.now() + 60_000;
  while (!(await isReady(address))) {
    if (child.exitCode !== null || Date.now() > giveUpAt) {
      await stop();
      throw new Error('Prometheus did not start');
    }
    await sleep(100);
  }
  return { query: (expression) => query(address, expression), stop };
}

async function query(address: string, expression: string): Promise<readonly number[]> {
  const url = `http://${address}/api/v1/query?${new URLSearchParams({ query: expression })}`;
  const answer = (await (await fetch(url)).json()) as {
    readonly status: string;
    readonly error?: string;
    readonly data?: { readonly result: readonly { readonly value: readonly [number, string] }[] };
  };
  if (answer.status !== 'success') throw new Error(`${expression}: ${answer.error}`);
  return (answer.data?.result ?? []).map(({ value: [, text] }) => Number(text));
}

function isReady(address: string): Promise<boolean> {
  return fetch(`http://${address}/-/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
}
