// A browser that does not keep up: what waits for it is bounded, and it is told how much it has missed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { type DecisionBatch, DecisionFeed } from '../../src/observe/decisions.ts';
import { DecisionStreams } from '../../src/page/stream.ts';
import { eventually } from '../gateway/eventually.ts';

const BATCH: DecisionBatch = {
  decisions: Array.from({ length: 100 }, (_, i) => ({ time: i, key: 'x'.repeat(1000) })),
  missed: 0,
};
const BATCHES = 500;

test('a slow browser misses batches and is told of it, and no more than one waits', async (t) => {
  const feed = new DecisionFeed({ begin: () => {}, stop: () => {} });
  const streams = new DecisionStreams(feed);
  let response: ServerResponse | undefined;
  const server = createServer((_request, answer) => {
    response = answer;
    streams.begin(answer);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const browser = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let text = '';
  browser.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  browser.pause();
  browser.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await eventually(() => response !== undefined, 'it watches');
  let most = 0;
  for (let i = 0; i < BATCHES; i++) {
    feed.publish(BATCH);
    await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, response?.writableLength ?? 0);
  }
  assert.ok(most < 2 * JSON.stringify(BATCH).length, `${most} bytes waited`);
  browser.resume();
  await eventually(() => response?.writableNeedDrain === false, 'it has caught up');
  feed.publish({ decisions: [], missed: 7 });
  await eventually(() => /"missed":\d*[1-9]\d*\}/.test(text.slice(-1000)), 'it is told');
  const events = [...text.matchAll(/"missed":(\d+)\}/g)].map(([, missed]) => Number(missed));
  const told = (events.length - 1) * BATCH.decisions.length;
  const missed = events.reduce((sum, each) => sum + each, 0);
  assert.equal(told + missed, BATCHES * BATCH.decisions.length + 7);
  assert.ok(missed > 7);
  streams.close();
  browser.destroy();
});
