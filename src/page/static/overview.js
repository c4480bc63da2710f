// The overview: what needs attention, what is decided, and what is enforced where.
import { barList, rateChart } from './charts.js';
import { badge, byId, code, fillWhenChanged, h, muted, number, table } from './elements.js';

const OUTCOMES = [
  { name: 'forwarded', label: 'forwarded' },
  { name: 'refused', label: 'refused' },
  { name: 'backend_failed', label: 'failed' },
  { name: 'client_aborted', label: 'client left' },
];
const INJECTIONS = [
  { name: 'algorithm', label: 'algorithm' },
  { name: 'key_id', label: 'key ID' },
  { name: 'context', label: 'context' },
  { name: 'bucket_key', label: 'bucket key' },
];

const decided = rateChart('Requests', 'outcomes', OUTCOMES);
const injected = rateChart('Injected settings', 'injections', INJECTIONS);
const refused = barList('Refusals', 'refused');
const observed = barList('Let through by mode observe', 'observed');

export function openOverview() {
  byId('charts').replaceChildren(
    decided.element,
    injected.element,
    h('div', { class: 'panel lists' }, refused.element, observed.element),
  );
}

/** @param {import('./page.js').State} state */
export function showOverview(state) {
  const { counts, history } = state;
  decided.update(history);
  injected.update(history);
  refused.update(counts.refusals);
  observed.update(counts.observedRefusals);
  observed.element.hidden = !state.rules.some(({ mode }) => mode === 'observe');
  const problems = problemsOf(state);
  fillWhenChanged(byId('attention'), problems, () => problems.map(({ kind, text }) => notice(kind, text)));
  const tiles = tilesOf(state);
  fillWhenChanged(byId('tiles'), tiles, () => tiles.map(tile));
  const { rules, keys, listeners, backends, clients, limits } = state;
  fillWhenChanged(byId('inventory'), { rules, keys, listeners, backends, clients, limits }, () => [
    panel(
      'Encryption rules',
      'the first that matches a write decides; without one it is refused',
      rulesTable(state),
    ),
    panel('KMS keys', 'that rules name', keysTable(state)),
    panel('Listeners and certificates', 'where clients come in', listenersTable(state)),
    panel('Backends', 'the first whose buckets match takes a request', backendsTable(state)),
    panel('Clients', 'and what they may do', clientsTable(state), 'half'),
    panel('Limits', 'of all processes together', limitsTable(state), 'half'),
  ]);
}

/** @typedef {{ kind: string, text: string }} Problem */

/**
 * @param {import('./page.js').State} state
 * @returns {Problem[]}
 */
function problemsOf({ checks, counts, listeners }) {
  /** @type {Problem[]} */
  const failing = checks
    .filter(({ ok }) => !ok)
    .map(({ name, detail, informative }) => ({
      kind: informative ? 'warn' : 'bad',
      text: `${name}: ${detail ?? 'not well'}`,
    }));
  const unconfirmed = counts.unconfirmed > 0 && {
    kind: /** @type {const} */ ('bad'),
    text: `${number(counts.unconfirmed)} writes whose encryption a backend did not confirm: see the audit lines with unconfirmed`,
  };
  const expiring = listeners.flatMap(({ name, certificate }) => {
    const kind = certificate && certificateKind(certificate.daysLeft);
    if (kind === undefined || kind === 'good') return [];
    return { kind, text: `certificate of listener ${name}: ${daysText(certificate?.daysLeft ?? 0)}` };
  });
  return [...failing, ...(unconfirmed ? [unconfirmed] : []), ...expiring];
}

/** @param {string} kind @param {string} text */
function notice(kind, text) {
  return h('p', { class: `notice ${kind}` }, badge(kind, kind === 'bad' ? 'fault' : 'attention'), ' ', text);
}

/**
 * @param {import('./page.js').State} state
 * @returns {{ label: string, value: string, kind: string }[]}
 */
