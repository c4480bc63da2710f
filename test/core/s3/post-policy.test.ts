import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Refusal } from '../../../src/core/refusal.ts';
import { judgePostPolicy } from '../../../src/core/s3/post-policy.ts';

const NOW = new Date('2026-11-23T12:00:00Z');
const LATER = '2026-11-23T13:00:00.000Z';

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

interface Given {
  readonly fields?: Record<string, string>;
  readonly bucket?: string;
  readonly fileSize?: number;
}

function judgeText(
  text: string,
  { fields = { key: 'k' }, bucket = 'b', fileSize = 3 }: Given = {},
): Refusal | undefined {
  return judgePostPolicy(encode(text), {
    fields: new Map(Object.entries(fields)),
    bucket,
    fileSize,
    now: NOW,
  });
}

/** A policy of these conditions and one for the bucket. */
function judge(conditions: readonly unknown[], given: Given = {}): Refusal | undefined {
  return judgeText(
    JSON.stringify({ expiration: LATER, conditions: [{ bucket: 'b' }, ...conditions] }),
    given,
  );
}

const KEY = { key: 'k' };

function messageOf(refusal: Refusal | undefined): string | undefined {
  return refusal?.message;
}

describe('a condition holds', () => {
  const CASES: readonly (readonly [condition: unknown, fields: Record<string, string>])[] = [
    [{ acl: 'private' }, { acl: 'private' }],
    [{ ACL: 'private' }, { acl: 'private' }],
    [['eq', '$acl', 'private'], { acl: 'private' }],
    [['eq', '$Acl', 'private'], { acl: 'private' }],
    [['EQ', '$acl', 'private'], { acl: 'private' }],
    [['eq', '$acl', ''], { acl: '' }],
    [['starts-with', '$acl', 'pri'], { acl: 'private' }],
    [['StArTs-WiTh', '$acl', 'pri'], { acl: 'private' }],
    [['starts-with', '$acl', ''], { acl: 'anything' }],
    [['starts-with', '$acl', ''], { acl: '' }],
    [['starts-with', '$Content-Type', 'image/'], { 'content-type': 'image/png' }],
    [['starts-with', '$Content-Type', 'image/'], { 'content-type': 'image/png,image/gif' }],
    [['starts-with', '$Content-Type', 'image/'], { 'content-type': 'image/png, image/gif' }],
    [['starts-with', '$x-amz-server-side-encryption', 'aws:'], { 'x-amz-server-side-encryption': 'aws:kms' }],
    [{ __proto__x: 'a' }, { __proto__x: 'a' }],
  ];
  for (const [condition, fields] of CASES) {
    test(`${JSON.stringify(condition)} of ${JSON.stringify(fields)}`, () => {
      assert.equal(judge([KEY, condition], { fields: { key: 'k', ...fields } }), undefined);
    });
  }
});

describe('a condition fails', () => {
  const CASES: readonly (readonly [condition: unknown, fields: Record<string, string>, printed: string])[] = [
    [{ acl: 'private' }, { acl: 'public-read' }, '["eq", "$acl", "private"]'],
    [{ Acl: 'private' }, { acl: 'Private' }, '["eq", "$Acl", "private"]'],
    [{ acl: 'private' }, {}, '["eq", "$acl", "private"]'],
    [{ acl: '' }, {}, '["eq", "$acl", ""]'],
    [['eq', '$acl', 'a"b'], { acl: 'x' }, '["eq", "$acl", "a\\"b"]'],
    [['eq', 'acl', 'private'], { acl: 'private' }, '["eq", "acl", "private"]'],
    [['eq', '$$acl', 'private'], { acl: 'private' }, '["eq", "$$acl", "private"]'],
    [['starts-with', '$acl', 'Pri'], { acl: 'private' }, '["starts-with", "$acl", "Pri"]'],
    [['starts-with', '$acl', ''], {}, '["starts-with", "$acl", ""]'],
    [
      ['starts-with', '$Content-Type', 'image/'],
      { 'content-type': 'image/png,text/html' },
      '["starts-with", "$Content-Type", "image/"]',
    ],
    [
      ['starts-with', '$Content-Type', 'image/'],
      { 'content-type': 'image/png,' },
      '["starts-with", "$Content-Type", "image/"]',
    ],
    [
      ['starts-with', '$Content-Type', 'image/'],
      { 'content-type': ' image/png' },
      '["starts-with", "$Content-Type", "image/"]',
    ],
    [['starts-with', '$acl', 'a'], { acl: 'b,a' }, '["starts-with", "$acl", "a"]'],
    [['content-length-range', 'test', '10'], {}, '["content-length-range", "test", "10"]'],
    [{ bucket: 'other' }, { bucket: 'other' }, '["eq", "$bucket", "other"]'],
    [['eq', '$file', ''], {}, '["eq", "$file", ""]'],
  ];
  for (const [condition, fields, printed] of CASES) {
    test(`${JSON.stringify(condition)} of ${JSON.stringify(fields)}`, () => {
      const refusal = judge([KEY, condition], { fields: { key: 'k', ...fields } });
      assert.equal(refusal?.message, `Invalid according to Policy: Policy Condition failed: ${printed}`);
      assert.deepEqual([refusal.status, refusal.code, refusal.reason], [403, 'AccessDenied', 'form_policy']);
    });
  }

  test('on the bucket of the URL, whatever the bucket field says', () => {
    const given = { fields: { key: 'k', bucket: 'b' }, bucket: 'victim' };
    assert.equal(
      messageOf(judge([KEY], given)),
      'Invalid according to Policy: Policy Condition failed: ["eq", "$bucket", "b"]',
    );
  });
});

