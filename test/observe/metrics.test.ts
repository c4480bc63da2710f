import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMetrics, type Metrics } from '../../src/observe/metrics.ts';
import { parseExposition } from './exposition.ts';
import { injectedWrite, refusal } from './observations.ts';

const OPTIONS = { version: '1.2.3', nodeVersion: 'v26.0.0' };

/** The samples of one metric, written `label=value,… → value`, in order. */
async function series(metrics: Metrics, name: string): Promise<string[]> {
  const { body } = await metrics.exposition();
  return parseExposition(body)
    .filter((sample) => sample.name === `s3_kms_gateway_${name}`)
    .map(
      ({ labels, value }) =>
        `${Object.entries(labels)
          .map((pair) => pair.join('='))
          .join(',')} → ${value}`,
    )
    .sort();
}

describe('metrics of a forwarded write', () => {
  const metrics = createMetrics(OPTIONS);
  metrics.record(injectedWrite());
  metrics.record(injectedWrite({ durationSeconds: 61, injected: [] }));

  const expected: [name: string, samples: string[]][] = [
    ['requests_total', ['operation=PutObject,outcome=forwarded,status=200 → 2']],
    ['refusals_total', []],
    ['observed_refusals_total', []],
    [
      'injections_total',
      ['what=algorithm → 1', 'what=bucket_key → 0', 'what=context → 1', 'what=key_id → 1'],
    ],
    ['signature_verifications_total', ['scheme=sigv4,result=verified → 2']],
    ['body_bytes_total', ['direction=received → 2000', 'direction=sent → 20']],
    ['unconfirmed_encryption_total', ['backend=primary,operation=PutObject → 0']],
    ['request_duration_seconds_count', ['operation=PutObject,outcome=forwarded → 2']],
    ['backend_first_byte_seconds_sum', ['backend=primary,operation=PutObject → 0.06']],
  ];
  for (const [name, samples] of expected) {
    it(`counts ${name}`, async () => assert.deepEqual(await series(metrics, name), samples));
  }

  it('sorts durations into buckets, those over a minute only into +Inf', async () => {
    const { body } = await metrics.exposition();
    const buckets = parseExposition(body).filter(({ name }) =>
      name.endsWith('request_duration_seconds_bucket'),
    );
    const counts = new Map(buckets.map(({ labels, value }) => [labels['le'], value]));
    assert.deepEqual(
      ['0.001', '0.025', '0.05', '60', '+Inf'].map((le) => counts.get(le)),
      [0, 0, 1, 1, 2],
    );
  });
});

describe('metrics of refusals', () => {
  it('counts a refusal by reason and the failed verification', async () => {
    const metrics = createMetrics(OPTIONS);
    metrics.record(refusal());
    assert.deepEqual(await series(metrics, 'refusals_total'), [
      'operation=GetObject,reason=signature_mismatch → 1',
    ]);
    assert.deepEqual(await series(metrics, 'signature_verifications_total'), [
      'scheme=sigv4-query,result=signature_mismatch → 1',
    ]);
    assert.deepEqual(await series(metrics, 'backend_first_byte_seconds_count'), []);
    assert.deepEqual(await series(metrics, 'unconfirmed_encryption_total'), []);
  });

  it('counts the reason although the client left while it was refused', async () => {
    const metrics = createMetrics(OPTIONS);
    metrics.record(refusal({ outcome: 'client_aborted', status: 0 }));
    assert.deepEqual(await series(metrics, 'refusals_total'), [
      'operation=GetObject,reason=signature_mismatch → 1',
    ]);
    assert.deepEqual(await series(metrics, 'requests_total'), [
      'operation=GetObject,outcome=client_aborted,status=0 → 1',
    ]);
  });

  it('counts what mode observe let through apart from refusals', async () => {
    const metrics = createMetrics(OPTIONS);
    metrics.record(injectedWrite({ observedReason: 'key_missing' }));
    assert.deepEqual(await series(metrics, 'observed_refusals_total'), [
      'operation=PutObject,reason=key_missing → 1',
    ]);
    assert.deepEqual(await series(metrics, 'refusals_total'), []);
  });

  it('counts what mode observe would have added apart from what was added', async () => {
    const metrics = createMetrics(OPTIONS);
    metrics.record(injectedWrite({ injected: [], observedInjected: ['algorithm', 'key_id'] }));
    const counted = (await series(metrics, 'observed_injections_total')).filter((one) => one.endsWith(' 1'));
    assert.deepEqual(counted, ['what=algorithm → 1', 'what=key_id → 1']);
    assert.ok((await series(metrics, 'injections_total')).every((one) => one.endsWith(' 0')));
  });

  it('counts encryption that was not confirmed', async () => {
    const metrics = createMetrics(OPTIONS);
    metrics.record(injectedWrite({ confirmedEncryption: undefined, unconfirmed: true }));
    assert.deepEqual(await series(metrics, 'unconfirmed_encryption_total'), [
      'backend=primary,operation=PutObject → 1',
    ]);
  });
});

