// SigV4A: keys and signatures of AWS's own aws-c-auth, requests signed by AWS's SDK for JavaScript.
import assert from 'node:assert/strict';
import { createHash, createPrivateKey, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4a } from '@smithy/signature-v4a';
import fc from 'fast-check';
import { decide, ReceivedHeaders, type ReceivedRequest, type Verdict } from '../../../src/core/index.ts';
import {
  derivePrivateKey,
  deriveVerifyingKey,
  signatureBytes,
} from '../../../src/core/sigv4/asymmetric-key.ts';
import { SigningKeys } from '../../../src/core/sigv4/signing-key.ts';
import { signatureHolds } from '../../../src/core/sigv4/verification-key.ts';
import { CLIENT, context, headersOf, httpRequest, NOW, policy, REGION, TLS } from '../fixture.ts';

const ALGORITHM = 'AWS4-ECDSA-P256-SHA256';

describe('the key of SigV4A', () => {
  test('is the private key of the vector in aws-c-auth, key_derivation_tests.c', () => {
    const key = derivePrivateKey('q+jcrXGc+0zWN6uzclKVhvMmUsIfRPa4rlRandom', 'AKISORANDOMAASORANDOM');
    assert.equal(key.toString('hex'), '7fd3bd010c0d9c292141c2b77bfbde1042c92e6836fff749d1269ec890fca1bd');
  });

  const PUBLIC: readonly (readonly [accessKeyId: string, secret: string, x: string, y: string])[] = [
    [
      'AKISORANDOMAASORANDOM',
      'q+jcrXGc+0zWN6uzclKVhvMmUsIfRPa4rlRandom',
      '15d242ceebf8d8169fd6a8b5a746c41140414c3b07579038da06af89190fffcb',
      '0515242cedd82e94799482e4c0514b505afccf2c0c98d6a553bf539f424c5ec0',
    ],
    [
      'AKIDEXAMPLE',
      'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
      'b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1',
      '865ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518',
    ],
    [
      'AKIAIOSFODNN7EXAMPLE',
      'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      '18b7d04643359f6ec270dcbab8dce6d169d66ddc9778c75cfb08dfdb701637ab',
      'fa36b35e4fe67e3112261d2e17a956ef85b06e44712d2850bcd3c2161e9993f2',
    ],
  ];
  for (const [accessKeyId, secret, x, y] of PUBLIC) {
    test(`has the published public half for ${accessKeyId}`, () => {
      const { x: gotX = '', y: gotY = '' } = deriveVerifyingKey(secret, accessKeyId).export({
        format: 'jwk',
      });
      const hex = (text: string) => Buffer.from(text, 'base64url').toString('hex');
      assert.deepEqual([hex(gotX), hex(gotY)], [x, y]);
    });
  }

  test('is remembered for a holder and an access key ID', () => {
    const keys = new SigningKeys();
    const holder = { secretAccessKey: 'secret' };
    assert.equal(keys.publicKey(holder, 'A'), keys.publicKey(holder, 'A'));
    assert.equal(keys.publicKey(holder, 'A').equals(keys.publicKey(holder, 'B')), false);
    assert.notEqual(keys.publicKey({ secretAccessKey: 'secret' }, 'A'), keys.publicKey(holder, 'A'));
  });
});

/** aws-c-auth, tests/aws-signing-test-suite/v4a/get-vanilla. */
describe('the signatures of the signing test suite', () => {
  const key = deriveVerifyingKey('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', 'AKIDEXAMPLE');
  const toSign = (hash: string) => `${ALGORITHM}\n20150830T123600Z\n20150830/service/aws4_request\n${hash}`;
  const HEADER = toSign('cf59db423e841c8b7e3444158185aa261b724a5c27cbe762676f3eed19f4dc02');
  const QUERY = toSign('890c4ed28c1a1ac10b5862719b537afbe392e987dc1aab1efa16fe7de41d3c81');
  const SIGNATURES: readonly (readonly [what: string, text: string, signature: string])[] = [
    [
      'header-signature',
      HEADER,
      '3045022018b4e277d0281864beb51d3600e23f88510ea5031d68ddfbb68614b82a5eb7d2022100effb9c5f22ed9ef3ae0ab243d21f06bce82365bbb79529a07b6888c343ae5f8c',
    ],
    [
      'header-signed-request',
      HEADER,
      '3046022100fddaaf816a31e30d04973875b13bc27b98da10907a3a1872fd5819a221334abc022100de2ee81d83b54f31efc82834de07e6cd4d5c6f25bfa08e0f29a15bb0977c343e',
    ],
    [
      'query-signature',
      QUERY,
      '3045022100b3246f8e1442dd58e73292ae1294720c3256ee58f6cea50f3a3f83b4a4b0331a0220329693f7745c9008a5887c0529ceccb0fae4e16d707b712ea66acdbaf963769a',
    ],
  ];
  for (const [what, text, signature] of SIGNATURES) {
    test(`${what} holds`, () => {
      assert.equal(signatureHolds({ algorithm: ALGORITHM, key }, text, signature), true);
      assert.equal(signatureHolds({ algorithm: ALGORITHM, key }, `${text}0`, signature), false);
    });
  }
});