describe('every field must be covered', () => {
  test('or is named', () => {
    const refusal = judge([KEY], { fields: { key: 'k', 'x-amz-server-side-encryption': 'AES256' } });
    assert.equal(
      messageOf(refusal),
      'Invalid according to Policy: Extra input fields: x-amz-server-side-encryption',
    );
    assert.deepEqual([refusal?.status, refusal?.code], [403, 'AccessDenied']);
  });

  test('the key among them', () => {
    assert.equal(messageOf(judge([])), 'Invalid according to Policy: Extra input fields: key');
  });

  test('and the bucket, which a policy would otherwise leave open', () => {
    const text = JSON.stringify({ expiration: LATER, conditions: [KEY] });
    assert.equal(messageOf(judgeText(text)), 'Invalid according to Policy: Extra input fields: bucket');
  });

  test('but those of the signature and those to be ignored', () => {
    const fields = {
      key: 'k',
      policy: '',
      signature: '',
      awsaccesskeyid: '',
      'x-amz-signature': '',
      'x-ignore-a': '',
    };
    assert.equal(judge([KEY], { fields }), undefined);
  });

  for (const name of [
    'x-amz-credential',
    'x-amz-algorithm',
    'x-amz-date',
    'x-amz-security-token',
    'bucket2',
    'x-ignore',
    'success_action_status',
  ]) {
    test(`and so must ${name}`, () => {
      assert.equal(
        messageOf(judge([KEY], { fields: { key: 'k', [name]: '' } })),
        `Invalid according to Policy: Extra input fields: ${name}`,
      );
    });
  }

  test('a range of lengths covers no field', () => {
    const refusal = judge([KEY, ['content-length-range', 0, 10]], { fields: { key: 'k', '': '' } });
    assert.equal(messageOf(refusal), 'Invalid according to Policy: Extra input fields: ');
  });
});

describe('the size of the file', () => {
  const CASES: readonly (readonly [
    range: readonly [unknown, unknown],
    size: number,
    code: string | undefined,
  ])[] = [
    [[5, 10], 4, 'EntityTooSmall'],
    [[5, 10], 5, undefined],
    [[5, 10], 10, undefined],
    [[5, 10], 11, 'EntityTooLarge'],
    [['5', '10'], 10, undefined],
    [['5', '10'], 11, 'EntityTooLarge'],
    [[0, 0], 0, undefined],
    [[0, 0], 1, 'EntityTooLarge'],
    [[-1, 0], 1, 'EntityTooLarge'],
    [[10, 5], 7, 'EntityTooLarge'],
  ];
  for (const [range, size, code] of CASES) {
    test(`${size} of ${JSON.stringify(range)}: ${code ?? 'holds'}`, () => {
      assert.equal(judge([KEY, ['content-length-range', ...range]], { fileSize: size })?.code, code);
    });
  }

  test('is told with its bounds', () => {
    const range = ['content-length-range', 5, 10];
    assert.deepEqual(judge([KEY, range], { fileSize: 12 })?.details, [
      ['ProposedSize', '12'],
      ['MaxSizeAllowed', '10'],
    ]);
    assert.deepEqual(judge([KEY, range], { fileSize: 1 })?.details, [
      ['ProposedSize', '1'],
      ['MinSizeAllowed', '5'],
    ]);
  });

  test('comes after the conditions and the coverage', () => {
    const range = ['content-length-range', 5, 10];
    assert.match(messageOf(judge([range, KEY], { fields: { key: 'x' } })) ?? '', /Condition failed/);
    assert.match(messageOf(judge([range, KEY], { fields: { key: 'k', a: '' } })) ?? '', /Extra input/);
  });
});

