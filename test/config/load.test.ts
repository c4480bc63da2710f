// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the configuration's own syntax.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import type { Configuration } from '../../src/config/configuration.ts';
import type { Fault } from '../../src/config/fault.ts';
import { type LoadResult, loadConfiguration, parseConfiguration } from '../../src/config/load.ts';
import { makeFixture } from './fixture.ts';

const fixture = makeFixture();
after(() => fixture.remove());

const KEY = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';

function parse(text: string, environment: Record<string, string> = {}): LoadResult {
  return parseConfiguration(text, fixture.file, environment);
}

function loaded(text: string, environment: Record<string, string> = {}): Configuration {
  const result = parse(text, environment);
  assert.equal(result.kind, 'loaded', JSON.stringify(result, null, 1));
  return result.configuration;
}

function brief(faults: readonly Fault[]): readonly string[] {
  return faults.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`);
}

function faults(text: string, environment: Record<string, string> = {}): readonly string[] {
  const result = parse(text, environment);
  assert.equal(result.kind, 'faulty');
  for (const fault of result.faults) assert.match(fault.remedy, /^[A-Z].*\.$/, JSON.stringify(fault));
  return brief(result.faults);
}

const FULL = `listeners:
  - address: 0.0.0.0:8443
    tls:
      certificateFile: tls.crt
      keyFile: tls.key
      clientCaFile: ca.crt
      minVersion: TLSv1.3
    authentication: signature
  - name: sidecar
    address: "[::1]:8080"
    secure: true
    trustedProxies: [127.0.0.1/32, "::1"]
    authentication: none
domains: [S3.gateway.example]
admin: { address: 127.0.0.1:9091 }
backends:
  - name: ceph
    endpoint: http://localhost:7480
    region: default
    buckets: ["lab-*"]
    credentials: { provider: static, accessKeyId: CEPH, secretAccessKey: "\${CEPH_SECRET}" }
    trailers: false
    keyAliases: { alias/lab: testkey-1 }
    rareOperations: [PutBucketEncryption]
  - name: primary
    endpoint: https://s3.eu-central-1.amazonaws.com
    region: eu-central-1
    addressing: virtual-hosted
    caFile: ca.crt
    credentials:
      provider: assume-role
      roleArn: arn:aws:iam::111122223333:role/gateway
clients:
  - name: billing
    accessKeyId: BILLING0000000000001
    secretAccessKeyFile: billing.secret
    buckets: ["billing-*", "shared"]
    access: read-write
encryption:
  - name: lab
    buckets: ["lab-*"]
    keyId: testkey-1
    otherEncryption: upgrade
  - name: finance
    buckets: ["finance-*"]
    prefixes: ["ledger/"]
    mode: require
    algorithm: aws:kms:dsse
    keyId: ${KEY}
    allowedKeyIds: ["arn:aws:kms:eu-central-1:111122223333:key/*"]
    context: { app: ledger }
    requiredContext: [cost-centre]
  - name: rest
    mode: off
signatureV2: refuse
limits: { contextBytes: 2048 }
timeouts: { bodyIdle: 1500ms, backendFirstByte: 2m }
log: { level: "\${LOG_LEVEL:-warn}" }
`;

describe('a sound configuration', () => {
  const configuration = loaded(FULL, { CEPH_SECRET: 'ceph-secret' });

  test('gives listeners with their addresses, transport and certificates', () => {
    const [tls, sidecar] = configuration.listeners;
    assert.equal(tls?.name, '0.0.0.0:8443');
    assert.equal(tls.host, '0.0.0.0');
    assert.equal(tls.port, 8443);
    assert.equal(tls.secure, true);
    assert.equal(tls.tls?.minVersion, 'TLSv1.3');
    assert.equal(tls.tls.notAfter, Date.parse('2120-01-01'));
    assert.match(tls.tls.certificate, /BEGIN CERTIFICATE[\s\S]*BEGIN CERTIFICATE/);
    assert.match(tls.tls.key, /BEGIN PRIVATE KEY/);
    assert.match(tls.tls.clientCa ?? '', /BEGIN CERTIFICATE/);
    assert.deepEqual(sidecar, {
      name: 'sidecar',
      host: '::1',
      port: 8080,
      tls: undefined,
      secure: true,
      trustedProxies: ['127.0.0.1/32', '::1/128'],
      authentication: 'none',
      signing: 'replace',
    });
    assert.deepEqual(configuration.admin, { host: '127.0.0.1', port: 9091, pageHosts: [] });
  });

  test('tells where each item stands in the file', () => {
    const lines = FULL.split('\n');
    const first = (section: string) => lines.findIndex((line) => line.startsWith(`${section}:`)) + 2;
    const { listeners, backends, clients, encryption } = configuration.positions;
    assert.deepEqual(
      [listeners, backends, clients, encryption].map(([position]) => position?.line),
      ['listeners', 'backends', 'clients', 'encryption'].map(first),
    );
    assert.deepEqual(
      [listeners.length, backends.length, clients.length, encryption.length],
      [
        configuration.listeners,
        configuration.backends,
        [...configuration.policy.clients],
        configuration.policy.rules,
      ].map(({ length }) => length),
    );
  });

  test('gives clients by access key ID, their secrets read without the final newline', () => {
    assert.deepEqual(
      [...configuration.policy.clients],
      [
        [
          'BILLING0000000000001',
          {
            name: 'billing',
            certificate: undefined,
            accessKeyId: 'BILLING0000000000001',
            secretAccessKey: 'billing-secret',
            sessionToken: undefined,
            buckets: ['billing-*', 'shared'],
            access: 'read-write',
          },
        ],
      ],
    );
  });

  test('gives backends in order, with defaults filled in', () => {
    const [ceph, primary] = configuration.backends;
    assert.deepEqual(ceph, {
      name: 'ceph',
      protocol: 'http',
      hostname: 'localhost',
      port: 7480,
      region: 'default',
      partition: 'aws',
      addressing: 'path',
      buckets: ['lab-*'],
      trailers: false,
      keyAliases: new Map([['alias/lab', 'testkey-1']]),
      rareOperations: new Set(['PutBucketEncryption']),
      ca: undefined,
      credentials: {
        provider: 'static',
        accessKeyId: 'CEPH',
        secretAccessKey: 'ceph-secret',
        sessionToken: undefined,
      },
      kms: undefined,
    });
    assert.equal(primary?.port, 443);
    assert.equal(primary.rareOperations, 'all');
    assert.deepEqual(primary.buckets, ['*']);
    assert.match(primary.ca ?? '', /BEGIN CERTIFICATE/);
    assert.deepEqual(primary.credentials, {
      provider: 'assume-role',
      roleArn: 'arn:aws:iam::111122223333:role/gateway',
      sessionName: 's3-kms-gateway',
      externalId: undefined,
      stsEndpoint: undefined,
    });
    assert.equal(configuration.policy.backends, configuration.backends);
  });

  test('gives rules in order, with defaults filled in', () => {
    const [lab, finance, rest] = configuration.policy.rules;
    assert.deepEqual(lab, {
      name: 'lab',
      buckets: ['lab-*'],
      prefixes: [],
      mode: 'inject',
      algorithm: 'aws:kms',
      keyId: 'testkey-1',
      allowedKeyIds: [],
      context: {},
      requiredContext: [],
      bucketKey: false,
      otherEncryption: 'upgrade',
    });
    assert.deepEqual(finance?.context, { app: 'ledger' });
    assert.equal(rest?.mode, 'off');
    assert.ok('keyId' in rest && rest.keyId === undefined);
  });

  test('gives the rest in the units that the program uses', () => {
    const { policy, limits, timeouts, log, workers } = configuration;
    assert.deepEqual(policy.domains, ['s3.gateway.example']);
    assert.equal(policy.signatureV2, 'refuse');
    assert.deepEqual(policy.limits, { headerBytes: 8192, contextBytes: 2048 });
    assert.deepEqual(limits, {
      connections: 2048,
      requestsInFlight: 512,
      requestsInFlightPerClient: undefined,
      bufferedBytes: 67_108_864,
    });
    assert.deepEqual(timeouts, {
      tlsHandshake: 10_000,
      requestHeader: 30_000,
      bodyIdle: 1500,
      backendConnect: 5000,
      backendFirstByte: 120_000,
      backendIdle: 4000,
    });
    assert.equal(log.level, 'warn');
    assert.equal(workers, 1);
  });

  test('names every file that was read', () => {
    const names = configuration.files.map((name) => name.slice(fixture.directory.length + 1));
    assert.deepEqual(names, ['gateway.yaml', 'tls.crt', 'tls.key', 'ca.crt', 'billing.secret']);
  });

  test('can be sent to another process, and means the same there', () => {
    const copy = structuredClone(configuration);
    assert.deepEqual(copy, configuration);
    // Backends are found by identity: those of the policy are the same ones there too.
    assert.ok(copy.backends.every((backend) => copy.policy.backends.includes(backend)));
  });

  test('has no warnings', () => {
    assert.deepEqual(parse(FULL, { CEPH_SECRET: 'x' }).warnings, []);
  });

  test('gives the KMS of a backend, and a fault its place later on', () => {
    const text = `${backend(`${S3}eu-central-1\nkms:\n  caFile: ca.crt\n  interval: 1h`)}
  - { name: c, endpoint: 'https://h', region: r, kms: { endpoint: 'https://kms.h:9/' } }
  - { name: d, endpoint: 'https://s3.eu-west-1.amazonaws.com', region: eu-west-1, kms: {} }`;
    const result = parse(text);
    assert.ok(result.kind === 'loaded');
    const [b, c, d] = result.configuration.backends;
    assert.match(b?.kms?.ca ?? '', /BEGIN CERTIFICATE/);
    assert.deepEqual({ ...b?.kms, ca: '' }, { endpoint: undefined, ca: '', interval: 3_600_000 });
    assert.deepEqual(c?.kms, { endpoint: 'https://kms.h:9', ca: undefined, interval: 900_000 });
    assert.deepEqual(d?.kms, { endpoint: undefined, ca: undefined, interval: 900_000 });
    assert.ok(result.configuration.files.some((name) => name.endsWith('/ca.crt')));
    const fault = result.faultAt(['backends', 0, 'kms', 'endpoint'], 'm', 'R.');
    assert.deepEqual(fault, {
      file: fixture.file,
      line: 6,
      column: 5,
      path: 'backends[0].kms.endpoint',
      message: 'm',
      remedy: 'R.',
    });
  });

  test('may be JSON', () => {
    const json = JSON.stringify({
      listeners: [{ address: '127.0.0.1:8080' }],
      backends: [{ name: 'ceph', endpoint: 'http://[::1]:7480', region: 'default' }],
    });
    assert.equal(loaded(json).backends[0]?.hostname, '[::1]');
  });

  test('may use anchors and aliases', () => {
    const text = `${rule('buckets: &mine [a-*]')}\n  - name: two\n    buckets: *mine\n    keyId: k`;
    assert.deepEqual(loaded(text).policy.rules[1]?.buckets, ['a-*']);
  });
});

/** Configurations around one part: the part starts on a known line. */
const LISTENER = 'listeners: [{ address: 127.0.0.1:8080 }]\n';
const BACKEND = 'backends: [{ name: ceph, endpoint: http://localhost:7480, region: default }]\n';
const AWS =
  'backends: [{ name: aws, endpoint: https://s3.eu-central-1.amazonaws.com, region: eu-central-1 }]\n';
const listener = (lines: string): string => `${BACKEND}listeners:\n  - ${lines.replaceAll('\n', '\n    ')}`;
const backend = (lines: string): string =>
  `${LISTENER}backends:\n  - name: b\n    ${lines.replaceAll('\n', '\n    ')}`;
const client = (lines: string): string =>
  `${LISTENER}${BACKEND}clients:\n  - name: c\n    ${lines.replaceAll('\n', '\n    ')}`;
const rule = (lines: string, served: string = BACKEND): string =>
  `${LISTENER}${served}encryption:\n  - name: r\n    keyId: ${served === AWS ? KEY : 'k'}\n    ${lines.replaceAll('\n', '\n    ')}`;
const rest = (lines: string): string => `${LISTENER}${BACKEND}${lines}`;

const SECRET = 'accessKeyId: AAAA\nsecretAccessKey: s\n';
const S3 = 'endpoint: https://s3.eu-central-1.amazonaws.com\nregion: ';

/** What is wrong, the configuration, and every fault of it. */
const FAULTY: readonly (readonly [title: string, text: string, ...faults: string[]])[] = [
  ['an empty file', '', '1:1 : the configuration is empty'],
  ['a file with only a comment', '# nothing\n', '1:1 : the configuration is empty'],
  ['a list', '- a', '1:1 : must be a mapping, not a list'],
  [
    'broken YAML',
    'listeners: [',
    '1:13 : is not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
  ],
  ['two documents', `${rest('')}---\na: 1`, '3:1 : a second document begins here'],
  ['a tag', rest('domains: !mine [a]'), '3:10 : is not valid YAML: Unresolved tag: !mine'],
  ['an unknown alias', rest('domains: *none'), '3:1 domains: the alias *none stands for nothing'],
  ['a key given twice', rest('domains: [a]\ndomains: [b]'), '4:1 : the same key stands here twice'],
  [
    'a key that is a list',
    rest('? [a]\n: b'),
    '3:3 : is not valid YAML: With stringKeys, all keys must be strings',
  ],
  [
    'nothing but unknown keys',
    'a: 1\nb: 2',
    '1:1 listeners: is missing',
    '1:1 backends: is missing',
    '1:1 a: is not a known key',
    '2:1 b: is not a known key',
  ],
  [
    'an unknown key',
    listener('address: 127.0.0.1:1\nadress: x'),
    '4:5 listeners[0].adress: is not a known key',
  ],
  ['a section without a value', rest('encryption:'), '3:1 encryption: has no value'],
  ['a prototype key', rest('__proto__: {}'), '3:1 __proto__: this key cannot be used'],

  [
    'an unset variable',
    rest('domains: ["${NO_SUCH}.example"]'),
    '3:11 domains[0]: the environment variable NO_SUCH is not set',
  ],
  ['a malformed variable', rest('domains: ["${a-b}"]'), '3:11 domains[0]: has a ${ that names no variable'],

  ['no listener', `${BACKEND}listeners: []`, '2:1 listeners: is empty'],
  ['a listener without an address', listener('name: a'), '3:5 listeners[0].address: is missing'],
  ['a port alone', listener('address: ":8443"'), '3:5 listeners[0].address: is not an address to listen on'],
  [
    'a port out of range',
    listener('address: a:65536'),
    '3:5 listeners[0].address: is not an address to listen on',
  ],
  [
    'IPv6 without brackets',
    listener('address: "::1:8443"'),
    '3:5 listeners[0].address: is not an address to listen on',
  ],
  [
    'brackets around no IPv6',
    listener('address: "[1.2.3.4]:8443"'),
    '3:5 listeners[0].address: is not an address to listen on',
  ],
  [
    'secure on a reachable address',
    listener('address: 0.0.0.0:80\nsecure: true'),
    '4:5 listeners[0].secure: only a plaintext listener on a loopback address can count as secure',
  ],
  [
    'secure on TLS',
    listener('address: 127.0.0.1:80\nsecure: true\ntls: { certificateFile: tls.crt, keyFile: tls.key }'),
    '4:5 listeners[0].secure: stands on a TLS listener, which is secure anyway',
  ],
  [
    'secure in quotes',
    listener('address: 127.0.0.1:80\nsecure: "true"'),
    '4:5 listeners[0].secure: must be true or false, not a string',
  ],
  [
    'a proxy range that is a name',
    listener('address: 127.0.0.1:80\ntrustedProxies: [proxy]'),
    '4:22 listeners[0].trustedProxies[0]: is not a range of IP addresses',
  ],
  [
    'a proxy range too long',
    listener('address: 127.0.0.1:80\ntrustedProxies: [10.0.0.0/33]'),
    '4:22 listeners[0].trustedProxies[0]: is not a range of IP addresses',
  ],
  [
    'an unknown authentication',
    listener('address: 127.0.0.1:80\nauthentication: basic'),
    '4:5 listeners[0].authentication: must be signature or certificate or none',
  ],
  [
    'listeners on one address',
    listener('address: 127.0.0.1:80\nname: a').concat('\n  - address: 127.0.0.1:80\n    name: b'),
    '5:5 listeners[1].address: is taken by listeners[0].address',
  ],
  [
    'a listener on all addresses',
    listener('address: 127.0.0.1:80').concat('\n  - address: "[::]:80"'),
    '4:5 listeners[1].address: is taken by listeners[0].address',
  ],
  [
    'a host of the page with a port',
    rest('admin:\n  pageHosts: ["admin.example:9090"]'),
    '4:15 admin.pageHosts[0]: is not a host name or an address',
  ],
  [
    'a listener on the admin address',
    listener('address: 127.0.0.1:9090'),
    '3:5 listeners[0].address: is taken by admin.address',
  ],
  [
    'two listeners of one name',
    listener('address: 127.0.0.1:1\nname: a').concat('\n  - address: 127.0.0.1:2\n    name: a'),
    '6:5 listeners[1].name: is the same as that of listeners[0]',
  ],

  [
    'a missing certificate',
    listener('address: a:1\ntls:\n  certificateFile: no.crt\n  keyFile: tls.key'),
    `5:7 listeners[0].tls.certificateFile: ${fixture.directory}/no.crt cannot be read: there is no such file`,
  ],
  [
    'a directory for a key',
    listener('address: a:1\ntls:\n  certificateFile: tls.crt\n  keyFile: .'),
    `6:7 listeners[0].tls.keyFile: ${fixture.directory} cannot be read: it is a directory`,
  ],
  [
    'a certificate that is none',
    listener('address: a:1\ntls:\n  certificateFile: junk.crt\n  keyFile: tls.key'),
    '5:7 listeners[0].tls.certificateFile: junk.crt holds no readable certificate',
  ],
  [
    'a broken authority',
    listener(
      'address: a:1\ntls:\n  certificateFile: tls.crt\n  keyFile: tls.key\n  clientCaFile: broken.crt',
    ),
    '7:7 listeners[0].tls.clientCaFile: broken.crt holds no readable certificate',
  ],
  [
    'a key that is none',
    listener('address: a:1\ntls:\n  certificateFile: tls.crt\n  keyFile: tls.crt'),
    '6:7 listeners[0].tls.keyFile: tls.crt holds no readable private key',
  ],
  [
    'a key under a passphrase',
    listener('address: a:1\ntls:\n  certificateFile: tls.crt\n  keyFile: locked.key'),
    '6:7 listeners[0].tls.keyFile: the key in locked.key is encrypted',
  ],
  [
    'a key of another certificate',
    listener('address: a:1\ntls:\n  certificateFile: tls.crt\n  keyFile: other.key'),
    '6:7 listeners[0].tls.keyFile: the key does not belong to the certificate in tls.crt',
  ],
  [
    'an expired certificate',
    listener('address: a:1\ntls:\n  certificateFile: expired.crt\n  keyFile: expired.key'),
    '5:7 listeners[0].tls.certificateFile: the certificate expired on 2021-02-03',
  ],
  [
    'a certificate from the future',
    listener('address: a:1\ntls:\n  certificateFile: future.crt\n  keyFile: future.key'),
    '5:7 listeners[0].tls.certificateFile: the certificate is not valid before 2110-04-05',
  ],
  [
    'an old TLS version',
    listener('address: a:1\ntls:\n  certificateFile: tls.crt\n  keyFile: tls.key\n  minVersion: TLSv1'),
    '7:7 listeners[0].tls.minVersion: must be TLSv1.2 or TLSv1.3',
  ],

  ['a domain with a port', rest('domains: ["s3.example:8443"]'), '3:11 domains[0]: is not a host name'],
  ['a domain that is an IP address', rest('domains: [10.0.0.1]'), '3:11 domains[0]: is not a host name'],
  ['a domain with a wildcard', rest('domains: ["*.s3.example"]'), '3:11 domains[0]: is not a host name'],

  [
    'an endpoint with a path',
    backend('endpoint: https://host/s3\nregion: r'),
    '4:5 backends[0].endpoint: is not the URL of an S3 server',
  ],
  [
    'an endpoint with credentials',
    backend('endpoint: https://a:b@host\nregion: r'),
    '4:5 backends[0].endpoint: is not the URL of an S3 server',
  ],
  [
    'an endpoint without a scheme',
    backend('endpoint: host:9000\nregion: r'),
    '4:5 backends[0].endpoint: is not the URL of an S3 server',
  ],
  [
    'the wrong region',
    backend(`${S3}us-east-1`),
    '5:5 backends[0].region: is us-east-1, but the endpoint is in eu-central-1',
  ],
  [
    'the wrong partition',
    backend(`${S3}eu-central-1\npartition: aws-cn`),
    '6:5 backends[0].partition: is aws-cn, but the region eu-central-1 is in aws',
  ],
  [
    'AWS over plaintext',
    backend('endpoint: http://s3.us-east-1.amazonaws.com\nregion: us-east-1'),
    '4:5 backends[0].endpoint: is plaintext: AWS refuses SSE-KMS without TLS',
  ],
  [
    'virtual hosts on an IP address',
    backend('endpoint: https://10.0.0.1\nregion: r\naddressing: virtual-hosted'),
    '6:5 backends[0].addressing: cannot be virtual-hosted: the endpoint is an IP address, which no bucket name can stand before',
  ],
  [
    'a malformed bucket pattern',
    backend('endpoint: https://h\nregion: r\nbuckets: ["a/b"]'),
    '6:15 backends[0].buckets[0]: is not a bucket name or a pattern of one',
  ],
  ['no bucket', backend('endpoint: https://h\nregion: r\nbuckets: []'), '6:5 backends[0].buckets: is empty'],
  [
    'an unknown provider',
    backend('endpoint: https://h\nregion: r\ncredentials: { provider: vault }'),
    '6:20 backends[0].credentials.provider: must be one of default, none, static, assume-role',
  ],
  [
    'no credentials where requests are signed',
    backend('endpoint: https://h\nregion: r\ncredentials: { provider: none }'),
    '6:20 backends[0].credentials.provider: is none, but listeners[0] signs requests anew',
  ],
  [
    'a key of another provider',
    backend('endpoint: https://h\nregion: r\ncredentials: { provider: default, roleArn: x }'),
    '6:39 backends[0].credentials.roleArn: is not a known key',
  ],
  [
    'static credentials without a secret',
    backend('endpoint: https://h\nregion: r\ncredentials: { provider: static, accessKeyId: AAA }'),
    '6:5 backends[0].credentials: has no secret access key',
  ],
  [
    'a role that is a user',
    backend(
      'endpoint: https://h\nregion: r\ncredentials: { provider: assume-role, roleArn: "arn:aws:iam::111122223333:user/a" }',
    ),
    '6:43 backends[0].credentials.roleArn: is not the ARN of a role',
  ],
  [
    'an STS that is a path',
    backend(
      'endpoint: https://h\nregion: r\ncredentials: { provider: assume-role, roleArn: "arn:aws:iam::111122223333:role/a", stsEndpoint: "https://h/sts" }',
    ),
    '6:88 backends[0].credentials.stsEndpoint: is not the URL of an STS',
  ],
  [
    'an STS of another region',
    backend(
      `${S3}eu-central-1\ncredentials: { provider: assume-role, roleArn: "arn:aws:iam::111122223333:role/a", stsEndpoint: "https://sts.us-east-1.amazonaws.com" }`,
    ),
    '6:88 backends[0].credentials.stsEndpoint: is in us-east-1, but the backend is in eu-central-1',
  ],
  [
    'a KMS of another region',
    backend(`${S3}eu-central-1\nkms: { endpoint: "https://kms.us-east-1.amazonaws.com" }`),
    '6:12 backends[0].kms.endpoint: is in us-east-1, but the backend is in eu-central-1',
  ],
  [
    'a KMS that is a key',
    backend(`${S3}eu-central-1\nkms: { endpoint: alias/mine }`),
    '6:12 backends[0].kms.endpoint: is not the URL of a KMS',
  ],
  [
    'a KMS asked without pause',
    backend(`${S3}eu-central-1\nkms: { interval: 999ms }`),
    '6:12 backends[0].kms.interval: is shorter than 1s',
  ],
  [
    'a KMS with a certificate that is none',
    backend(`${S3}eu-central-1\nkms: { caFile: junk.crt }`),
    '6:12 backends[0].kms.caFile: junk.crt holds no readable certificate',
  ],
  [
    'the KMS of a backend that is not AWS, unnamed',
    backend('endpoint: https://h\nregion: r\nkms: {}'),
    "6:5 backends[0].kms: has no endpoint, and AWS's own is not meant: the backend is not AWS",
  ],
  [
    'a KMS without credentials',
    backend(`${S3}eu-central-1\nkms: {}\ncredentials: { provider: none }`).replace(
      '127.0.0.1:8080',
      '127.0.0.1:8080, signing: preserve',
    ),
    '6:5 backends[0].kms: cannot be asked: the backend has no credentials to sign with',
  ],
  [
    'two backends of one name',
    backend('endpoint: https://h\nregion: r\nbuckets: [a]').concat(
      '\n  - { name: b, endpoint: https://i, region: r }',
    ),
    '7:7 backends[1].name: is the same as that of backends[0]',
  ],

  [
    'a client without a secret',
    client('accessKeyId: AAAA\nbuckets: [a]'),
    '4:5 clients[0]: has no secret access key',
  ],
  [
    'a client with two secrets',
    client(`${SECRET}secretAccessKeyFile: billing.secret\nbuckets: [a]`),
    '7:5 clients[0].secretAccessKeyFile: stands beside secretAccessKey',
  ],
  [
    'an empty secret file',
    client('accessKeyId: AAAA\nsecretAccessKeyFile: empty.secret\nbuckets: [a]'),
    '6:5 clients[0].secretAccessKeyFile: empty.secret is empty',
  ],
  [
    'a secret of two lines',
    client('accessKeyId: AAAA\nsecretAccessKeyFile: lines.secret\nbuckets: [a]'),
    '6:5 clients[0].secretAccessKeyFile: lines.secret holds more than one line',
  ],
  [
    'an empty secret',
    client('accessKeyId: AAAA\nsecretAccessKey: ""\nbuckets: [a]'),
    '6:5 clients[0].secretAccessKey: is empty',
  ],
  [
    'a secret that YAML takes for a number',
    client('accessKeyId: AAAA\nsecretAccessKey: 1234\nbuckets: [a]'),
    '6:5 clients[0].secretAccessKey: must be a string, not a number',
  ],
  ['a client without buckets', client(SECRET), '4:5 clients[0].buckets: is missing'],
  [
    'an access key ID with a slash',
    client('accessKeyId: A/B\nsecretAccessKey: s\nbuckets: [a]'),
    '5:5 clients[0].accessKeyId: is not an access key ID',
  ],
  [
    'two clients of one name',
    client(`${SECRET}buckets: [a]`).concat(
      '\n  - { name: c, accessKeyId: BBBB, secretAccessKey: s, buckets: [a] }',
    ),
    '8:7 clients[1].name: is the same as that of clients[0]',
  ],
  [
    'two clients of one access key',
    client(`${SECRET}buckets: [a]`).concat(
      '\n  - { name: d, accessKeyId: AAAA, secretAccessKey: s, buckets: [a] }',
    ),
    '8:16 clients[1].accessKeyId: is the same as that of clients[0]',
  ],

  [
    'a rule without a key',
    rest('encryption:\n  - name: r'),
    '4:5 encryption[0]: has no keyId, which mode inject needs',
  ],
  [
    'an observing rule without a key',
    rest('encryption:\n  - name: r\n    mode: observe'),
    '4:5 encryption[0]: has no keyId, which mode observe needs',
  ],
  [
    'a bucket key with DSSE',
    rule('algorithm: aws:kms:dsse\nbucketKey: true'),
    '7:5 encryption[0].bucketKey: cannot be used with aws:kms:dsse',
  ],
  [
    'SSE-S3 as algorithm',
    rule('algorithm: AES256'),
    '6:5 encryption[0].algorithm: must be aws:kms or aws:kms:dsse',
  ],
  [
    'an unknown mode',
    rule('mode: enforce'),
    '6:5 encryption[0].mode: must be inject or require or observe or off',
  ],
  [
    'an alias for AWS',
    `${LISTENER}${AWS}encryption:\n  - name: r\n    keyId: alias/mine`,
    '5:5 encryption[0].keyId: must be a full key ARN: the backend aws is AWS',
  ],
  [
    'an alias ARN for AWS',
    `${LISTENER}${AWS}encryption:\n  - name: r\n    keyId: arn:aws:kms:eu-central-1:111122223333:alias/mine`,
    '5:5 encryption[0].keyId: must be a full key ARN: the backend aws is AWS',
  ],
  [
    'a bare key ID for AWS',
    `${LISTENER}${AWS}encryption:\n  - name: r\n    keyId: 1234abcd-12ab-34cd-56ef-1234567890ab`,
    '5:5 encryption[0].keyId: must be a full key ARN: the backend aws is AWS',
  ],
  [
    'a key of another region',
    `${LISTENER}${AWS}encryption:\n  - name: r\n    keyId: ${KEY.replace('eu-central-1', 'us-east-1')}`,
    '5:5 encryption[0].keyId: is a key of aws us-east-1, but the backend aws serves these buckets in aws eu-central-1',
  ],
  [
    'a key of another partition',
    `${LISTENER}${AWS}encryption:\n  - name: r\n    keyId: ${KEY.replace('arn:aws:', 'arn:aws-cn:')}`,
    '5:5 encryption[0].keyId: is a key of aws-cn eu-central-1, but the backend aws serves these buckets in aws eu-central-1',
  ],
  [
    'an operation that every backend has',
    backend('endpoint: http://localhost\nregion: default\nrareOperations: [PutObject]'),
    '6:22 backends[0].rareOperations[0]: is not one of the operations that need to be named',
  ],
  [
    'an alias that stands for another alias at AWS',
    `${LISTENER}backends:\n  - name: aws\n    endpoint: https://s3.eu-central-1.amazonaws.com\n    region: eu-central-1\n    keyAliases: { alias/mine: alias/other }`,
    '6:19 backends[0].keyAliases["alias/mine"]: must be a full key ARN of aws eu-central-1, where the backend is',
  ],
  [
    'an alias that stands for a key of another region at AWS',
    `${LISTENER}backends:\n  - name: aws\n    endpoint: https://s3.eu-central-1.amazonaws.com\n    region: eu-central-1\n    keyAliases: { alias/mine: ${KEY.replace('eu-central-1', 'us-east-1')} }`,
    '6:19 backends[0].keyAliases["alias/mine"]: must be a full key ARN of aws eu-central-1, where the backend is',
  ],
  [
    'an alias that is a key ARN',
    `${LISTENER}backends:\n  - name: aws\n    endpoint: https://s3.eu-central-1.amazonaws.com\n    region: eu-central-1\n    keyAliases: { "${KEY}": ${KEY} }`,
    `6:19 backends[0].keyAliases["${KEY}"]: is not an alias or a bare key ID`,
  ],
  [
    'an allowed alias for AWS',
    rule('allowedKeyIds: ["arn:aws:kms:eu-central-1:111122223333:alias/*"]', AWS),
    '6:21 encryption[0].allowedKeyIds[0]: matches no key ARN of the backend aws',
  ],
  [
    'an allowed key of another region',
    rule(`allowedKeyIds: [${KEY}, ${KEY.replace('eu-central-1', 'us-east-1')}]`, AWS),
    '6:101 encryption[0].allowedKeyIds[1]: matches no key ARN of the backend aws',
  ],
  [
    'an allowed key that is anything',
    rule('allowedKeyIds: ["*"]', AWS),
    '6:21 encryption[0].allowedKeyIds[0]: matches no key ARN of the backend aws',
  ],
  [
    'a key with a space',
    rest('encryption: [{ name: r, keyId: "a b" }]'),
    '3:25 encryption[0].keyId: is not a KMS key',
  ],
  [
    'a reserved context key',
    rule('context: { "aws:s3:arn": x }'),
    '6:16 encryption[0].context["aws:s3:arn"]: the prefix aws: is reserved',
  ],
  [
    'a context value that is a number',
    rule('context: { cost: 12 }'),
    '6:16 encryption[0].context.cost: must be a string, not a number',
  ],
  [
    'an empty context value',
    rule('context: { cost: "" }'),
    '6:16 encryption[0].context.cost: an encryption context value is empty or not valid Unicode',
  ],
  [
    'an empty context key',
    rule('context: { "": x }'),
    '6:16 encryption[0].context[""]: an encryption context key is empty or not valid Unicode',
  ],
  [
    'a context value that is a mapping',
    rule('context: { cost: { a: b } }'),
    '6:16 encryption[0].context.cost: must be a string, not a mapping',
  ],
  [
    'a reserved required key',
    rule('requiredContext: ["aws:x"]'),
    '6:23 encryption[0].requiredContext[0]: the prefix aws: is reserved',
  ],
  [
    'a context over the limit',
    rule(`context: { a: ${'x'.repeat(80)} }`).concat('\nlimits: { contextBytes: 64 }'),
    '6:5 encryption[0].context: takes 88 bytes, more than limits.contextBytes (64)',
  ],
  [
    'two rules of one name',
    rule('buckets: [a]').concat('\n  - { name: r, keyId: k }'),
    '7:7 encryption[1].name: is the same as that of encryption[0]',
  ],

  [
    'a limit that is a string',
    rest('limits: { headerBytes: "8192" }'),
    '3:11 limits.headerBytes: must be a number, not a string',
  ],
  [
    'a limit with a fraction',
    rest('limits: { headerBytes: 2048.5 }'),
    '3:11 limits.headerBytes: must be a whole number',
  ],
  ['a limit too low', rest('limits: { headerBytes: 1 }'), '3:11 limits.headerBytes: must be 1024 or more'],
  [
    'a limit too high',
    rest('limits: { headerBytes: 1000000 }'),
    '3:11 limits.headerBytes: must be 65536 or less',
  ],
  [
    'a duration without a unit',
    rest('timeouts: { bodyIdle: "30" }'),
    '3:13 timeouts.bodyIdle: is not a duration',
  ],
  ['a duration of nothing', rest('timeouts: { bodyIdle: 0s }'), '3:13 timeouts.bodyIdle: is not a duration'],
  [
    'a duration beyond a day',
    rest('timeouts: { bodyIdle: 25h }'),
    '3:13 timeouts.bodyIdle: is not a duration',
  ],
  [
    'a duration that is a number',
    rest('timeouts: { bodyIdle: 30 }'),
    '3:13 timeouts.bodyIdle: must be a string, not a number',
  ],
  [
    'less room than one signed chunk needs',
    rest('limits: { bufferedBytes: 1048576 }'),
    '3:11 limits.bufferedBytes: must be 16777216 or more',
  ],
  [
    'no room for requests',
    rest('limits: { requestsInFlight: 0 }'),
    '3:11 limits.requestsInFlight: must be 1 or more',
  ],
  ['no worker at all', rest('workers: 0'), '3:1 workers: must be 1 or more'],
  ['no worker', rest('workers: none'), '3:1 workers: is none of the forms it may take'],
  [
    'an unknown log level',
    rest('log: { level: loud }'),
    '3:8 log.level: must be debug or info or warn or error',
  ],
];

