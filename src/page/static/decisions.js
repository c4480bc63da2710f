// The live feed of decisions. Each row is one audit line; filters hide rows, and what is plain makes room first.
import { badge, byId, h, number, settingNames } from './elements.js';
import { askAbout } from './explain.js';

/** @typedef {{ time: number, requestId: string, [field: string]: any }} Decision */
/** @typedef {{ decision: Decision, kind: Kind, row: HTMLElement, button: HTMLElement, details: HTMLElement | undefined }} Entry */
/** @typedef {'forwarded' | 'injected' | 'refused' | 'observed' | 'failed' | 'left'} Kind */

/** Rows that are kept: of plain forwarded requests, and of all others. */
const KEPT = 250;
/** As many watch as may, or the gateway is away: then the browser itself does not come back. */
const RETRY_MS = 10_000;

const LABELS = {
  forwarded: 'forwarded',
  injected: 'injected',
  refused: 'refused',
  observed: 'would refuse',
  failed: 'failed',
  left: 'client left',
};

/** Newest first. @type {Entry[]} */
const entries = [];
/** @type {Set<string>} */
const known = new Set();
/** Arrived while paused. @type {Decision[]} */
const held = [];
let missed = 0;
let gaps = 0;
let paused = false;
/** @type {EventSource | undefined} */
let source;
let wanted = false;

const filters = /** @type {HTMLFormElement} */ (byId('filters'));
const body = /** @type {HTMLElement} */ (byId('rows').querySelector('tbody'));

export function openDecisions() {
  filters.addEventListener('input', applyFilter);
  filters.addEventListener('submit', (event) => event.preventDefault());
  // The fields are empty only after the event.
  filters.addEventListener('reset', () => setTimeout(applyFilter));
  byId('pause').addEventListener('click', togglePause);
  body.addEventListener('keydown', moveBetweenRows);
  document.addEventListener('visibilitychange', connectWhileSeen);
}

/** Called when the feed is looked at for the first time: until then nothing need be sent. */
export function watchDecisions() {
  wanted = true;
  connectWhileSeen();
}

function connectWhileSeen() {
  if (!wanted) return;
  if (document.hidden) {
    source?.close();
    source = undefined;
  } else if (!source) connect();
}

function connect() {
  source = new EventSource('/api/decisions');
  const own = source;
  let first = true;
  own.addEventListener('open', () => tell('live', 'good'));
  own.addEventListener('error', () => {
    tell('not connected, trying again', 'bad');
    first = true;
    if (own.readyState !== EventSource.CLOSED || source !== own) return;
    source = undefined;
    setTimeout(connectWhileSeen, RETRY_MS);
  });
  own.addEventListener('decisions', (event) => {
    const batch = JSON.parse(event.data);
    // What was decided of late comes first: where none of it is known, there were more in between.
    if (
      first &&
      known.size > 0 &&
      batch.decisions.length > 0 &&
      !batch.decisions.some((/** @type {Decision} */ each) => known.has(each.requestId))
    )
      gaps += 1;
    first = false;
    missed += batch.missed;
    take(batch.decisions);
  });
}

/** @param {string} text @param {string} kind */
function tell(text, kind) {
  const state = byId('feed');
  if (state.textContent !== text) state.replaceChildren(badge(kind, text));
}

/** @param {readonly Decision[]} decisions */
function take(decisions) {
  for (const decision of decisions) {
    if (known.has(decision.requestId)) continue;
    known.add(decision.requestId);
    if (paused) held.push(decision);
    else insert(decision);
  }
  if (held.length > KEPT)
    for (const { requestId } of held.splice(0, held.length - KEPT)) known.delete(requestId);
  settle();
}

/** @param {Decision} decision */
function insert(decision) {
  const entry = entryOf(decision);
  const at = entries.findIndex((each) => each.decision.time <= decision.time);
  const before = at < 0 ? undefined : entries[at];
  entries.splice(at < 0 ? entries.length : at, 0, entry);
  body.insertBefore(entry.row, before?.row ?? null);
  entry.row.hidden = !passes(entry);
  for (const plain of [true, false]) {
    const same = entries.filter(({ kind }) => (kind === 'forwarded') === plain);
    if (same.length > KEPT) remove(same.at(-1));
  }
  offer('client-names', decision['client']);
  offer('reasons', decision['reason'] ?? decision['observedReason']);
}

/** @param {Entry | undefined} entry */
function remove(entry) {
  if (!entry) return;
  entries.splice(entries.indexOf(entry), 1);
  known.delete(entry.decision.requestId);
  entry.row.remove();
  entry.details?.remove();
}

/** What the counts, the notice of gaps and the order of tabs say after a change. */
function settle() {
  const visible = entries.filter(({ row }) => !row.hidden);
  if (!visible.some(({ button }) => button.tabIndex === 0)) {
    for (const { button } of entries) button.tabIndex = -1;
    if (visible[0]) visible[0].button.tabIndex = 0;
  }
  byId('quiet').hidden = visible.length > 0;
  byId('quiet').textContent =
    entries.length > 0
      ? 'None of those here passes the filter.'
      : 'Nothing yet. Requests show here as they end.';
  byId('pause').textContent =
    paused && held.length > 0 ? `Go on (${held.length} new)` : paused ? 'Go on' : 'Pause';
  const said = [
    missed > 0
      ? `${number(missed)} decisions came too fast to be shown; all of them are in the log and the metrics.`
      : '',
    gaps > 0 ? 'The connection was lost for a while: decisions are missing in between.' : '',
  ];
  byId('missed').textContent = said.filter(Boolean).join(' ');
  byId('missed').hidden = missed + gaps === 0;
}

