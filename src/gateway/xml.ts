// XML text → elements, by a parser that holds to the specification. Stricter than it where two readers could differ: no DTD,
// comment, CDATA, processing instruction, prefix or foreign attribute. Knows characters and elements, no document.
import { type SaxesAttributeNS, SaxesParser, type SaxesTagNS } from 'saxes';
import type { XmlElement } from '../core/s3/xml-element.ts';

/** Deeper than any document of S3's. */
const MAX_DEPTH = 24;
/** Elements of one document: ten thousand buckets, or a thousand replication rules. */
const MAX_ELEMENTS = 100_000;

/** Both are optional: many clients leave the namespace out. */
const NAMESPACES = new Set(['', 'http://s3.amazonaws.com/doc/2006-03-01/']);
/** The type of a grantee, the one attribute in S3's documents. */
const XSI = 'http://www.w3.org/2001/XMLSchema-instance';

interface OpenElement {
  readonly name: string;
  readonly children: XmlElement[];
  text: string;
}

/** Breaks off the parser at the first thing it should not have met. */
class Unacceptable extends Error {}

/** The root of a document; `undefined` for text that is not XML in this form, or not UTF-8. */
export function parseXml(bytes: Uint8Array): XmlElement | undefined {
  try {
    return parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function parse(text: string): XmlElement | undefined {
  const refuse = (): never => {
    throw new Unacceptable();
  };
  const open: OpenElement[] = [];
  let root: XmlElement | undefined;
  let elements = 0;
  const parser = new SaxesParser({ xmlns: true, position: false });
  for (const event of ['doctype', 'comment', 'cdata', 'processinginstruction', 'error'] as const) {
    parser.on(event, refuse);
  }
  parser.on('xmldecl', ({ version, encoding }) => {
    if (version !== '1.0' || (encoding ?? 'UTF-8').toUpperCase() !== 'UTF-8') refuse();
  });
  parser.on('opentag', (tag) => {
    elements += 1;
    if (!isPlain(tag) || elements > MAX_ELEMENTS || open.length >= MAX_DEPTH) refuse();
    open.push({ name: tag.name, children: [], text: '' });
  });
  parser.on('text', (piece) => {
    const innermost = open.at(-1);
    if (innermost) innermost.text += piece;
  });
  parser.on('closetag', () => {
    const closed = closeElement(open.pop());
    if (!closed) return refuse();
    const parent = open.at(-1);
    if (parent) parent.children.push(closed);
    else root = closed;
  });
  parser.write(text).close();
  return root;
}

/** S3's own namespace or none, and no prefix: readers that know no namespaces take a prefixed name for another one. */
function isPlain({ name, uri, attributes }: SaxesTagNS): boolean {
  if (name.includes(':') || !NAMESPACES.has(uri)) return false;
  return Object.values(attributes).every(isHarmless);
}

function isHarmless({ name, local, uri, value }: SaxesAttributeNS): boolean {
  if (name === 'xmlns') return NAMESPACES.has(value);
  if (name.startsWith('xmlns:')) return value === XSI;
  return uri === XSI && local === 'type';
}

/** `undefined` where text and elements stand side by side. */
function closeElement(element: OpenElement | undefined): XmlElement | undefined {
  if (!element) return undefined;
  const { name, children, text } = element;
  if (children.length === 0) return { name, children, text };
  return /^[ \t\r\n]*$/.test(text) ? { name, children, text: '' } : undefined;
}
