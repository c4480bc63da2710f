// The page: asks for the state every few seconds, and shows one of three views, which the address names.
import { openDecisions, watchDecisions } from './decisions.js';
import { badge, byId } from './elements.js';
import { openExplain, showChoices } from './explain.js';
import { openOverview, showOverview } from './overview.js';

/**
 * @typedef {{ name: string, line?: number, mode: string, buckets: string[], prefixes: string[], algorithm?: string,
 *   keyId?: string, allowedKeyIds?: string[], bucketKey?: boolean, otherEncryption?: string, requiredContext: string[],
 *   addedContext: string[] }} Rule
 * @typedef {Record<string, number>} Sums
 * @typedef {{ version: string, uptimeSeconds: number, file: string, ready: boolean,
 *   processes: { serving: number, of: number },
 *   checks: { name: string, ok: boolean, detail?: string, informative?: boolean }[],
 *   rules: Rule[],
 *   keys: { keyId: string, backend?: string, rules: string[], kind: string, state?: string, detail?: string }[],
 *   listeners: { name: string, line?: number, host: string, port: number, secure: boolean, authentication: string,
 *     signing: string, connections: number,
 *     certificate?: { notAfter: number, daysLeft: number, minVersion: string, asksForClientCertificates: boolean } }[],
 *   backends: { name: string, line?: number, endpoint: string, region: string, buckets: string[], answers: number,
 *     firstByteMs?: number, credentials: { provider: string, state: string } }[],
 *   clients: { name: string, line?: number, access: string, buckets: string[], hasAccessKey: boolean,
 *     certificate?: string }[],
 *   limits: { name: string, limit: number, used: number }[],
 *   counts: { outcomes: Sums, injections: Sums, refusals: Sums, observedRefusals: Sums, unconfirmed: number,
 *     requestsInFlight: number },
 *   history: import('./charts.js').Point[] }} State  as /api/state has it; docs/observability.md
 */

const VIEWS = ['overview', 'decisions', 'explain'];
const POLL_MS = 5_000;

function showView() {
  const name = location.hash.slice(1) || 'overview';
  // Other fragments lead to places within a view.
  if (!VIEWS.includes(name)) return;
  for (const view of VIEWS) byId(view).hidden = view !== name;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.getAttribute('href') === `#${name}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  scrollTo(0, 0);
  document.title = `${name[0]?.toUpperCase()}${name.slice(1)} · s3-kms-gateway`;
  if (name === 'decisions') watchDecisions();
}

async function poll() {
  if (document.hidden) return;
  try {
    const response = await fetch('/api/state');
    if (!response.ok) throw new Error(String(response.status));
    show(await response.json());
  } catch {
    byId('standing').replaceChildren(badge('bad', 'does not answer'));
  }
}

/** @param {State} state */
function show(state) {
  const { version, uptimeSeconds, processes, ready, checks, file } = state;
  byId('version').textContent = version;
  const workers = processes.of > 1 ? ` · ${processes.serving} of ${processes.of} workers` : '';
  const draining = checks.some(({ name }) => name === 'draining');
  byId('standing').replaceChildren(
    badge(ready ? 'good' : 'bad', ready ? 'ready' : draining ? 'draining' : 'not ready'),
    ` up ${duration(uptimeSeconds)}${workers} · ${file.split('/').at(-1)}`,
  );
  byId('standing').title = file;
  showOverview(state);
  showChoices(state);
}

/** @param {number} seconds */
function duration(seconds) {
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (seconds < 60) return `${seconds} s`;
  if (days > 0) return `${days} d ${hours} h`;
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min`;
}

openOverview();
openDecisions();
openExplain();
addEventListener('hashchange', showView);
document.addEventListener('visibilitychange', () => void poll());
showView();
void poll();
setInterval(() => void poll(), POLL_MS);
