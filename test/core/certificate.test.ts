// Who a client is by its certificate: names and their owners, and what `decide` makes of the certificate of a connection.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type CertificateName, certificateKey, hasName, holderOf } from '../../src/core/certificate.ts';
import {
  type Channel,
  type Client,
  decide,
  ReceivedHeaders,
  type ReceivedRequest,
  type Verdict,
} from '../../src/core/index.ts';
import { authorizationV2 } from '../../src/core/sigv2/sign.ts';
import {
  CLIENT,
  context,
  headersOf,
  NOW,
  oracle,
  presignedRequest,
  signedRequest,
  TLS,
  unsignedRequest,
} from './fixture.ts';

const BILLING: CertificateName = { kind: 'uri', value: 'spiffe://cluster/ns/billing/sa/app' };
const REPORTS: CertificateName = { kind: 'dnsName', value: 'reports.apps.example' };
const OTHER: CertificateName = { kind: 'email', value: 'Someone@example.com' };

describe('the name of a certificate', () => {
  const SAME: readonly (readonly [CertificateName['kind'], string, string])[] = [
    ['dnsName', 'App.Example', 'app.example'],
    ['email', 'app@Mail.Example', 'app@mail.example'],
    ['uri', 'spiffe://c/a', 'spiffe://c/a'],
  ];
  for (const [kind, left, right] of SAME) {
    test(`${kind} ${left} is ${right}`, () =>
      assert.ok(hasName([{ kind, value: left }], { kind, value: right })));
  }

  const DIFFERENT: readonly (readonly [CertificateName, CertificateName])[] = [
    [BILLING, { kind: 'uri', value: `${BILLING.value}/` }],
    [BILLING, { kind: 'uri', value: 'spiffe://cluster/ns/billing/sa/App' }],
    [BILLING, { kind: 'uri', value: 'spiffe://cluster/ns/billing/sa' }],
    [BILLING, { kind: 'dnsName', value: BILLING.value }],
    [REPORTS, { kind: 'dnsName', value: '*.apps.example' }],
    [REPORTS, { kind: 'dnsName', value: 'reports.apps.example.' }],
    [REPORTS, { kind: 'email', value: REPORTS.value }],
    [OTHER, { kind: 'email', value: 'someone@example.com' }],
    // Unicode makes k of the Kelvin sign.
    [
      { kind: 'dnsName', value: 'k.example' },
      { kind: 'dnsName', value: '\u212a.example' },
    ],
  ];
  for (const [left, right] of DIFFERENT) {
    test(`${left.kind} ${left.value} is not ${right.kind} ${right.value}`, () =>
      assert.equal(hasName([right], left), false));
  }

  const names = fc.record({
    kind: fc.constantFrom<CertificateName['kind']>('uri', 'dnsName', 'email'),
    value: fc.oneof(fc.constantFrom('a', 'A', 'a@b', 'A@b', 'a@B', 'uri:a', 'a:b'), fc.string()),
  });
  test('has one key, which no name of another kind and no other URI has', () => {
    fc.assert(
      fc.property(names, names, (left, right) => {
        if (certificateKey(left) !== certificateKey(right)) return;
        assert.equal(left.kind, right.kind);
        if (left.kind === 'uri') assert.equal(left.value, right.value);
        else assert.equal(left.value.toLowerCase(), right.value.toLowerCase());
      }),
    );
  });

  test('makes out one holder: nobody where it has the names of two', () => {
    const holders = new Map([BILLING, REPORTS].map((name) => [certificateKey(name), name.value]));
    assert.equal(holderOf([OTHER, BILLING], holders), BILLING.value);
    assert.equal(holderOf([BILLING, BILLING], holders), BILLING.value);
    assert.equal(holderOf([BILLING, REPORTS], holders), undefined);
    assert.equal(holderOf([OTHER], holders), undefined);
    assert.equal(holderOf([], holders), undefined);
  });
});

