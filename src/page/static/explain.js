// The explain form: a request is asked about, and the verdict and what becomes of each header are shown.
import { badge, byId, code, h, muted, settingNames } from './elements.js';

const form = /** @type {HTMLFormElement} */ (byId('question'));

/** @param {string} name */
function field(name) {
  return /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
}

export function openExplain() {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void ask();
  });
  field('request').addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}

/**
 * The choices that the configuration has.
 * @param {import('./page.js').State} state
 */
export function showChoices({ clients, listeners }) {
  for (const [name, items] of /** @type {const} */ ([
    ['client', clients],
    ['listener', listeners],
  ])) {
    const select = /** @type {HTMLSelectElement} */ (/** @type {unknown} */ (field(name)));
    const names = items.map((item) => item.name);
    const [first, ...options] = select.options;
    if (first && JSON.stringify(options.map(({ value }) => value)) !== JSON.stringify(names)) {
      const { value } = select;
      select.replaceChildren(first, ...names.map((each) => h('option', { value: each }, each)));
      select.value = names.includes(value) ? value : '';
    }
  }
}

/**
 * Puts a request into the form, and asks.
 * @param {string} request
 * @param {string | undefined} client
 * @param {string | undefined} listener
 */
export function askAbout(request, client, listener) {
  field('request').value = request;
  field('client').value = client ?? '';
  field('listener').value = listener ?? '';
  /** @type {HTMLInputElement} */ (field('plaintext')).checked = false;
  location.hash = '#explain';
  void ask();
}

async function ask() {
  const question = {
    request: field('request').value,
    client: field('client').value || undefined,
    listener: field('listener').value || undefined,
    plaintext: field('plaintext').checked,
  };
  const answer = byId('answer');
  try {
    const response = await fetch('/api/explain', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(question),
    });
    const found = await response.json();
    answer.replaceChildren(...(response.ok ? explanation(found) : [notice(found.error)]));
  } catch {
    answer.replaceChildren(notice('The gateway does not answer.'));
  }
}

/** @param {string} text */
function notice(text) {
  return h('p', { class: 'notice warn' }, text);
}

const VERDICTS = { forwarded: 'forwarded', refused: 'refused', undecided: 'off' };

/** @param {any} found the answer of `explain --json`; docs/explain.md */
function explanation(found) {
  const { outcome, operation, bucket, key } = found;
  const kind = VERDICTS[/** @type {keyof typeof VERDICTS} */ (outcome)];
  const refusal =
    found.errorMessage &&
    h(
      'p',
      { class: 'reason' },
      h('b', {}, `${found.status} ${found.errorCode}`),
      ' ',
      code(found.reason),
      h('br'),
      found.errorMessage,
    );
  const injected =
    found.injected?.length > 0 &&
    h('p', {}, badge('injected', 'injected'), ' ', settingNames(found.injected));
  return [
    h(
      'h3',
      { class: 'verdict' },
      badge(kind, outcome),
      ' ',
      operation,
      ' ',
      h('span', { class: 'path' }, bucket ?? '', key !== undefined && ' / ', key ?? ''),
    ),
    refusal || '',
    injected || '',
    facts(found),
    found.edits ? changes(found) : received(found),
    notes('Notes', found.notes),
    documents(found.documents),
  ].filter((part) => part !== '');
}

