import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addCounts, exposeTogether, type Snapshot } from '../../src/observe/aggregate.ts';
import { createMetrics, type Metrics } from '../../src/observe/metrics.ts';
import { parseExposition } from './exposition.ts';
import { injectedWrite } from './observations.ts';

function process(act: (metrics: Metrics) => void): Promise<Snapshot> {
  const metrics = createMetrics({ version: '1.2.3', nodeVersion: '26.0.0' });
  act(metrics);
  // As it travels between processes.
  return metrics.snapshot().then((snapshot) => structuredClone(snapshot));
}

async function shown(
  ...snapshots: Snapshot[]
): Promise<(name: string, labels?: object) => number | undefined> {
  const samples = parseExposition((await exposeTogether(snapshots)).body);
  return (name, labels = {}) => {
    const wanted = Object.entries(labels);
    const found = samples.filter(
      (sample) => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value),
    );
    assert.ok(found.length <= 1, `${found.length} samples of ${name}`);
    return found[0]?.value;
  };
}

const GATEWAY = 's3_kms_gateway_';
const FORWARDED = { operation: 'PutObject', outcome: 'forwarded', status: '200' };

describe('metrics of several processes', () => {
  it('add up what is counted, histograms bucket by bucket', async () => {
    const write = injectedWrite({ durationSeconds: 0.004 });
    const one = await process((metrics) => metrics.record(write));
    const two = await process((metrics) => {
      metrics.record(write);
      metrics.record({ ...write, durationSeconds: 40 });
    });
    const value = await shown(one, two);
    assert.equal(value(`${GATEWAY}requests_total`, FORWARDED), 3);
    const labels = { operation: 'PutObject', outcome: 'forwarded' };
    assert.equal(value(`${GATEWAY}request_duration_seconds_bucket`, { ...labels, le: '0.005' }), 2);
    assert.equal(value(`${GATEWAY}request_duration_seconds_bucket`, { ...labels, le: '+Inf' }), 3);
    assert.equal(value(`${GATEWAY}request_duration_seconds_count`, labels), 3);
  });

  it('add up what is held and what may be held', async () => {
    const one = await process((metrics) => {
      metrics.requestStarted();
      metrics.connectionOpened('tls');
      metrics.serving({ connections: 10, requests_in_flight: 4, requests_in_flight_per_client: undefined });
      metrics.measureBufferedBytes(() => 100);
    });
    const two = await process((metrics) => {
      metrics.requestStarted();
      metrics.connectionOpened('tls');
      metrics.connectionOpened('tls');
      metrics.serving({ connections: 10, requests_in_flight: 4, requests_in_flight_per_client: undefined });
      metrics.measureBufferedBytes(() => 23);
    });
    const value = await shown(await process(() => {}), one, two);
    assert.equal(value(`${GATEWAY}requests_in_flight`), 2);
    assert.equal(value(`${GATEWAY}connections`, { listener: 'tls' }), 3);
    assert.equal(value(`${GATEWAY}limits`, { limit: 'requests_in_flight' }), 8);
    assert.equal(value(`${GATEWAY}limits`, { limit: 'requests_in_flight_per_client' }), undefined);
    assert.equal(value(`${GATEWAY}buffered_bytes`), 123);
    assert.equal(value(`${GATEWAY}workers`), 2);
  });

  it('show the version once, the certificate that expires first, and the newest configuration only where all have it', async () => {
    const [soon, later] = [new Date('2026-12-01T00:00:00Z'), new Date('2027-12-01T00:00:00Z')];
    const one = await process((metrics) => metrics.certificateExpiry('tls', later));
    const two = await process((metrics) => {
      metrics.certificateExpiry('tls', soon);
      metrics.configurationReloaded('failure');
    });
    const value = await shown(one, two);
    assert.equal(value(`${GATEWAY}build_info`), 1);
    assert.equal(
      value(`${GATEWAY}certificate_expiry_timestamp_seconds`, { listener: 'tls' }),
      soon.getTime() / 1000,
    );
    assert.equal(value(`${GATEWAY}config_last_reload_successful`), 0);
  });

  it('show the start of the oldest process and the event loop that lags most', async () => {
    const made = (start: number, lag: number): Snapshot => {
      const one = (name: string, value: number, aggregator: string) =>
        ({ name, help: name, type: 'gauge', aggregator, values: [{ value, labels: {} }] }) as never;
      return [
        one('process_start_time_seconds', start, chosen('process_start_time_seconds')),
        one(LAG, lag, chosen(LAG)),
      ];
    };
    const real = await process(() => {});
    const chosen = (name: string) => real.find((metric) => metric.name === name)?.aggregator ?? 'missing';
    const LAG = 'nodejs_eventloop_lag_p99_seconds';
    const value = await shown(made(1000, 0.25), made(2000, 0.5));
    assert.equal(value('process_start_time_seconds'), 1000);
    assert.equal(value(LAG), 0.5);
  });

  it('never fall when a process has ended, and hold nothing of it that is over', async () => {
    const write = injectedWrite();
    const ended = await process((metrics) => {
      metrics.record(write);
      metrics.requestStarted();
      metrics.serving({ connections: 10 });
    });
    const next = await process((metrics) => metrics.record(write));
    const past = await addCounts(await addCounts([], ended), ended);
    const value = await shown(past, next);
    assert.equal(value(`${GATEWAY}requests_total`, FORWARDED), 3);
    assert.equal(value(`${GATEWAY}request_duration_seconds_count`), 3);
    assert.equal(value(`${GATEWAY}requests_in_flight`), 0);
    assert.equal(value(`${GATEWAY}workers`), 0);
  });
});
