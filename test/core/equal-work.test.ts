// An access key that nobody has takes the same work as one whose signature is wrong: shown by counting what is computed, as
// no clock could.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { afterEach, describe, mock, test } from 'node:test';
import {
  type Channel,
  type DecisionContext,
  decide,
  ReceivedHeaders,
  type ReceivedRequest,
  SigningKeys,
} from '../../src/core/index.ts';
import { authorizationV2 } from '../../src/core/sigv2/sign.ts';
import {
  CLIENT,
  context,
  headersOf,
  NOW,
  oracle,
  presignedRequest,
  queryString,
  signedRequest,
  TLS,
  unsignedRequest,
} from './fixture.ts';

/** Calls of node:crypto that verifying a signature is made of. */
const COUNTED = ['createHmac', 'hash', 'timingSafeEqual', 'verify', 'createECDH', 'createPublicKey'] as const;

afterEach(() => {
  mock.restoreAll();
  syncBuiltinESMExports();
});

/** What deciding computes, by function, and how it ends. */
function work(request: ReceivedRequest, given: DecisionContext, read?: Parameters<typeof decide>[2]) {
  const counts = new Map<string, number>();
  for (const name of COUNTED) {
    const original = crypto[name] as (...args: unknown[]) => unknown;
    mock.method(crypto, name, (...args: unknown[]) => {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      return Reflect.apply(original, crypto, args);
    });
  }
  syncBuiltinESMExports();
  const verdict = decide(request, given, read);
  mock.restoreAll();
  syncBuiltinESMExports();
  assert.equal(verdict.kind, 'refused');
  return { reason: verdict.refusal.reason, counts: Object.fromEntries([...counts].sort()) };
}

const somebody = (): DecisionContext => ({ ...context(), keys: new SigningKeys() });
const nobody = (): DecisionContext => ({ ...context({ clients: new Map() }), keys: new SigningKeys() });

/** The request with another path, so that its signature is wrong. */
const moved = (request: ReceivedRequest): ReceivedRequest => ({
  ...request,
  target: request.target.replace('/bucket/key', '/bucket/moved'),
});

describe('an unknown access key takes the work of a wrong signature', () => {
  const GET = { method: 'GET', path: '/bucket/key' };
  const FORMS: readonly (readonly [form: string, make: () => Promise<ReceivedRequest>])[] = [
    ['Signature Version 4 in the header', () => signedRequest(GET)],
    ['Signature Version 4 in a presigned URL', () => presignedRequest(GET)],
    ['Signature Version 4A', async () => signedV4a()],
    ['Signature Version 2 in the header', async () => signedV2()],
    ['Signature Version 2 in a presigned URL', async () => presignedV2()],
  ];
  for (const [form, make] of FORMS) {
    test(form, async () => {
      const request = moved(await make());
      const wrong = work(request, somebody());
      const unknown = work(request, nobody());
      assert.deepEqual([wrong.reason, unknown.reason], ['signature_mismatch', 'unknown_access_key']);
      assert.deepEqual(unknown.counts, wrong.counts);
      const computed = (wrong.counts['createHmac'] ?? 0) + (wrong.counts['verify'] ?? 0);
      assert.ok(computed > 0, JSON.stringify(wrong.counts));
      assert.ok((wrong.counts['timingSafeEqual'] ?? 0) + (wrong.counts['verify'] ?? 0) === 1);
    });

    test(`${form}, once its keys have been derived`, async () => {
      const request = moved(await make());
      const [known, unknown] = [somebody(), nobody()];
      work(request, known);
      work(request, unknown);
      const again = work(request, known).counts;
      assert.deepEqual(work(request, unknown).counts, again);
    });
  }

  for (const version of ['V4', 'V2'] as const) {
    test(`the policy of a form, ${version}`, async () => {
      const { request, read } = await form(version);
      const wrong = work(request, somebody(), read);
      const unknown = work(request, nobody(), read);
      assert.deepEqual([wrong.reason, unknown.reason], ['signature_mismatch', 'unknown_access_key']);
      assert.deepEqual(unknown.counts, wrong.counts);
      assert.equal(wrong.counts['timingSafeEqual'], 1);
    });
  }
});

function signedV4a(): ReceivedRequest {
  const scope = '20261123/s3/aws4_request';
  const headers = headersOf({
    host: 'gateway.example',
    'x-amz-date': '20261123T120000Z',
    'x-amz-region-set': '*',
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    // A signature as DER has it, of numbers that mean nothing.
    authorization: `AWS4-ECDSA-P256-SHA256 Credential=${CLIENT.accessKeyId}/${scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-region-set, Signature=3006020101020101`,
  });
  return { method: 'GET', target: '/bucket/key', headers, channel: TLS };
}

function signedV2(channel: Channel = TLS): ReceivedRequest {
  const headers = headersOf({ host: 'gateway.example', date: NOW.toUTCString() });
  const target = { rawPath: '/bucket/key', parameters: [] };
  const value = authorizationV2({ method: 'GET', target, headers, hostedBucket: undefined }, CLIENT);
  const fields = [...headers.fields, { name: 'authorization', value }];
  return { method: 'GET', target: '/bucket/key', headers: new ReceivedHeaders(fields), channel };
}

function presignedV2(): ReceivedRequest {
  const query = {
    AWSAccessKeyId: CLIENT.accessKeyId,
    Expires: String(NOW.getTime() / 1000 + 60),
    Signature: 'c2lnbmF0dXJlIHNpZ25hdHVyZSAh',
  };
  const headers = headersOf({ host: 'gateway.example' });
  return { method: 'GET', target: `/bucket/key${queryString(query)}`, headers, channel: TLS };
}

async function form(version: 'V4' | 'V2') {
  const policy = Buffer.from('{}').toString('base64');
  const signature =
    version === 'V4'
      ? {
          'x-amz-algorithm': 'AWS4-HMAC-SHA256',
          'x-amz-credential': `${CLIENT.accessKeyId}/20261123/eu-central-1/s3/aws4_request`,
          'x-amz-date': '20261123T120000Z',
          'x-amz-signature': await oracle(CLIENT).sign('another policy', { signingDate: NOW }),
        }
      : { awsaccesskeyid: CLIENT.accessKeyId, signature: 'c2lnbmF0dXJlIHNpZ25hdHVyZSAh' };
  const fields = new Map(Object.entries({ key: 'k', policy, ...signature }));
  const headers = { 'content-type': 'multipart/form-data; boundary=b', 'content-length': '500' };
  const request = unsignedRequest('POST', '/bucket', headers, TLS);
  return { request, read: { kind: 'form', form: { fields, filename: undefined, fileSize: 5 } } as const };
}
