// XML as strangers send it: what is read, and what is not because two readers could read it differently.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { escapeXml } from '../../src/core/s3/xml.ts';
import type { XmlElement } from '../../src/core/s3/xml-element.ts';
import { parseXml } from '../../src/gateway/xml.ts';

const parse = (text: string) => parseXml(Buffer.from(text));
const S3 = 'http://s3.amazonaws.com/doc/2006-03-01/';

describe('parseXml', () => {
  const b: XmlElement = { name: 'b', children: [], text: 'x & y' };
  const READ: readonly (readonly [what: string, text: string, root: XmlElement])[] = [
    ['a root alone', '<a/>', { name: 'a', children: [], text: '' }],
    ['entities of XML itself', '<a><b>x &amp; y</b></a>', { name: 'a', children: [b], text: '' }],
    ['character references', '<a><b>x &#38; &#x79;</b></a>', { name: 'a', children: [b], text: '' }],
    ["S3's namespace", `<a xmlns="${S3}"><b>x &amp; y</b></a>`, { name: 'a', children: [b], text: '' }],
    ['no namespace said aloud', '<a xmlns=""/>', { name: 'a', children: [], text: '' }],
    [
      'a declaration, and white space between elements',
      '<?xml version="1.0" encoding="utf-8"?>\n<a>\n  <b>x &amp; y</b>\n</a>\n',
      { name: 'a', children: [b], text: '' },
    ],
    ['white space in text', '<a> x </a>', { name: 'a', children: [], text: ' x ' }],
    ['a byte order mark', '\uFEFF<a/>', { name: 'a', children: [], text: '' }],
    [
      'the type of a grantee',
      '<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"/>',
      { name: 'a', children: [], text: '' },
    ],
  ];
  for (const [what, text, root] of READ) {
    test(`reads ${what}`, () => assert.deepEqual(parse(text), root));
  }

  const REFUSED: readonly (readonly [what: string, text: string])[] = [
    ['nothing', ''],
    ['white space', '  \n'],
    ['text', 'a'],
    ['JSON', '{"a":1}'],
    ['an element that does not end', '<a><b></a>'],
    ['a document that does not end', '<a><b>'],
    ['two roots', '<a/><a/>'],
    ['text behind the root', '<a/>x'],
    ['a DTD', '<!DOCTYPE a><a/>'],
    ['a DTD with an entity', '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'],
    ['an external entity', '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'],
    ['a billion laughs', '<!DOCTYPE a [<!ENTITY b "&c;&c;"><!ENTITY c "&d;&d;">]><a>&b;</a>'],
    ['an entity that nothing declares', '<a>&nbsp;</a>'],
    ['a comment', '<a><!-- x --></a>'],
    ['a comment inside text', '<a>aws:<!-- -->kms</a>'],
    ['a comment before the root', '<!-- x --><a/>'],
    ['CDATA', '<a><![CDATA[x]]></a>'],
    ['a processing instruction', '<?php x?><a/>'],
    ['a style sheet', '<?xml-stylesheet href="x"?><a/>'],
    ['a second declaration', '<?xml version="1.0"?><?xml version="1.0"?><a/>'],
    ['XML 1.1', '<?xml version="1.1"?><a/>'],
    ['another encoding than the bytes have', '<?xml version="1.0" encoding="UTF-16"?><a/>'],
    ['an encoding that hides bytes', '<?xml version="1.0" encoding="UTF-7"?><a>+ADw-b/+AD4-</a>'],
    ['a prefix', `<p:a xmlns:p="${S3}"/>`],
    ['a prefix below', `<a xmlns:p="${S3}"><p:b/></a>`],
    ['another namespace', '<a xmlns="urn:x"/>'],
    ['another namespace below', `<a xmlns="${S3}"><b xmlns="urn:x"/></a>`],
    ['an attribute', '<a b="c"/>'],
    ['an attribute twice', '<a xmlns="" xmlns=""/>'],
    ['text beside elements', '<a>x<b/></a>'],
    ['text behind elements', '<a><b/>x</a>'],
    ['a control character', '<a>\u0001</a>'],
    ['NUL', '<a>\0</a>'],
    ['NUL as a reference', '<a>&#0;</a>'],
    ['a surrogate as a reference', '<a>&#xD800;</a>'],
    ['a bare ampersand', '<a>x & y</a>'],
    ['an element of many levels', `${'<a>'.repeat(25)}${'</a>'.repeat(25)}`],
    ['very many elements', `<a>${'<b/>'.repeat(100_001)}</a>`],
    ['a line break in a name', '<a\n:b/>'],
  ];
  for (const [what, text] of REFUSED) {
    test(`refuses ${what}`, () => assert.equal(parse(text), undefined));
  }

  for (const [what, bytes] of [
    ['bytes that are not UTF-8', Buffer.from('<a>\xff</a>', 'latin1')],
    ['an overlong form', Buffer.from('<a>\xc0\xbc</a>', 'latin1')],
    ['UTF-16', Buffer.from('<a/>', 'utf16le')],
    ['a surrogate in UTF-8', Buffer.from('<a>\xed\xa0\x80</a>', 'latin1')],
  ] as const) {
    test(`refuses ${what}`, () => assert.equal(parseXml(bytes), undefined));
  }
});

const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,8}$/);
const text = fc
  .string({ unit: fc.constantFrom(...'<>&"\' \n\tab\u00e9\u{1d11e}]'.split('')), maxLength: 12 })
  .map((value) => value.toWellFormed());
const { element } = fc.letrec<{ element: XmlElement }>((tie) => ({
  element: fc.oneof(
    { maxDepth: 4 },
    fc.record({ name, children: fc.constant([]), text }, { noNullPrototype: true }),
    fc.record(
      {
        name,
        children: fc.array(tie('element'), { minLength: 1, maxLength: 4 }),
        text: fc.constant(''),
      },
      { noNullPrototype: true },
    ),
  ),
}));

function write({ name: tag, children, text: content }: XmlElement): string {
  return `<${tag}>${escapeXml(content)}${children.map(write).join('\n')}</${tag}>`;
}

describe('any document', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(element, (root) => assert.deepEqual(parse(write(root)), root)),
      { numRuns: 500 },
    );
  });

  test('cut off anywhere is none', () => {
    fc.assert(
      fc.property(element, fc.nat(), (root, at) => {
        const whole = write(root);
        assert.equal(parse(whole.slice(0, at % whole.length)), undefined);
      }),
      { numRuns: 500 },
    );
  });

  test('of any bytes at all throws nothing', () => {
    const noise = fc.string({ unit: fc.constantFrom(...'<>/?!&;[]-="\' abx:#0'.split('')), maxLength: 40 });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 64 }),
          noise.map((one) => Buffer.from(one)),
        ),
        (bytes) => {
          const root = parseXml(bytes);
          assert.ok(root === undefined || root.name !== '');
        },
      ),
      { numRuns: 3000 },
    );
  });
});