describe('a policy that is none', () => {
  const conditions = '[{"bucket":"b"},{"key":"k"}]';
  const CASES: readonly (readonly [text: string, message: string])[] = [
    ['{', 'Invalid JSON.'],
    ['', 'Invalid JSON.'],
    ['[]', 'Invalid JSON.'],
    ['null', 'Invalid JSON.'],
    [`{"expiration":"${LATER}","conditions":${conditions},}`, 'Invalid JSON.'],
    [`{"expiration":"${LATER}","conditions":${conditions}} x`, 'Invalid JSON.'],
    [`\ufeff{"expiration":"${LATER}","conditions":${conditions}}`, 'Invalid JSON.'],
    [
      `{"expiration":"2000-01-01T00:00:00Z","expiration":"${LATER}","conditions":${conditions}}`,
      'Invalid JSON.',
    ],
    [`{"expiration":"${LATER}","conditions":[{"key":"a","key":"k"},{"bucket":"b"}]}`, 'Invalid JSON.'],
    ['['.repeat(10_000) + ']'.repeat(10_000), 'Invalid JSON.'],
    [
      `{"expiration":"${LATER}","conditions":${'['.repeat(5000)}${']'.repeat(5000)}}`,
      'Invalid Condition: missing operation identifier.',
    ],
    [`{"conditions":${conditions}}`, 'Policy missing expiration.'],
    [`{"expiration":"${LATER}"}`, 'Policy missing conditions.'],
    [`{"EXPIRATION":"${LATER}","conditions":${conditions}}`, "Unexpected: 'expiration'"],
    [`{"expiration":"${LATER}","CONDITIONS":${conditions}}`, "Unexpected: 'conditions'"],
    [`{"Statement":[]}`, "Unexpected: 'statement'"],
    [`{"expiration":"${LATER}","conditions":{}}`, "Invalid 'conditions' value: must be a List."],
    [`{"expiration":1,"conditions":[]}`, "Invalid 'expiration' value: '1'"],
    ...[
      '2026-11-23',
      '2026-11-23 13:00:00Z',
      '2026-11-23T13:00:00',
      '2026-11-23T13:00:00+02:00',
      '2026-02-30T00:00:00Z',
      '2026-11-23T24:00:00Z',
      '2026-13-01T00:00:00Z',
      'tomorrow',
      '',
    ].map((text): [string, string] => [
      `{"expiration":"${text}","conditions":[]}`,
      `Invalid 'expiration' value: '${text}'`,
    ]),
  ];
  for (const [text, message] of CASES) {
    test(`${text.slice(0, 90)}: ${message}`, () => {
      const refusal = judgeText(text);
      assert.equal(refusal?.message, `Invalid Policy: ${message}`);
      assert.deepEqual([refusal.status, refusal.code], [400, 'InvalidPolicyDocument']);
    });
  }

  const CONDITIONS: readonly (readonly [condition: unknown, message: string])[] = [
    [{}, 'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.'],
    [
      { a: '1', b: '2' },
      'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
    ],
    [{ a: 1 }, 'Invalid Simple-Condition: value must be a string.'],
    [{ a: null }, 'Invalid Simple-Condition: value must be a string.'],
    [{ a: ['x'] }, 'Invalid Simple-Condition: value must be a string.'],
    ['key', 'Invalid condition test: must be a List or Object.'],
    [null, 'Invalid condition test: must be a List or Object.'],
    [[], 'Invalid Condition: missing operation identifier.'],
    [[1, '$key', 'k'], 'Invalid Condition: missing operation identifier.'],
    [['ne', '$key', 'k'], "Invalid Condition: unknown operation 'ne'."],
    [['eq', '$key'], 'Invalid eq: wrong number of arguments.'],
    [['eq', '$key', 'k', 'k'], 'Invalid eq: wrong number of arguments.'],
    [['content-length-range', 0], 'Invalid content-length-range: wrong number of arguments.'],
    [['content-length-range', 0, 1.5], 'Invalid JSON.'],
    [['content-length-range', 0, null], 'Invalid JSON.'],
    [['content-length-range', 0, 1e300], 'Invalid JSON.'],
    [['eq', '$key', 1], 'Invalid JSON.'],
    [['eq', 1, 'k'], 'Invalid JSON.'],
  ];
  for (const [condition, message] of CONDITIONS) {
    test(`a condition ${JSON.stringify(condition)}: ${message}`, () => {
      assert.equal(messageOf(judge([KEY, condition])), `Invalid Policy: ${message}`);
    });
  }

  const good = encode(JSON.stringify({ expiration: LATER, conditions: [{ bucket: 'b' }, KEY] }));
  const form = { fields: new Map([['key', 'k']]), bucket: 'b', fileSize: 0, now: NOW };
  const BASE64 = [
    `${good.slice(0, 8)}\r\n${good.slice(8)}`,
    `${good} `,
    ` ${good}`,
    `${good}*`,
    good.replace(/=*$/, '-'),
    `${good}\u0149`,
    `${good}====`,
  ];
  test('holds for the base64 that is well-formed', () =>
    assert.equal(judgePostPolicy(good, form), undefined));
  for (const text of BASE64) {
    test(`base64 ${JSON.stringify(text.slice(-20))}`, () => {
      assert.equal(judgePostPolicy(text, form)?.message, 'Invalid Policy: invalid Base64 encoding.');
    });
  }

  test('bytes that are not UTF-8', () => {
    const text = Buffer.from('{"expiration":"\xff","conditions":[]}', 'latin1').toString('base64');
    assert.equal(judgePostPolicy(text, form)?.message, 'Invalid Policy: Invalid JSON.');
  });
});

