import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  canonicalPath,
  decodeComponent,
  encodeComponent,
  encodePath,
  formatQuery,
  parseTarget,
} from '../../../src/core/http/target.ts';
import { escapeBytes } from '../fixture.ts';

describe('a request target', () => {
  const READ: readonly (readonly [
    raw: string,
    rawPath: string,
    parameters: readonly (readonly [string, string])[],
  ])[] = [
    ['/', '/', []],
    ['/?', '/', []],
    ['/bucket/key', '/bucket/key', []],
    ['//bucket//key//', '//bucket//key//', []],
    ['/a/../b/./c', '/a/../b/./c', []],
    ['/a%2Fb%2e%2e', '/a%2Fb%2e%2e', []],
    ['/b/k?acl', '/b/k', [['acl', '']]],
    ['/b/k?acl=', '/b/k', [['acl', '']]],
    ['/b/k%3Facl', '/b/k%3Facl', []],
    [
      '/b/k?a=1&a=2',
      '/b/k',
      [
        ['a', '1'],
        ['a', '2'],
      ],
    ],
    ['/b/k?a=b=c', '/b/k', [['a', 'b=c']]],
    ['/b/k?a?b', '/b/k', [['a?b', '']]],
    ['/b/k?a+b=c+d', '/b/k', [['a b', 'c d']]],
    ['/b/k?a%2Bb=c%2Bd', '/b/k', [['a+b', 'c+d']]],
    ['/b/k?%61cl', '/b/k', [['acl', '']]],
    ['/b/k?a=%26%3D', '/b/k', [['a', '&=']]],
    ['/b/k?a=%252F', '/b/k', [['a', '%2F']]],
    ['/b/k?%F0%9D%84%9E=%C3%A9', '/b/k', [['𝄞', 'é']]],
    ['/b/k?__proto__=1', '/b/k', [['__proto__', '1']]],
  ];
  for (const [raw, rawPath, parameters] of READ) {
    test(`reads ${raw}`, () => {
      assert.deepEqual(parseTarget(raw), {
        rawPath,
        parameters: parameters.map(([name, value]) => ({ name, value })),
      });
    });
  }

  const REFUSED: readonly (readonly [what: string, raw: string])[] = [
    ['an empty target', ''],
    ['asterisk-form', '*'],
    ['absolute-form', 'http://evil.example/bucket/key'],
    ['authority-form', 'evil.example:443'],
    ['a path without its slash', 'bucket/key'],
    ['a fragment', '/bucket/key#part'],
    ['a fragment after the query', '/bucket/key?acl#part'],
    ['a space', '/bucket/a key'],
    ['a line feed', '/bucket/key\n'],
    ['a NUL', '/bucket/\0'],
    ['bytes outside ASCII', '/bucket/\u00c3\u00a9'],
    ['DEL', '/bucket/\x7f'],
    ['a lone %', '/bucket/100%'],
    ['an escape cut short', '/bucket/%4'],
    ['an escape that is no hex', '/bucket/%zz'],
    ['an escaped NUL in the path', '/bucket/%00'],
    ['an escaped NUL in the query', '/bucket/key?a=%00'],
    ['an escaped NUL in a name', '/bucket/key?%00=1'],
    ['an escape that is not UTF-8', '/bucket/%ff'],
    ['an overlong slash', '/bucket/%c0%af'],
    ['an escaped surrogate', '/bucket/%ed%a0%80'],
    ['UTF-8 cut short', '/bucket/%e2%82'],
    ['a query value that is not UTF-8', '/bucket/key?a=%ff'],
    ['a broken escape in a query name', '/bucket/key?%z=1'],
    ['an empty pair first', '/bucket/key?&acl'],
    ['an empty pair last', '/bucket/key?acl&'],
    ['an empty pair inside', '/bucket/key?acl&&tagging'],
    ['a pair without a name', '/bucket/key?=value'],
  ];
  for (const [what, raw] of REFUSED) {
    test(`refuses ${what}`, () => assert.equal(parseTarget(raw), undefined));
  }
});

const text = fc.string({ unit: 'binary' }).map((value) => value.replaceAll('\0', ''));

describe('percent-encoding', () => {
  test('keeps A-Z a-z 0-9 - . _ ~ and escapes every other ASCII character in upper case', () => {
    for (let code = 1; code < 128; code++) {
      const character = String.fromCharCode(code);
      assert.equal(encodeComponent(character), escapeBytes(character), `code ${code}`);
      assert.equal(encodePath(character), escapeBytes(character, '/'), `code ${code}`);
    }
  });

  test('is what UriEncode gives for any text, once and byte by byte', () => {
    fc.assert(
      fc.property(text, (value) => {
        assert.equal(encodeComponent(value), escapeBytes(value));
        assert.equal(encodePath(value), escapeBytes(value, '/'));
      }),
    );
  });

  test('is undone by decoding', () => {
    fc.assert(
      fc.property(text, (value) => {
        assert.equal(decodeComponent(encodeComponent(value)), value);
        assert.equal(decodeComponent(encodePath(value)), value);
      }),
    );
  });

  test('decodes once', () => assert.equal(decodeComponent('%252F'), '%2F'));

  test('of a query is undone by parsing it', () => {
    const parameters = fc.array(
      fc.record({ name: text.filter((name) => name !== ''), value: text }, { noNullPrototype: true }),
    );
    fc.assert(
      fc.property(parameters, (expected) => {
        assert.deepEqual(parseTarget(`/?${formatQuery(expected)}`)?.parameters, expected);
      }),
    );
  });
});

describe('the canonical path', () => {
  const PATHS: readonly (readonly [raw: string, canonical: string])[] = [
    ['/', '/'],
    ['/b/~-._', '/b/~-._'],
    ['/b/%7E', '/b/~'],
    ['/b/%c3%a9', '/b/%C3%A9'],
    ["/b/!'()*", '/b/%21%27%28%29%2A'],
    ['/b/a%2Fb', '/b/a/b'],
    ['/b/a%252Fb', '/b/a%252Fb'],
    ['/b/a+b', '/b/a%20b'],
    ['/b/a%2Bb', '/b/a%2Bb'],
    ['/b//a/../.', '/b//a/../.'],
    ['/b/%2e%2e', '/b/..'],
    ['/b/$&,:;=@', '/b/%24%26%2C%3A%3B%3D%40'],
  ];
  for (const [raw, canonical] of PATHS) {
    test(`of ${raw}`, () => assert.equal(canonicalPath(raw), canonical));
  }
});
