import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  elementAt,
  elementsNamed,
  fitsShape,
  textAt,
  type XmlElement,
} from '../../../src/core/s3/xml-element.ts';

const leaf = (name: string, text = ''): XmlElement => ({ name, children: [], text });
const branch = (name: string, ...children: XmlElement[]): XmlElement => ({ name, children, text: '' });

describe('fitsShape', () => {
  const shape = {
    Once: 'text',
    Many: ['text'],
    Inner: { Leaf: 'text' },
    Empty: {},
    Any: 'anything',
  } as const;
  const FITTING: readonly (readonly [what: string, element: XmlElement])[] = [
    ['nothing', branch('root')],
    ['each once', branch('root', leaf('Once', 'x'), branch('Inner', leaf('Leaf', 'y')), leaf('Empty'))],
    ['a list', branch('root', leaf('Many', '1'), leaf('Many', '2'))],
    ['white space where elements could be', branch('root', leaf('Empty', '\n  '))],
    ['anything', branch('root', branch('Any', branch('what', leaf('ever', 'x')), leaf('what')))],
  ];
  for (const [what, element] of FITTING) {
    test(`takes ${what}`, () => assert.equal(fitsShape(element, shape), true));
  }
  const UNFITTING: readonly (readonly [what: string, element: XmlElement])[] = [
    ['an element twice that stands once', branch('root', leaf('Once', 'a'), leaf('Once', 'b'))],
    ['an element that is not named', branch('root', leaf('Other'))],
    ['another case', branch('root', leaf('once'))],
    ['a name of every object', branch('root', leaf('constructor'))],
    ['__proto__', branch('root', leaf('__proto__'))],
    ['elements for text', branch('root', branch('Once', leaf('x')))],
    ['text for elements', branch('root', leaf('Inner', 'x'))],
    ['a flaw further down', branch('root', branch('Inner', leaf('Leaf'), leaf('Leaf')))],
    ['a flaw in a list', branch('root', branch('Many', leaf('x')))],
  ];
  for (const [what, element] of UNFITTING) {
    test(`does not take ${what}`, () => assert.equal(fitsShape(element, shape), false));
  }
});

describe('finding elements', () => {
  const root = branch('root', branch('a', leaf('b', '1'), leaf('b', '2')), leaf('c', ''));
  test('by path', () => {
    assert.equal(textAt(root, 'a', 'b'), '1');
    assert.equal(textAt(root, 'c'), '');
    assert.equal(textAt(root, 'a', 'x'), undefined);
    assert.equal(textAt(undefined, 'a'), undefined);
    assert.equal(elementAt(root)?.name, 'root');
  });
  test('by name', () => {
    assert.deepEqual(
      elementsNamed(elementAt(root, 'a'), 'b').map(({ text }) => text),
      ['1', '2'],
    );
    assert.deepEqual(elementsNamed(undefined, 'b'), []);
  });
});
