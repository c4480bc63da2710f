// The charts: columns over the last ten minutes, drawn as SVG, each with its numbers as a table beside it.
import { h, number, svg } from './elements.js';

/** @typedef {{ time: number, outcomes: Record<string, number>, injections: Record<string, number> }} Point */
/** @typedef {{ name: string, label: string }} Series */
/** @typedef {{ time: number, rates: readonly number[] }} Column */

const WIDTH = 600;
const HEIGHT = 150;
/** What is drawn: as far back as is known, within these. */
const LEAST_SPAN_MS = 120_000;
const MOST_SPAN_MS = 600_000;
const MINUTE_MS = 60_000;

/**
 * A chart of rates: how fast the sums of a label have grown.
 * @param {string} title
 * @param {'outcomes' | 'injections'} field
 * @param {readonly Series[]} series
 */
export function rateChart(title, field, series) {
  const drawing = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' });
  const scale = h('div', { class: 'scale', 'aria-hidden': true });
  const legend = h('ul', { class: 'legend' });
  const rows = h('tbody');
  const at = h('span', { class: 'muted' });
  const since = h('span');
  const element = h(
    'figure',
    { class: 'panel chart' },
    h('figcaption', {}, title, ' ', at),
    h('div', { class: 'plot' }, drawing, scale),
    h('div', { class: 'axis', 'aria-hidden': true }, since, h('span', {}, 'now')),
    legend,
    h('details', {}, h('summary', {}, 'As a table'), numbersTable(title, series, rows)),
  );
  /** @type {readonly Column[]} */
  let columns = [];
  let end = 0;
  let span = LEAST_SPAN_MS;
  /** @param {Column | undefined} column */
  const tell = (column) => {
    at.textContent = column
      ? `at ${new Date(column.time).toLocaleTimeString()}`
      : 'per second; the legend is for the last minute';
    const rates = column?.rates ?? averages(columns, end - MINUTE_MS, end, series.length);
    legend.replaceChildren(...legendOf(series, rates));
  };
  drawing.addEventListener('pointermove', ({ clientX }) => {
    const { left, width } = drawing.getBoundingClientRect();
    const time = end - span + (span * (clientX - left)) / width;
    tell(columns.find((column, i) => column.time >= time && (columns[i - 1]?.time ?? 0) < time));
  });
  drawing.addEventListener('pointerleave', () => tell(undefined));
  /** @param {readonly Point[]} points */
  const update = (points) => {
    end = points.at(-1)?.time ?? Date.now();
    span = Math.min(MOST_SPAN_MS, Math.max(LEAST_SPAN_MS, end - (points[0]?.time ?? end)));
    since.textContent = `${Math.round(span / MINUTE_MS)} min ago`;
    columns = columnsOf(points, field, series);
    const top = niceAbove(Math.max(0, ...columns.map(({ rates }) => rates.reduce((a, b) => a + b, 0))));
    drawing.replaceChildren(
      ...gridLines(),
      ...series.map((each, i) => path(each, columns, i, (time) => (WIDTH * (time - end + span)) / span, top)),
    );
    scale.replaceChildren(
      h('span', {}, `${number(top)}/s`),
      h('span', {}, number(top / 2)),
      h('span', {}, '0'),
    );
    const now = averages(columns, end - MINUTE_MS, end, series.length);
    drawing.setAttribute('aria-label', `${title}. ${spoken(series, now)}`);
    rows.replaceChildren(...minutes(columns, end, series.length));
    tell(undefined);
  };
  return { element, update };
}

/**
 * @param {readonly Series[]} series
 * @param {readonly number[]} rates
 */
function legendOf(series, rates) {
  return series.map(({ name, label }, i) =>
    h('li', {}, h('span', { class: `swatch ${name}` }), label, ' ', h('b', {}, number(rates[i] ?? 0))),
  );
}

/**
 * @param {readonly Series[]} series
 * @param {readonly number[]} rates
 */
function spoken(series, rates) {
  const said = series.map(({ label }, i) => `${label} ${number(rates[i] ?? 0)}`);
  return `In the last minute, per second: ${said.join(', ')}. The table below has every minute.`;
}

/**
 * @param {string} title
 * @param {readonly Series[]} series
 * @param {HTMLElement} rows
 */
