// The end of a response while the client is still sending.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { describe, mock, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ABANDONED, endResponse, errorDocument } from '../../src/gateway/respond.ts';

/** A request that is still sending its body, and a response that tells when it is ended. */
function exchange() {
  const body = new Readable({ read: () => {} });
  const headers = { 'content-length': '1000000000' };
  const request = Object.assign(body, { headers, complete: false }) as unknown as IncomingMessage & Readable;
  let ended = false;
  const end = () => {
    ended = true;
  };
  let flushed = false;
  const flushHeaders = () => {
    flushed = true;
  };
  const response = Object.assign(new EventEmitter(), { end, flushHeaders }) as unknown as ServerResponse;
  return { request, response, ended: () => ended, flushed: () => flushed };
}

describe('endResponse', () => {
  test('reads on what the client sends, also from a request that was paused, and ends when it is done', async () => {
    const { request, response, ended, flushed } = exchange();
    let abandoned = false;
    request.once(ABANDONED, () => {
      abandoned = true;
    });
    request.pause();
    endResponse(request, response);
    assert.ok(abandoned);
    assert.ok(flushed());
    request.push(Buffer.alloc(1024));
    await turn();
    assert.equal(ended(), false);
    request.push(null);
    await turn();
    await turn();
    assert.equal(ended(), true);
  });

  test('ends after 16 MiB, whatever is still to come', async () => {
    const { request, response, ended } = exchange();
    endResponse(request, response);
    for (let i = 0; i < 16; i++) request.push(Buffer.alloc(1024 * 1024));
    await turn();
    assert.equal(ended(), false);
    request.push(Buffer.alloc(1));
    await turn();
    assert.equal(ended(), true);
  });

  test('ends after a while when nothing comes', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { request, response, ended } = exchange();
    endResponse(request, response);
    t.mock.timers.tick(1_999);
    assert.equal(ended(), false);
    t.mock.timers.tick(1);
    assert.equal(ended(), true);
    mock.reset();
  });
});

test('an error document holds no markup and no character that XML cannot hold', () => {
  const error = { status: 400, code: 'C', message: '<&">\r\u0001\uD800\uFFFF', details: [] };
  const document = errorDocument(error, { requestId: 'R', resource: '/a"<' });
  assert.match(
    document,
    /<Message>&lt;&amp;&quot;&gt;&#13;\uFFFD\uFFFD\uFFFD<\/Message><Resource>\/a&quot;&lt;<\/Resource>/,
  );
});
