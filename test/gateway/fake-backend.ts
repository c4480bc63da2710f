// A backend that does what no real one can be made to do: resets, half answers, stalls, lies about encryption.
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request that the gateway sent on. */
export interface ReceivedByBackend {
  readonly method: string;
  readonly target: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  /** The body as far as it came. */
  readonly body: Buffer;
  /** Whether the body ended as HTTP says it must: only then would an S3 server store anything. */
  readonly complete: boolean;
}

export type Behaviour = (request: http.IncomingMessage, response: http.ServerResponse) => void;

export interface FakeBackend {
  readonly endpoint: string;
  /** As configured for the gateway. */
  readonly backend: Record<string, unknown>;
  readonly received: readonly ReceivedByBackend[];
  /** Requests that have begun. */
  readonly asked: number;
  /** Connections that are open now. */
  connections(): Promise<number>;
  /** What the next requests meet. */
  behave(behaviour: Behaviour): void;
  close(): Promise<void>;
}

/** Answers 200 with the headers given, once the body is there. */
export function answering(status: number, headers: Record<string, string> = {}, body = ''): Behaviour {
  return (request, response) => {
    request.resume();
    request.once('end', () => response.writeHead(status, headers).end(body));
  };
}

/** Confirms whatever encryption it is asked for, as S3 does. */
export const confirming: Behaviour = (request, response) => {
  const echoed = ['x-amz-server-side-encryption', 'x-amz-server-side-encryption-aws-kms-key-id'];
  const headers = echoed.flatMap((name) => {
    const value = request.headers[name];
    return typeof value === 'string' ? [[name, value] as const] : [];
  });
  answering(200, Object.fromEntries(headers))(request, response);
};

/** Starts one; it confirms encryption until it is told otherwise. `keepAliveMs`: how long it keeps idle connections. */
export async function startFakeBackend(keepAliveMs = 5_000): Promise<FakeBackend> {
  let behaviour = confirming;
  const received: ReceivedByBackend[] = [];
  let asked = 0;
  const server = http.createServer((request, response) => {
    asked += 1;
    record(request, received);
    behaviour(request, response);
  });
  server.keepAliveTimeout = keepAliveMs;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    endpoint,
    backend: {
      name: 'fake',
      endpoint,
      region: 'us-east-1',
      addressing: 'path',
      rareOperations: ['*'],
      credentials: { provider: 'static', accessKeyId: 'BACKEND', secretAccessKey: 'backend-secret' },
    },
    received,
    get asked() {
      return asked;
    },
    connections: () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count))),
    behave: (next) => {
      behaviour = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function record(request: http.IncomingMessage, received: ReceivedByBackend[]): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('error', () => {});
  const { method = '', url: target = '', headers, rawHeaders } = request;
  const { socket } = request;
  const note = () => {
    request.off('close', note);
    socket.off('close', note);
    received.push({
      method,
      target,
      headers,
      rawHeaders,
      body: Buffer.concat(chunks),
      complete: request.complete,
    });
  };
  request.once('close', note);
  // A request that is answered early does not close with its connection.
  socket.once('close', note);
}