function numbersTable(title, series, rows) {
  const head = ['Minute', ...series.map(({ label }) => label)].map((name) => h('th', { scope: 'col' }, name));
  return h(
    'table',
    {},
    h('caption', { class: 'unseen' }, `${title}, each minute`),
    h('thead', {}, h('tr', {}, head)),
    rows,
  );
}

/**
 * @param {readonly Point[]} points
 * @param {'outcomes' | 'injections'} field
 * @param {readonly Series[]} series
 * @returns {Column[]}
 */
function columnsOf(points, field, series) {
  return points.slice(1).map((point, i) => {
    const before = points[i] ?? point;
    const seconds = Math.max(1, point.time - before.time) / 1000;
    // A process that is gone can take counts with it: nothing is drawn below zero.
    const rates = series.map(
      ({ name }) => Math.max(0, (point[field][name] ?? 0) - (before[field][name] ?? 0)) / seconds,
    );
    return { time: point.time, rates };
  });
}

/**
 * @param {readonly Column[]} columns
 * @param {number} from
 * @param {number} to
 * @param {number} count
 */
function averages(columns, from, to, count) {
  const within = columns.filter(({ time }) => time > from && time <= to);
  return Array.from({ length: count }, (_, i) =>
    within.length === 0 ? 0 : within.reduce((sum, { rates }) => sum + (rates[i] ?? 0), 0) / within.length,
  );
}

/**
 * @param {readonly Column[]} columns
 * @param {number} end
 * @param {number} count
 */
function minutes(columns, end, count) {
  return Array.from({ length: MOST_SPAN_MS / MINUTE_MS }, (_, i) => {
    const to = end - i * MINUTE_MS;
    const rates = averages(columns, to - MINUTE_MS, to, count);
    const name = new Date(to - MINUTE_MS).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    return h(
      'tr',
      {},
      h('th', { scope: 'row' }, name),
      rates.map((rate) => h('td', { class: 'number' }, number(rate))),
    );
  });
}

function gridLines() {
  return [0.5, HEIGHT / 2, HEIGHT - 0.5].map((y) =>
    svg('line', { class: 'grid', x1: 0, x2: WIDTH, y1: y, y2: y }),
  );
}

/**
 * The columns of one series, on top of those before it.
 * @param {Series} series
 * @param {readonly Column[]} columns
 * @param {number} index
 * @param {(time: number) => number} x
 * @param {number} top
 */
function path({ name }, columns, index, x, top) {
  const parts = columns.flatMap(({ time, rates }, i) => {
    const height = ((rates[index] ?? 0) / top) * HEIGHT;
    if (height === 0) return [];
    const begun = columns[i - 1]?.time ?? time - 5_000;
    const base = rates.slice(0, index).reduce((a, b) => a + b, 0);
    const bottom = HEIGHT - (base / top) * HEIGHT;
    const width = Math.max(1, x(time) - x(begun) - 0.8);
    return `M${x(begun).toFixed(1)} ${bottom.toFixed(1)}h${width.toFixed(1)}v${(-height).toFixed(1)}h${(-width).toFixed(1)}z`;
  });
  return svg('path', { class: `fill ${name}`, d: parts.join('') });
}

/**
 * 1, 2 or 5 times a power of ten.
 * @param {number} value
 */
function niceAbove(value) {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5].find((factor) => factor * power >= value) ?? 10);
}

/**
 * Bars by name, the longest first, under a heading of their own. The numbers are text of the list itself.
 * @param {string} title
 * @param {string} kind
 */
export function barList(title, kind) {
  const list = h('ol', { class: 'bars', 'aria-label': title });
  const heading = h('p', { class: 'heading' }, title, ' ', h('span', { class: 'muted' }, 'since the start'));
  const element = h('div', {}, heading, list);
  /** @param {Record<string, number>} sums */
  const update = (sums) => {
    const entries = Object.entries(sums)
      .filter(([, count]) => count > 0)
      .sort(([, a], [, b]) => b - a);
    const most = entries[0]?.[1] ?? 1;
    const bars = entries.slice(0, 8).map(([name, count]) => {
      const bar = svg('rect', { class: `fill ${kind}`, width: `${(100 * count) / most}%`, height: 6, rx: 2 });
      return h(
        'li',
        {},
        h('span', {}, name),
        h('b', {}, number(count)),
        svg('svg', { height: 6, 'aria-hidden': true }, bar),
      );
    });
    list.replaceChildren(...(bars.length > 0 ? bars : [h('li', { class: 'quiet' }, 'none')]));
  };
  return { element, update };
}
