// A gateway in this process, for tests that look inside: its metrics and its audit lines.
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Configuration } from '../../src/config/configuration.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { type ServingGateway, serve } from '../../src/gateway/serve.ts';
import { assertDocumented } from '../observe/documented.ts';
import { eventually } from './eventually.ts';
import { type GatewaySetup, type WrittenSetup, writeSetup } from './setup.ts';

/** A gateway under test. */
export interface TestGateway {
  /** `https://localhost:PORT`. */
  readonly endpoint: string;
  readonly port: number;
  readonly plaintextEndpoint: string;
  readonly plaintextPort: number;
  readonly caFile: string;
  readonly ca: string;
  readonly running: ServingGateway;
  readonly configuration: Configuration;
  /** Where its configuration lies, to be written anew. */
  readonly written: WrittenSetup;
  /** Everything that has been logged. */
  logText(): string;
  /** Every line of the log so far, oldest first. */
  logLines(): Record<string, unknown>[];
  /** Every audit line so far, oldest first. A client can have its answer before its line is written. */
  auditLines(): Record<string, unknown>[];
  /** The same, once no request is in flight. */
  audited(): Promise<Record<string, unknown>[]>;
  /** The value of one sample of /metrics, by its full name with labels, once no request is in flight; 0 where it is not there. */
  metric(sample: string): Promise<number>;
  close(): Promise<void>;
}

/** Starts a gateway with whatever the setup says. */
export async function startGateway(setup: GatewaySetup): Promise<TestGateway> {
  const written = writeSetup(setup);
  const load = () => loadConfiguration(written.file, {});
  const loaded = load();
  if (loaded.kind === 'faulty') throw new Error(JSON.stringify(loaded.faults, null, 2));
  const logFile = join(written.folder, 'gateway.log');
  const logFd = openSync(logFile, 'a');
  const options = { version: '0.0.0-test', nodeVersion: process.versions.node, logFd, load };
  const running = await serve(loaded, options);
  const [tls, plaintext] = running.listeners;
  const idle = () =>
    eventually(async () => (await sample(running, 's3_kms_gateway_requests_in_flight')) === 0, 'idle');
  const logText = () => {
    running.flushLogSync();
    return readFileSync(logFile, 'utf8');
  };
  const logLines = (): Record<string, unknown>[] => {
    const lines = logText().split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line));
  };
  const auditLines = () => {
    const audited = logLines().filter(({ msg }) => msg === 'request');
    for (const line of audited) assertDocumented(line);
    return audited;
  };
  return {
    endpoint: `https://localhost:${tls?.port}`,
    port: tls?.port ?? 0,
    plaintextEndpoint: `http://localhost:${plaintext?.port}`,
    plaintextPort: plaintext?.port ?? 0,
    caFile: written.caFile,
    ca: written.ca,
    running,
    configuration: loaded.configuration,
    written,
    logText,
    logLines,
    auditLines,
    audited: async () => {
      await idle();
      return auditLines();
    },
    metric: async (name) => {
      await idle();
      return sample(running, name);
    },
    close: async () => {
      await running.close();
      closeSync(logFd);
      written.remove();
    },
  };
}

async function sample(running: ServingGateway, name: string): Promise<number> {
  const { body } = await running.metrics.exposition();
  const line = body.split('\n').find((text) => text.startsWith(`${name} `));
  return Number(line?.slice(name.length) ?? 0);
}
