// `s3-kms-gateway demo`: an S3 store, the gateway in front of it, and a walk through the main cases.
// Puts the parts together and takes them apart again; what the steps are is in walk.ts.
import { closeSync, openSync } from 'node:fs';
import { loadConfiguration } from '../config/load.ts';
import type { OpenPage } from '../gateway/inspection.ts';
import { type RunningGateway, serve } from '../gateway/serve.ts';
import { createReport, type Output, type Report, type StepReport } from './report.ts';
import { type DemoStore, startStore } from './store.ts';
import { type Scene, STEPS, type Step } from './walk.ts';
import { send, type Wire } from './wire.ts';
import { BUCKET, createWorkspace, KEYS, REGION, type Workspace } from './workspace.ts';

export interface DemoOptions {
  /** End after the walk in place of staying up. */
  readonly once: boolean;
  readonly output: Output;
  /** Versions of the gateway and of the running Node.js. */
  readonly version: string;
  readonly nodeVersion: string;
  readonly page: OpenPage;
  /** Resolves when the demo is to stop. */
  readonly stop: Promise<unknown>;
}

/** Runs the demo and gives its exit code: 0 where every step went as it should. Leaves nothing behind. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const workspace = await createWorkspace(new Date());
  const log = openSync(workspace.logFile, 'a', 0o600);
  try {
    return await withStore(options, workspace, log);
  } finally {
    closeSync(log);
    workspace.remove();
  }
}

async function withStore(options: DemoOptions, workspace: Workspace, log: number): Promise<number> {
  const { gateway: credentials, storeTls: tls } = workspace;
  const keyIds = [KEYS.fallback, KEYS.allowed, KEYS.foreign];
  const store = await startStore({ credentials, region: REGION, keyIds, tls });
  try {
    workspace.configure(store.endpoint);
    await createBucket(store, workspace);
    const gateway = await startGateway(options, workspace, log);
    try {
      return await present(options, workspace, store);
    } finally {
      await gateway.close();
    }
  } finally {
    await store.close();
  }
}

async function createBucket(store: DemoStore, { ca, gateway: credentials }: Workspace): Promise<void> {
  const wire: Wire = { protocol: 'https', port: store.port, ca, region: REGION, credentials };
  const { status, body } = await send(wire, { method: 'PUT', path: `/${BUCKET}` });
  if (status !== 200) throw new Error(`The demo store did not create its bucket: ${status} ${body}`);
}

/** As `serve --config gateway.yaml` would: through the file, so that what a newcomer copies is what ran. */
function startGateway(
  { version, nodeVersion, page }: DemoOptions,
  { configurationFile }: Workspace,
  logFd: number,
): Promise<RunningGateway> {
  const load = () => loadConfiguration(configurationFile, {});
  const result = load();
  if (result.kind === 'loaded') return serve(result, { version, nodeVersion, page, logFd, load });
  const faults = result.faults.map(({ line, path, message }) => `line ${line}: ${path} ${message}`);
  throw new Error(`The configuration of the demo is faulty:\n${faults.join('\n')}`);
}

async function present(options: DemoOptions, workspace: Workspace, store: DemoStore): Promise<number> {
  const report = createReport(options.output);
  introduce(report, workspace, store);
  const failed = await walk(report, sceneOf(workspace, store), options.stop);
  if (failed === undefined) return 1;
  report.verdict(failed, STEPS.length);
  if (!options.once) {
    invite(report, workspace);
    await options.stop;
    report.text(['', `Stopped. ${workspace.directory} is removed.`]);
  }
  return failed === 0 ? 0 : 1;
}

function sceneOf({ ports, ca, client: credentials }: Workspace, store: DemoStore): Scene {
  const wire = { ca, region: REGION, credentials };
  return {
    gateway: { ...wire, protocol: 'https', port: ports.tls },
    plaintext: { ...wire, protocol: 'http', port: ports.plaintext },
    adminPort: ports.admin,
    store,
    injections: new Map(),
    refusals: [],
  };
}

