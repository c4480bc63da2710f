// Clients that are known by certificates: what the file may say of them, and what listeners and clients must agree on.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { type LoadResult, parseConfiguration } from '../../src/config/load.ts';
import { makeFixture } from './fixture.ts';

const fixture = makeFixture();
after(() => fixture.remove());

const ASKING = { certificateFile: 'tls.crt', keyFile: 'tls.key', clientCaFile: 'ca.crt' };
const SPIFFE = 'spiffe://cluster.local/ns/billing/sa/app';
const KEYS = { accessKeyId: 'BILLING', secretAccessKey: 'secret' };

function load(listener: object, ...clients: object[]): LoadResult {
  const text = stringify({
    listeners: [{ address: '127.0.0.1:8443', ...listener }],
    backends: [{ name: 'ceph', endpoint: 'http://localhost:7480', region: 'default' }],
    clients: clients.map((client, index) => ({ name: `c${index}`, buckets: ['*'], ...client })),
    encryption: [{ name: 'all', keyId: 'k' }],
  });
  return parseConfiguration(text, fixture.file, {});
}

const faultsOf = (result: LoadResult): string[] =>
  (result.kind === 'faulty' ? result.faults : []).map(({ path, message }) => `${path}: ${message}`);
const warningsOf = (result: LoadResult): string[] =>
  result.warnings.map(({ path, message }) => `${path}: ${message}`);

/** What a sound configuration makes of its one listener and its clients. */
function made(listener: object, ...clients: object[]) {
  const result = load(listener, ...clients);
  assert.equal(result.kind, 'loaded', JSON.stringify(result));
  const { policy, listeners, clients: all } = result.configuration;
  return { policy, all, authentication: listeners[0]?.authentication };
}

describe('a client with a certificate', () => {
  for (const [certificate, key] of [
    [{ uri: SPIFFE }, `uri:${SPIFFE}`],
    [{ dnsName: 'App.Example' }, 'dnsName:app.example'],
    [{ email: 'App@Mail.Example' }, 'email:App@mail.example'],
  ] as const) {
    test(`is known by ${key}`, () => {
      const { policy, all } = made({ tls: ASKING, authentication: 'certificate' }, { certificate });
      assert.deepEqual([...policy.certificateClients.keys()], [key]);
      assert.deepEqual([...policy.certificateClients.values()], all);
      assert.equal(policy.clients.size, 0);
    });
  }

  test('and an access key is known by either, and stands once in the list', () => {
    const { policy, all } = made({ tls: ASKING }, { ...KEYS, certificate: { uri: SPIFFE } });
    assert.equal(all.length, 1);
    assert.equal(policy.clients.get('BILLING'), all[0]);
    assert.equal(policy.certificateClients.get(`uri:${SPIFFE}`), all[0]);
    assert.deepEqual(all[0]?.certificate, { kind: 'uri', value: SPIFFE });
  });

  const UNFIT: readonly (readonly [certificate: object, fault: string])[] = [
    [{}, 'clients[0].certificate: must have one name'],
    [{ uri: SPIFFE, dnsName: 'a' }, 'clients[0].certificate: must have one name'],
    [{ uri: 'no scheme' }, 'clients[0].certificate.uri: is not a URI'],
    [{ uri: 'spiffe://c/a b' }, 'clients[0].certificate.uri: is not a URI'],
    [{ uri: 'spiffe://c/a,b' }, 'clients[0].certificate.uri: is not a URI'],
    [{ uri: 'spiffe://c/"a"' }, 'clients[0].certificate.uri: is not a URI'],
    [{ uri: "spiffe://c/'a'" }, 'clients[0].certificate.uri: is not a URI'],
    [{ uri: 'spiffe://c/a\\b' }, 'clients[0].certificate.uri: is not a URI'],
    [{ uri: 'spiffe://c/é' }, 'clients[0].certificate.uri: is not a URI'],
    [{ dnsName: '*.apps.example' }, 'clients[0].certificate.dnsName: is not a DNS name'],
    [{ dnsName: 'app.example.' }, 'clients[0].certificate.dnsName: is not a DNS name'],
    [{ dnsName: 'app.example:443' }, 'clients[0].certificate.dnsName: is not a DNS name'],
    [{ email: 'nobody' }, 'clients[0].certificate.email: is not a mail address'],
    [{ email: 'a@b@c' }, 'clients[0].certificate.email: is not a mail address'],
    [{ san: SPIFFE }, 'clients[0].certificate.san: is not a known key'],
  ];
  for (const [certificate, fault] of UNFIT) {
    test(`${JSON.stringify(certificate)} is a fault`, () => {
      const faults = faultsOf(load({ tls: ASKING, authentication: 'certificate' }, { certificate }));
      assert.ok(faults.includes(fault), faults.join('; '));
    });
  }

  test('is not taken for another: no two have the same name', () => {
    const faults = faultsOf(
      load(
        { tls: ASKING },
        { ...KEYS, certificate: { dnsName: 'app.example' } },
        { ...KEYS, accessKeyId: 'OTHER', certificate: { dnsName: 'APP.example' } },
      ),
    );
    assert.deepEqual(faults, ['clients[1].certificate: is the same as that of clients[0]']);
  });

  test('that no listener asks for is a fault', () => {
    assert.deepEqual(faultsOf(load({}, { ...KEYS, certificate: { uri: SPIFFE } })), [
      'clients[0].certificate: is a certificate that no listener asks for',
    ]);
  });

  test('alone is a fault where every listener wants a signature', () => {
    assert.deepEqual(faultsOf(load({ tls: ASKING }, { certificate: { uri: SPIFFE } })), [
      'clients[0].certificate: is all that this client has, but every listener asks for a signature',
    ]);
  });
});

