#!/usr/bin/env node
// The command line: arguments in, exit code out. The only file that touches process.*.
// Each command is loaded when it is asked for, so that --version and --help answer at once.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Argument, Command, CommanderError, Option } from 'commander';
import { completionScript, SHELLS, type Shell } from './command/completion.ts';
import { HELP, heading } from './command/help.ts';
import type { LoadedConfiguration, LoadResult } from './config/load.ts';
import { keepHeapInStep } from './gateway/garbage.ts';
import type { OpenPage } from './gateway/inspection.ts';
import type { RunningGateway } from './gateway/serve.ts';

const OK = 0;
const FAILED = 1;
const USAGE = 2;
/** 0: forwarded, 1: refused, 2: there is no answer, as with `grep` and `diff`. */
const NO_ANSWER = USAGE;

async function serve(options: { config: string }): Promise<number> {
  keepHeapInStep();
  const { loadConfiguration } = await import('./config/load.ts');
  const { faultLines, warningLines } = await import('./command/check.ts');
  const load = () => loadConfiguration(options.config, process.env);
  const loaded = load();
  const faults = loaded.kind === 'faulty' ? loaded.faults : [];
  for (const line of [...faultLines(faults), ...warningLines(loaded.warnings)]) complain(line);
  if (loaded.kind === 'faulty') return FAILED;
  const stop = stopSignal();
  let running: Running | undefined;
  process.on('SIGHUP', () => void running?.reload());
  running = await start(loaded, load);
  process.once('exit', running.flushLogSync);
  const end = await (running.hopeless ? Promise.race([stop, running.hopeless]) : stop);
  // Whoever types Ctrl+C waits for it; what sends SIGTERM has clients to take elsewhere first.
  await running.close(end === 'SIGTERM');
  if (end instanceof Error) throw end;
  return OK;
}

/** One process serves by itself; several take one more, which serves no client. */
async function start(loaded: LoadedConfiguration, load: () => LoadResult): Promise<Running> {
  const { openPage } = await import('./page/page.ts');
  const about = { version: version(), nodeVersion: process.versions.node };
  const page: OpenPage = (gateway) => openPage(gateway, about);
  const options = { ...about, logFd: process.stdout.fd, load, page };
  const { workers: wanted } = loaded.configuration;
  const workers = wanted === 'auto' ? availableParallelism() : wanted;
  if (workers === 1) return (await import('./gateway/serve.ts')).serve(loaded, options);
  const { servePrimary } = await import('./workers/primary.ts');
  return servePrimary(loaded, { ...options, workers, program: fileURLToPath(import.meta.url) });
}

type Running = RunningGateway & { readonly hopeless?: Promise<Error> };

/** Started by serve. Signals are the primary's: a terminal and some service managers send them to every process. */
async function worker(): Promise<number> {
  keepHeapInStep();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
  const { runWorker } = await import('./workers/worker.ts');
  const onExit = (flushLogSync: () => void) => process.once('exit', flushLogSync);
  await runWorker({ version: version(), nodeVersion: process.versions.node, onExit });
  return OK;
}

/** Listens before the gateway starts, so that a signal during the start is not lost. A second signal does not wait. */
function stopSignal(): Promise<'SIGTERM' | 'SIGINT'> {
  return new Promise((resolve) => {
    let stopping = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (stopping) process.exit(FAILED);
        stopping = true;
        resolve(signal);
      });
    }
  });
}

async function check(options: { config: string; json?: true; online?: true }): Promise<number> {
  const { loadConfiguration } = await import('./config/load.ts');
  const { checkJson, checkReport } = await import('./command/check.ts');
  const loaded = loadConfiguration(options.config, process.env);
  const { result, tried } =
    options.online && loaded.kind === 'loaded'
      ? await (await import('./command/online.ts')).checkOnline(loaded)
      : { result: loaded, tried: undefined };
  process.stdout.write(options.json ? checkJson(result, tried) : checkReport(result, tried));
  return result.kind === 'faulty' ? FAILED : OK;
}

async function explainRequest(method: string, url: string, options: ExplainOptions): Promise<number> {
  try {
    return await answerQuestion(method, url, options);
  } catch (error) {
    complain(`s3-kms-gateway explain: ${error instanceof Error ? error.message : String(error)}`);
    return NO_ANSWER;
  }
}

async function answerQuestion(method: string, url: string, options: ExplainOptions): Promise<number> {
  const { loadConfiguration } = await import('./config/load.ts');
  const { faultLines } = await import('./command/check.ts');
  const { explain } = await import('./command/explain/explain.ts');
  const { explanationJson, writeExplanation } = await import('./command/explain/text.ts');
  const { config, header: headers = [], data: file, json, ...rest } = options;
  const result = loadConfiguration(config, process.env);
  if (result.kind === 'faulty') {
    for (const line of faultLines(result.faults)) complain(line);
    return NO_ANSWER;
  }
  const data = file === undefined ? undefined : readFileSync(file);
  const answer = await explain(result.configuration, { ...rest, method, url, headers, data }, new Date());
  if ('kind' in answer) {
    complain(`s3-kms-gateway explain: ${answer.message}`);
    return NO_ANSWER;
  }
  if (json) process.stdout.write(explanationJson(answer));
  else writeExplanation(answer, process.stdout);
  return { forwarded: OK, refused: FAILED, undecided: NO_ANSWER }[answer.outcome];
}

