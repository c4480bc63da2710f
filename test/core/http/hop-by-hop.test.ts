import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isHopByHop, nominatedByConnection } from '../../../src/core/http/hop-by-hop.ts';

describe('hop-by-hop headers', () => {
  for (const name of [
    'connection',
    'keep-alive',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
    'proxy-authorization',
    'proxy-connection',
  ]) {
    test(`${name} is one`, () => assert.equal(isHopByHop(name, new Set()), true));
  }
  for (const name of ['host', 'content-length', 'range', 'x-amz-date', 'authorization']) {
    test(`${name} is none`, () => assert.equal(isHopByHop(name, new Set()), false));
  }
  test('Connection nominates others, over several lines, in any case, with any white space', () => {
    const nominated = nominatedByConnection(['close, X-One ,\tx-two', 'X-Three', '', ' , ']);
    assert.deepEqual([...nominated], ['close', 'x-one', 'x-two', 'x-three']);
    assert.equal(isHopByHop('x-two', nominated), true);
  });
});