describe('a faulty configuration is told by line and column:', () => {
  for (const [title, text, ...expected] of FAULTY) {
    test(title, () => assert.deepEqual(faults(text), expected));
  }

  test('a file that does not exist', () => {
    const result = loadConfiguration(`${fixture.directory}/none.yaml`, {});
    assert.equal(result.kind, 'faulty');
    assert.deepEqual(brief(result.faults), [
      '1:1 : the configuration file cannot be read: there is no such file',
    ]);
  });

  test('faults of all kinds at once, in the order of the file', () => {
    const text = `listeners:
  - address: 0.0.0.0:80
    secure: true
backends:
  - { name: ceph, endpoint: http://localhost:7480, region: default }
clients:
  - { name: a, accessKeyId: AAAA, secretAccessKey: "\${NO_SUCH}", buckets: [a] }
  - { name: b, accessKeyId: AAAA, secretAccessKeyFile: none, buckets: [a], colour: red }
  - { name: a, accessKeyId: CCCC, secretAccessKey: s, buckets: [a] }
encryption:
  - name: r
limits: { headerBytes: 1 }
`;
    assert.deepEqual(faults(text), [
      '3:5 listeners[0].secure: only a plaintext listener on a loopback address can count as secure',
      '7:35 clients[0].secretAccessKey: the environment variable NO_SUCH is not set',
      '8:76 clients[1].colour: is not a known key',
      '9:7 clients[2].name: is the same as that of clients[0]',
      '11:5 encryption[0]: has no keyId, which mode inject needs',
      '12:11 limits.headerBytes: must be 1024 or more',
    ]);
  });

  test('aliases that multiply are stopped', () => {
    const levels = Array.from({ length: 12 }, (_, i) => `a${i}: &a${i} [${`*a${i - 1}, `.repeat(i && 10)}x]`);
    assert.deepEqual(faults(levels.join('\n')), [
      '1:1 : is nested deeper than 32 levels or larger than 100000 values, its aliases followed',
    ]);
  });

  test('aliases that hold themselves are stopped', () => {
    assert.match(faults('domains: &a [*a, *a]').join(), /nested deeper than 32 levels/);
  });

  test('brackets beyond number are stopped', () => {
    assert.match(faults('['.repeat(100_000)).join(), /nested|not valid YAML/);
  });

  test('no secret appears in a fault', () => {
    const text = client(
      'accessKeyId: "${HIDDEN}/"\nsecretAccessKey: "${HIDDEN}"\nsessionToken: ["${HIDDEN}"]',
    );
    const result = parse(text, { HIDDEN: 'hunter2' });
    assert.equal(result.kind, 'faulty');
    assert.equal(result.faults.length, 3);
    assert.doesNotMatch(JSON.stringify(result), /hunter2/);
  });
});

