import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  formatEncryptionContext,
  parseEncryptionContext,
  s3Arn,
} from '../../../src/core/s3/encryption-context.ts';

function base64(json: string | Uint8Array): string {
  return Buffer.from(json).toString('base64');
}

function read(json: string | Uint8Array, maxBytes = 4096): [string, string][] | undefined {
  const context = parseEncryptionContext(base64(json), maxBytes);
  return context && [...context];
}

describe('an encryption context', () => {
  const READ: readonly (readonly [json: string, pairs: readonly (readonly [string, string])[]])[] = [
    ['{}', []],
    ['{"a":"b"}', [['a', 'b']]],
    [
      ' { "a" : "b" ,\n\t"c":"d" } ',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      '{"é":"日本","𝄞":"\\ud834\\udd1e"}',
      [
        ['é', '日本'],
        ['𝄞', '𝄞'],
      ],
    ],
    ['{"a":"\\"b\\\\"}', [['a', '"b\\']]],
    ['{"a":"\\\\\\"{}:,"}', [['a', '\\"{}:,']]],
    [
      '{"__proto__":"a","constructor":"b"}',
      [
        ['__proto__', 'a'],
        ['constructor', 'b'],
      ],
    ],
    ['{"aws:s3:arn":"arn:aws:s3:::bucket/key"}', [['aws:s3:arn', 'arn:aws:s3:::bucket/key']]],
    [
      '{"AWS:x":"a","awsx":"b"}',
      [
        ['AWS:x', 'a'],
        ['awsx', 'b'],
      ],
    ],
    ['{"a":"\\u0000"}', [['a', '\0']]],
  ];
  for (const [json, pairs] of READ) {
    test(`reads ${json.trim()}`, () => assert.deepEqual(read(json), pairs));
  }

  const REFUSED: readonly (readonly [what: string, json: string | Uint8Array])[] = [
    ['nothing', ''],
    ['null', 'null'],
    ['a string', '"a"'],
    ['a number', '1'],
    ['an array', '["a","b"]'],
    ['a number as value', '{"a":1}'],
    ['null as value', '{"a":null}'],
    ['true as value', '{"a":true}'],
    ['a nested object', '{"a":{"b":"c"}}'],
    ['a nested array', '{"a":["b"]}'],
    ['an empty key', '{"":"a"}'],
    ['an empty value', '{"a":""}'],
    ['a repeated key', '{"a":"b","a":"c"}'],
    ['a repeated key with the same value', '{"a":"b","a":"b"}'],
    ['a repeated key under an escape', '{"a":"b","\\u0061":"c"}'],
    ['a repeated aws:s3:arn', '{"aws:s3:arn":"x","aws:s3:arn":"y"}'],
    ['a repeated __proto__', '{"__proto__":"x","__proto__":"y"}'],
    ['a repeated key whose first value is nested', '{"a":{},"a":"c"}'],
    ['a repeated key hidden behind brackets', '{"a":[],"b":"c","a":"d"}'],
    ['trailing text', '{"a":"b"} x'],
    ['two objects', '{"a":"b"}{"c":"d"}'],
    ['a trailing NUL', '{"a":"b"}\0'],
    ['a trailing comma', '{"a":"b",}'],
    ['a comment', '{"a":"b"/**/}'],
    ['a byte order mark', '\ufeff{"a":"b"}'],
    ['single quotes', "{'a':'b'}"],
    ['a lone surrogate in a value', '{"a":"\\ud800"}'],
    ['a lone surrogate in a key', '{"\\udc00":"a"}'],
    ['bytes that are not UTF-8', Buffer.from('{"a":"\u00ff"}', 'latin1')],
    ['an overlong form', Buffer.from('7b2261223a22c0af227d', 'hex')],
    ['UTF-16', Buffer.from('{"a":"b"}', 'utf16le')],
    ['a key reserved for AWS', '{"aws:kms:x":"a"}'],
    ['the object ARN of another service', '{"aws:lambda:FunctionArn":"a"}'],
    ['deep nesting', `{"a":${'['.repeat(2000)}${']'.repeat(2000)}}`],
  ];
  for (const [what, json] of REFUSED) {
    test(`refuses ${what}`, () => assert.equal(read(json), undefined));
  }

  const NOT_BASE64: readonly (readonly [what: string, header: string])[] = [
    ['the empty header', ''],
    ['JSON itself', '{"a":"b"}'],
    ['base64url', base64('{"a":"???>>>"}').replaceAll('/', '_').replaceAll('+', '-')],
    ['padding left out', base64('{"a":"bc"}').replace(/=+$/, '')],
    ['padding too much', `${base64('{"a":"b"}')}=`],
    ['white space inside', `${base64('{"a":"b"}').slice(0, 4)} ${base64('{"a":"b"}').slice(4)}`],
    ['a line end', `${base64('{"a":"b"}')}\n`],
    ['bits left over', 'e30='.replace('0', '1')],
    ['text after the padding', `${base64('{"a":"bc"}')}AAAA`],
  ];
  for (const [what, header] of NOT_BASE64) {
    test(`refuses ${what} in place of canonical base64`, () => {
      assert.equal(parseEncryptionContext(header, 4096), undefined);
    });
  }

  test('may be as long as the bound, decoded, and no longer', () => {
    const json = `{"a":"${'x'.repeat(100)}"}`;
    assert.ok(read(json, json.length));
    assert.equal(read(json, json.length - 1), undefined);
  });

  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
  const name = fc
    .oneof(text, fc.constantFrom('__proto__', 'toString', '1', '0', '"', '\\'))
    .filter((key) => !key.startsWith('aws:'));
  const pairs = fc.uniqueArray(fc.tuple(name, text), { maxLength: 8, selector: ([key]) => key });

  test('means the same after it has been written afresh', () => {
    fc.assert(
      fc.property(pairs, (members) => {
        const context = new Map(members);
        assert.deepEqual(parseEncryptionContext(formatEncryptionContext(context), 1 << 20), context);
      }),
    );
  });

  test('never makes the reader throw', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.json().map(base64)),
        (header) => void parseEncryptionContext(header, 4096),
      ),
    );
  });

  test('with a key written twice is refused whatever stands between', () => {
    fc.assert(
      fc.property(pairs, text, text, text, (members, key, first, second) => {
        const middle = members.map(([one, value]) => `,${JSON.stringify(one)}:${JSON.stringify(value)}`);
        const quoted = JSON.stringify(key);
        const json = `{${quoted}:${JSON.stringify(first)}${middle.join('')},${quoted}:${JSON.stringify(second)}}`;
        assert.equal(read(json, 1 << 20), undefined);
      }),
    );
  });
});

describe('the ARN in a context', () => {
  test("is the object's, its key unencoded", () => {
    assert.equal(s3Arn('aws', 'bucket', 'a b/é?'), 'arn:aws:s3:::bucket/a b/é?');
  });
  test("is the bucket's with a bucket key", () =>
    assert.equal(s3Arn('aws', 'bucket'), 'arn:aws:s3:::bucket'));
  test('names the partition', () =>
    assert.equal(s3Arn('aws-cn', 'bucket', 'key'), 'arn:aws-cn:s3:::bucket/key'));
});
