// An XML document that has been parsed, as the core reads it: elements, text, and the one shape each may have.
// Must not know how text becomes elements, nor what any of them means.

/** One element. It holds elements or text, never both; white space between elements is gone. */
export interface XmlElement {
  readonly name: string;
  readonly children: readonly XmlElement[];
  readonly text: string;
}

/**
 * What an element may hold: text, anything at all, or the elements named, each once unless its shape stands in a list.
 * What is not named may not be there: S3 could give it a meaning that escapes the rules.
 */
export type XmlShape = 'text' | 'anything' | XmlShapes;
export interface XmlShapes {
  readonly [element: string]: XmlShape | readonly [XmlShape];
}

/** Whether an element holds nothing but what its shape names, and repeats nothing that stands once. */
export function fitsShape({ children, text }: XmlElement, shape: XmlShape): boolean {
  if (shape === 'anything') return true;
  if (shape === 'text') return children.length === 0;
  if (text.trim() !== '') return false;
  const seen = new Set<string>();
  return children.every((child) => {
    const own = Object.hasOwn(shape, child.name) ? shape[child.name] : undefined;
    if (own === undefined) return false;
    if (isList(own)) return fitsShape(child, own[0]);
    if (seen.has(child.name)) return false;
    seen.add(child.name);
    return fitsShape(child, own);
  });
}

function isList(shape: XmlShape | readonly [XmlShape]): shape is readonly [XmlShape] {
  return Array.isArray(shape);
}

/** The first element that a path of names leads to. */
export function elementAt(from: XmlElement | undefined, ...path: readonly string[]): XmlElement | undefined {
  let found = from;
  for (const name of path) found = found?.children.find((child) => child.name === name);
  return found;
}

/** The text of the element that a path of names leads to; `undefined` where there is none. */
export function textAt(from: XmlElement | undefined, ...path: readonly string[]): string | undefined {
  return elementAt(from, ...path)?.text;
}

/** Every child of this name. */
export function elementsNamed(from: XmlElement | undefined, name: string): readonly XmlElement[] {
  return (from?.children ?? []).filter((child) => child.name === name);
}
