// Makes elements. Text becomes text nodes and nothing else: names of buckets, keys and clients are of other people's making.

const SVG = 'http://www.w3.org/2000/svg';

/** @typedef {Node | string | number | undefined | false} Child */

/**
 * An element with attributes and children; what is `undefined` or `false` is left out.
 * @param {string} tag
 * @param {Record<string, string | number | boolean | undefined>} [attributes]
 * @param {...(Child | readonly Child[])} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/**
 * The same in SVG.
 * @param {string} tag
 * @param {Record<string, string | number | boolean | undefined>} [attributes]
 * @param {...(Child | readonly Child[])} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  return filled(/** @type {SVGElement} */ (document.createElementNS(SVG, tag)), attributes, children);
}

/**
 * @template {Element} E
 * @param {E} element
 * @param {Record<string, string | number | boolean | undefined>} attributes
 * @param {readonly (Child | readonly Child[])[]} children
 * @returns {E}
 */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false)
      element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children.flat()) {
    if (child !== undefined && child !== false)
      element.append(typeof child === 'number' ? String(child) : child);
  }
  return element;
}

/**
 * The element of this ID, which stands in the page.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`There is no #${id}`);
  return found;
}

/** @type {WeakMap<Element, string>} */
const shown = new WeakMap();

/**
 * Fills an element anew, unless it shows this already: focus and selection stay where nothing has changed.
 * @param {Element} element
 * @param {unknown} value
 * @param {() => readonly Child[]} build
 */
export function fillWhenChanged(element, value, build) {
  const text = JSON.stringify(value) ?? '';
  if (shown.get(element) === text) return;
  shown.set(element, text);
  element.replaceChildren(
    ...build()
      .filter((child) => child !== undefined && child !== false)
      .map(asNode),
  );
}

/** @param {Child} child */
function asNode(child) {
  return child instanceof Node ? child : String(child);
}

/**
 * A table; cells are text or nodes.
 * @param {string} caption
 * @param {readonly string[]} columns
 * @param {readonly (readonly (Child | readonly Child[])[])[]} rows
 * @returns {HTMLElement}
 */
export function table(caption, columns, rows) {
  const head = h(
    'tr',
    {},
    columns.map((name) => h('th', { scope: 'col' }, name)),
  );
  const body = rows.map((cells) =>
    h(
      'tr',
      {},
      cells.map((cell) => h('td', {}, ...[cell].flat())),
    ),
  );
  return h(
    'div',
    { class: 'scroll' },
    h('table', {}, h('caption', { class: 'unseen' }, caption), h('thead', {}, head), h('tbody', {}, body)),
  );
}

/**
 * A word with a colour of its own; the word says all that the colour does.
 * @param {string} kind
 * @param {string} text
 */
export function badge(kind, text) {
  return h('span', { class: `badge ${kind}` }, text);
}

/** @param {string} text */
export function code(text) {
  return h('code', {}, text);
}

/** @param {string} text */
export function muted(text) {
  return h('span', { class: 'muted' }, text);
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const precise = new Intl.NumberFormat('en', { maximumSignificantDigits: 2 });

/** @param {number} value */
export function number(value) {
  return value !== 0 && Math.abs(value) < 10 && !Number.isInteger(value)
    ? precise.format(value)
    : whole.format(value);
}

/**
 * What the gateway adds, in words.
 * @param {readonly string[]} settings
 */
export function settingNames(settings) {
  return settings.map((name) => name.replace('_id', ' ID').replace('_', ' ')).join(', ');
}