/** What is dubious, the configuration, and every warning. */
const DUBIOUS: readonly (readonly [title: string, text: string, ...warnings: string[]])[] = [
  [
    'no client and no rule',
    rest(''),
    '1:1 encryption: there is no encryption rule: all writes are refused',
    '1:1 clients: there is no client: signed requests are all refused',
  ],
  [
    'a reachable plaintext listener',
    rule('')
      .replace('127.0.0.1', '0.0.0.0')
      .concat('\nclients: [{ name: c, accessKeyId: AAA, secretAccessKey: s, buckets: [a] }]'),
    '1:13 listeners[0]: is plaintext and reachable from other machines: requests that need KMS are refused here',
  ],
];

const SIGNED = '\nclients: [{ name: c, accessKeyId: AAA, secretAccessKey: s, buckets: [a] }]';
const WARNED: typeof DUBIOUS = [
  ...DUBIOUS,
  [
    'a reachable listener that asks for no signature',
    rule('').replace(
      '127.0.0.1:8080 }',
      'localhost:8080 }, { address: "h:1", authentication: none, trustedProxies: [0.0.0.0/0] }',
    ) + SIGNED,
    '1:60 listeners[1].authentication: asks nobody for a signature and is reachable from other machines',
    '1:99 listeners[1].trustedProxies[0]: believes every peer that says it came over TLS',
  ],
  [
    'a plaintext backend',
    rule('').replace('localhost:7480', 'ceph:7480') + SIGNED,
    '2:26 backends[0].endpoint: is plaintext: objects cross the network unencrypted',
  ],
  [
    'a plaintext KMS and a plaintext STS',
    rule(
      '',
      `backends:\n  - name: b\n    endpoint: https://h\n    region: r\n    kms: { endpoint: "http://kms" }\n    credentials: { provider: assume-role, roleArn: "arn:aws:iam::111122223333:role/a", stsEndpoint: "http://sts" }\n`,
    ) + SIGNED,
    '6:12 backends[0].kms.endpoint: is plaintext: questions about keys cross the network unencrypted',
    '7:88 backends[0].credentials.stsEndpoint: is plaintext: credentials cross the network unencrypted',
  ],
  [
    'a backend that nothing reaches',
    `${LISTENER}backends:\n  - { name: a, endpoint: https://a, region: r }\n  - { name: b, endpoint: https://b, region: r, buckets: [b] }\nencryption: [{ name: r, keyId: k }]${SIGNED}`,
    '4:48 backends[1].buckets: no request comes here: the backends before it take all of these buckets',
  ],
  [
    'a rule that nothing reaches',
    `${rule('')}\n  - { name: s, keyId: k, prefixes: [a/] }${SIGNED}`,
    '7:5 encryption[1]: no request comes here: r takes all of these buckets and prefixes first',
  ],
  [
    'a rule for buckets of no backend',
    rule('buckets: [b]', BACKEND.replace(' }', ', buckets: [a] }')) + SIGNED,
    '6:5 encryption[0].buckets: no backend serves these buckets',
  ],
  [
    'keys of any account',
    rule('allowedKeyIds: ["arn:aws:kms:*:*:key/*"]', AWS) + SIGNED,
    '6:21 encryption[0].allowedKeyIds[0]: lets clients choose keys of any account',
  ],
];

