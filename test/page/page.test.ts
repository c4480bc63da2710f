// The page in a real browser: what it shows of uploads through the gateway, by mouse and by keyboard, for eyes and for
// screen readers, in light and in dark. It may log no error and may ask nobody but the gateway.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { eventually } from '../gateway/eventually.ts';
import { skipWithoutBrowser, startBrowser } from './browser.ts';
import { KEY, plantedIn, type Site, SSE, startSite } from './site.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** What would be markup, were it not text. The key of an object may be any of it. */
const HOSTILE = `<img src=x onerror="document.title='broken'"><script>document.title='broken'</script>`;

/** What has the focus, and whether that is seen. */
const FOCUSED = `(() => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const seen = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
  return { text: element.textContent.trim(), name: element.getAttribute('name'), seen };
})()`;
const ROW_IN_FOCUS = `[...document.querySelectorAll('#rows tbody button')].indexOf(document.activeElement)`;

const SPIFFE = 'spiffe://cluster/ns/billing/sa/app';

const skip = skipWithoutBrowser();
let browser: Browser;
before(async () => {
  if (!skip) browser = await startBrowser();
});
after(() => browser?.close());

/** As the canonical request has it. */
const encoded = (text: string) => encodeURIComponent(text).replaceAll("'", '%27');

/** A page, and what went wrong on it. */
interface Opened {
  readonly page: Page;
  readonly troubles: string[];
  close(): Promise<void>;
}

async function open(site: Site, view = 'overview'): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 } });
  const page = await context.newPage();
  const troubles: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) troubles.push(message.text());
  });
  page.on('pageerror', (error) => troubles.push(error.message));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== site.admin) troubles.push(`asks ${request.url()}`);
  });
  await page.goto(`${site.admin}/#${view}`);
  await page.getByText('ready', { exact: true }).waitFor();
  return { page, troubles, close: () => context.close() };
}

/** The row of a decision, by the key of its object. */
const rowOf = (page: Page, key: string) =>
  page.locator('#rows tbody tr:not(.details)').filter({ hasText: key });

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const run = 'axe.run(document, { resultTypes: ["violations"] })';
  const { violations: found } = (await page.evaluate(run)) as {
    violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
  };
  return found.map(
    ({ id, nodes }) =>
      `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`,
  );
}

test('an open page follows the configuration, and says what of it was turned down', { skip }, async (t) => {
  const site = await startSite(1);
  t.after(() => site.close());
  const { page, troubles, close } = await open(site);
  const overview = page.locator('#overview');
  await overview.getByText('ledger', { exact: true }).first().waitFor();
  site.change((configuration) => {
    configuration.encryption[0].name = 'renamed';
    configuration.listeners[0].tls.clientCaFile = 'ca.crt';
    configuration.listeners[0].authentication = 'certificate';
    configuration.clients.push({
      name: 'sidecar',
      certificate: { uri: SPIFFE },
      buckets: ['billing-*'],
      access: 'read-only',
    });
  });
  await overview.getByText('renamed', { exact: true }).first().waitFor();
  assert.equal(await overview.getByText('ledger', { exact: true }).count(), 0);
  const clients = page.getByRole('table', { name: 'Clients' });
  assert.match(
    (await clients.innerText()).replace(/\s+/g, ' '),
    /reader .* access key sidecar .* uri:spiffe:/,
  );
  await page.getByRole('link', { name: 'Explain' }).click();
  assert.ok((await page.locator('#question [name=client]').innerText()).includes('sidecar'));
  await page.getByRole('link', { name: 'Overview' }).click();
  site.change((configuration) => {
    configuration.encryption[0].mode = 'sometimes';
  });
  await page.getByText(/configuration: not taken up, the one before serves/).waitFor();
  await page.getByText('ready', { exact: true }).waitFor();
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(troubles, []);
  await close();
});

