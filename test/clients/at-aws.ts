// For clients that are told no endpoint and so call AWS by its own names: what leads those names to a gateway on loopback.
// Nothing here connects to anything but 127.0.0.1.
import { createServer, type Server } from 'node:http';
import { Agent, request } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { S3Access, S3Session } from './s3-cli.ts';

/** As what, and in which way, a client calls AWS. */
export interface AwsAccess extends Omit<S3Access, 'endpoint' | 'sessionToken'> {
  readonly addressing: 'virtual' | 'path';
  readonly dualstack: boolean;
  readonly fips: boolean;
  readonly names: LedNames;
}

/** A client at work at AWS, as it believes. */
export interface AwsSession extends S3Session {
  /** A URL that gets the object. */
  presign(key: string): Promise<string>;
}

/** A real client that needs no endpoint. */
export interface AwsClient {
  readonly name: string;
  unavailable(): string | undefined;
  open(access: AwsAccess, scratch: string): Promise<AwsSession>;
}

/** AWS's names, all of which lead to one port of this machine. */
export interface LedNames {
  /** For programs: what they are to use as their proxy, which refuses every other name. */
  readonly proxy: string;
  /** For clients in this process. */
  readonly agent: Agent;
  /** Host names that were called, in order. */
  readonly called: readonly string[];
  close(): Promise<void>;
}

/** Names that the certificate of a gateway needs for these regions: each endpoint, and a bucket before it. */
export function certificateNames(regions: readonly string[]): string[] {
  const services = ['s3', 's3.dualstack', 's3-fips', 's3-fips.dualstack'];
  const regional = regions.flatMap((region) =>
    services.map((service) => `${service}.${region}.amazonaws.com`),
  );
  return ['s3.amazonaws.com', ...regional].flatMap((name) => [name, `*.${name}`]);
}

/** Leads every name of AWS's to the port. */
export async function leadNames(port: number, ca: string): Promise<LedNames> {
  const called: string[] = [];
  const agent = new LeadingAgent(port, ca, called);
  const proxy = await startProxy(port, called);
  return {
    proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    agent,
    called,
    close: async () => {
      agent.destroy();
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

/** Connects to the port whatever the host, and verifies the certificate for the host that was meant. */
class LeadingAgent extends Agent {
  readonly #port: number;
  readonly #ca: string;
  readonly #called: string[];

  constructor(port: number, ca: string, called: string[]) {
    super({ keepAlive: true });
    this.#port = port;
    this.#ca = ca;
    this.#called = called;
  }

  override createConnection(options: { host?: string; servername?: string }): ReturnType<typeof connectTls> {
    const servername = options.servername || options.host || '';
    this.#called.push(servername);
    return connectTls({ host: '127.0.0.1', port: this.#port, servername, ca: this.#ca });
  }
}

/** Answers CONNECT for names of AWS, and nothing else. */
async function startProxy(port: number, called: string[]): Promise<Server> {
  const server = createServer((_request, response) => response.writeHead(403).end());
  server.on('connect', ({ url = '' }, client, head) => {
    const [, hostname] = /^([a-z0-9.-]+\.amazonaws\.com):443$/.exec(url) ?? [];
    if (hostname === undefined) {
      client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      return;
    }
    called.push(hostname);
    const gateway = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      gateway.write(head);
      gateway.pipe(client).pipe(gateway);
    });
    gateway.on('error', () => client.destroy());
    client.on('error', () => gateway.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** The environment in which a program calls AWS through the proxy. */
export function awsEnvironment({
  names,
  caFile,
  region,
  dualstack,
  fips,
}: AwsAccess): Record<string, string> {
  return {
    HTTPS_PROXY: names.proxy,
    HTTP_PROXY: names.proxy,
    AWS_CA_BUNDLE: caFile,
    AWS_DEFAULT_REGION: region,
    AWS_REGION: region,
    AWS_USE_DUALSTACK_ENDPOINT: String(dualstack),
    AWS_USE_FIPS_ENDPOINT: String(fips),
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_MAX_ATTEMPTS: '1',
  };
}

/** Opens a URL as a browser would, its name led to the gateway. */
export function openUrl(url: string, { agent }: LedNames): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent }, async (answer) => {
      try {
        resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(await answer.toArray()) });
      } catch (error) {
        reject(error);
      }
    });
    sent.on('error', reject);
    sent.end();
  });
}