describe('a client without a certificate', () => {
  test('and without an access key is a fault', () => {
    assert.deepEqual(faultsOf(load({}, {})), ['clients[0]: has nothing to be known by']);
  });
  test('and with a secret but no access key is a fault', () => {
    assert.deepEqual(faultsOf(load({}, { secretAccessKeyFile: 'billing.secret' })), [
      'clients[0].secretAccessKeyFile: stands without accessKeyId',
    ]);
  });
});

describe('a listener', () => {
  const certified = { ...KEYS, certificate: { uri: SPIFFE } };

  test('that asks nobody but has clientCaFile tells clients by certificates, once one is stated', () => {
    const listener = { tls: ASKING, authentication: 'none' };
    assert.equal(made(listener, certified).authentication, 'certificate');
    const before = load(listener, KEYS);
    assert.equal(before.kind === 'loaded' && before.configuration.listeners[0]?.authentication, 'none');
    assert.deepEqual(warningsOf(before), [
      'listeners[0].authentication: is none, and no client states a certificate: whoever has one of clientCaFile may use every bucket',
    ]);
    assert.deepEqual(warningsOf(load(listener, certified)), []);
  });

  test('that asks for signatures goes on to', () => {
    assert.equal(made({ tls: ASKING }, certified).authentication, 'signature');
  });

  test('that tells clients by certificates is reachable without a warning', () => {
    const listener = { address: '0.0.0.0:8443', tls: ASKING, authentication: 'certificate' };
    assert.deepEqual(warningsOf(load(listener, certified)), []);
  });

  test('that tells clients by certificates must ask for them', () => {
    const { clientCaFile, ...tls } = ASKING;
    const faults = faultsOf(load({ tls, authentication: 'certificate' }, KEYS));
    assert.deepEqual(faults, ['listeners[0].authentication: is certificate, but the listener asks for none']);
    assert.deepEqual(faultsOf(load({ authentication: 'certificate' }, KEYS)), faults);
  });

  test('that tells clients by certificates, of which there are none, is dubious', () => {
    assert.deepEqual(warningsOf(load({ tls: ASKING, authentication: 'certificate' }, KEYS)), [
      'listeners[0].authentication: is certificate, but no client states one: every request is refused here',
    ]);
  });

  test('that preserves signatures does not tell clients by certificates', () => {
    const listener = { tls: ASKING, authentication: 'certificate', signing: 'preserve' };
    assert.deepEqual(faultsOf(load(listener, certified)), [
      'listeners[0].authentication: is not signature, but unsigned requests that are not signed here either reach the backend anonymously',
    ]);
  });
});