describe('label sets', () => {
  it('stay closed: an operation that is not in the table is Unknown', async () => {
    const metrics = createMetrics(OPTIONS);
    for (const operation of ['x"}\nforged 1', '__proto__', 'Unknown']) metrics.record(refusal({ operation }));
    assert.deepEqual(await series(metrics, 'requests_total'), [
      'operation=Unknown,outcome=refused,status=403 → 3',
    ]);
    assert.deepEqual(await series(metrics, 'refusals_total'), [
      'operation=Unknown,reason=signature_mismatch → 3',
    ]);
  });

  it('count a refusal that names no reason rather than lose it', async () => {
    const metrics = createMetrics(OPTIONS);
    metrics.record(refusal({ reason: undefined }));
    assert.deepEqual(await series(metrics, 'refusals_total'), ['operation=GetObject,reason=unknown → 1']);
  });

  it('hold no bucket, key, client or address', async () => {
    const metrics = createMetrics(OPTIONS);
    metrics.record(
      injectedWrite({ bucket: 'canary-b', key: 'canary-k', client: 'canary-c', peerAddress: 'canary-a' }),
    );
    const { body } = await metrics.exposition();
    assert.doesNotMatch(body, /canary/);
  });
});

describe('metrics of the process', () => {
  it('names the versions, the content type and the usual process metrics', async () => {
    const metrics = createMetrics(OPTIONS);
    const { contentType, body } = await metrics.exposition();
    assert.match(contentType, /^text\/plain; version=0\.0\.4/);
    assert.deepEqual(await series(metrics, 'build_info'), ['version=1.2.3,node_version=v26.0.0 → 1']);
    const names = new Set(parseExposition(body).map((sample) => sample.name));
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'nodejs_eventloop_lag_seconds',
    ]) {
      assert.ok(names.has(name), `${name} is missing`);
    }
  });

  it('gives every metric of the contract a help text, also before the first request', async () => {
    const { body } = await createMetrics(OPTIONS).exposition();
    const described = [...body.matchAll(/^# HELP s3_kms_gateway_(\w+) \S/gm)].map((match) => match[1]);
    assert.deepEqual(described.sort(), [
      'backend_first_byte_seconds',
      'body_bytes_total',
      'buffered_bytes',
      'build_info',
      'certificate_expiry_timestamp_seconds',
      'config_last_reload_successful',
      'config_reloads_total',
      'connections',
      'connections_refused_total',
      'injections_total',
      'kms_key_check_timestamp_seconds',
      'kms_key_usable',
      'limits',
      'log_lines_lost_total',
      'observed_injections_total',
      'observed_refusals_total',
      'refusals_total',
      'request_duration_seconds',
      'requests_in_flight',
      'requests_total',
      'signature_verifications_total',
      'unconfirmed_encryption_total',
      'workers',
      'workers_lost_total',
    ]);
  });

  it('follows requests in flight', async () => {
    const metrics = createMetrics(OPTIONS);
    metrics.requestStarted();
    metrics.requestStarted();
    metrics.requestFinished();
    assert.deepEqual(await series(metrics, 'requests_in_flight'), [' → 1']);
  });

  it('has both results of a reload from the start, and says whether the newest configuration is in force', async () => {
    const metrics = createMetrics(OPTIONS);
    assert.deepEqual(await series(metrics, 'config_reloads_total'), [
      'result=failure → 0',
      'result=success → 0',
    ]);
    assert.deepEqual(await series(metrics, 'config_last_reload_successful'), [' → 1']);
    metrics.configurationReloaded('failure');
    assert.deepEqual(await series(metrics, 'config_reloads_total'), [
      'result=failure → 1',
      'result=success → 0',
    ]);
    assert.deepEqual(await series(metrics, 'config_last_reload_successful'), [' → 0']);
    metrics.configurationReloaded('success');
    assert.deepEqual(await series(metrics, 'config_last_reload_successful'), [' → 1']);
  });

  it('states the expiry of certificates and withdraws it with the listener', async () => {
    const metrics = createMetrics(OPTIONS);
    metrics.certificateExpiry('[::]:8443', new Date('2030-01-01T00:00:00Z'));
    assert.deepEqual(await series(metrics, 'certificate_expiry_timestamp_seconds'), [
      'listener=[::]:8443 → 1893456000',
    ]);
    metrics.certificateExpiry('[::]:8443', undefined);
    assert.deepEqual(await series(metrics, 'certificate_expiry_timestamp_seconds'), []);
  });

  it('states of a KMS key when it was last spoken of, and how it is from then on', async () => {
    const metrics = createMetrics(OPTIONS);
    metrics.kmsKeyWatched('primary', 'k');
    assert.deepEqual(await series(metrics, 'kms_key_check_timestamp_seconds'), [
      'backend=primary,key_id=k → 0',
    ]);
    assert.deepEqual(await series(metrics, 'kms_key_usable'), []);
    metrics.kmsKeyChecked('primary', 'k', true);
    assert.deepEqual(await series(metrics, 'kms_key_usable'), ['backend=primary,key_id=k → 1']);
    metrics.kmsKeyChecked('primary', 'k', false);
    assert.deepEqual(await series(metrics, 'kms_key_usable'), ['backend=primary,key_id=k → 0']);
    const [checked = ''] = await series(metrics, 'kms_key_check_timestamp_seconds');
    assert.ok(Math.abs(Number(checked.replace(/.* /, '')) - Date.now() / 1000) < 60, checked);
  });

  it('counts lost log lines', async () => {
    const metrics = createMetrics(OPTIONS);
    metrics.logLinesLost(3);
    assert.deepEqual(await series(metrics, 'log_lines_lost_total'), [' → 3']);
  });
});
