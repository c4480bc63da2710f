// The section `egress`: what it comes down to, what is wrong with it, and what it changes about backends and rules.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Fault } from '../../src/config/fault.ts';
import { parseConfiguration } from '../../src/config/load.ts';
import type { Egress } from '../../src/core/index.ts';

interface Checked {
  readonly egress: Egress | undefined;
  readonly faults: readonly string[];
  readonly warnings: readonly string[];
}

function check(text: string, environment: Readonly<Record<string, string>> = {}): Checked {
  const result = parseConfiguration(text, '/nowhere/gateway.yaml', environment);
  const brief = (notes: readonly Fault[]) =>
    notes.map(({ line, column, path, message, remedy }) => {
      assert.match(remedy, /^[A-Z].*\.$/);
      return `${line}:${column} ${path}: ${message}`;
    });
  return {
    egress: result.kind === 'loaded' ? result.configuration.policy.egress : undefined,
    faults: result.kind === 'faulty' ? brief(result.faults) : [],
    warnings: brief(result.warnings),
  };
}

const key = (region: string): string =>
  `arn:aws:kms:${region}:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
const backend = (name: string, region: string, buckets = '"*"'): string =>
  `  - { name: ${name}, endpoint: "https://s3.${region}.amazonaws.com", region: ${region}, buckets: [${buckets}] }\n`;

const LISTENER = 'listeners: [{ address: "127.0.0.1:8080" }]\n';
const CLIENT =
  'clients: [{ name: app, accessKeyId: APP00000000000000001, secretAccessKey: secret, buckets: ["*"] }]\n';

/** A configuration whose section stands in the second line. */
function withEgress(
  section: string,
  backends: string = backend('primary', 'eu-west-1'),
  rules: string = `  - { name: all, keyId: "${key('eu-west-1')}" }\n`,
): string {
  return `${LISTENER}${section}\nbackends:\n${backends}${CLIENT}encryption:\n${rules}`;
}

const STANDARD = 'egress: { hosts: [standard] }';

describe('a sound section', () => {
  const SOUND: readonly (readonly [section: string, egress: Egress | undefined])[] = [
    ['# no section', undefined],
    [STANDARD, { hosts: ['standard'], globalRegion: 'signed' }],
    [
      'egress: { hosts: [standard, dualstack, fips, global], globalRegion: us-east-1 }',
      { hosts: ['standard', 'dualstack', 'fips', 'global'], globalRegion: 'us-east-1' },
    ],
    ['egress: { hosts: [global], globalRegion: signed }', { hosts: ['global'], globalRegion: 'signed' }],
  ];
  for (const [section, egress] of SOUND) {
    test(section, () => {
      assert.deepEqual(check(withEgress(section)), { egress, faults: [], warnings: [] });
    });
  }

  test('may take its choices from variables', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the configuration's own syntax.
    const section = 'egress: { hosts: ["${FORM}"] }';
    assert.deepEqual(check(withEgress(section), { FORM: 'fips' }).egress?.hosts, ['fips']);
  });
});

describe('what is a fault', () => {
  const FAULTS: readonly (readonly [section: string, fault: string])[] = [
    ['egress: {}', '2:1 egress.hosts: is missing'],
    ['egress:', '2:1 egress: has no value'],
    ['egress: { hosts: [] }', '2:11 egress.hosts: is empty'],
    [
      'egress: { hosts: [accelerate] }',
      '2:19 egress.hosts[0]: must be standard or dualstack or fips or global',
    ],
    ['egress: { hosts: standard }', '2:11 egress.hosts: must be a list, not a string'],
    [
      'egress: { hosts: [global], globalRegion: eu-west-1 }',
      '2:28 egress.globalRegion: must be signed or us-east-1',
    ],
    ['egress: { hosts: [global], region: x }', '2:28 egress.region: is not a known key'],
    ['domains: [s3.eu-west-1.amazonaws.com]', "2:11 domains[0]: is AWS's own"],
    ['domains: [ok.example, S3.AmazonAWS.com]', "2:23 domains[1]: is AWS's own"],
    ['domains: [amazonaws.com.cn]', "2:11 domains[0]: is AWS's own"],
    [`${STANDARD}\ndomains: [s3.dualstack.eu-west-1.amazonaws.com]`, "3:11 domains[0]: is AWS's own"],
  ];
  for (const [section, fault] of FAULTS) {
    test(section, () => assert.deepEqual(check(withEgress(section)).faults, [fault]));
  }

  test('a domain that AWS gives to a customer’s load balancer is none', () => {
    const section = 'domains: [gateway-123.elb.eu-west-1.amazonaws.com]';
    assert.deepEqual(check(withEgress(section)).faults, []);
  });
});

describe('what is a warning', () => {
  const ceph = (region: string): string =>
    `  - { name: ceph, endpoint: "https://ceph.example", region: ${region} }\n`;
  const rules = '  - { name: all, keyId: testkey-1 }\n';
  const unreached =
    'no backend is in a region that these host names can name: their requests are all refused';

  const TABLE: readonly (readonly [section: string, region: string, warnings: readonly string[]])[] = [
    // A server of another maker may well stand in for AWS: its region has to be one that clients sign for.
    [STANDARD, 'eu-west-1', []],
    [STANDARD, 'us-gov-west-1', []],
    [STANDARD, 'default', [`2:11 egress.hosts: ${unreached}`]],
    ['egress: { hosts: [fips, dualstack] }', 'local', [`2:11 egress.hosts: ${unreached}`]],
    ['egress: { hosts: [global] }', 'default', []],
    ['egress: { hosts: [global], globalRegion: us-east-1 }', 'us-east-1', []],
    [
      'egress: { hosts: [global], globalRegion: us-east-1 }',
      'eu-west-1',
      [`2:11 egress.hosts: ${unreached}`],
    ],
    [
      'egress: { hosts: [standard], globalRegion: signed }',
      'eu-west-1',
      ['2:30 egress.globalRegion: has no effect: no host is answered that names no region'],
    ],
  ];
  for (const [section, region, warnings] of TABLE) {
    test(`${section}, backend in ${region}`, () => {
      const checked = check(withEgress(section, ceph(region), rules));
      assert.deepEqual([checked.faults, checked.warnings], [[], warnings]);
    });
  }
});

describe('backends of several regions', () => {
  const both = backend('ireland', 'eu-west-1') + backend('virginia', 'us-east-1');
  const off = '  - { name: all, mode: off }\n';

  test('with egress each region has an order of its own: a later backend for the same buckets is reached', () => {
    assert.deepEqual(check(withEgress(STANDARD, both, off)).warnings, []);
    const without = check(withEgress('# no section', both, off)).warnings;
    assert.deepEqual(without, [
      '5:90 backends[1].buckets: no request comes here: the backends before it take all of these buckets',
    ]);
  });

  test('within a region the order is as ever', () => {
    const twice = both + backend('second', 'eu-west-1', '"a-*"');
    assert.deepEqual(check(withEgress(STANDARD, twice, off)).warnings, [
      '6:88 backends[2].buckets: no request comes here: the backends before it take all of these buckets',
    ]);
  });

  test('a rule’s key must be good in each region whose backend serves its buckets', () => {
    assert.deepEqual(check(withEgress(STANDARD, both)).faults, [
      '8:18 encryption[0].keyId: is a key of aws eu-west-1, but the backend virginia serves these buckets in aws us-east-1',
    ]);
    assert.deepEqual(check(withEgress('# no section', both)).faults, []);
    const apart = backend('ireland', 'eu-west-1', '"eu-*"') + backend('virginia', 'us-east-1', '"us-*"');
    const rules =
      `  - { name: eu, buckets: ["eu-*"], keyId: "${key('eu-west-1')}" }\n` +
      `  - { name: us, buckets: ["us-*"], keyId: "${key('us-east-1')}" }\n`;
    assert.deepEqual(check(withEgress(STANDARD, apart, rules)), {
      egress: { hosts: ['standard'], globalRegion: 'signed' },
      faults: [],
      warnings: [],
    });
  });
});
