import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isHeaderName, ReceivedHeaders, repeatedHeader, trimOws } from '../../../src/core/http/headers.ts';

describe('headers as received', () => {
  const headers = ReceivedHeaders.fromRaw([
    'Host',
    'h',
    'X-Amz-Meta-A',
    '  one \t',
    'x-amz-meta-a',
    'two',
    'Empty',
    '',
  ]);

  test('keep their order, with names in lower case and values trimmed', () => {
    assert.deepEqual(headers.fields, [
      { name: 'host', value: 'h' },
      { name: 'x-amz-meta-a', value: 'one' },
      { name: 'x-amz-meta-a', value: 'two' },
      { name: 'empty', value: '' },
    ]);
  });
  test('give every value of a repeated name', () =>
    assert.deepEqual(headers.all('x-amz-meta-a'), ['one', 'two']));
  test('tell an empty value from an absent header', () => {
    assert.equal(headers.get('empty'), '');
    assert.equal(headers.has('empty'), true);
    assert.equal(headers.get('absent'), undefined);
    assert.equal(headers.has('absent'), false);
  });
  test('do not answer to names of the prototype', () => assert.equal(headers.get('constructor'), undefined));
  test('count names, values, colons and line ends', () => {
    assert.equal(ReceivedHeaders.fromRaw(['Host', 'h']).byteLength, 'Host: h\r\n'.length);
  });
  test('ignore a name without a value at the end of the raw list', () => {
    assert.deepEqual(ReceivedHeaders.fromRaw(['Host']).fields, []);
  });
});

describe('white space around a value', () => {
  for (const [given, trimmed] of [
    ['a', 'a'],
    [' \ta b\t ', 'a b'],
    [' \t ', ''],
    ['', ''],
    ['\u00a0a\u00a0', '\u00a0a\u00a0'],
  ] as const) {
    test(`${JSON.stringify(given)} is ${JSON.stringify(trimmed)}`, () =>
      assert.equal(trimOws(given), trimmed));
  }
});

describe('header names', () => {
  for (const name of ['host', 'x-amz-meta-a.b', 'x_y', "!#$%&'*+-.^_`|~0az"]) {
    test(`${name} is one`, () => assert.equal(isHeaderName(name), true));
  }
  for (const name of ['', 'a b', 'a:', 'a\r\nb', 'a\0', 'é', 'a,b', 'a/b', '(a)']) {
    test(`${JSON.stringify(name)} is none`, () => assert.equal(isHeaderName(name), false));
  }
});

describe('a repeated header', () => {
  const REFUSED = [
    'host',
    'authorization',
    'date',
    'range',
    'expect',
    'expires',
    'origin',
    'x-forwarded-proto',
    'transfer-encoding',
    'content-length',
    'content-type',
    'content-md5',
    'content-encoding',
    'if-match',
    'if-none-match',
    'x-amz-server-side-encryption',
    'x-amz-server-side-encryption-aws-kms-key-id',
    'x-amz-date',
    'x-amz-content-sha256',
    'x-amz-copy-source',
    'x-amz-security-token',
    'x-amz-acl',
    'x-amz-checksum-crc32',
  ];
  for (const name of REFUSED) {
    test(`is refused for ${name}, equal values included`, () => {
      assert.equal(
        repeatedHeader(ReceivedHeaders.fromRaw([name, 'a', 'other', '', name.toUpperCase(), 'a'])),
        name,
      );
    });
  }
  for (const name of ['x-amz-meta-a', 'cache-control', 'connection', 'accept', 'via']) {
    test(`is taken for ${name}`, () =>
      assert.equal(repeatedHeader(ReceivedHeaders.fromRaw([name, 'a', name, 'b'])), undefined));
  }
});
