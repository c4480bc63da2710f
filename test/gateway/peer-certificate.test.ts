// Names in certificates, as Node.js writes them and as they are read back: hostile ones make no name that was not there.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { CertificateName } from '../../src/core/certificate.ts';
import { type AlternativeNames, createAuthority } from '../../src/demo/authority.ts';
import { parseAlternativeNames } from '../../src/gateway/peer-certificate.ts';

const authority = createAuthority(new Date());

/** The names that a certificate with these comes to. */
function readBack(names: Partial<AlternativeNames>): string[] {
  const { certificate } = authority.issue({ dns: [], ipv4: [], ...names }, 'client');
  const text = new X509Certificate(certificate).subjectAltName ?? '';
  return parseAlternativeNames(text).map(shown);
}

const shown = ({ kind, value }: CertificateName): string => `${kind}:${value}`;

const SPIFFE = 'spiffe://cluster.local/ns/billing/sa/app';

describe('the names of a certificate', () => {
  test('of every kind are read, each as its own', () => {
    assert.deepEqual(
      readBack({
        email: ['app@example.com'],
        dns: ['app.example', '*.example'],
        uri: [SPIFFE, 'https://h:1/a?b=c'],
        ipv4: ['10.0.0.1'],
      }),
      [
        'email:app@example.com',
        'dnsName:app.example',
        'dnsName:*.example',
        `uri:${SPIFFE}`,
        'uri:https://h:1/a?b=c',
      ],
    );
  });

  /** Values that a careless reader takes for more names than there are, or for others: CVE-2021-44531 to 44533. */
  const HOSTILE: readonly (readonly [what: string, value: string])[] = [
    ['a comma and another name', `a.example, URI:${SPIFFE}`],
    ['a name in quotes', `"a.example", URI:${SPIFFE}`],
    ['an open quote', `"a.example, URI:${SPIFFE}`],
    ['a backslash', `a\\", URI:${SPIFFE}`],
    ['NUL and more', 'app.example\0.evil.example'],
    ['a line break', `a\n, URI:${SPIFFE}`],
    ['the escape of a comma', `a\\u002c URI:${SPIFFE}`],
    ['a space', 'app.example evil'],
    ['letters that are not ASCII', 'app.ex\xe4mple'],
    ['a quote mark', "app'example"],
    ['nothing', ''],
  ];
  for (const [what, value] of HOSTILE) {
    for (const kind of ['dns', 'uri', 'email'] as const) {
      test(`with ${what} in ${kind} are those beside it alone`, () => {
        assert.deepEqual(readBack({ [kind]: [value] }), []);
        const beside = kind === 'uri' ? { dns: ['beside.example'] } : { uri: ['urn:beside'] };
        assert.deepEqual(readBack({ [kind]: [value], ...beside }), [
          kind === 'uri' ? 'dnsName:beside.example' : 'uri:urn:beside',
        ]);
      });
    }
  }

  test('of a certificate that has none are none', () => {
    assert.deepEqual(parseAlternativeNames(''), []);
  });

  const MALFORMED = [
    'DNS',
    'DNS:a,',
    'DNS:a, ',
    'DNS:a,URI:b',
    'DNS:"a',
    'DNS:"a"b',
    'DNS:a"b"',
    ', DNS:a',
    'DNS:a\\',
    'DNS:a, , URI:b',
  ];
  for (const text of MALFORMED) {
    test(`of a text that is no list of names are none: ${text}`, () =>
      assert.deepEqual(parseAlternativeNames(text), []));
  }

  test('of kinds that are nobody here are passed over', () => {
    const text = `DirName:"CN=a\\u002cO=b", othername:UPN:"a\\u002cb", othername:<unsupported>, Registered ID:1.2.3, IP Address:::1, URI:${SPIFFE}`;
    assert.deepEqual(parseAlternativeNames(text).map(shown), [`uri:${SPIFFE}`]);
  });
});

describe('properties', () => {
  const value = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'ab.:/@, "\\\'\0\n*='), maxLength: 12 }),
    fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
      maxLength: 12,
    }),
    fc.constantFrom('app.example', SPIFFE, `a, URI:${SPIFFE}`, 'DNS:app.example', '"'),
  );
  const values = fc.array(value, { maxLength: 3 });

  test('what is read of a certificate was put into it, as that kind; and plain names are not lost', () => {
    fc.assert(
      fc.property(fc.record({ dns: values, uri: values, email: values }), (names) => {
        const put = [
          ...names.email.map((one) => `email:${one}`),
          ...names.dns.map((one) => `dnsName:${one}`),
          ...names.uri.map((one) => `uri:${one}`),
        ];
        const plain = put.filter((one) => /^\w+:[!#-&(-+\--[\]-~]+$/.test(one));
        assert.deepEqual(readBack(names), plain);
      }),
      { numRuns: 300 },
    );
  });

  test('no text is read without end, or throws', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('DNS:', 'URI:', 'a', '"', '\\', ', ', ',', ' ', ':') }),
        (text) => {
          for (const name of parseAlternativeNames(text)) assert.ok(text.includes(name.value));
        },
      ),
    );
  });
});