function tilesOf({ counts, history }) {
  const of = (/** @type {string} */ name) => counts.outcomes[name] ?? 0;
  const all = Object.values(counts.outcomes).reduce((a, b) => a + b, 0);
  const before = history.findLast(({ time }) => time <= (history.at(-1)?.time ?? 0) - 55_000) ?? history[0];
  const seconds = ((history.at(-1)?.time ?? 0) - (before?.time ?? 0)) / 1000;
  const then = Object.values(before?.outcomes ?? {}).reduce((a, b) => a + b, 0);
  const last = Object.values(history.at(-1)?.outcomes ?? {}).reduce((a, b) => a + b, 0);
  return [
    {
      label: 'requests per second',
      value: number(seconds > 0 ? Math.max(0, last - then) / seconds : 0),
      kind: '',
    },
    { label: 'requests', value: number(all), kind: '' },
    { label: 'forwarded', value: number(of('forwarded')), kind: 'forwarded' },
    { label: 'refused', value: number(of('refused')), kind: 'refused' },
    {
      label: 'failed at a backend',
      value: number(of('backend_failed')),
      kind: of('backend_failed') > 0 ? 'backend_failed' : '',
    },
    {
      label: 'not confirmed',
      value: number(counts.unconfirmed),
      kind: counts.unconfirmed > 0 ? 'backend_failed' : '',
    },
    { label: 'in flight', value: number(counts.requestsInFlight), kind: '' },
  ];
}

/** @param {{ label: string, value: string, kind: string }} each */
function tile({ label, value, kind }) {
  return h('div', { class: `tile ${kind}` }, h('b', {}, value), h('span', {}, label));
}

/** @param {string} title @param {string} what @param {HTMLElement} content @param {string} [size] */
function panel(title, what, content, size = '') {
  return h('section', { class: `panel ${size}` }, h('h3', {}, title, ' ', muted(what)), content);
}

/** @param {readonly string[]} patterns */
function patterns(patterns) {
  return patterns.flatMap((text, i) => (i === 0 ? [code(text)] : [' ', code(text)]));
}

/** @param {number | undefined} line */
function lineText(line) {
  return muted(line === undefined ? '' : `line ${line}`);
}

/** @param {import('./page.js').State} state */
function rulesTable({ rules }) {
  const rows = rules.map((rule) => [
    [h('b', {}, rule.name), ' ', lineText(rule.line)],
    badge(rule.mode, rule.mode),
    [
      ...patterns(rule.buckets),
      ...(rule.prefixes.length > 0 ? [muted(' under '), ...patterns(rule.prefixes)] : []),
    ],
    rule.algorithm === undefined ? h('span', { class: 'badge off' }, 'as it comes') : code(rule.algorithm),
    rule.algorithm === undefined ? '' : [keyText(rule.keyId ?? ''), ...allowedText(rule.allowedKeyIds ?? [])],
    rule.algorithm === undefined ? '' : extras(rule),
  ]);
  if (rows.length === 0) return h('p', { class: 'quiet' }, 'There is no rule: all writes are refused.');
  return table(
    'Encryption rules, in order',
    ['Rule', 'Mode', 'Buckets', 'Algorithm', 'Key', 'Besides'],
    rows,
  );
}

/** @param {readonly string[]} keyIds */
function allowedText(keyIds) {
  return keyIds.map((keyId) => h('div', { class: 'also' }, muted('also '), keyText(keyId)));
}

/** @param {import('./page.js').Rule} rule */
function extras({ bucketKey, otherEncryption, requiredContext, addedContext }) {
  const said = [
    bucketKey ? 'bucket key' : '',
    requiredContext.length > 0 ? `context must have ${requiredContext.join(', ')}` : '',
    addedContext.length > 0 ? `adds ${addedContext.join(', ')} to the context` : '',
    `other encryption: ${otherEncryption}`,
  ];
  return said.filter(Boolean).join('; ');
}

/**
 * An ARN whose last part is what tells it from others; all of it is there to be copied.
 * @param {string} keyId
 */
function keyText(keyId) {
  const [, key] = /^arn:[^:]*:kms:[^:]*:[^:]*:(.*)$/.exec(keyId) ?? [];
  return key === undefined
    ? code(keyId)
    : h(
        'code',
        { class: 'arn', title: keyId },
        h('span', { class: 'muted' }, keyId.slice(0, -key.length)),
        key,
      );
}

/** @param {import('./page.js').State} state */
function keysTable({ keys }) {
  const rows = keys.map((key) => [
    keyText(key.keyId),
    key.kind === 'usable'
      ? badge('good', 'usable')
      : key.kind === 'not asked'
        ? badge('off', 'not asked')
        : [
            badge(key.kind === 'unusable' ? 'bad' : 'warn', (key.state ?? '').replaceAll('_', ' ')),
            ' ',
            muted(key.detail === `is ${key.state}` ? '' : (key.detail ?? '')),
          ],
    key.backend ?? muted('no backend asks its KMS'),
    key.rules.join(', '),
  ]);
  if (rows.length === 0) return h('p', { class: 'quiet' }, 'No rule names a key.');
  return table('KMS keys', ['Key', 'State', 'Asked by backend', 'Rules'], rows);
}

