import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { formatPath } from '../../src/config/fault.ts';
import { parseConfiguration } from '../../src/config/load.ts';
import { keysByBackend, keyUses } from '../../src/kms/key-uses.ts';
import { arnOf } from './fake-kms.ts';

/** The uses of keys, as `backend path key`. */
function uses(backends: readonly object[], encryption: readonly object[]): readonly string[] {
  return usesOf(backends, encryption).map(
    ({ backend, path, keyId }) => `${backend.name} ${formatPath(path)} ${keyId}`,
  );
}

function usesOf(backends: readonly object[], encryption: readonly object[]): ReturnType<typeof keyUses> {
  const listeners = [{ address: '127.0.0.1:8080' }];
  const result = parseConfiguration(stringify({ listeners, backends, encryption }), 'gateway.yaml', {});
  assert.ok(result.kind === 'loaded', JSON.stringify(result));
  return keyUses(result.configuration);
}

function aws(name: string, region: string, more: object = {}): object {
  return { name, endpoint: `https://s3.${region}.amazonaws.com`, region, kms: {}, ...more };
}

const EU = aws('eu', 'eu-central-1');
const PLAIN = { name: 'ceph', endpoint: 'http://localhost', region: 'default', buckets: ['lab-*'] };

test('the default key and the allowed ones are used, patterns are not keys', () => {
  const rule = {
    name: 'r',
    keyId: arnOf(1),
    allowedKeyIds: [arnOf(2), arnOf(0).replace(/[^/]*$/, '*'), arnOf(3)],
  };
  assert.deepEqual(uses([EU], [rule]), [
    `eu encryption[0].keyId ${arnOf(1)}`,
    `eu encryption[0].allowedKeyIds[0] ${arnOf(2)}`,
    `eu encryption[0].allowedKeyIds[2] ${arnOf(3)}`,
  ]);
});

test('rules in mode observe use their keys, rules in mode off do not', () => {
  const rules = ['observe', 'require', 'off'].map((mode, i) => ({
    name: mode,
    mode,
    keyId: arnOf(i),
    buckets: [`${mode}-*`],
  }));
  assert.deepEqual(uses([EU], rules), [
    `eu encryption[0].keyId ${arnOf(0)}`,
    `eu encryption[1].keyId ${arnOf(1)}`,
  ]);
});

test('a backend without kms is not asked, nor one whose buckets the rule does not have', () => {
  const rules = [
    { name: 'lab', buckets: ['lab-*'], keyId: 'testkey-1' },
    { name: 'rest', keyId: 'my-key', buckets: ['rest-*'] },
  ];
  const minio = {
    name: 'minio',
    endpoint: 'http://localhost',
    region: 'r',
    kms: { endpoint: 'http://localhost:1' },
  };
  assert.deepEqual(uses([PLAIN, minio], rules), ['minio encryption[1].keyId my-key']);
  assert.deepEqual(uses([PLAIN], rules), []);
});

test('a rule for two regions: each KMS is asked about the keys of its own', () => {
  const us = aws('us', 'us-east-1', { buckets: ['us-*'] });
  const allowedKeyIds = [arnOf(2, 'us-east-1'), arnOf(3)];
  const rules = [
    { name: 'us', buckets: ['us-*'], keyId: arnOf(1, 'us-east-1') },
    { name: 'both', mode: 'observe', keyId: arnOf(1), allowedKeyIds, buckets: ['eu-*', 'us-x'] },
  ];
  const found = uses([us, { ...EU, buckets: ['*'] }], [rules[0] ?? {}]);
  assert.deepEqual(found, [`us encryption[0].keyId ${arnOf(1, 'us-east-1')}`]);
  const listed = uses(
    [
      { ...us, endpoint: 'https://s3.us.example', kms: { endpoint: 'https://kms.us.example' } },
      { ...EU, endpoint: 'https://s3.eu.example', kms: { endpoint: 'https://kms.eu.example' } },
    ],
    [rules[1] ?? {}],
  );
  assert.deepEqual(listed, [
    `eu encryption[0].keyId ${arnOf(1)}`,
    `us encryption[0].allowedKeyIds[0] ${arnOf(2, 'us-east-1')}`,
    `eu encryption[0].allowedKeyIds[1] ${arnOf(3)}`,
  ]);
});

test('a key of no region that is served is asked about all the same: somebody must say so', () => {
  const eu = { ...EU, endpoint: 'https://s3.example', kms: { endpoint: 'https://kms.example' } };
  assert.deepEqual(uses([eu], [{ name: 'r', keyId: arnOf(1, 'us-east-1') }]), [
    `eu encryption[0].keyId ${arnOf(1, 'us-east-1')}`,
  ]);
});

test('a key that several rules name is one key of its backend', () => {
  const rules = [
    { name: 'a', buckets: ['a-*'], keyId: arnOf(1) },
    { name: 'b', buckets: ['b-*'], keyId: arnOf(1), allowedKeyIds: [arnOf(2)] },
  ];
  const [entry, ...more] = keysByBackend(usesOf([EU], rules));
  assert.deepEqual([...(entry?.[1] ?? [])], [arnOf(1), arnOf(2)]);
  assert.equal(entry?.[0].name, 'eu');
  assert.deepEqual(more, []);
});

test('what an alias stands for is used too', () => {
  const backend = aws('eu', 'eu-central-1', { keyAliases: { 'alias/ledger': arnOf(4) } });
  assert.deepEqual(uses([backend, { ...PLAIN, keyAliases: { 'alias/lab': 'testkey-1' } }], []), [
    `eu backends[0].keyAliases["alias/ledger"] ${arnOf(4)}`,
  ]);
});