interface ExplainOptions {
  readonly config: string;
  readonly client?: string;
  readonly listener?: string;
  readonly plaintext?: true;
  readonly signature?: 'v4' | 'v2' | 'none';
  readonly certificate?: readonly string[];
  readonly peer?: string;
  readonly header?: readonly string[];
  readonly data?: string;
  readonly json?: true;
}

async function demo(options: { once?: true }): Promise<number> {
  const { runDemo } = await import('./demo/demo.ts');
  const { openPage } = await import('./page/page.ts');
  const about = { version: version(), nodeVersion: process.versions.node };
  return runDemo({
    ...about,
    once: options.once === true,
    output: process.stdout,
    page: (gateway) => openPage(gateway, about),
    stop: stopSignal(),
  });
}

async function schema(): Promise<number> {
  const { configurationJsonSchema } = await import('./config/json-schema.ts');
  process.stdout.write(`${JSON.stringify(configurationJsonSchema(), null, 2)}\n`);
  return OK;
}

/** The commands; each sets the exit code that its action gives. */
function commandLine(exit: (code: number) => void): Command {
  const program = new Command('s3-kms-gateway')
    .description(
      'A streaming S3 reverse proxy that makes sure what is stored is encrypted under the right KMS key',
    )
    .version(version())
    .exitOverride()
    // Commander takes the styles out again where there is no terminal, and with NO_COLOR.
    .configureHelp({ styleTitle: heading })
    .showHelpAfterError('(--help tells more)');
  const config = ['-c, --config <file>', 'the configuration file, YAML or JSON'] as const;
  const run =
    <Options>(action: (options: Options) => Promise<number>) =>
    async (options: Options): Promise<void> =>
      exit(await action(options));

  program
    .command('serve')
    .description('Run the gateway until SIGTERM or SIGINT')
    .requiredOption(...config)
    .addHelpText('after', HELP.serve)
    .action(run(serve));
  program
    .command('check')
    .description('Report every fault of a configuration at once, with file, line and what to do')
    .requiredOption(...config)
    .option('--json', 'report as JSON')
    .option('--online', 'also try out the backends, their credentials and the KMS keys')
    .addHelpText('after', HELP.check)
    .action(run(check));
  program
    .command('explain')
    .description('Say what the gateway would do with a request, and why. Sends nothing')
    .argument('<method>', 'PUT, GET, …')
    .argument('<url>', 'a path, /bucket/key, or a whole URL, whose host tells about virtual-hosted style')
    .requiredOption(...config)
    .option('--client <name>', 'the client that sends it, with the keys it has in the configuration')
    .option('--listener <name>', 'the listener it comes in on; without, the one that fits best')
    .option('--plaintext', 'it comes in on a plaintext listener')
    .addOption(new Option('--signature <version>', 'how it is signed').choices(['v4', 'v2', 'none']))
    .option('-H, --header <line>', "one of its headers, 'name: value'; may be repeated", collect)
    .option(
      '--certificate <name>',
      "a name in its client certificate, uri:…, dnsName:… or email:…, in place of the client's own; may be repeated",
      collect,
    )
    .option('--data <file>', 'its body: proven as the gateway would')
    .option('--peer <address>', 'the address it comes from: that of a trusted proxy, for example')
    .option('--json', 'answer as JSON')
    .addHelpText('after', HELP.explain)
    .action(async (method: string, url: string, options: ExplainOptions) =>
      exit(await explainRequest(method, url, options)),
    );
  program
    .command('demo')
    .description('Start an S3 backend and the gateway in front of it, and walk through the main cases')
    .option('--once', 'exit after the walk, with 0 if every step went as it should')
    .addHelpText('after', HELP.demo)
    .action(run(demo));
  program
    .command('schema')
    .description('Print the JSON Schema of the configuration file, for editors')
    .addHelpText('after', HELP.schema)
    .action(run(schema));
  program
    .command('completion')
    .description('Print the completion script for a shell')
    .addArgument(new Argument('<shell>', 'the shell that is to complete').choices(SHELLS))
    .addHelpText('after', HELP.completion)
    .action((shell: Shell) => void process.stdout.write(completionScript(program, shell)));
  program.command('worker', { hidden: true }).action(run(worker));
  return program.addHelpText('after', HELP.program);
}

/** Gathers what is given more than once. */
function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** A diagnostic report is for sending to others, and the environment holds secrets. */
function keepReportsClean(): void {
  process.report.excludeEnv = true;
}

async function main(): Promise<number> {
  let code = OK;
  keepReportsClean();
  try {
    await commandLine((exit) => {
      code = exit;
    }).parseAsync(process.argv);
    return code;
  } catch (error) {
    // Commander has said what is wrong by itself, and throws as well where --help or --version was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? OK : USAGE;
    complain(`s3-kms-gateway: ${error instanceof Error ? error.message : String(error)}`);
    return FAILED;
  }
}

process.exitCode = await main();