/** @param {any} found */
function facts(found) {
  const at = (/** @type {number | undefined} */ line) =>
    line === undefined ? '' : muted(` ${found.configuration.split('/').at(-1)}:${line}`);
  /** @type {(readonly [string, ...(Node | string)[]])[]} */
  const rows = [
    [
      'rule',
      ...(found.rule === undefined
        ? [muted('none decides')]
        : [h('b', {}, found.rule), ' ', badge(found.ruleMode, found.ruleMode), at(found.ruleLine)]),
    ],
    [
      'client',
      ...(found.client === undefined
        ? [muted(found.accessKeyId ?? 'none')]
        : [found.client, at(found.clientLine)]),
    ],
    [
      'listener',
      found.listener,
      at(found.listenerLine),
      muted(`, ${found.transport}, ${found.secure ? '' : 'not '}secure`),
    ],
    ['backend', ...(found.backend === undefined ? [muted('none')] : [found.backend, at(found.backendLine)])],
  ];
  if (found.forwardUrl !== undefined) {
    rows.push(
      ['sent as', code(`${found.forwardMethod} ${found.forwardUrl}`)],
      ['signed', found.signedAs],
      ['body', found.body],
    );
  }
  return h(
    'dl',
    { class: 'facts' },
    rows.map(([name, ...value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
  );
}

/** @typedef {{ name: string, value: string, from?: string }} Header */

/** @param {any} found */
function changes({ edits }) {
  const none = () => muted('–');
  const rows = [
    ...edits.added.map((/** @type {Header} */ { name, value }) =>
      change('added', '+', name, none(), shown(name, value)),
    ),
    ...edits.changed.map(
      (/** @type {{ name: string, before: string, after: string }} */ { name, before, after }) =>
        change('changed', '~', name, shown(name, before), shown(name, after)),
    ),
    ...edits.removed.map((/** @type {Header} */ { name, value }) =>
      change('removed', '−', name, shown(name, value), none()),
    ),
    ...edits.kept.map((/** @type {Header} */ { name, value, from }) =>
      change(
        'kept',
        '=',
        name,
        from === 'query' ? h('span', {}, shown(name, value), muted(' in the query')) : shown(name, value),
        shown(name, value),
      ),
    ),
  ];
  const head = ['', 'Header', 'As received', 'As sent on'].map((name) =>
    name === ''
      ? h('th', { scope: 'col' }, h('span', { class: 'unseen' }, 'Change'))
      : h('th', { scope: 'col' }, name),
  );
  return h(
    'div',
    { class: 'scroll' },
    h(
      'table',
      { class: 'changes' },
      h('caption', { class: 'unseen' }, 'Headers side by side'),
      h('thead', {}, h('tr', {}, head)),
      h('tbody', {}, rows),
    ),
  );
}

/** @param {string} kind @param {string} sign @param {string} name @param {Node} before @param {Node} after */
function change(kind, sign, name, before, after) {
  const mark = h('td', {}, h('span', { 'aria-hidden': true }, sign), h('span', { class: 'unseen' }, kind));
  return h(
    'tr',
    { class: kind },
    mark,
    h('th', { scope: 'row' }, name),
    h('td', {}, before),
    h('td', {}, after),
  );
}

/** The request that was judged, where nothing is sent on. @param {any} found */
function received({ method, target, headers }) {
  const rows = headers.map((/** @type {Header} */ { name, value }) =>
    h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, shown(name, value))),
  );
  return h(
    'div',
    { class: 'scroll' },
    h(
      'table',
      { class: 'changes' },
      h('caption', {}, code(`${method} ${target}`)),
      h(
        'thead',
        {},
        h('tr', {}, h('th', { scope: 'col' }, 'Header'), h('th', { scope: 'col' }, 'As received')),
      ),
      h('tbody', {}, rows),
    ),
  );
}

/** A value; an encryption context also as the JSON that it stands for. @param {string} name @param {string} value */
function shown(name, value) {
  const text = value === 'redacted' ? muted(value) : code(value);
  if (name !== 'x-amz-server-side-encryption-context') return text;
  try {
    const bytes = Uint8Array.from(atob(value), (char) => char.charCodeAt(0));
    return h('span', {}, text, h('br'), muted(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
  } catch {
    return text;
  }
}

/** @param {string} title @param {readonly string[]} lines */
function notes(title, lines) {
  return lines.length === 0
    ? ''
    : h(
        'div',
        {},
        h('h4', {}, title),
        h(
          'ul',
          {},
          lines.map((line) => h('li', {}, line)),
        ),
      );
}

/** @param {readonly string[]} links */
function documents(links) {
  const items = links.map((href) =>
    h(
      'li',
      {},
      h('a', { href, rel: 'noreferrer', target: '_blank' }, href.replace('https://docs.aws.amazon.com/', '')),
    ),
  );
  return items.length === 0 ? '' : h('div', {}, h('h4', {}, 'AWS on it'), h('ul', {}, items));
}
