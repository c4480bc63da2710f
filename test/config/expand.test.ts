// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the configuration's own syntax.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { expand } from '../../src/config/expand.ts';

const ENVIRONMENT = { NAME: 'value', EMPTY: '', NESTED: '${NAME}', _a1: 'x' };

const EXPANDED: readonly (readonly [text: string, expected: string])[] = [
  ['', ''],
  ['plain', 'plain'],
  ['${NAME}', 'value'],
  ['a-${NAME}-${NAME}-b', 'a-value-value-b'],
  ['${_a1}', 'x'],
  ['${NAME:-other}', 'value'],
  ['${UNSET:-other}', 'other'],
  ['${EMPTY:-other}', 'other'],
  ['${UNSET:-}', ''],
  ['${UNSET:-a:-b}', 'a:-b'],
  ['${UNSET:-two\nlines}', 'two\nlines'],
  ['${EMPTY}', ''],
  ['${NESTED}', '${NAME}'],
  ['$${NAME}', '${NAME}'],
  ['$${NAME}${NAME}', '${NAME}value'],
  ['$', '$'],
  ['$NAME', '$NAME'],
  ['$$', '$$'],
  ['}', '}'],
];

const FAULTY: readonly (readonly [text: string, ...messages: string[]])[] = [
  ['${UNSET}', 'the environment variable UNSET is not set'],
  ['${toString}', 'the environment variable toString is not set'],
  ['${A}${B}', 'the environment variable A is not set', 'the environment variable B is not set'],
  ['${}', 'has a ${ that names no variable'],
  ['${1A}', 'has a ${ that names no variable'],
  ['${NAME-default}', 'has a ${ that names no variable'],
  ['${NAME', 'has a ${ that names no variable'],
];

describe('expand', () => {
  for (const [text, expected] of EXPANDED) {
    test(`${JSON.stringify(text)} gives ${JSON.stringify(expected)}`, () => {
      assert.deepEqual(expand(text, ENVIRONMENT), { kind: 'expanded', text: expected });
    });
  }

  for (const [text, ...messages] of FAULTY) {
    test(`${JSON.stringify(text)} is a fault`, () => {
      const expansion = expand(text, ENVIRONMENT);
      assert.equal(expansion.kind, 'faulty');
      assert.deepEqual(
        expansion.problems.map(({ message }) => message),
        messages,
      );
    });
  }

  test('any text without ${ stands for itself', () => {
    const text = fc.string().filter((value) => !value.includes('${'));
    fc.assert(
      fc.property(text, (value) => assert.deepEqual(expand(value, {}), { kind: 'expanded', text: value })),
    );
  });

  test('any text can be written by doubling the dollar of each ${', () => {
    const text = fc.array(fc.constantFrom('$', '{', '}', 'A', ':-')).map((parts) => parts.join(''));
    fc.assert(
      fc.property(
        text.filter((value) => !value.includes('$${')),
        (value) => {
          const escaped = value.replaceAll('${', () => '$${');
          assert.deepEqual(expand(escaped, {}), { kind: 'expanded', text: value });
        },
      ),
    );
  });

  test('any value arrives as it is', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (value, around) => {
        const plain = around.replaceAll('$', '');
        const expansion = expand(`${plain}\${A}${plain}`, { A: value });
        assert.deepEqual(expansion, { kind: 'expanded', text: plain + value + plain });
      }),
    );
  });
});