describe('a dubious configuration is loaded with a warning:', () => {
  for (const [title, text, ...expected] of WARNED) {
    test(title, () => {
      const result = parse(text);
      assert.equal(result.kind, 'loaded', JSON.stringify(result));
      assert.deepEqual(brief(result.warnings), expected);
    });
  }
});

describe('what is not a fault:', () => {
  test('a rule before a second region holds its key against the first alone', () => {
    const served = AWS.replace(
      ' }]',
      ', buckets: [eu-*] }, { name: us, endpoint: https://s3.us-east-1.amazonaws.com, region: us-east-1 }]',
    );
    const text = `${LISTENER}${served}encryption:\n  - { name: r, keyId: "${KEY}", buckets: [eu-a*] }`;
    assert.equal(parse(text).kind, 'loaded');
    assert.deepEqual(faults(text.replace('eu-a*', 'e*')), [
      '4:16 encryption[0].keyId: is a key of aws eu-central-1, but the backend us serves these buckets in aws us-east-1',
    ]);
  });

  test('a multi-Region key', () => {
    const key = KEY.replace(/key\/.*/, `key/mrk-${'0'.repeat(32)}`);
    assert.equal(parse(`${LISTENER}${AWS}encryption: [{ name: r, keyId: "${key}" }]`).kind, 'loaded');
  });

  test('a listener on any free port, twice', () => {
    assert.equal(
      parse(`${BACKEND}listeners: [{ address: "h:0", name: a }, { address: "h:0", name: b }]`).kind,
      'loaded',
    );
  });

  test('a variable that brings YAML of its own: it stays one string', () => {
    const text = client('accessKeyId: AAAA\nsecretAccessKey: ${VALUE}\nbuckets: [a]');
    const value = 's\n    access: admin';
    const [found] = loaded(text, { VALUE: value }).policy.clients.values();
    assert.equal(found?.secretAccessKey, value);
    assert.equal(found?.access, 'read-only');
  });
});

