// The demo's certificates, read by OpenSSL through Node.
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { createAuthority } from '../../src/demo/authority.ts';

const NOW = new Date('2026-11-23T12:00:00Z');
const authority = createAuthority(NOW);
const issued = authority.issue({ dns: ['localhost', '*.gateway.example'], ipv4: ['127.0.0.1'] });
const ca = new X509Certificate(authority.certificate);
const leaf = new X509Certificate(issued.certificate);

describe('the demo authority', () => {
  it('signs itself as an authority and the server certificate as none', () => {
    assert.deepEqual([ca.ca, leaf.ca], [true, false]);
    assert.equal(ca.verify(ca.publicKey), true);
    assert.equal(leaf.verify(ca.publicKey), true);
    assert.equal(leaf.checkIssued(ca), true);
    assert.equal(leaf.checkPrivateKey(createPrivateKey(issued.key)), true);
  });

  it('names the hosts it was asked for and no others', () => {
    assert.equal(leaf.subjectAltName, 'DNS:localhost, DNS:*.gateway.example, IP Address:127.0.0.1');
    assert.equal(leaf.checkHost('ledger.gateway.example'), '*.gateway.example');
    assert.equal(leaf.checkHost('example.com'), undefined);
  });

  it('is valid from an hour before now for thirty days', () => {
    assert.equal(new Date(leaf.validFrom).toISOString(), '2026-11-23T11:00:00.000Z');
    assert.equal(new Date(leaf.validTo).toISOString(), '2026-12-23T12:00:00.000Z');
  });

  it('is another one each time', () => {
    assert.equal(leaf.verify(new X509Certificate(createAuthority(NOW).certificate).publicKey), false);
  });
});