const billing: Client = { name: 'billing', buckets: ['billing'], access: 'read-write', certificate: BILLING };
const reports: Client = { name: 'reports', buckets: ['*'], access: 'read-only', certificate: REPORTS };
const bound = { ...CLIENT, name: 'bound', certificate: BILLING };
const certificateClients = new Map<string, Client>([
  [certificateKey(BILLING), billing],
  [certificateKey(REPORTS), reports],
]);

/** Status and reason of a refusal, or the client that a request is forwarded for. */
function outcome(verdict: Verdict): string {
  if (verdict.kind === 'refused') return `${verdict.refusal.status} ${verdict.refusal.reason}`;
  return `${verdict.kind} ${verdict.facts.client}`;
}

describe('a listener that tells clients by their certificates', () => {
  const certified = (names?: readonly CertificateName[]): Channel => ({
    ...TLS,
    authentication: 'certificate',
    certificateNames: names,
  });
  const put = (path: string, names?: readonly CertificateName[]) =>
    decide(
      unsignedRequest('PUT', path, { 'content-length': '3' }, certified(names)),
      context({ certificateClients }),
    );

  test('knows the client, and holds it to its buckets and rights', () => {
    const verdict = put('/billing/key', [OTHER, BILLING]);
    assert.equal(outcome(verdict), 'forward billing');
    assert.equal(verdict.facts.scheme, 'certificate');
    assert.deepEqual(verdict.facts.certificate, [certificateKey(BILLING)]);
    assert.equal(verdict.facts.verification, undefined);
    assert.equal(outcome(put('/ledger/key', [BILLING])), '403 bucket_not_allowed');
    assert.equal(outcome(put('/ledger/key', [REPORTS])), '403 operation_not_allowed');
  });

  test('refuses who is nobody', () => {
    for (const names of [undefined, [], [OTHER], [BILLING, REPORTS]]) {
      const verdict = put('/billing/key', names);
      assert.equal(outcome(verdict), '403 unknown_certificate');
      assert.equal(verdict.facts.client, undefined);
      assert.deepEqual(verdict.facts.certificate, (names ?? []).map(certificateKey));
    }
  });

  test('refuses everybody where no client has a certificate', () => {
    const verdict = decide(unsignedRequest('GET', '/billing/key', {}, certified([BILLING])), context());
    assert.equal(outcome(verdict), '403 unknown_certificate');
  });

  test('does not take a signature in place of the certificate', async () => {
    const received = await signedRequest({ method: 'GET', path: '/billing/key' }, certified([OTHER]));
    assert.equal(outcome(decide(received, context({ certificateClients }))), '403 unknown_certificate');
  });

  test('asks a CORS preflight too: its connection has a certificate', () => {
    const preflight = (names: readonly CertificateName[]) =>
      decide(
        unsignedRequest(
          'OPTIONS',
          '/billing/key',
          { origin: 'https://a.example', 'access-control-request-method': 'PUT' },
          certified(names),
        ),
        context({ certificateClients }),
      );
    assert.equal(outcome(preflight([BILLING])), 'forward billing');
    assert.equal(outcome(preflight([OTHER])), '403 unknown_certificate');
  });

  test('asks a form too', () => {
    const fields = new Map([['key', 'form-key']]);
    const headers = { 'content-type': 'multipart/form-data; boundary=b', 'content-length': '500' };
    const submit = (names: readonly CertificateName[]) =>
      decide(
        unsignedRequest('POST', '/billing', headers, certified(names)),
        context({ certificateClients }),
        { kind: 'form', form: { fields, filename: undefined, fileSize: 5 } },
      );
    assert.equal(outcome(submit([BILLING])), 'forward billing');
    assert.equal(outcome(submit([OTHER])), '403 unknown_certificate');
  });

  test('logs a few of the names of a certificate, however many it has', () => {
    const many = Array.from({ length: 100 }, (_, i) => ({ kind: 'dnsName', value: `n${i}` }) as const);
    assert.equal(put('/billing/key', many).facts.certificate?.length, 8);
  });
});

describe('a listener that asks nobody', () => {
  test('asks nobody for a certificate either', () => {
    const channel: Channel = { ...TLS, authentication: 'none', certificateNames: [OTHER] };
    const verdict = decide(unsignedRequest('GET', '/any/key', {}, channel), context());
    assert.equal(outcome(verdict), 'forward undefined');
  });
});