describe('the form of a signature', () => {
  const r = '11'.repeat(32);
  const REFUSED: readonly (readonly [what: string, hex: string])[] = [
    ['nothing', ''],
    ['upper case', `30440220${r}0220${'AA'.repeat(32)}`],
    ['an odd number of digits', `30440220${r}0220${r}1`],
    ['a byte after the end', `30440220${r}0220${r}00`],
    ['a byte after the end that its length counts', `30450220${r}0220${r}00`],
    ['a length in the long form', `3081440220${r}0220${r}`],
    ['an indefinite length', `30800220${r}0220${r}0000`],
    ['a sequence that is none', `31440220${r}0220${r}`],
    ['a number that is none', `30440420${r}0220${r}`],
    ['a negative number', `30440220${'91'.repeat(32)}0220${r}`],
    ['a number with a zero too many', `3045022100${r}0220${r}`],
    ['a zero', `30250201000220${r}`],
    ['an empty number', `302402000220${r}`],
    ['one number', `30220220${r}`],
    ['a number of 34 bytes', `304602220${'1'.repeat(67)}0220${r}`],
    ['its end cut off', `30440220${r}0220${r.slice(2)}`],
    ['padding', `30440220${r}0220${r}****`],
  ];
  for (const [what, hex] of REFUSED) {
    test(`is not taken with ${what}`, () => assert.equal(signatureBytes(hex), undefined));
  }
  test('is taken as OpenSSL writes it', () => {
    const jwk = deriveJwk();
    const key = createPrivateKey({ key: jwk, format: 'jwk' });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (data) => {
        const signature = sign('sha256', data, { key, dsaEncoding: 'der' });
        assert.deepEqual(signatureBytes(signature.toString('hex')), signature);
      }),
    );
  });
});

function deriveJwk() {
  const { x = '', y = '' } = deriveVerifyingKey(CLIENT.secretAccessKey, CLIENT.accessKeyId).export({
    format: 'jwk',
  });
  const d = derivePrivateKey(CLIENT.secretAccessKey, CLIENT.accessKeyId).toString('base64url');
  return { kty: 'EC', crv: 'P-256', d, x, y };
}

const UNSIGNED = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };

/** A request signed by AWS's SDK. */
async function signedByOracle(
  regionSet: string,
  request: { method: string; path: string; query?: Record<string, string>; headers?: Record<string, string> },
): Promise<ReceivedRequest> {
  const oracle = new SignatureV4a({
    service: 's3',
    region: regionSet,
    credentials: { accessKeyId: CLIENT.accessKeyId, secretAccessKey: CLIENT.secretAccessKey },
    sha256: Sha256,
    uriEscapePath: false,
  });
  const message = httpRequest({ ...request, headers: { ...UNSIGNED, ...request.headers } });
  const signed = await oracle.sign(message, { signingDate: NOW });
  const query = new URLSearchParams(request.query).toString();
  const target = query === '' ? request.path : `${request.path}?${query}`;
  return { method: request.method, target, headers: headersOf(signed.headers), channel: TLS };
}

function withHeader(request: ReceivedRequest, name: string, value: string): ReceivedRequest {
  const others = request.headers.fields.filter((field) => field.name !== name);
  return { ...request, headers: new ReceivedHeaders([...others, { name, value }]) };
}

function outcome(verdict: Verdict): string {
  return verdict.kind === 'refused' ? `${verdict.refusal.reason} ${verdict.refusal.code}` : verdict.kind;
}

