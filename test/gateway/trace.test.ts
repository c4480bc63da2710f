// Traces over real sockets: a client's traceparent is logged and passed on outside the signature; nothing is made up.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { send, sendSigned, signedHeaders } from './client.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { DEFAULT_KEY, type StoreBackend, startStoreBackend } from './store.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const TRACEPARENT = `00-${TRACE}-${SPAN}-01`;

describe('traceparent', () => {
  let backend: StoreBackend;
  let gateway: TestGateway;

  before(async () => {
    backend = await startStoreBackend();
    gateway = await startGateway({
      backends: [backend.backend],
      encryption: [{ name: 'all', buckets: ['*'], mode: 'inject', keyId: DEFAULT_KEY }],
    });
    assert.equal((await sendSigned(backend.direct, { method: 'PUT', path: '/bucket' })).status, 200);
  });
  after(async () => {
    await gateway?.close();
    await backend?.close();
  });

  /** Sends an upload, its traceparent outside the signature; gives what the store and the log came to know. */
  async function upload(traceparent?: string) {
    const to = { endpoint: gateway.endpoint, ca: gateway.ca };
    const request = { method: 'PUT', path: '/bucket/key', body: 'content' };
    const signed = await signedHeaders(to, request);
    const headers = traceparent === undefined ? signed : { ...signed, traceparent };
    assert.equal((await send(to, { ...request, headers })).status, 200);
    const received = new Map(backend.store.requests.at(-1)?.headers.map(({ name, value }) => [name, value]));
    const line = (await gateway.audited()).at(-1);
    return { received, traceId: line?.['traceId'], spanId: line?.['spanId'] };
  }

  test('is logged, and goes on outside the signature', async () => {
    const { received, traceId, spanId } = await upload(TRACEPARENT);
    assert.deepEqual([traceId, spanId], [TRACE, SPAN]);
    assert.equal(received.get('traceparent'), TRACEPARENT);
    assert.doesNotMatch(received.get('authorization') ?? '', /traceparent/);
  });

  test('is logged with a refusal too', async () => {
    const answer = await send(
      { endpoint: gateway.endpoint, ca: gateway.ca },
      { method: 'GET', path: '/bucket/key', headers: { traceparent: TRACEPARENT } },
    );
    assert.equal(answer.status, 403);
    assert.equal((await gateway.audited()).at(-1)?.['traceId'], TRACE);
  });

  for (const [what, sent] of [
    ['absent', undefined],
    ['malformed', `00-${TRACE}-${SPAN}`],
  ] as const) {
    test(`that is ${what} refuses nothing and is not made up`, async () => {
      const { received, traceId, spanId } = await upload(sent);
      assert.deepEqual([traceId, spanId, received.get('traceparent')], [undefined, undefined, undefined]);
    });
  }

  test('that is signed by the client is verified, and goes on all the same', async () => {
    const to = { endpoint: gateway.endpoint, ca: gateway.ca };
    const headers = { traceparent: TRACEPARENT };
    assert.equal((await sendSigned(to, { method: 'GET', path: '/bucket/key', headers })).status, 200);
    assert.equal((await gateway.audited()).at(-1)?.['spanId'], SPAN);
  });
});
