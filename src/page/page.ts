// The page of the admin listener and what is behind it: files, state, decisions, explain. Reads only; answers nobody but
// its own page. Knows HTTP; what a gateway is asked stands in gateway/inspection.ts.
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { explain } from '../command/explain/explain.ts';
import type { Backend } from '../core/policy/policy.ts';
import type { Inspection } from '../gateway/inspection.ts';
import type { AdminPage } from '../observe/admin.ts';
import { countsOf, History } from './counts.ts';
import { refusalOf } from './guard.ts';
import { readPasted } from './paste.ts';
import { type About, stateOf } from './state.ts';
import { DecisionStreams } from './stream.ts';

/** What goes out. */
interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What answers, or begins an answer by itself. */
type Route = (request: IncomingMessage, response: ServerResponse) => Answer | Promise<Answer> | undefined;

interface Endpoint {
  readonly method: 'GET' | 'POST';
  readonly route: Route;
}

const JSON_TYPE = 'application/json; charset=utf-8';
const FILES: Readonly<Record<string, string>> = {
  'page.html': 'text/html; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
  'charts.js': 'text/javascript; charset=utf-8',
  'decisions.js': 'text/javascript; charset=utf-8',
  'elements.js': 'text/javascript; charset=utf-8',
  'explain.js': 'text/javascript; charset=utf-8',
  'overview.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
};

/** Everything comes from here, nothing is inline, and nobody frames it. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** A question is a request head, which S3 limits to 8 KiB, as somebody's tool shows it. In bytes. */
const MAX_QUESTION = 64 * 1024;

/** Makes the page. */
export function openPage(gateway: Inspection, versions: Omit<About, 'startedAt'>): AdminPage {
  const about = { ...versions, startedAt: Date.now() };
  const counts = async () => countsOf(await gateway.snapshots());
  const history = new History(counts);
  const streams = new DecisionStreams(gateway.feed);
  const state = async () => json(200, stateOf(gateway, about, await counts(), history.points(), Date.now()));
  const endpoints = new Map<string, Endpoint>([
    ...fileRoutes(),
    ['/api/state', { method: 'GET', route: state }],
    ['/api/decisions', { method: 'GET', route: (_request, response) => watch(streams, response) }],
    ['/api/explain', { method: 'POST', route: (request) => answerQuestion(request, gateway) }],
  ]);
  const answerTo = async (
    { method, route }: Endpoint,
    request: IncomingMessage,
    response: ServerResponse,
  ) => {
    const refusal = refusalOf(request, gateway.configuration().admin.pageHosts);
    if (refusal !== undefined) return json(403, { error: refusal });
    if (request.method === method) return route(request, response);
    return { ...json(405, { error: `Only ${method} is allowed here.` }), headers: { Allow: method } };
  };
  return {
    serve: (request, response) => {
      const [path = ''] = (request.url ?? '').split('?', 1);
      const endpoint = endpoints.get(path);
      // Whoever asks from a command line gets the list of endpoints.
      if (!endpoint || (path === '/' && !request.headers.accept?.includes('text/html'))) return false;
      void send(response, answerTo(endpoint, request, response));
      return true;
    },
    close: () => {
      history.close();
      streams.close();
    },
  };
}

function fileRoutes(): (readonly [string, Endpoint])[] {
  return Object.entries(FILES).map(([file, type]) => {
    const body = readFileSync(new URL(`static/${file}`, import.meta.url), 'utf8');
    const path = file === 'page.html' ? '/' : `/page/${file}`;
    return [path, { method: 'GET', route: () => ({ status: 200, type, body }) }] as const;
  });
}

/** Nothing to send is left where the answer has begun already. A fault is not logged: it could quote what was pasted. */
async function send(response: ServerResponse, answering: Promise<Answer | undefined>): Promise<void> {
  let answer: Answer | undefined;
  try {
    answer = await answering;
  } catch {
    answer = json(500, { error: 'This failed. That is a fault of the gateway.' });
  }
  if (!answer) return;
  const { status, type, body, headers } = answer;
  const length = Buffer.byteLength(body);
  response.writeHead(status, { ...HEADERS, 'Content-Type': type, 'Content-Length': length, ...headers });
  response.end(body);
}

function watch(streams: DecisionStreams, response: ServerResponse): Answer | undefined {
  if (streams.full) {
    return { ...json(503, { error: 'As many watch as may.' }), headers: { 'Retry-After': '10' } };
  }
  response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
  streams.begin(response);
  return undefined;
}

/** `request` as it was pasted, and who sends it where. */
async function answerQuestion(request: IncomingMessage, gateway: Inspection): Promise<Answer> {
  // A form of another site's cannot send this type without asking first.
  if (request.headers['content-type']?.split(';', 1)[0] !== 'application/json') {
    return json(415, { error: 'The question must be application/json.' });
  }
  const text = await readBody(request);
  if (text === undefined) return json(413, { error: `The question has more than ${MAX_QUESTION} bytes.` });
  const asked = parseQuestion(text);
  if (!asked)
    return json(400, { error: 'The question is not JSON of the form {"request": "PUT /bucket/key"}.' });
  const pasted = readPasted(asked.request);
  if ('error' in pasted) return json(422, pasted);
  const { client, listener, plaintext } = asked;
  const question = { ...pasted, client, listener, plaintext };
  const unusableKeys = (backend: Backend) => gateway.keyWatch.unusable(backend);
  const answer = await explain(gateway.configuration(), question, new Date(), unusableKeys);
  return 'kind' in answer ? json(422, { error: withoutOptions(answer.message) }) : json(200, answer);
}

/** The page has fields where the command line has options. */
function withoutOptions(message: string): string {
  return message.replace(/ \(--[^)]*\)/g, '');
}

interface Asked {
  readonly request: string;
  readonly client: string | undefined;
  readonly listener: string | undefined;
  readonly plaintext: boolean;
}

function parseQuestion(text: string): Asked | undefined {
  try {
    const { request, client, listener, plaintext = false } = JSON.parse(text) as Record<string, unknown>;
    const isName = (value: unknown) => value === undefined || typeof value === 'string';
    if (typeof request !== 'string' || !isName(client) || !isName(listener)) return undefined;
    return typeof plaintext === 'boolean' ? ({ request, client, listener, plaintext } as Asked) : undefined;
  } catch {
    return undefined;
  }
}

/** The body as text; nothing where it is too long. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= MAX_QUESTION) chunks.push(chunk);
  }
  return size > MAX_QUESTION ? undefined : Buffer.concat(chunks).toString('utf8');
}

function json(status: number, value: unknown): Answer {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}
