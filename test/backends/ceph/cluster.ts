// One Ceph from nothing, in dependency order: monitor, object store, user, S3 server. Ends by SIGKILL: nothing is worth keeping.
// Knows daemons and their order; must not know what tests ask of them.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { cephConfiguration, type Instance } from './configuration.ts';
import { type CephVersion, commandOf } from './installation.ts';
import { type ClaimedPorts, claimPorts } from './ports.ts';

const execute = promisify(execFile);

/** A running Ceph: its place, and a way to run its administration programs. */
export interface Cluster extends Instance {
  /** Runs one of Ceph's programs against this cluster and gives what it printed. */
  run(program: string, args: readonly string[]): Promise<string>;
  /** Kills the S3 server with what it is doing; what it has stored stays. */
  killS3Server(): Promise<void>;
  startS3Server(): Promise<void>;
  stop(): Promise<void>;
}

export interface User {
  readonly name: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Starts a cluster whose S3 server answers when this returns. */
export async function startCluster(
  version: CephVersion,
  user: User,
  { debugLevel, hostname }: Pick<Instance, 'debugLevel' | 'hostname'>,
): Promise<Cluster> {
  const ports = await claimPorts();
  const directory = await mkdtemp(join(tmpdir(), `ceph-${version}-`));
  const cluster = new StartingCluster(
    version,
    { directory, clusterId: randomUUID(), ports, hostname, debugLevel },
    ports,
  );
  try {
    await cluster.prepare();
    await cluster.startMonitor();
    await cluster.startObjectStore();
    await cluster.createUser(user);
    await cluster.startS3Server();
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw new Error(`Ceph ${version} did not start.`, { cause: error });
  }
}

class StartingCluster implements Cluster {
  readonly directory: string;
  readonly clusterId: string;
  readonly ports: ClaimedPorts;
  readonly hostname: string;
  readonly debugLevel: number;
  readonly #version: CephVersion;
  readonly #environment: Record<string, string>;
  readonly #daemons: ChildProcess[] = [];
  #s3Server: ChildProcess | undefined;
  // A test process that ends early leaves no directory behind; its daemons die with it anyway.
  readonly #removeDirectory = () => rmSync(this.directory, { recursive: true, force: true });

  constructor(version: CephVersion, instance: Instance, ports: ClaimedPorts) {
    this.directory = instance.directory;
    this.clusterId = instance.clusterId;
    this.hostname = instance.hostname;
    this.debugLevel = instance.debugLevel;
    this.ports = ports;
    this.#version = version;
    // ceph(1) is a Python program: a python3 from elsewhere in PATH would not find its modules.
    const path = '/usr/bin:/bin:/usr/sbin:/sbin';
    this.#environment = {
      PATH: path,
      LANG: 'C.UTF-8',
      CEPH_ARGS: `--conf ${join(this.directory, 'ceph.conf')}`,
    };
    process.once('exit', this.#removeDirectory);
  }

  async run(program: string, args: readonly string[]): Promise<string> {
    const command = commandOf(this.#version, program, args);
    const options = { env: this.#environment, maxBuffer: 64 * 1024 * 1024 };
    return (await execute(command.program, command.args, options)).stdout;
  }

  async prepare(): Promise<void> {
    await Promise.all(['mon', 'osd', 'rgw'].map((name) => mkdir(join(this.directory, name))));
    await writeFile(join(this.directory, 'ceph.conf'), cephConfiguration(this));
    const names = [...new Set(['localhost', this.hostname])].flatMap((name) => [
      `DNS:${name}`,
      `DNS:*.${name}`,
    ]);
    // biome-ignore format: one argument a line would hide what is asked for
    await execute('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
      '-days', '30', '-subj', '/CN=localhost', '-addext', `subjectAltName=${names},IP:127.0.0.1`,
      '-keyout', join(this.directory, 'tls.key'), '-out', join(this.directory, 'tls.crt')]);
  }

  async startMonitor(): Promise<void> {
    const map = join(this.directory, 'monmap');
    const address = `[v2:127.0.0.1:${this.ports.monitor}]`;
    await this.run('monmaptool', ['--create', '--fsid', this.clusterId, '--addv', 'a', address, map]);
    await this.run('ceph-mon', ['--id', 'a', '--mkfs', '--monmap', map]);
    this.#startDaemon('ceph-mon', ['--id', 'a']);
  }

  async startObjectStore(): Promise<void> {
    const id = randomUUID();
    await this.run('ceph', ['--connect-timeout', '30', 'osd', 'new', id, '0']);
    await Promise.all([
      this.run('ceph', ['osd', 'crush', 'add', 'osd.0', '1.0', 'host=localhost', 'root=default']),
      this.run('ceph-osd', ['--id', '0', '--mkfs', '--osd-uuid', id]),
    ]);
    this.#startDaemon('ceph-osd', ['--id', '0']);
  }

  async createUser({ name, accessKeyId, secretAccessKey }: User): Promise<void> {
    const keys = ['--access-key', accessKeyId, '--secret', secretAccessKey];
    await this.run('radosgw-admin', ['user', 'create', '--uid', name, '--display-name', name, ...keys]);
  }

  async startS3Server(): Promise<void> {
    const daemon = this.#startDaemon('radosgw', ['--name', 'client.rgw']);
    this.#s3Server = daemon;
    const giveUpAt = Date.now() + 60_000;
    while (!(await this.#answers())) {
      if (daemon.exitCode !== null)
        throw new Error(`radosgw ended at once: ${await this.#output('radosgw')}`);
      if (Date.now() > giveUpAt) throw new Error(`radosgw does not answer: ${await this.#output('radosgw')}`);
      await sleep(50);
    }
  }

  async killS3Server(): Promise<void> {
    if (this.#s3Server) await kill(this.#s3Server);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#daemons.map(kill));
    this.ports.release();
    process.off('exit', this.#removeDirectory);
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  /** In the foreground (-f), so that the child is the daemon itself. */
  #startDaemon(program: string, args: readonly string[]): ChildProcess {
    const command = commandOf(this.#version, program, [...args, '-f']);
    const output = openSync(join(this.directory, `${program}.out`), 'a');
    const daemon = spawn(command.program, command.args, {
      env: this.#environment,
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    daemon.unref(); // a test that forgets stop() must still end
    this.#daemons.push(daemon);
    return daemon;
  }

  async #answers(): Promise<boolean> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.ports.http}/`);
      await response.body?.cancel();
      return response.status === 200;
    } catch {
      return false;
    }
  }

  async #output(program: string): Promise<string> {
    return (await readFile(join(this.directory, `${program}.out`), 'utf8')).slice(-2000);
  }
}

async function kill(daemon: ChildProcess): Promise<void> {
  if (daemon.pid === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
  const exited = once(daemon, 'exit');
  daemon.ref();
  daemon.kill('SIGKILL');
  await exited;
}
