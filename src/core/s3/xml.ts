// Text in and out of XML. Knows characters, no element.

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#13;',
};

/** Text as it stands in an element. Characters that XML 1.0 cannot hold at all become U+FFFD. */
export function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replace(/[&<>"\r]/g, (character) => ESCAPES[character] ?? character);
}

/** Elements that hold text alone, one after the other. */
export function formatElements(elements: readonly (readonly [name: string, text: string])[]): string {
  return elements.map(([name, text]) => `<${name}>${escapeXml(text)}</${name}>`).join('');
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The text of an element without children; `undefined` for an entity that XML itself does not define. */
export function unescapeXml(text: string): string | undefined {
  let known = true;
  const plain = text.replace(/&(?:#x([0-9A-Fa-f]{1,6})|#(\d{1,7})|(\w+));|&/g, (_, hex, decimal, name) => {
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    const named = name === undefined ? undefined : ENTITIES[name];
    if (named !== undefined) return named;
    known &&= code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return known ? String.fromCodePoint(code) : '';
  });
  return known ? plain : undefined;
}
