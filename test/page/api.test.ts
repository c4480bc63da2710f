// What is behind the page, without a browser: who may see it, what it answers, and that nothing secret is in it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { refusalOf } from '../../src/page/guard.ts';
import { MAX_WATCHERS } from '../../src/page/stream.ts';
import { eventually } from '../gateway/eventually.ts';
import { ask, watchDecisions } from './asking.ts';
import { KEY, PLANTED, plantedIn, type Site, SSE, startSite } from './site.ts';

describe('who may see the page', () => {
  const OWN = '127.0.0.1';
  const FAR = '192.0.2.7';
  const HOSTS = ['admin.example', '192.0.2.1', '2001:db8::1'];
  type Row = readonly [peer: string, headers: Record<string, string>, may: boolean, method?: string];
  const ROWS: Readonly<Record<string, Row>> = {
    'this machine, as localhost': [OWN, { host: 'localhost:9090' }, true],
    'this machine, in capitals': [OWN, { host: 'LOCALHOST:9090' }, true],
    'this machine, by its address': [OWN, { host: '127.0.0.1:9090' }, true],
    'this machine, by IPv6': ['::1', { host: '[::1]:9090' }, true],
    'this machine, by IPv4 in IPv6': ['::ffff:127.0.0.1', { host: 'localhost' }, true],
    "this machine, by a name of somebody else's (DNS rebinding)": [OWN, { host: 'evil.example:9090' }, false],
    'this machine, by a name that only looks like its own': [OWN, { host: 'localhost.evil.example' }, false],
    'this machine, by an address that goes on': [OWN, { host: '127.0.0.1.evil.example' }, false],
    'this machine, without a name': [OWN, {}, false],
    'another machine that says localhost': [FAR, { host: 'localhost:9090' }, false],
    'another machine, by a host that is configured': [FAR, { host: 'Admin.Example:9090' }, true],
    'another machine, by an address that is configured': [FAR, { host: '192.0.2.1' }, true],
    'another machine, by an IPv6 address that is configured': [FAR, { host: '[2001:db8::1]:9090' }, true],
    'another machine, by another host': [FAR, { host: 'gateway.example' }, false],
    'the page itself': [OWN, { host: 'localhost', 'sec-fetch-site': 'same-origin' }, true],
    'a link from elsewhere': [
      OWN,
      { host: 'localhost', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
      true,
    ],
    "a script of somebody else's": [
      OWN,
      { host: 'localhost', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' },
      false,
    ],
    'a script of another port here': [
      OWN,
      { host: 'localhost', 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' },
      false,
    ],
    "a form of somebody else's": [
      OWN,
      { host: 'localhost', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
      false,
      'POST',
    ],
    'an origin elsewhere': [OWN, { host: 'localhost:9090', origin: 'https://evil.example' }, false],
    'an origin that hides': [OWN, { host: 'localhost:9090', origin: 'null' }, false],
    'its own origin': [OWN, { host: 'localhost:9090', origin: 'http://localhost:9090' }, true],
  };
  for (const [who, [peer, headers, may, method = 'GET']] of Object.entries(ROWS)) {
    test(`${who}: ${may ? 'may' : 'may not'}`, () => {
      const request = { headers, method, socket: { remoteAddress: peer } } as unknown as IncomingMessage;
      assert.equal(refusalOf(request, HOSTS) === undefined, may);
    });
  }
});

describe('the page', () => {
  let site: Site;
  before(async () => {
    site = await startSite(1, { admin: { address: '127.0.0.1:0', pageHosts: ['Admin.example'] } });
  });
  after(() => site?.close());

  const get = (path: string, headers: Record<string, string> = {}) => ask(site.admin + path, headers);
  const explain = (body: unknown, headers: Record<string, string> = {}) =>
    ask(
      `${site.admin}/api/explain`,
      { 'content-type': 'application/json', ...headers },
      'POST',
      typeof body === 'string' ? body : JSON.stringify(body),
    );

  test('is there for browsers, and a list of endpoints for command lines', async () => {
    const page = await get('/', { accept: 'text/html,*/*;q=0.8' });
    assert.equal(page.status, 200);
    assert.match(page.body, /^<!doctype html>/i);
    const list = await get('/', { accept: '*/*' });
    assert.match(list.body, /\/metrics/);
    assert.match(String(list.headers['content-type']), /text\/plain/);
  });

  test('refers to nothing that is not there, and to nothing elsewhere', async () => {
    const { body } = await get('/', { accept: 'text/html' });
    const seen = new Set<string>();
    const wanted = [...body.matchAll(/(?:href|src)="([^"#]+)"/g)].map(([, path = '']) => path);
    for (const path of wanted) {
      if (seen.has(path)) continue;
      seen.add(path);
      const file = await get(path);
      assert.equal(file.status, 200, path);
      if (!path.endsWith('.js')) continue;
      wanted.push(...[...file.body.matchAll(/from '\.\/([^']+)'/g)].map(([, name]) => `/page/${name}`));
    }
    assert.ok(seen.size >= 8, [...seen].join());
  });

  for (const path of ['/', '/page/page.js', '/api/state', '/api/explain']) {
    test(`allows nothing from elsewhere in its answers: ${path}`, async () => {
      const { headers } = await get(path, { accept: 'text/html' });
      const policy = String(headers['content-security-policy']);
      for (const part of [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'none'",
      ])
        assert.ok(policy.split(/; /).includes(part), part);
      assert.doesNotMatch(policy, /unsafe|https?:|\*/);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
      assert.equal(headers['access-control-allow-origin'], undefined);
    });
  }

  for (const path of ['/', '/page/page.js', '/api/state', '/api/decisions', '/api/explain']) {
    test(`is not for a page that has led its own name here: ${path}`, async () => {
      const { status, body } = await get(path, { host: 'evil.example', accept: 'text/html' });
      assert.equal(status, 403);
      assert.match(body, /admin\.pageHosts/);
    });
  }

  test('is there under the hosts that are configured, whatever they are written in', async () => {
    assert.equal((await get('/api/state', { host: 'admin.example:1234' })).status, 200);
  });

  test('leaves probes and Prometheus alone', async () => {
    for (const path of ['/metrics', '/livez', '/readyz'])
      assert.equal((await get(path, { host: '10.0.0.7:9090' })).status, 200);
  });

  for (const [path, method] of [
    ['/api/state', 'POST'],
    ['/api/decisions', 'DELETE'],
    ['/api/explain', 'GET'],
    ['/page/page.js', 'PUT'],
  ] as const) {
    test(`takes no ${method} at ${path}`, async () => {
      const { status, headers } = await ask(site.admin + path, {}, method);
      assert.equal(status, 405);
      assert.match(String(headers.allow), /^(GET|POST)$/);
    });
  }

  test('has no file but its own', async () => {
    for (const path of ['/page/../page.ts', '/page/..%2fpage.ts', '/page/tsconfig.json', '/page/', '/page'])
      assert.equal((await get(path)).status, 404, path);
  });

  test('tells the state, in the order of the file', async () => {
    await site.put('billing', '/billing-eu/ledger/a');
    await site.put('reader', '/billing-eu/ledger/a');
    await eventually(
      async () => (await site.gateway.metric('s3_kms_gateway_requests_total')) >= 2,
      'counted',
    );
    const state = JSON.parse((await get('/api/state')).body);
    assert.deepEqual(
      state.rules.map(({ name, mode }: Record<string, unknown>) => [name, mode]),
      [
        ['ledger', 'inject'],
        ['billing', 'inject'],
        ['trial', 'observe'],
      ],
    );
    const [ledger] = state.rules;
    assert.ok(ledger.line > 1);
    assert.deepEqual([ledger.keyId, ledger.prefixes, ledger.addedContext], [KEY, ['ledger/'], ['app']]);
    assert.deepEqual(
      state.clients.map(({ line: _line, ...rest }: Record<string, unknown>) => rest),
      [
        { name: 'billing', access: 'read-write', buckets: ['billing-*', 'trial'], hasAccessKey: true },
        { name: 'reader', access: 'read-only', buckets: ['billing-*'], hasAccessKey: true },
      ],
    );
    assert.deepEqual(state.backends[0].credentials, { provider: 'static', state: 'available' });
    assert.equal(state.backends[0].answers, 1);
    assert.equal(state.listeners[0].certificate.daysLeft, 29);
    assert.equal(state.ready, true);
    assert.deepEqual(state.processes, { serving: 1, of: 1 });
    assert.equal(state.counts.outcomes.forwarded, 1);
    assert.equal(state.counts.refusals.operation_not_allowed, 1);
    assert.equal(state.counts.injections.algorithm, 1);
    assert.ok(state.history.length > 0);
    const documents = readFileSync(new URL('../../docs/observability.md', import.meta.url), 'utf8');
    const rows = documents.slice(
      documents.indexOf('The fields of `/api/state`'),
      documents.indexOf('## Metrics'),
    );
    assert.deepEqual(
      Object.keys(state).filter((name) => !rows.includes(`\`${name}\``)),
      [],
    );
  });

  test('explains a request as it would be judged now', async () => {
    const request = `PUT /billing-eu/ledger/a\n${SSE}: AES256`;
    const { status, body } = await explain({ request, client: 'billing' });
    const answer = JSON.parse(body);
    assert.equal(status, 200);
    assert.deepEqual(
      [answer.outcome, answer.reason, answer.rule],
      ['refused', 'encryption_downgrade', 'ledger'],
    );
    assert.equal(answer.ruleLine > 1, true);
    const forwarded = JSON.parse((await explain({ request: 'PUT /billing-eu/x', client: 'billing' })).body);
    assert.equal(forwarded.outcome, 'forwarded');
    const names = forwarded.edits.added.map(({ name }: { name: string }) => name);
    assert.ok(names.includes(`${SSE}-aws-kms-key-id`));
    const plain = await explain({ request: 'GET /billing-eu/x', client: 'billing', plaintext: true });
    assert.equal(JSON.parse(plain.body).transport, 'plaintext');
    assert.equal(site.backend.received.filter(({ target }) => target === '/billing-eu/x').length, 0);
  });

  test('says what is missing where there is no answer, in words of the page', async () => {
    const { status, body } = await explain({ request: 'PUT /billing-eu/x' });
    assert.equal(status, 422);
    assert.match(body, /name the client that sends the request: one of billing, reader/);
    assert.equal((await explain({ request: 'nonsense' })).status, 422);
  });

  test('takes no question that is not JSON of its form', async () => {
    const question = JSON.stringify({ request: 'GET /b/k', client: 'billing' });
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])
      assert.equal((await explain(question, { 'content-type': type })).status, 415, type);
    for (const body of ['', '{', 'null', '[]', '{}', '{"request":1}', '{"request":"GET /","client":1}'])
      assert.equal((await explain(body)).status, 400, body);
    assert.equal((await explain({ request: `GET /${'x'.repeat(70_000)}` })).status, 413);
  });

  test('answers no question of another site', async () => {
    const question = { request: 'GET /billing-eu/k', client: 'billing' };
    assert.equal((await explain(question, { origin: 'https://evil.example' })).status, 403);
    assert.equal((await explain(question, { 'sec-fetch-site': 'cross-site' })).status, 403);
    assert.equal((await explain(question, { origin: site.admin })).status, 200);
  });

  test('shows no secret, and keeps none that is pasted', async () => {
    const pasted = {
      authorization: `AWS4-HMAC-SHA256 Credential=BILLING0000000000001/20261124/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=${'b4'.repeat(32)}`,
      'x-amz-security-token': 'pasted-token-7d1f',
      [`${SSE}-customer-key`]: 'pasted-customer-key-7d1f',
      'x-amz-meta-note': 'pasted-note-7d1f',
    };
    const lines = Object.entries(pasted).map(([name, value]) => `${name}: ${value}`);
    const answers = await Promise.all([
      explain({ request: ['PUT /billing-eu/a', ...lines].join('\n') }),
      explain({
        request: `GET /billing-eu/a?X-Amz-Signature=${'b4'.repeat(32)}&X-Amz-Security-Token=pasted-token-7d1f`,
      }),
      explain({ request: `curl --user x:pasted-secret-7d1f --pasted-option-7d1f https://h/billing-eu/a` }),
      explain({ request: 'PUT /billing-eu/b', client: 'billing' }),
      get('/api/state'),
      get('/metrics'),
      get('/readyz'),
    ]);
    const said = answers.map(({ body }) => body).join('\n');
    assert.doesNotMatch(said, /pasted-token|pasted-customer-key|pasted-secret|(?:b4){32}/);
    assert.deepEqual(plantedIn(said), []);
    const log = site.gateway.lines.join('\n');
    assert.doesNotMatch(log, /pasted-/);
    assert.deepEqual(plantedIn(log), []);
    assert.ok(said.includes('pasted-note-7d1f'), 'the search finds what is shown');
  });

  test('shows the context of a rule where `explain` does, and nowhere else', async () => {
    const { body } = await explain({ request: 'PUT /billing-eu/ledger/a', client: 'billing' });
    const { edits } = JSON.parse(body);
    const context = edits.added.find(({ name }: { name: string }) => name === `${SSE}-context`);
    assert.equal(JSON.parse(Buffer.from(context.value, 'base64').toString()).app, PLANTED['context']);
    const state = (await get('/api/state')).body;
    assert.deepEqual(plantedIn(state), []);
  });

  test('lets so many watch and no more, until one leaves', async () => {
    const watching = await Promise.all(
      Array.from({ length: MAX_WATCHERS }, () => watchDecisions(site.admin)),
    );
    assert.deepEqual(
      watching.map(({ status }) => status),
      Array(MAX_WATCHERS).fill(200),
    );
    const refused = await get('/api/decisions');
    assert.equal(refused.status, 503);
    assert.equal(refused.headers['retry-after'], '10');
    await watching[0]?.close();
    await eventually(async () => {
      const again = await watchDecisions(site.admin);
      await again.close();
      return again.status === 200;
    }, 'there is room again');
    for (const each of watching) await each.close();
  });
});

for (const workers of [1, 2]) {
  describe(`the feed of decisions, workers: ${workers}`, () => {
    let site: Site;
    before(async () => {
      site = await startSite(workers);
    });
    after(() => site?.close());

    test('tells of an injected and a refused upload as they are audited, and of those before', async () => {
      await site.put('billing', '/billing-eu/before');
      const watching = await watchDecisions(site.admin);
      assert.equal(watching.headers.get('content-type'), 'text/event-stream');
      await site.put('billing', '/billing-eu/ledger/injected');
      await site.put('billing', '/billing-eu/refused', { [SSE]: 'AES256' });
      await eventually(
        () => ['before', 'ledger/injected', 'refused'].every((key) => watching.about(key).length > 0),
        'all three are told',
      );
      const [injected] = watching.about('ledger/injected');
      const [refused] = watching.about('refused');
      assert.deepEqual(injected?.['injected'], ['algorithm', 'key_id', 'bucket_key', 'context']);
      assert.equal(refused?.['reason'], 'encryption_downgrade');
      await eventually(() => site.gateway.lines.some((line) => line.includes('"refused"')), 'it is logged');
      const { time: _time, ...told } = refused ?? {};
      const {
        level: _level,
        msg: _msg,
        time: _logged,
        ...logged
      } = JSON.parse(site.gateway.lines.find((line) => line.includes('encryption_downgrade')) ?? '{}');
      assert.deepEqual(told, logged);
      assert.deepEqual(plantedIn(JSON.stringify([injected, refused])), []);
      await watching.close();
    });

    test('tells every watcher', async () => {
      const all = await Promise.all([watchDecisions(site.admin), watchDecisions(site.admin)]);
      await site.put('billing', '/billing-eu/for-all');
      await eventually(() => all.every(({ about }) => about('for-all').length > 0), 'both are told');
      for (const each of all) await each.close();
    });

    test('goes on after a watcher has come and gone', async () => {
      const first = await watchDecisions(site.admin);
      await first.close();
      await site.put('billing', '/billing-eu/between');
      const second = await watchDecisions(site.admin);
      await eventually(() => second.about('between').length > 0, 'what came in between is told');
      await second.close();
    });

    test('ends with the gateway, which does not wait for watchers', async () => {
      const own = await startSite(workers);
      const watching = await watchDecisions(own.admin);
      assert.equal(await own.gateway.stop(), 0);
      await watching.close();
      await own.backend.close();
    });
  });
}

test('a worker that takes the place of another tells its decisions too', async (t) => {
  const site = await startSite(2);
  t.after(() => site.close());
  const watching = await watchDecisions(site.admin);
  const [victim = 0, other = 0] = site.gateway.workers();
  process.kill(victim, 'SIGKILL');
  await eventually(() => !site.gateway.workers().includes(victim), 'it is gone');
  await eventually(() => site.gateway.workers().length === 2, 'it is replaced');
  // The only one that serves is now the new one.
  const serving = async () => JSON.parse((await ask(`${site.admin}/api/state`)).body).processes.serving === 2;
  await eventually(serving, 'both serve');
  process.kill(other, 'SIGSTOP');
  try {
    await site.put('billing', '/billing-eu/by-the-new-one');
    await eventually(() => watching.about('by-the-new-one').length > 0, 'it is told');
  } finally {
    process.kill(other, 'SIGCONT');
  }
  await watching.close();
});
