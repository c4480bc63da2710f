// Who may send signed chunks, and what the judgement hands on to those who verify them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide, type ReceivedRequest, SigningKeys, type Verdict } from '../../../src/core/index.ts';
import { lengthWithTrailer } from '../../../src/core/s3/aws-chunked.ts';
import {
  BACKEND,
  CLIENT,
  context,
  headersOf,
  httpRequest,
  NOW,
  oracle,
  type Query,
  queryString,
  REGION,
  signedRequest,
  TLS,
  unsignedRequest,
} from '../fixture.ts';

const HMAC = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
const ECDSA = 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD';

const streaming = (mode: string, more: Readonly<Record<string, string>> = {}) => ({
  method: 'PUT',
  path: '/bucket/key',
  headers: {
    'x-amz-content-sha256': mode,
    'x-amz-decoded-content-length': '66560',
    'content-encoding': 'aws-chunked',
    ...more,
  },
});
const TRAILER = { 'x-amz-trailer': 'x-amz-checksum-crc32c' };

function planOf(verdict: Verdict) {
  assert.ok(verdict.kind === 'forward', verdict.kind === 'refused' ? verdict.refusal.message : verdict.kind);
  const { body, outgoing } = verdict;
  assert.ok(body.kind === 'aws-chunked' && 'chunks' in body);
  return { body, headers: new Map(outgoing.headers) };
}

function codeOf(verdict: Verdict): string {
  return verdict.kind === 'refused' ? verdict.refusal.code : verdict.kind;
}

describe('signed chunks under an Authorization header', () => {
  test('start from its verified signature, its date, its scope and its signing key', async () => {
    const request = await signedRequest(streaming(HMAC));
    const { body } = planOf(decide(request, context()));
    const signature = /Signature=([0-9a-f]{64})$/.exec(request.headers.get('authorization') ?? '')?.[1];
    const scope = { date: '20261123', region: REGION, service: 's3' };
    assert.deepEqual(body.chunks, {
      accessKeyId: CLIENT.accessKeyId,
      verification: { algorithm: 'AWS4-HMAC-SHA256', key: new SigningKeys().get(CLIENT, scope) },
      amzDate: '20261123T120000Z',
      scope: `20261123/${REGION}/s3/aws4_request`,
      signature,
    });
  });

  test('go on decoded', async () => {
    const { body, headers } = planOf(decide(await signedRequest(streaming(HMAC)), context()));
    assert.deepEqual([body.decode, body.decodedLength, body.signedTrailer], [true, 66560, false]);
    assert.equal(headers.get('content-length'), '66560');
    assert.equal(headers.get('x-amz-content-sha256'), 'UNSIGNED-PAYLOAD');
    assert.equal(headers.has('content-encoding'), false);
  });

  test('go on framed afresh with the checksum of their trailer', async () => {
    const { body, headers } = planOf(
      decide(await signedRequest(streaming(`${HMAC}-TRAILER`, TRAILER)), context()),
    );
    const length = lengthWithTrailer(66560, 'x-amz-checksum-crc32c', 8);
    assert.deepEqual([body.decode, body.framedLength, body.signedTrailer], [false, length, true]);
    // "10400" CRLF data CRLF "0" CRLF name ":" value CRLF CRLF
    assert.equal(length, 5 + 2 + 66560 + 2 + 3 + 21 + 1 + 8 + 4);
    assert.equal(headers.get('content-length'), String(length));
    assert.equal(headers.get('x-amz-content-sha256'), 'STREAMING-UNSIGNED-PAYLOAD-TRAILER');
    assert.equal(headers.get('x-amz-trailer'), 'x-amz-checksum-crc32c');
    assert.equal(headers.get('content-encoding'), 'aws-chunked');
  });

  test('go on decoded where the backend takes no trailers, or a header has the checksum', async () => {
    const request = await signedRequest(streaming(`${HMAC}-TRAILER`, TRAILER));
    const backends = [{ ...BACKEND, trailers: false }];
    assert.equal(planOf(decide(request, context({ backends }))).body.decode, true);
    const inHeader = { ...TRAILER, 'x-amz-checksum-crc32c': 'AAAAAA==' };
    const { body, headers } = planOf(
      decide(await signedRequest(streaming(`${HMAC}-TRAILER`, inHeader)), context()),
    );
    assert.equal(body.decode, true);
    assert.equal(headers.get('x-amz-checksum-crc32c'), 'AAAAAA==');
    assert.equal(headers.has('x-amz-trailer'), false);
  });

  const REFUSED: readonly (readonly [
    what: string,
    mode: string,
    headers: Readonly<Record<string, string>>,
    code: string,
  ])[] = [
    ['of the other algorithm', ECDSA, {}, 'InvalidRequest'],
    ['of the other algorithm with a trailer', `${ECDSA}-TRAILER`, TRAILER, 'InvalidRequest'],
    ['with a trailer announced that their payload mode has not', HMAC, TRAILER, 'InvalidRequest'],
    ['of an algorithm that nobody knows', 'STREAMING-AWS4-HMAC-SHA512-PAYLOAD', {}, 'InvalidArgument'],
  ];
  for (const [what, mode, headers, code] of REFUSED) {
    test(`are refused ${what}`, async () => {
      assert.equal(codeOf(decide(await signedRequest(streaming(mode, headers)), context())), code);
    });
  }

  test('are refused on what takes no stream', async () => {
    const request = { ...streaming(HMAC), path: '/bucket', query: { policy: '' } };
    assert.equal(codeOf(decide(await signedRequest(request), context())), 'InvalidRequest');
  });
});

async function presigned(mode: string): Promise<ReceivedRequest> {
  const request = httpRequest(streaming(mode));
  const unhoistableHeaders = new Set(Object.keys(request.headers));
  const options = { signingDate: NOW, expiresIn: 300, unhoistableHeaders };
  const signed = await oracle(CLIENT).presign(request, options);
  const target = signed.path + queryString((signed.query ?? {}) as Query);
  return { method: 'PUT', target, headers: headersOf(signed.headers), channel: TLS };
}

describe('signed chunks elsewhere', () => {
  test('are refused under a presigned URL, although it signs for their header', async () => {
    const verdict = decide(await presigned(HMAC), context());
    assert.equal(codeOf(verdict), 'InvalidRequest');
    assert.equal(verdict.facts.verification, 'verified');
  });

  test('mean nothing at a listener whose clients need not sign', () => {
    for (const mode of [HMAC, ECDSA]) {
      const { headers } = streaming(mode);
      const { body } = planOf(decide(unsignedRequest('PUT', '/bucket/key', headers), context()));
      assert.deepEqual([body.chunks, body.decode], ['ignored', true]);
    }
  });
});