describe('a policy', () => {
  test('reads \\$ as a dollar sign, as AWS documents it', () => {
    const text = `{"expiration":"${LATER}","conditions":[{"bucket":"b"},["starts-with","\\$key","\\$foo"]]}`;
    assert.equal(judgeText(text, { fields: { key: '$foo.txt' } }), undefined);
    assert.notEqual(judgeText(text, { fields: { key: '\\$foo.txt' } }), undefined);
  });

  test('reads an escaped backslash before a dollar sign as both', () => {
    assert.equal(judge([['starts-with', '$key', '\\$foo']], { fields: { key: '\\$foo.txt' } }), undefined);
  });

  const TIMES: readonly (readonly [expiration: string, expired: boolean])[] = [
    ['2026-11-23T12:00:00Z', true],
    ['2026-11-23T12:00:00.000Z', true],
    ['2026-11-23T12:00:00.001Z', false],
    ['2026-11-23T12:00:00.001000Z', false],
    ['2026-11-23T11:59:59.999Z', true],
    ['2026-11-23T12:00:01Z', false],
  ];
  for (const [expiration, expired] of TIMES) {
    test(`of ${expiration} has ${expired ? '' : 'not '}expired`, () => {
      const refusal = judgeText(JSON.stringify({ expiration, conditions: [{ bucket: 'b' }, KEY] }));
      assert.equal(messageOf(refusal), expired ? 'Invalid according to Policy: Policy expired.' : undefined);
    });
  }

  test('that has expired is told before its conditions', () => {
    const text = JSON.stringify({ expiration: '2000-01-01T00:00:00Z', conditions: [{ bucket: 'other' }] });
    assert.equal(judgeText(text)?.reason, 'expired');
  });
});

describe('any policy', () => {
  const name = fc.constantFrom('key', 'acl', 'content-type', 'x-amz-meta-a', 'tagging');
  const value = fc.constantFrom('', 'a', 'ab', 'b', 'a,b', '$');
  const fields = fc.dictionary(name, value);

  test('that names each field with its own value holds, and no other value does', () => {
    fc.assert(
      fc.property(fields, name, value, (form, changed, other) => {
        const conditions = Object.entries(form).map(([field, text]) => ({ [field]: text }));
        assert.equal(judge(conditions, { fields: form }), undefined);
        if (form[changed] === other) return;
        assert.equal(judge(conditions, { fields: { ...form, [changed]: other } })?.status, 403);
      }),
    );
  });

  test('never throws, whatever its text', () => {
    fc.assert(fc.property(fc.json(), (text) => assert.notEqual(judgeText(text)?.status, 500)));
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), (conditions) =>
        assert.notEqual(judge(conditions as unknown[])?.status, 500),
      ),
    );
  });
});