describe('a request signed with SigV4A', () => {
  const put = { method: 'PUT', path: '/bucket/key', headers: { 'content-length': '5' } };

  test('is verified, counts as a strong signature for KMS, and goes on signed with SigV4', async () => {
    const verdict = decide(await signedByOracle(REGION, put), context());
    assert.ok(verdict.kind === 'forward', outcome(verdict));
    assert.equal(verdict.facts.scheme, 'sigv4a');
    assert.equal(verdict.facts.verification, 'verified');
    assert.equal(verdict.facts.client, CLIENT.name);
    assert.equal(verdict.encryption?.algorithm, 'aws:kms');
    const headers = new Map(verdict.outgoing.headers);
    assert.match(headers.get('authorization') ?? '', /^AWS4-HMAC-SHA256 /);
    assert.equal(headers.has('x-amz-region-set'), false);
  });

  test('is verified whatever its path, query and headers', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('a', '~', '%20', '%C3%A9', '.', '/'), { maxLength: 8 }),
        fc.string({ unit: fc.constantFrom('a', ' ', '+', '/', '='), maxLength: 8 }),
        fc.string({ unit: fc.constantFrom('a', '~', '='), maxLength: 8 }),
        async (path, prefix, meta) => {
          const request = await signedByOracle('*', {
            method: 'GET',
            path: '/bucket',
            query: { 'list-type': '2', prefix },
            headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
          });
          assert.equal(decide(request, context()).kind, 'forward');
          const upload = await signedByOracle('*', {
            method: 'PUT',
            path: `/bucket/k${path.join('')}`,
            headers: { 'content-length': '5', 'x-amz-meta-a': `m${meta}` },
          });
          assert.equal(decide(upload, context()).kind, 'forward');
        },
      ),
      { numRuns: 20 },
    );
  });

  const SETS: readonly (readonly [regionSet: string, covers: boolean])[] = [
    [REGION, true],
    ['*', true],
    ['eu-*', true],
    ['eu-central-*', true],
    [`us-east-1,${REGION}`, true],
    [`us-east-1, ${REGION}`, true],
    ['us-east-1,us-west-2', false],
    ['us-*', false],
    ['eu-central', false],
    ['eu-central-10', false],
  ];
  for (const [regionSet, covers] of SETS) {
    test(`for the regions ${regionSet} is ${covers ? 'taken' : 'refused'}`, async () => {
      const verdict = decide(await signedByOracle(regionSet, put), context());
      assert.equal(outcome(verdict), covers ? 'forward' : 'signature_mismatch AuthorizationHeaderMalformed');
    });
  }

  for (const regionSet of ['', ',', '**', 'eu-*-1', `${REGION},`, 'eu_central', '*-1']) {
    test(`for the regions "${regionSet}" is malformed`, async () => {
      const verdict = decide(await signedByOracle(regionSet, put), context());
      assert.equal(outcome(verdict), 'malformed_request AuthorizationHeaderMalformed');
    });
  }

  test('is refused when its regions are changed, or not signed', async () => {
    const request = await signedByOracle(REGION, put);
    const widened = withHeader(request, 'x-amz-region-set', '*');
    assert.equal(outcome(decide(widened, context())), 'signature_mismatch SignatureDoesNotMatch');
    const authorization = request.headers.get('authorization') ?? '';
    const unsigned = withHeader(request, 'authorization', authorization.replace(';x-amz-region-set', ''));
    assert.equal(outcome(decide(unsigned, context())), 'unsigned_header AccessDenied');
  });

  test('is refused for anything else that is changed', async () => {
    const request = await signedByOracle(REGION, put);
    const mismatch = 'signature_mismatch SignatureDoesNotMatch';
    assert.equal(outcome(decide({ ...request, target: '/bucket/other' }, context())), mismatch);
    assert.equal(outcome(decide(withHeader(request, 'host', 'other.example'), context())), mismatch);
    const other = { ...CLIENT, secretAccessKey: 'another-secret' };
    const clients = new Map([[CLIENT.accessKeyId, other]]);
    assert.equal(outcome(decide(request, context({ clients }))), mismatch);
    assert.equal(
      outcome(decide(request, context({ clients: new Map() }))),
      'unknown_access_key InvalidAccessKeyId',
    );
  });

  test('is refused for any digit of its signature that is changed', async () => {
    const request = await signedByOracle(REGION, put);
    const authorization = request.headers.get('authorization') ?? '';
    for (let at = authorization.indexOf('Signature=') + 10; at < authorization.length; at++) {
      const digit = authorization[at] === '0' ? '1' : '0';
      const changed = authorization.slice(0, at) + digit + authorization.slice(at + 1);
      const verdict = decide(withHeader(request, 'authorization', changed), context());
      assert.match(outcome(verdict), /^(signature_mismatch|malformed_request) /, `at ${at}`);
    }
  });

  test('is refused when it is too old', async () => {
    const later = new Date(NOW.getTime() + 15 * 60_000 + 1000);
    const verdict = decide(await signedByOracle(REGION, put), { ...context(), now: later });
    assert.equal(outcome(verdict), 'clock_skew RequestTimeTooSkewed');
  });

  test('is refused with a scope that names a region', async () => {
    const request = await signedByOracle(REGION, put);
    const authorization = request.headers.get('authorization') ?? '';
    const changed = authorization.replace('/s3/aws4_request', `/${REGION}/s3/aws4_request`);
    const verdict = decide(withHeader(request, 'authorization', changed), context());
    assert.equal(outcome(verdict), 'malformed_request AuthorizationHeaderMalformed');
  });

  test('is refused under the name of the other algorithm', async () => {
    const request = await signedByOracle(REGION, put);
    const authorization = (request.headers.get('authorization') ?? '').replace(ALGORITHM, 'AWS4-HMAC-SHA256');
    const verdict = decide(withHeader(request, 'authorization', authorization), context());
    assert.equal(outcome(verdict), 'malformed_request AuthorizationHeaderMalformed');
  });
});