function togglePause() {
  paused = !paused;
  byId('pause').setAttribute('aria-pressed', String(paused));
  if (!paused) for (const decision of held.splice(0)) insert(decision);
  settle();
}

function applyFilter() {
  for (const entry of entries) {
    entry.row.hidden = !passes(entry);
    if (entry.details) entry.details.hidden = entry.row.hidden;
  }
  settle();
}

/** @param {Entry} entry */
function passes({ decision, kind }) {
  const value = (/** @type {string} */ name) => {
    const field = /** @type {HTMLInputElement} */ (filters.elements.namedItem(name));
    return field.value.trim().toLowerCase();
  };
  const has = (/** @type {unknown} */ text, /** @type {string} */ part) =>
    String(text ?? '')
      .toLowerCase()
      .includes(part);
  return (
    (value('outcome') === '' || value('outcome') === kind) &&
    has(decision['client'], value('client')) &&
    has(decision['bucket'], value('bucket')) &&
    has(decision['reason'] ?? decision['observedReason'], value('reason'))
  );
}

/** @param {string} list @param {string | undefined} value */
function offer(list, value) {
  const element = byId(list);
  if (value === undefined || [...element.children].some((option) => option.getAttribute('value') === value))
    return;
  element.append(h('option', { value }));
}

/** @param {Decision} decision @returns {Kind} */
function kindOf({ outcome, injected, observedReason, unconfirmed }) {
  if (outcome === 'backend_failed' || unconfirmed) return 'failed';
  if (outcome === 'refused') return 'refused';
  if (outcome === 'client_aborted') return 'left';
  if (observedReason !== undefined) return 'observed';
  return injected === undefined ? 'forwarded' : 'injected';
}

/** @param {Decision} decision @returns {Entry} */
function entryOf(decision) {
  const kind = kindOf(decision);
  const { time, client, accessKeyId, operation, bucket, key, rule, status, durationMs } = decision;
  const text = new Date(time).toLocaleTimeString([], { hour12: false });
  const button = h('button', { type: 'button', class: 'link', 'aria-expanded': false, tabindex: -1 }, text);
  const row = h(
    'tr',
    {},
    h('td', {}, button),
    h('td', {}, badge(kind, LABELS[kind])),
    h('td', {}, client ?? h('span', { class: 'muted' }, accessKeyId ?? 'unknown')),
    h('td', {}, operation),
    h('td', { class: 'path' }, bucket ?? '', key !== undefined && h('span', { class: 'muted' }, ' / '), key),
    h('td', {}, rule ?? ''),
    h('td', {}, whatWasDone(decision)),
    h('td', { class: 'number' }, status === 0 ? '–' : status),
    h('td', { class: 'number' }, number(durationMs)),
  );
  /** @type {Entry} */
  const entry = { decision, kind, row, button, details: undefined };
  button.addEventListener('click', () => toggleDetails(entry));
  return entry;
}

/** @param {Decision} decision */
function whatWasDone({ reason, observedReason, injected, observedInjected, unconfirmed, backendError }) {
  if (unconfirmed) return 'encryption not confirmed';
  if (backendError !== undefined) return backendError;
  if (reason !== undefined) return reason;
  if (observedReason !== undefined) return observedReason;
  if (observedInjected !== undefined) return `would add ${settingNames(observedInjected)}`;
  return injected === undefined ? '' : `+ ${settingNames(injected)}`;
}

/** @param {Entry} entry */
function toggleDetails(entry) {
  const { button, decision, row } = entry;
  button.setAttribute('aria-expanded', String(!entry.details));
  if (entry.details) {
    entry.details.remove();
    entry.details = undefined;
    return;
  }
  const { time, ...fields } = decision;
  const shown = [['time', new Date(time).toISOString()], ...Object.entries(fields)];
  const list = shown.map(([name, value]) =>
    h('div', {}, h('dt', {}, name), h('dd', {}, Array.isArray(value) ? value.join(', ') : String(value))),
  );
  entry.details = h(
    'tr',
    { class: 'details' },
    h('td', { colspan: 9 }, h('dl', {}, list), explainButton(decision)),
  );
  row.after(entry.details);
}

/** Operations that their method and path tell from all others. */
const EXPLAINABLE = new Set(['PutObject', 'GetObject', 'HeadObject', 'DeleteObject']);

/** @param {Decision} decision */
function explainButton(decision) {
  if (!EXPLAINABLE.has(decision['operation']) || decision['key'] === undefined) return undefined;
  const button = h('button', { type: 'button' }, 'Explain such a request');
  button.addEventListener('click', () => {
    const { method, bucket, key, clientAlgorithm, clientKeyId, client, listener } = decision;
    const lines = [
      `${method} /${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`,
      clientAlgorithm && `x-amz-server-side-encryption: ${clientAlgorithm}`,
      clientKeyId && `x-amz-server-side-encryption-aws-kms-key-id: ${clientKeyId}`,
    ];
    askAbout(lines.filter(Boolean).join('\n'), client, listener);
  });
  return button;
}

/** @param {KeyboardEvent} event */
function moveBetweenRows(event) {
  const visible = entries.filter(({ row }) => !row.hidden);
  const at = visible.findIndex(({ button }) => button === document.activeElement);
  if (at < 0) return;
  const targets = /** @type {Record<string, number>} */ ({
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    Home: 0,
    End: visible.length - 1,
  });
  const target = visible[targets[event.key] ?? -1];
  if (!target) return;
  event.preventDefault();
  for (const { button } of entries) button.tabIndex = -1;
  target.button.tabIndex = 0;
  target.button.focus();
}
