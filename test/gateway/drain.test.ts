// The end of a gateway as its users run it: what probes and clients see of it, what becomes of what is in flight, and the
// exit code. The same for one process and for several.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import * as https from 'node:https';
import { afterEach, describe, test } from 'node:test';
import { type PlainRequest, send, sendSigned, signedHeaders } from './client.ts';
import { eventually } from './eventually.ts';
import { type FakeBackend, startFakeBackend } from './fake-backend.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';

const GET: PlainRequest = { method: 'GET', path: '/bucket/key' };
/** Longer than any test waits: what comes before its end does not come by its end. */
const LONG = '10m';

/** Started by a test; ended with it, however it ends. */
const started: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of started.splice(0).reverse()) await stop();
});

interface Scene {
  readonly backend: FakeBackend;
  readonly gateway: GatewayProcess;
  readonly to: { readonly endpoint: string; readonly ca: string };
  /** Its exit code and signal. */
  readonly exited: Promise<unknown[]>;
}

async function begin(workers: number, drain: Record<string, string>): Promise<Scene> {
  const backend = await startFakeBackend();
  started.push(backend.close);
  const gateway = await startGatewayProcess({
    backends: [backend.backend],
    encryption: [{ name: 'off', mode: 'off' }],
    workers,
    drain,
  });
  started.push(async () => {
    gateway.child.kill('SIGKILL');
    await gateway.stop();
  });
  const to = { endpoint: gateway.endpoint, ca: gateway.ca };
  return { backend, gateway, to, exited: once(gateway.child, 'exit') };
}

const inFlight = ({ gateway }: Scene, count: number) =>
  eventually(
    async () => (await gateway.metric('s3_kms_gateway_requests_in_flight')) === count,
    `${count} in flight`,
  );

const isDraining = ({ gateway }: Scene) =>
  eventually(async () => {
    const response = await fetch(`${gateway.admin}/readyz`);
    const { checks } = (await response.json()) as { checks: { name: string }[] };
    return response.status === 503 && checks.some(({ name }) => name === 'draining');
  }, 'probes are told');

/** One that has been used and is kept open. */
async function keptConnection({ to, gateway }: Scene): Promise<https.Agent> {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: gateway.ca });
  started.push(async () => agent.destroy());
  const { headers } = await sendSigned({ ...to, agent }, GET);
  assert.equal(headers.connection, 'keep-alive');
  assert.equal(freeSockets(agent).length, 1);
  return agent;
}

const freeSockets = ({ freeSockets: free }: https.Agent) => Object.values(free).flat();

/** An upload of 200,000 bytes of which half has been sent. */
async function halfAnUpload({
  to,
  gateway,
}: Scene): Promise<{ request: ClientRequest; answered: Promise<unknown[]> }> {
  const path = '/bucket/upload';
  const wanted = {
    method: 'PUT',
    path,
    payloadHash: 'UNSIGNED-PAYLOAD',
    headers: { 'content-length': '200000' },
  };
  const headers = await signedHeaders(to, wanted);
  const { port } = new URL(to.endpoint);
  const request = https.request({
    host: '127.0.0.1',
    port,
    path,
    method: 'PUT',
    headers,
    ca: gateway.ca,
    servername: 'localhost',
  });
  request.write(Buffer.alloc(100_000));
  return { request, answered: once(request, 'response') };
}

for (const workers of [1, 2]) {
  describe(`the end of a gateway with workers: ${workers}`, () => {
    test('SIGTERM fails readiness at once, while clients are still served and told to leave', async () => {
      const scene = await begin(workers, { delay: LONG });
      const { gateway, to } = scene;
      const agent = await keptConnection(scene);
      gateway.child.kill('SIGTERM');
      await isDraining(scene);
      assert.equal((await fetch(`${gateway.admin}/livez`)).status, 200);
      await eventually(async () => {
        const { status, headers } = await sendSigned(to, GET);
        assert.equal(status, 200);
        return headers.connection === 'close';
      }, 'answers end their connections');
      const kept = await sendSigned({ ...to, agent }, GET);
      assert.deepEqual([kept.status, kept.headers.connection], [200, 'close']);
      assert.equal(gateway.child.exitCode, null);
      await eventually(
        () => gateway.lines.some((line) => JSON.parse(line).msg === 'draining'),
        'it is logged',
      );
      // The second signal does not wait.
      gateway.child.kill('SIGTERM');
      assert.deepEqual(await scene.exited, [1, null]);
    });

    test('after the delay idle connections are closed, and what is in flight ends', async () => {
      const scene = await begin(workers, { delay: '300ms', deadline: LONG });
      const { backend, gateway, to } = scene;
      const [idle] = freeSockets(await keptConnection(scene));
      assert.ok(idle);
      const idleClosed = once(idle, 'close');
      const upload = await halfAnUpload(scene);
      let finish: () => void = () => {};
      backend.behave((request, response) => {
        request.resume();
        if (request.method === 'PUT') request.once('end', () => response.end());
        else {
          response.write('half, ');
          finish = () => response.end('and half');
        }
      });
      const download = sendSigned(to, GET);
      await inFlight(scene, 2);
      gateway.child.kill('SIGTERM');
      await idleClosed;
      await eventually(
        () =>
          send(to, GET).then(
            () => false,
            (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
          ),
        'no connection is taken any more',
      );
      upload.request.end(Buffer.alloc(100_000));
      const [answer] = (await upload.answered) as [IncomingMessage];
      assert.equal(answer.resume().statusCode, 200);
      finish();
      assert.equal(String((await download).body), 'half, and half');
      assert.deepEqual(await scene.exited, [0, null]);
      assert.deepEqual(
        backend.received
          .filter(({ method }) => method === 'PUT')
          .map(({ complete, body }) => [complete, body.length]),
        [[true, 200_000]],
      );
      const audited = gateway.lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request');
      assert.deepEqual(
        audited.map(({ outcome, status }) => [outcome, status]),
        Array(3).fill(['forwarded', 200]),
      );
    });

    test('the deadline cuts what is left: no upload is completed, and the exit code is 0', async () => {
      const scene = await begin(workers, { delay: '0s', deadline: '500ms' });
      const { backend, gateway, to } = scene;
      const upload = await halfAnUpload(scene);
      backend.behave((request) => request.resume());
      const stuck = [assert.rejects(upload.answered), assert.rejects(sendSigned(to, GET))];
      await inFlight(scene, 2);
      gateway.child.kill('SIGTERM');
      await Promise.all(stuck);
      assert.deepEqual(await scene.exited, [0, null]);
      await eventually(() => backend.received.length === 2, 'the backend is rid of both');
      assert.deepEqual(
        backend.received.filter(({ method }) => method === 'PUT').map(({ complete }) => complete),
        [false],
      );
      const audited = gateway.lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request');
      assert.deepEqual(
        audited.map(({ outcome }) => outcome),
        ['client_aborted', 'client_aborted'],
      );
    });

    test('SIGINT does not wait for the delay', async () => {
      const scene = await begin(workers, { delay: LONG });
      scene.gateway.child.kill('SIGINT');
      assert.deepEqual(await scene.exited, [0, null]);
    });
  });
}