for (const workers of [1, 2]) {
  describe(`the page, workers: ${workers}`, { skip }, () => {
    let site: Site;
    before(async () => {
      site = await startSite(workers);
    });
    after(() => site?.close());

    test('shows a refused and an injected upload as they happen', async () => {
      const { page, troubles, close } = await open(site, 'decisions');
      await page.getByText('live', { exact: true }).waitFor();
      await site.put('billing', '/billing-eu/ledger/injected.json');
      await site.put('billing', '/billing-eu/refused.json', { [SSE]: 'AES256' });
      const injected = rowOf(page, 'ledger/injected.json');
      await injected.waitFor();
      assert.match(
        (await injected.textContent()) ?? '',
        /injected.*billing.*PutObject.*ledger.*algorithm, key ID/,
      );
      const refused = rowOf(page, 'refused.json');
      await refused.waitFor();
      assert.match((await refused.textContent()) ?? '', /refused.*billing.*encryption_downgrade.*403/);
      assert.deepEqual(troubles, []);
      await close();
    });

    test('shows on the overview what is enforced where', async () => {
      const { page, troubles, close } = await open(site);
      const text = await page.locator('#overview').innerText();
      for (const part of [
        'ledger',
        'inject',
        'observe',
        KEY,
        'not asked',
        '29 days left',
        'us-east-1',
        'read-only',
      ])
        assert.ok(text.includes(part), part);
      assert.match(
        await page.locator('#standing').innerText(),
        workers === 1 ? /ready up/ : /2 of 2 workers/,
      );
      await eventually(async () => /requests\s+\d/.test(text) || /\d+\s+requests/.test(text), 'the numbers');
      assert.deepEqual(plantedIn(await page.content()), []);
      assert.deepEqual(troubles, []);
      await close();
    });
  });
}