const encode = (text: string) => encodeURIComponent(text).replace(/\*/g, '%2A');

/** A presigned URL, put together by hand: AWS's SDK does not make them with SigV4A. */
function presigned(regionSet: string | undefined, headers: Record<string, string> = {}): ReceivedRequest {
  const all: Record<string, string> = { host: 'gateway.example', ...headers };
  const names = Object.keys(all).sort();
  const parameters: Record<string, string> = {
    'X-Amz-Algorithm': ALGORITHM,
    'X-Amz-Credential': `${CLIENT.accessKeyId}/20261123/s3/aws4_request`,
    'X-Amz-Date': '20261123T120000Z',
    'X-Amz-Expires': '300',
    ...(regionSet === undefined ? {} : { 'X-Amz-Region-Set': regionSet }),
    'X-Amz-SignedHeaders': names.join(';'),
  };
  const query = Object.keys(parameters)
    .sort()
    .map((name) => `${name}=${encode(parameters[name] ?? '')}`)
    .join('&');
  const canonical = [
    'GET',
    '/bucket/key',
    query,
    ...names.map((name) => `${name}:${all[name]}`),
    '',
    names.join(';'),
    all['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD',
  ].join('\n');
  const hash = createHash('sha256').update(canonical).digest('hex');
  const toSign = `${ALGORITHM}\n20261123T120000Z\n20261123/s3/aws4_request\n${hash}`;
  const key = createPrivateKey({ key: deriveJwk(), format: 'jwk' });
  const signature = sign('sha256', Buffer.from(toSign), { key, dsaEncoding: 'der' }).toString('hex');
  const target = `/bucket/key?${query}&X-Amz-Signature=${signature}`;
  return { method: 'GET', target, headers: headersOf(all), channel: TLS };
}

describe('a URL presigned with SigV4A', () => {
  test('is verified', () => {
    const verdict = decide(presigned('*'), context());
    assert.equal(outcome(verdict), 'forward');
    assert.equal(verdict.facts.scheme, 'sigv4a');
    assert.ok(verdict.kind === 'forward');
    assert.equal(verdict.outgoing.target, '/bucket/key');
  });
  test('is refused for other regions', () => {
    const verdict = decide(presigned('us-east-1'), context());
    assert.equal(outcome(verdict), 'signature_mismatch AuthorizationQueryParametersError');
  });
  test('is refused without its regions', () => {
    const verdict = decide(presigned(undefined), context());
    assert.equal(outcome(verdict), 'malformed_request AuthorizationQueryParametersError');
  });
  test('is refused when its regions are widened', () => {
    const request = presigned(REGION);
    const target = request.target.replace(`Region-Set=${REGION}`, 'Region-Set=%2A');
    assert.equal(
      outcome(decide({ ...request, target }, context())),
      'signature_mismatch SignatureDoesNotMatch',
    );
  });
  test('is refused with a signature that is no DER', () => {
    const request = presigned('*');
    const target = `${request.target}00`;
    assert.equal(
      outcome(decide({ ...request, target }, context())),
      'malformed_request AuthorizationQueryParametersError',
    );
  });
  test('is refused after its end', () => {
    const later = new Date(NOW.getTime() + 301_000);
    assert.equal(outcome(decide(presigned('*'), { ...context(), now: later })), 'expired AccessDenied');
  });
});

test('the policy of these tests has one backend, in the region they name', () => {
  assert.deepEqual(
    policy().backends.map(({ region }) => region),
    [REGION],
  );
});