describe('an access key that is bound to a certificate', () => {
  const clients = new Map([[bound.accessKeyId, bound]]);
  const with_ = (names?: readonly CertificateName[]): Channel => ({ ...TLS, certificateNames: names });
  const FORMS: readonly (readonly [string, (channel: Channel) => Promise<ReceivedRequest>])[] = [
    [
      'a signature in the header',
      (channel) => signedRequest({ method: 'GET', path: '/bucket/key' }, channel),
    ],
    ['a presigned URL', (channel) => presignedRequest({ method: 'GET', path: '/bucket/key' }, channel)],
    ['Signature Version 2', async (channel) => signedV2(channel)],
  ];
  for (const [form, make] of FORMS) {
    test(`is good with it, and refused with another or none: ${form}`, async () => {
      const judged = async (names?: readonly CertificateName[]) =>
        decide(await make(with_(names)), context({ clients }));
      const good = await judged([REPORTS, BILLING]);
      assert.equal(outcome(good), 'forward bound');
      assert.deepEqual(good.facts.certificate, [certificateKey(BILLING)]);
      assert.equal(good.facts.verification, 'verified');
      for (const names of [undefined, [], [REPORTS, OTHER]]) {
        const bad = await judged(names);
        assert.equal(outcome(bad), '403 certificate_mismatch');
        assert.equal(bad.facts.verification, 'certificate_mismatch');
        assert.deepEqual(bad.facts.certificate, (names ?? []).map(certificateKey));
      }
    });
  }

  test('is not told of to who does not hold its secret', async () => {
    const received = await signedRequest({ method: 'GET', path: '/bucket/key' }, with_([OTHER]));
    const tampered = { ...received, target: '/bucket/other' };
    assert.equal(outcome(decide(tampered, context({ clients }))), '403 signature_mismatch');
  });

  test('signs forms with it alone', async () => {
    const judged = async (names: readonly CertificateName[]) => {
      const { received, read } = await signedForm(with_(names));
      return decide(received, context({ clients }), read);
    };
    assert.equal(outcome(await judged([BILLING])), 'forward bound');
    const refused = await judged([REPORTS]);
    assert.equal(outcome(refused), '403 certificate_mismatch');
    assert.equal(refused.facts.verification, 'certificate_mismatch');
  });
});

function signedV2(channel: Channel): ReceivedRequest {
  const headers = headersOf({ host: 'gateway.example', date: NOW.toUTCString() });
  const target = { rawPath: '/bucket/key', parameters: [] };
  const authorization = authorizationV2({ method: 'GET', target, headers, hostedBucket: undefined }, CLIENT);
  const fields = [...headers.fields, { name: 'authorization', value: authorization }];
  return { method: 'GET', target: '/bucket/key', headers: new ReceivedHeaders(fields), channel };
}

async function signedForm(channel: Channel) {
  const policy = Buffer.from(
    JSON.stringify({
      expiration: new Date(NOW.getTime() + 60_000).toISOString(),
      conditions: [
        { bucket: 'bucket' },
        { key: 'k' },
        ...['algorithm', 'credential', 'date'].map((name) => ['starts-with', `$x-amz-${name}`, '']),
      ],
    }),
  ).toString('base64');
  const fields = new Map([
    ['key', 'k'],
    ['policy', policy],
    ['x-amz-algorithm', 'AWS4-HMAC-SHA256'],
    ['x-amz-credential', `${CLIENT.accessKeyId}/20261123/eu-central-1/s3/aws4_request`],
    ['x-amz-date', '20261123T120000Z'],
    ['x-amz-signature', await oracle(CLIENT).sign(policy, { signingDate: NOW })],
  ]);
  const received = unsignedRequest(
    'POST',
    '/bucket',
    { 'content-type': 'multipart/form-data; boundary=b', 'content-length': '500' },
    channel,
  );
  return { received, read: { kind: 'form', form: { fields, filename: undefined, fileSize: 5 } } as const };
}