/** Anything that YAML can say, with keys that often mean something here. */
const anything = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom('127.0.0.1:80', 'https://h', '*', '${A}', '30s', 'tls.crt', 'static', 'r', KEY),
    ),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(
      fc.oneof(
        fc.string(),
        fc.constantFrom('listeners', 'backends', 'clients', 'encryption', 'limits', 'name', 'address', 'tls'),
        fc.constantFrom(
          'endpoint',
          'region',
          'credentials',
          'provider',
          'keyId',
          'context',
          'certificateFile',
        ),
      ),
      tie('value'),
      { maxKeys: 5 },
    ),
  ),
})).value;

describe('properties', () => {
  const holds = (text: string): void => {
    const result = parse(text, { A: 'a' });
    if (result.kind === 'loaded') return;
    assert.ok(result.faults.length > 0);
    for (const { line, column } of result.faults) assert.ok(line >= 1 && column >= 1);
  };

  test('any text gives faults or a configuration', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), holds));
    const yaml = fc.array(fc.constantFrom(...'{}[]:,-&*!|>?#%@"\' \n\tab'), { maxLength: 40 });
    fc.assert(
      fc.property(
        yaml.map((symbols) => symbols.join('')),
        holds,
      ),
      { numRuns: 500 },
    );
  });

  test('any structure gives faults or a configuration', () => {
    fc.assert(
      fc.property(anything, (value) => holds(JSON.stringify(value))),
      { numRuns: 500 },
    );
  });

  test('any damage to a sound file gives faults or a configuration', () => {
    const damage = fc.tuple(fc.nat(FULL.length), fc.nat(30), fc.string({ maxLength: 5 }));
    fc.assert(
      fc.property(damage, ([at, length, insert]) =>
        holds(FULL.slice(0, at) + insert + FULL.slice(at + length)),
      ),
      { numRuns: 300 },
    );
  });
});
