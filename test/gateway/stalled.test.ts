// Clients that stop reading, and backends that do: the process holds a bounded piece of each exchange, and no more with time.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type * as http from 'node:http';
import * as https from 'node:https';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type PlainRequest, signedHeaders } from './client.ts';
import { type FakeBackend, startFakeBackend } from './fake-backend.ts';
import { type GatewayProcess, memoryOf, startGatewayProcess } from './gateway-process.ts';

const MIB = 1024 * 1024;
const OBJECT = 64 * MIB;
const PIECE = Buffer.alloc(MIB / 4, 'x');

describe('stalled exchanges', () => {
  let backend: FakeBackend;
  let gateway: GatewayProcess;
  const clients = new Set<http.ClientRequest>();

  beforeEach(async () => {
    backend = await startFakeBackend();
    backend.behave((request, response) => {
      if (request.method !== 'GET') {
        request.pause();
        return;
      }
      response.writeHead(200, { 'content-length': OBJECT });
      sendObject(response);
    });
    gateway = await startGatewayProcess({
      backends: [backend.backend],
      encryption: [{ name: 'off', mode: 'off' }],
      timeouts: { bodyIdle: '10m' },
    });
  });
  afterEach(async () => {
    for (const client of clients) client.destroy();
    clients.clear();
    await gateway?.stop();
    await backend?.close();
  });

  /** Pieces that have been taken from whoever sends. */
  let taken = 0;

  /** Sends an object as fast as it is taken. */
  function sendObject(out: http.ServerResponse | http.ClientRequest): void {
    out.on('error', () => {});
    function* pieces() {
      for (let sent = 0; sent < OBJECT; sent += PIECE.length) {
        taken += 1;
        yield PIECE;
      }
    }
    Readable.from(pieces()).pipe(out);
  }

  async function open(request: PlainRequest): Promise<http.ClientRequest> {
    const to = { endpoint: gateway.endpoint, ca: gateway.ca };
    const { method, path } = request;
    const port = new URL(gateway.endpoint).port;
    const client = https.request({
      host: '127.0.0.1',
      servername: 'localhost',
      ca: gateway.ca,
      agent: false,
      port,
      method,
      path,
      headers: await signedHeaders(to, request),
    });
    client.on('error', () => {});
    clients.add(client);
    return client;
  }

  /** Asks for an object and never reads it. */
  async function readNothing(): Promise<void> {
    const client = await open({ method: 'GET', path: '/bucket/key' });
    client.end();
    const [answer] = (await once(client, 'response')) as [http.IncomingMessage];
    answer.pause();
  }

  /** Uploads as fast as it is taken. */
  async function write(): Promise<void> {
    const client = await open({
      method: 'PUT',
      path: '/bucket/key',
      payloadHash: 'UNSIGNED-PAYLOAD',
      headers: { 'content-length': String(OBJECT) },
    });
    sendObject(client);
  }

  /** The resident set in MiB, once as many requests as given are under way and none of them moves any more. */
  async function settled(count: number): Promise<number> {
    const inFlight = () => gateway.metric('s3_kms_gateway_requests_in_flight');
    while ((await inFlight()) < count) await sleep(200);
    for (let [still, before] = [0, -1]; still < 4; before = taken) {
      await sleep(500);
      still = taken === before ? still + 1 : 0;
    }
    return memoryOf(gateway.pid, 'VmRSS');
  }

  for (const [what, begin] of [
    ['readers', readNothing],
    ['uploads', write],
  ] as const) {
    test(`${what}: each costs a piece of memory that does not depend on the size of its object`, async () => {
      const [few, many] = [20, 200];
      await Promise.all(Array.from({ length: few }, begin));
      const base = await settled(few);
      await Promise.all(Array.from({ length: many }, begin));
      const full = await settled(few + many);
      const each = (full - base) / many;
      console.log(`${what}: ${Math.round(each * 1024)} KiB each, ${Math.round(full)} MiB in all`);
      assert.ok(each < 1, `${each} MiB of ${OBJECT / MIB} for each`);
      const later = await settled(few + many);
      assert.ok(later < full * 1.1, `${full} MiB became ${later} MiB while nothing moved`);
    });
  }
});
