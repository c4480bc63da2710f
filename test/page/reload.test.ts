// The page of a gateway whose configuration changes, and that ends: it shows what is in force, whatever it began with.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../gateway/eventually.ts';
import { ask, watchDecisions } from './asking.ts';
import { KEY, plantedIn, type Sections, type Site, SSE, startSite } from './site.ts';

const SPIFFE = 'spiffe://cluster/ns/billing/sa/app';

interface Item {
  readonly name: string;
  readonly [field: string]: unknown;
}

interface State {
  readonly ready: boolean;
  readonly checks: readonly Item[];
  readonly rules: readonly Item[];
  readonly listeners: readonly Item[];
  readonly backends: readonly Item[];
  readonly clients: readonly Item[];
}

async function stateOf({ admin }: Site): Promise<State> {
  return JSON.parse((await ask(`${admin}/api/state`)).body);
}

/** The state, once it is as it is waited for. */
async function stateWith(site: Site, is: (state: State) => boolean, what: string): Promise<State> {
  await eventually(async () => is(await stateOf(site)), what);
  return stateOf(site);
}

async function explained({ admin }: Site, question: Readonly<Record<string, string>>) {
  const type = { 'content-type': 'application/json' };
  return JSON.parse((await ask(`${admin}/api/explain`, type, 'POST', JSON.stringify(question))).body);
}

const configurationCheck = ({ checks }: State) => checks.find(({ name }) => name === 'configuration');

/** Another rule in front, another name of the backend, a host for the page, and a client that has no access key. */
function rewrite(configuration: Sections): void {
  const [{ tls }] = configuration.listeners;
  const asking = { tls: { ...tls, clientCaFile: 'ca.crt' }, authentication: 'certificate' };
  configuration.listeners.push({ name: 'sidecars', address: '127.0.0.1:0', ...asking });
  configuration.admin.pageHosts = ['admin.example'];
  configuration.backends[0].name = 'second';
  configuration.clients.push({
    name: 'sidecar',
    certificate: { uri: SPIFFE },
    buckets: ['billing-*'],
    access: 'read-write',
  });
  configuration.encryption.unshift({
    name: 'strict',
    buckets: ['billing-eu'],
    mode: 'require',
    keyId: KEY,
  });
}

for (const workers of [1, 2]) {
  describe(`the page of a gateway whose configuration changes, workers: ${workers}`, () => {
    let site: Site;
    before(async () => {
      site = await startSite(workers);
    });
    after(() => site?.close());

    test('shows a change that was turned down, and the configuration that stays', async () => {
      const before = await stateOf(site);
      site.change((configuration) => {
        configuration.encryption[0].mode = 'sometimes';
      });
      const turnedDown = await stateWith(
        site,
        (state) => configurationCheck(state)?.['ok'] === false,
        'told',
      );
      assert.match(
        String(configurationCheck(turnedDown)?.['detail']),
        /the one before serves: .*encryption\[0\]/,
      );
      assert.equal(turnedDown.ready, true);
      assert.deepEqual(turnedDown.rules, before.rules);
      const answer = await explained(site, { request: 'PUT /billing-eu/ledger/a', client: 'billing' });
      assert.deepEqual([answer.rule, answer.outcome], ['ledger', 'forwarded']);
      site.change((configuration) => {
        configuration.encryption[0].mode = 'inject';
      });
      await stateWith(site, (state) => configurationCheck(state)?.['ok'] === true, 'all is well again');
    });

    test('shows and explains what is in force after a change, and goes on telling decisions', async () => {
      const question = { request: 'PUT /billing-eu/a', client: 'billing' };
      const watching = await watchDecisions(site.admin);
      await site.put('billing', '/billing-eu/before');
      await eventually(() => watching.about('before').length > 0, 'what was decided before');
      assert.equal((await explained(site, question)).rule, 'billing');
      assert.equal((await ask(`${site.admin}/api/state`, { host: 'admin.example' })).status, 403);
      site.change(rewrite);
      const state = await stateWith(site, ({ rules }) => rules[0]?.name === 'strict', 'the new rules');
      assert.deepEqual(
        state.rules.map(({ name }) => name),
        ['strict', 'ledger', 'billing', 'trial'],
      );
      assert.equal(configurationCheck(state)?.['ok'], true);
      assert.deepEqual(
        [state.listeners[2]?.['authentication'], state.backends[0]?.name],
        ['certificate', 'second'],
      );
      assert.deepEqual(state.backends[0]?.['credentials'], { provider: 'static', state: 'available' });
      assert.deepEqual(
        state.clients.map(({ name, hasAccessKey, certificate }) => [name, hasAccessKey, certificate]),
        [
          ['billing', true, undefined],
          ['reader', true, undefined],
          ['sidecar', false, `uri:${SPIFFE}`],
        ],
      );
      assert.deepEqual(plantedIn(JSON.stringify(state)), []);
      assert.equal((await ask(`${site.admin}/api/state`, { host: 'admin.example' })).status, 200);

      const answer = await explained(site, question);
      assert.deepEqual(
        [answer.rule, answer.outcome, answer.reason],
        ['strict', 'refused', 'encryption_missing'],
      );
      // It is told by its certificate, so it comes in where that is looked at, and signs nothing.
      const request = `PUT /billing-eu/a\n${SSE}: aws:kms\n${SSE}-aws-kms-key-id: ${KEY}`;
      const sidecar = await explained(site, { request, client: 'sidecar' });
      assert.deepEqual(
        [sidecar.client, sidecar.listener, sidecar.scheme, sidecar.certificate, sidecar.backend],
        ['sidecar', 'sidecars', 'certificate', [`uri:${SPIFFE}`], 'second'],
      );

      await site.put('billing', '/billing-eu/after');
      await eventually(() => watching.about('after').length > 0, 'what is decided now');
      assert.equal(watching.about('after')[0]?.['rule'], 'strict');
      await watching.close();
    });
  });

  test(`the page of a gateway that ends says so as long as it serves, workers: ${workers}`, async (t) => {
    const site = await startSite(workers, { drain: { delay: '10m', deadline: '10m' } });
    t.after(async () => {
      site.gateway.child.kill('SIGKILL');
      await site.close();
    });
    site.gateway.child.kill('SIGTERM');
    const state = await stateWith(site, ({ ready }) => !ready, 'it is told');
    assert.deepEqual(
      state.checks.filter(({ ok }) => !ok).map(({ name }) => name),
      ['draining'],
    );
  });
}
