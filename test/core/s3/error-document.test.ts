// Error documents of backends.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isErrorDocument, withMessage } from '../../../src/core/s3/error-document.ts';

describe('withMessage', () => {
  const cases: [string, string, string][] = [
    [
      'an empty Message',
      '<Error><Code>AccessDenied</Code><Message></Message></Error>',
      '<Error><Code>AccessDenied</Code><Message>AccessDenied</Message></Error>',
    ],
    [
      'a self-closed one',
      '<Error><Code>A</Code><Message/></Error>',
      '<Error><Code>A</Code><Message>A</Message></Error>',
    ],
    [
      'one that says something',
      '<Error><Code>A</Code><Message>B</Message></Error>',
      '<Error><Code>A</Code><Message>B</Message></Error>',
    ],
    ['none', '<Error><Code>A</Code></Error>', '<Error><Code>A</Code></Error>'],
    [
      'another document',
      '<Result><Code>A</Code><Message/></Result>',
      '<Result><Code>A</Code><Message/></Result>',
    ],
    [
      'a code that is a replacement pattern',
      '<Error><Code>$&amp;$1</Code><Message/></Error>',
      '<Error><Code>$&amp;$1</Code><Message>$&amp;$1</Message></Error>',
    ],
  ];
  for (const [what, document, expected] of cases) {
    test(what, () => assert.equal(withMessage(document), expected));
  }
});

describe('isErrorDocument', () => {
  const xml = ['content-type', 'application/xml'] as const;
  const length = (bytes: number) => ['content-length', String(bytes)] as const;
  const cases: [string, number, (readonly [string, string])[], boolean][] = [
    ['a small XML error', 403, [xml, length(200)], true],
    ['a success', 200, [xml, length(200)], false],
    ['an error without a length', 403, [xml], false],
    ['an empty one', 403, [xml, length(0)], false],
    ['a large one', 403, [xml, length(16 * 1024 + 1)], false],
    ['an error that is no XML', 403, [['content-type', 'text/html'], length(200)], false],
  ];
  for (const [what, status, headers, expected] of cases) {
    test(what, () => assert.equal(isErrorDocument(status, headers), expected));
  }
});