describe('the page', { skip }, () => {
  let site: Site;
  before(async () => {
    site = await startSite(1);
    await site.put('billing', '/billing-eu/ledger/one');
    await site.put('billing', '/billing-eu/two', { [SSE]: 'AES256' });
    await site.put('reader', '/billing-eu/three');
    await site.put('billing', '/trial/four');
    await site.put('billing', `/billing-eu/${HOSTILE.split('/').map(encoded).join('/')}`);
  });
  after(() => site?.close());

  test('counts what was decided, in tiles, charts and their tables', async () => {
    const { page, troubles, close } = await open(site);
    const tile = (label: string) =>
      page
        .locator('.tile')
        .filter({ has: page.getByText(label, { exact: true }) })
        .locator('b');
    assert.equal(await tile('requests').innerText(), '5');
    assert.equal(await tile('forwarded').innerText(), '3');
    assert.equal(await tile('refused').innerText(), '2');
    const chart = page.locator('figure').filter({ hasText: 'Requests' });
    assert.match(
      (await chart.locator('svg').getAttribute('aria-label')) ?? '',
      /Requests\. In the last minute, per second: forwarded/,
    );
    await chart.getByText('As a table').click();
    assert.equal(await chart.locator('tbody tr').count(), 10);
    const reasons = await page.locator('.bars').first().innerText();
    assert.match(reasons, /encryption_downgrade\s+1/);
    assert.match(reasons, /operation_not_allowed\s+1/);
    assert.deepEqual(troubles, []);
    await close();
  });

  test('filters decisions by outcome, client, bucket and reason', async () => {
    const { page, close } = await open(site, 'decisions');
    const shown = () => page.locator('#rows tbody tr:visible').count();
    await rowOf(page, 'trial').waitFor();
    assert.equal(await shown(), 5);
    await page.locator('#filters [name=outcome]').selectOption('refused');
    assert.equal(await shown(), 2);
    await page.locator('#filters [name=client]').fill('reader');
    assert.equal(await shown(), 1);
    await page.getByRole('button', { name: 'Clear filter' }).click();
    await eventually(async () => (await shown()) === 5, 'all are there again');
    await page.locator('#filters [name=bucket]').fill('TRI');
    assert.equal(await shown(), 1);
    await page.locator('#filters [name=bucket]').fill('nowhere');
    assert.equal(await shown(), 0);
    await page.getByText('None of those here passes the filter.').waitFor();
    await page.locator('#filters [name=bucket]').fill('');
    await page.locator('#filters [name=reason]').fill('downgrade');
    assert.equal(await shown(), 1);
    // What comes now is filtered as well.
    await site.put('billing', '/billing-eu/late-refused', { [SSE]: 'AES256' });
    await site.put('billing', '/billing-eu/late-forwarded');
    await eventually(async () => (await shown()) === 2, 'the one that passes');
    await close();
  });

  test('holds what comes while it is paused', async () => {
    const { page, close } = await open(site, 'decisions');
    await rowOf(page, 'trial').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await site.put('billing', '/billing-eu/held');
    await page.getByRole('button', { name: 'Go on (1 new)' }).waitFor();
    assert.equal(await rowOf(page, 'held').count(), 0);
    await page.getByRole('button', { name: 'Go on (1 new)' }).click();
    await rowOf(page, 'held').waitFor();
    await close();
  });

  test('shows names of other people as text, whatever they hold', async () => {
    const { page, troubles, close } = await open(site, 'decisions');
    const row = rowOf(page, '<img src=x');
    await row.waitFor();
    assert.ok((await row.textContent())?.includes(HOSTILE));
    await row.getByRole('button').click();
    await page.locator('.details').getByText(HOSTILE).waitFor();
    await page.getByRole('button', { name: 'Explain such a request' }).click();
    await page.locator('.verdict').getByText(HOSTILE).waitFor();
    assert.equal(await page.locator('main img, main script').count(), 0);
    assert.notEqual(await page.title(), 'broken');
    assert.deepEqual(troubles, []);
    await close();
  });

  test('explains a request, and shows each header as received and as sent on', async () => {
    const { page, troubles, close } = await open(site, 'explain');
    await page
      .getByRole('textbox', { name: 'Request' })
      .fill(`PUT /billing-eu/ledger/q3.csv\n${SSE}: aws:kms\nuser-agent: tool/1`);
    await page.locator('#question').getByLabel('Client').selectOption('billing');
    await page.getByRole('button', { name: 'Explain' }).click();
    const answer = page.locator('#answer');
    await answer.getByText('forwarded', { exact: true }).waitFor();
    const row = (name: string) =>
      answer.locator('tr').filter({ has: page.getByRole('rowheader', { name, exact: true }) });
    assert.match(
      await row(`${SSE}-aws-kms-key-id`).innerText(),
      new RegExp(`\\+\\s*added[\\s\\S]*–\\s*${KEY}`),
    );
    assert.match(await row('user-agent').innerText(), /removed[\s\S]*tool\/1\s*–/);
    assert.match(await row(SSE).innerText(), /kept[\s\S]*aws:kms\s*aws:kms/);
    assert.match(await answer.innerText(), /gateway\.yaml:\d+/);
    await page
      .getByRole('textbox', { name: 'Request' })
      .fill(`curl -X PUT -H '${SSE}: AES256' https://localhost/billing-eu/a`);
    await page.getByRole('button', { name: 'Explain' }).click();
    await answer.getByText('encryption_downgrade').waitFor();
    const link = answer.getByRole('link').first();
    assert.match((await link.getAttribute('href')) ?? '', /^https:\/\/docs\.aws\.amazon\.com\//);
    assert.equal(await link.getAttribute('rel'), 'noreferrer');
    assert.deepEqual(plantedIn(await page.content()), []);
    assert.deepEqual(troubles, []);
    await close();
  });

  test('says why there is no explanation', async () => {
    const { page, close } = await open(site, 'explain');
    await page.getByRole('textbox', { name: 'Request' }).fill('PUT /billing-eu/a');
    await page.getByRole('button', { name: 'Explain' }).click();
    await page.getByText('name the client that sends the request: one of billing, reader').waitFor();
    await close();
  });

  test('can be used by keyboard alone, and shows where the focus is', async () => {
    const { page, troubles, close } = await open(site);
    await page.goto(`${site.admin}/`);
    const focused = async () =>
      (await page.evaluate(FOCUSED)) as { text: string; name: string; seen: boolean };
    const tab = async (times = 1) => {
      for (let i = 0; i < times; i++) await page.keyboard.press('Tab');
      const found = await focused();
      assert.ok(found.seen, `no focus is seen on ${found.name ?? found.text.slice(0, 80)}`);
      return found;
    };
    assert.equal((await tab()).text, 'Skip to the content');
    assert.equal((await tab()).text, 'Overview');
    assert.equal((await tab()).text, 'Decisions');
    await page.keyboard.press('Enter');
    await rowOf(page, 'trial').waitFor();
    // The view is where it goes on.
    for (const name of ['outcome', 'client', 'bucket', 'reason']) assert.equal((await tab()).name, name);
    assert.equal((await tab()).text, 'Clear filter');
    assert.equal((await tab()).text, 'Pause');
    // Of the rows one takes the focus; the arrows move it.
    await tab();
    const at = () => page.evaluate(ROW_IN_FOCUS);
    assert.equal(await at(), 0);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    assert.equal(await at(), 2);
    await page.keyboard.press('ArrowUp');
    assert.equal(await at(), 1);
    await page.keyboard.press('Enter');
    await page.locator('.details').waitFor();
    assert.equal(await page.locator('#rows [aria-expanded=true]').count(), 1);
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('.details').count(), 0);
    await page.getByRole('link', { name: 'Explain' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('#question').waitFor();
    assert.equal((await tab()).name, 'request');
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type('GET /billing-eu/k');
    await tab();
    await page.keyboard.press('b');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Control+Enter');
    await page.locator('#answer').getByText('forwarded', { exact: true }).waitFor();
    // A screen reader hears of it, and the focus stays where it was.
    assert.equal(await page.locator('#answer').getAttribute('role'), 'status');
    assert.equal((await focused()).name, 'request');
    assert.deepEqual(troubles, []);
    await close();
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`has no fault that axe finds, in ${colorScheme}`, async () => {
      const { page, close } = await open(site);
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const ground = String(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
      const [red = 0] = /\d+/.exec(ground) ?? [];
      assert.equal(Number(red) > 128, colorScheme === 'light', ground);
      assert.deepEqual(await violations(page), [], 'overview');
      await page.getByRole('link', { name: 'Decisions' }).click();
      await rowOf(page, 'trial').getByRole('button').click();
      assert.deepEqual(await violations(page), [], 'decisions');
      await page.getByRole('link', { name: 'Explain' }).click();
      await page.getByRole('textbox', { name: 'Request' }).fill('PUT /billing-eu/a');
      await page.locator('#question').getByLabel('Client').selectOption('billing');
      await page.getByRole('button', { name: 'Explain' }).click();
      await page.locator('.verdict').waitFor();
      assert.deepEqual(await violations(page), [], 'explain');
      await close();
    });
  }

  test('fits a narrow window', async () => {
    const { page, close } = await open(site);
    await page.setViewportSize({ width: 400, height: 800 });
    for (const view of ['Overview', 'Decisions', 'Explain']) {
      await page.getByRole('link', { name: view }).click();
      const over = Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'));
      assert.ok(over <= 0, `${view}: ${over} px too wide`);
    }
    await close();
  });
});

test('the page says when its gateway is gone, and shows it again when it is back', { skip }, async (t) => {
  const first = await startSite(1);
  const { page, close } = await open(first, 'decisions');
  t.after(close);
  await page.getByText('live', { exact: true }).waitFor();
  const port = new URL(first.admin).port;
  await first.close();
  await page.getByText('not connected, trying again').waitFor();
  const second = await startSite(1, { admin: { address: `127.0.0.1:${port}` } });
  t.after(() => second.close());
  await page.getByText('live', { exact: true }).waitFor();
  await second.put('billing', '/billing-eu/after');
  await rowOf(page, 'after').waitFor();
});
