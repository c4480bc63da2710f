// No listener is left behind on what lives longer than a request: the process, the server, and kept connections on both sides.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { eventually } from '../gateway/eventually.ts';
import { type FakeBackend, startFakeBackend } from '../gateway/fake-backend.ts';
import { startGateway, type TestGateway } from '../gateway/gateway.ts';
import { twisted } from './input.ts';

let backend: FakeBackend;
let gateway: TestGateway;
/** What lives longer than a request, as far as Node and undici tell of it. */
const longLived = new Set<EventEmitter>([process]);

interface Told {
  readonly server?: EventEmitter;
  readonly socket?: EventEmitter;
}

const remember = (message: unknown) => {
  const { server, socket } = message as Told;
  for (const emitter of [server, socket]) if (emitter instanceof EventEmitter) longLived.add(emitter);
};
const CHANNELS = ['http.server.request.start', 'undici:client:connected'];

before(async () => {
  for (const channel of CHANNELS) subscribe(channel, remember);
  backend = await startFakeBackend();
  gateway = await startGateway({
    backends: [backend.backend],
    encryption: [{ name: 'inject', buckets: ['*'], mode: 'inject', keyId: 'the-key' }],
    plaintext: { secure: true },
  });
});
after(async () => {
  for (const channel of CHANNELS) unsubscribe(channel, remember);
  await gateway?.close();
  await backend?.close();
});

function listeners(): number[] {
  const count = (emitter: EventEmitter) =>
    emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);
  return [...longLived].map(count);
}

test('a hundred requests on one connection, served and refused in turn, leave no listener behind', async () => {
  const warned: Error[] = [];
  const warn = (warning: Error) => warned.push(warning);
  process.on('warning', warn);
  const site = { to: { endpoint: gateway.plaintextEndpoint }, host: '' };
  const socket = connect(gateway.plaintextPort, '127.0.0.1');
  let text = '';
  socket.on('data', (more) => {
    text += more.toString('latin1');
  });
  const answers = () => text.split('HTTP/1.1 ').length - 1;
  const rounds = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const body = Buffer.alloc(i % 3 === 0 ? 10 : 40_000, 'x');
      const before = answers();
      const path = i % 2 === 0 ? '/inject/k' : '/inject/k?madeup=';
      const method = i % 2 === 0 ? 'PUT' : 'GET';
      socket.write(await twisted(site, 'k', method === 'PUT' ? { method, path, body } : { method, path }));
      await eventually(() => answers() === before + 1, 'an answer');
    }
    assert.equal(await gateway.metric('s3_kms_gateway_requests_in_flight'), 0);
  };
  await rounds(6);
  const connections = longLived.size;
  const settled = listeners();
  await rounds(100);
  assert.deepEqual(listeners(), settled);
  // One connection on either side all the time: what was counted is what was used.
  assert.equal(longLived.size, connections);
  socket.destroy();
  process.off('warning', warn);
  assert.deepEqual(warned, []);
});