/** @param {import('./page.js').State} state */
function listenersTable({ listeners }) {
  const rows = listeners.map(
    ({ name, line, host, port, certificate, secure, authentication, signing, connections }) => [
      [h('b', {}, name), ' ', lineText(line)],
      code(`${host.includes(':') ? `[${host}]` : host}:${port}`),
      [
        certificate ? `TLS, ${certificate.minVersion} and up` : 'plaintext',
        !certificate && secure && muted(' declared secure'),
      ],
      certificate
        ? [
            badge(certificateKind(certificate.daysLeft), daysText(certificate.daysLeft)),
            ' ',
            muted(`until ${new Date(certificate.notAfter).toISOString().slice(0, 10)}`),
          ]
        : muted('none'),
      [
        authentication,
        signing === 'preserve' && ', signatures preserved',
        certificate?.asksForClientCertificates && ', client certificates',
      ],
      number(connections),
    ],
  );
  return table(
    'Listeners and certificates',
    ['Listener', 'Address', 'Transport', 'Certificate', 'Authentication', 'Connections'],
    rows,
  );
}

/** @param {number} days */
function certificateKind(days) {
  if (days < 3) return 'bad';
  return days < 14 ? 'warn' : 'good';
}

/** @param {number} days */
function daysText(days) {
  if (days < 0) return 'expired';
  return days === 1 ? '1 day left' : `${number(days)} days left`;
}

/** @param {import('./page.js').State} state */
function backendsTable({ backends }) {
  const rows = backends.map(
    ({ name, line, endpoint, region, buckets, credentials, answers, firstByteMs }) => [
      [h('b', {}, name), ' ', lineText(line)],
      code(endpoint),
      region,
      patterns(buckets),
      [
        badge(
          credentials.state === 'not fetched yet' ? 'bad' : credentials.state === 'none' ? 'off' : 'good',
          credentials.state,
        ),
        ' ',
        credentials.provider !== 'none' && muted(credentials.provider),
      ],
      answers === 0
        ? muted('none yet')
        : `${number(answers)}, first byte after ${number(firstByteMs ?? 0)} ms on average`,
    ],
  );
  return table('Backends', ['Backend', 'Endpoint', 'Region', 'Buckets', 'Credentials', 'Answers'], rows);
}

/** @param {import('./page.js').State} state */
function clientsTable({ clients }) {
  const rows = clients.map(({ name, line, access, buckets, hasAccessKey, certificate }) => [
    [h('b', {}, name), ' ', lineText(line)],
    badge(access === 'admin' ? 'admin' : 'off', access),
    patterns(buckets),
    [
      hasAccessKey && 'access key',
      hasAccessKey && certificate !== undefined && ' and ',
      certificate !== undefined && code(certificate),
    ],
  ]);
  if (rows.length === 0) return h('p', { class: 'quiet' }, 'No client is configured.');
  return table('Clients', ['Client', 'Access', 'Buckets', 'Known by'], rows);
}

/** @param {string} name @param {number} value */
function amount(name, value) {
  return name === 'bufferedBytes' ? `${number(value / 2 ** 20)} MiB` : number(value);
}

const LIMITS = {
  connections: 'connections of the fullest listener',
  requestsInFlight: 'requests in flight',
  bufferedBytes: 'memory for signed chunks',
};

/** @param {string} name */
function limitName(name) {
  return LIMITS[/** @type {keyof typeof LIMITS} */ (name)] ?? name;
}

/** @param {import('./page.js').State} state */
function limitsTable({ limits }) {
  const rows = limits.map(({ name, limit, used }) => [
    limitName(name),
    `${amount(name, used)} of ${amount(name, limit)}`,
    h('meter', {
      min: 0,
      max: limit,
      low: limit * 0.7,
      high: limit * 0.9,
      optimum: 0,
      value: used,
      'aria-label': limitName(name),
    }),
  ]);
  return table('Limits', ['Limit', 'Used', 'Share'], rows);
}