/** How many steps failed; `undefined` where the walk was stopped. */
async function walk(report: Report, scene: Scene, stop: Promise<unknown>): Promise<number | undefined> {
  let failed = 0;
  const stopped = stop.then(() => undefined);
  for (const [index, step] of STEPS.entries()) {
    const found = await Promise.race([stopped, take(step, scene)]);
    if (!found) return undefined;
    report.step(index + 1, step.title, found);
    if (found.faults.length > 0) failed += 1;
  }
  return failed;
}

async function take(step: Step, scene: Scene): Promise<StepReport> {
  try {
    return await step.run(scene);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { sent: [], decided: [], stored: [], faults: [`the step did not come to its end: ${why}`] };
  }
}

function introduce(report: Report, { ports, configurationFile, logFile }: Workspace, store: DemoStore): void {
  report.title('s3-kms-gateway demo');
  report.field('gateway', [
    `https://localhost:${ports.tls} and, plaintext, http://localhost:${ports.plaintext}`,
  ]);
  report.field('backend', [`${store.endpoint}, an S3 store in memory with KMS keys of its own`]);
  report.field('config', [configurationFile]);
  report.field('log', [logFile]);
  report.text([
    '',
    '   decided: how the headers that the backend received differ from those that were sent',
    '            + added  ~ extended  = as sent',
    "   stored:  read from the backend's memory, not from its answers",
    '',
  ]);
}

/** Lines to paste. The proxies and authorities of the shell they are pasted into do not count. */
function invite(report: Report, { ports, caFile, client, directory }: Workspace): void {
  const endpoint = `https://localhost:${ports.tls}`;
  const { accessKeyId, secretAccessKey } = client;
  // S3 asks for this header, and curl before 8 does not add it by itself.
  const unsigned = "--header 'x-amz-content-sha256: UNSIGNED-PAYLOAD'";
  report.title('The gateway stays up. Try it from another terminal:');
  report.text([
    `export AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey}`,
    `export AWS_REGION=${REGION} AWS_DEFAULT_REGION=${REGION} AWS_CA_BUNDLE=${caFile}`,
    `echo hello > hello.txt`,
    `aws --endpoint-url ${endpoint} s3 cp hello.txt s3://${BUCKET}/hello.txt`,
    `aws --endpoint-url ${endpoint} s3api head-object --bucket ${BUCKET} --key hello.txt`,
    `aws --endpoint-url ${endpoint} s3 cp hello.txt s3://${BUCKET}/refused.txt --sse AES256`,
    '',
    `curl --cacert ${caFile} --aws-sigv4 aws:amz:${REGION}:s3 \\`,
    `  --user ${accessKeyId}:${secretAccessKey} ${unsigned} \\`,
    `  --upload-file hello.txt ${endpoint}/${BUCKET}/curl.txt`,
    `curl --head --cacert ${caFile} --aws-sigv4 aws:amz:${REGION}:s3 \\`,
    `  --user ${accessKeyId}:${secretAccessKey} ${unsigned} \\`,
    `  ${endpoint}/${BUCKET}/curl.txt`,
    `curl --cacert ${caFile} --aws-sigv4 aws:amz:${REGION}:s3 \\`,
    `  --user ${accessKeyId}:${secretAccessKey} ${unsigned} \\`,
    `  --header 'x-amz-server-side-encryption: AES256' \\`,
    `  --upload-file hello.txt ${endpoint}/${BUCKET}/refused.txt`,
    `curl --silent http://127.0.0.1:${ports.admin}/metrics | grep ^s3_kms_gateway`,
    '',
    `To look rather than read: http://127.0.0.1:${ports.admin}/`,
    `The configuration, to copy from, and the log are in ${directory}`,
    'Ctrl+C stops the demo and removes them.',
  ]);
}
