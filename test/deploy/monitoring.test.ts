// The alerts and the dashboard of deploy/: that they are sound, that each alert fires when it should and only then, and that
// every query of the dashboard finds something where there was traffic.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { createMetrics } from '../../src/observe/metrics.ts';
import { sendSigned } from '../gateway/client.ts';
import { startGateway, type TestGateway } from '../gateway/gateway.ts';
import { DEFAULT_KEY, FOREIGN_KEY, type StoreBackend, startStoreBackend } from '../gateway/store.ts';
import { type FakeKms, startFakeKms } from '../kms/fake-kms.ts';
import { type Prometheus, startPrometheus } from './prometheus.ts';
import { PROMETHEUS, PROMTOOL, ROOT, run, skipWithout } from './tools.ts';

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const ALERTS = 'deploy/prometheus/alerts.yaml';
const ALERT_TESTS = 'test/deploy/alerts.test.yaml';
const DASHBOARD = 'deploy/grafana/dashboard.json';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
}
interface Rules {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
}
const rules = (parse(read(ALERTS)) as Rules).groups.flatMap((group) => group.rules);

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}
const dashboard = JSON.parse(read(DASHBOARD)) as { readonly panels: readonly Panel[] };
const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ title, expr })),
);

test('alerts and dashboard ask for metrics that there are', async () => {
  const { body } = await createMetrics({ version: '0', nodeVersion: '0' }).exposition();
  const names = new Set([...body.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name));
  const asked = [...rules.map(({ expr }) => expr), ...queries.map(({ expr }) => expr)]
    .join('\n')
    .matchAll(/\b(?:s3_kms_gateway|process|nodejs)_\w+/g);
  const unknown = [...asked].map(([name]) => name.replace(/_bucket$/, '')).filter((name) => !names.has(name));
  assert.deepEqual(unknown, []);
});

test('observability.md has a row for each alert, with its severity', () => {
  const rows = [...read('docs/observability.md').matchAll(/^\| `(S3\w+)` \| (\w+) \|/gm)];
  assert.deepEqual(
    rows.map(([, alert, severity]) => [alert, severity]).sort(),
    rules.map(({ alert, labels }) => [alert, labels.severity]).sort(),
  );
});

describe('alerts', () => {
  const skip = skipWithout(PROMTOOL);

  test('Prometheus takes them', { skip }, () => {
    assert.match(run(PROMTOOL, 'check', 'rules', '--lint-fatal', ALERTS), / SUCCESS: \d+ rules found/);
  });

  test('each fires when it should and keeps still when it should', { skip }, () => {
    const { tests } = parse(read(ALERT_TESTS)) as { readonly tests: readonly { readonly name: string }[] };
    assert.deepEqual(
      tests.map(({ name }) => name),
      rules.flatMap(({ alert }) => [`${alert} fires`, `${alert} keeps still`]),
    );
    assert.match(run(PROMTOOL, 'test', 'rules', ALERT_TESTS), /SUCCESS/);
  });
});

describe('dashboard', { skip: skipWithout(PROMETHEUS) }, () => {
  let kms: FakeKms;
  let store: StoreBackend;
  let gateway: TestGateway;
  let prometheus: Prometheus;

  before(async () => {
    store = await startStoreBackend();
    kms = await startFakeKms([store.direct.credentials]);
    kms.keys.set(DEFAULT_KEY, {});
    const dead = { ...store.backend, name: 'dead', endpoint: 'https://127.0.0.1:1', buckets: ['dead'] };
    gateway = await startGateway({
      backends: [dead, { ...store.backend, kms: { endpoint: kms.endpoint } }],
      encryption: [
        { name: 'watched', buckets: ['watched'], keyId: DEFAULT_KEY, mode: 'observe' },
        { name: 'rest', keyId: DEFAULT_KEY },
      ],
    });
    for (const path of ['/ledger', '/watched']) {
      assert.equal((await sendSigned(gateway, { method: 'PUT', path })).status, 200);
    }
    prometheus = await startPrometheus(gateway.running.admin);
  });
  after(async () => {
    await prometheus?.stop();
    await gateway?.close();
    await store?.close();
    await kms?.close();
  });

  /** One of everything: added to, refused, observed, unsigned, unanswered. */
  async function traffic(): Promise<void> {
    const foreign = {
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': FOREIGN_KEY,
    };
    const put = (path: string, headers = {}) =>
      sendSigned(gateway, { method: 'PUT', path, body: 'hello', headers });
    const stranger = { accessKeyId: 'STRANGER', secretAccessKey: 'unknown' };
    assert.equal((await put('/ledger/a')).status, 200);
    assert.equal((await put('/watched/a')).status, 200);
    assert.equal((await put('/watched/a', foreign)).status, 200);
    assert.equal((await put('/ledger/b', foreign)).status, 403);
    assert.equal((await put('/dead/a')).status, 503);
    assert.equal((await sendSigned(gateway, { method: 'GET', path: '/ledger/a' })).status, 200);
    const unknown = await sendSigned(
      { ...gateway, credentials: stranger },
      { method: 'GET', path: '/ledger/a' },
    );
    assert.equal(unknown.status, 403);
  }

  test('every query finds something where there was traffic', async () => {
    assert.ok(queries.length > 25);
    const silent = new Map(queries.map(({ title, expr }) => [expr, title]));
    for (let round = 0; silent.size > 0 && round < 60; round++) {
      await traffic();
      for (const expr of [...silent.keys()]) {
        const values = await prometheus.query(filledIn(expr));
        if (values.some(Number.isFinite)) silent.delete(expr);
      }
      await sleep(250);
    }
    assert.deepEqual([...silent], []);
  });
});

/** A query as Grafana would send it. */
function filledIn(expr: string): string {
  const variables: Readonly<Record<string, string>> = {
    $job: '.*',
    $instance: '.*',
    $__rate_interval: '10s',
    $__range: '1m',
  };
  const filled = Object.entries(variables).reduce(
    (text, [name, value]) => text.replaceAll(name, value),
    expr,
  );
  assert.doesNotMatch(filled, /\$/);
  return filled;
}
