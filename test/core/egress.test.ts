// Requests of clients that believe they talk to AWS: the host decides on region and backend, and the signature must agree.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import {
  type Backend,
  type Channel,
  decide,
  type Egress,
  type ForwardVerdict,
  type Policy,
  type ReceivedRequest,
  type Verdict,
} from '../../src/core/index.ts';
import type { Form } from '../../src/core/s3/form-data.ts';
import {
  BACKEND,
  CLIENT,
  type ClientRequest,
  context,
  EMPTY_HASH,
  headersOf,
  httpRequest,
  NOW,
  oracle,
  type Query,
  queryString,
  rule,
  TLS,
} from './fixture.ts';

const EVERY: Egress = { hosts: ['standard', 'dualstack', 'fips', 'global'], globalRegion: 'signed' };
const IRELAND: Backend = { ...BACKEND, name: 'ireland', region: 'eu-west-1', buckets: ['*'] };
const VIRGINIA: Backend = { ...BACKEND, name: 'virginia', region: 'us-east-1', buckets: ['us-*', 'both'] };
const CHINA: Backend = { ...BACKEND, name: 'china', region: 'cn-north-1', partition: 'aws-cn' };

/** Ireland comes first and takes every bucket: only the region leads to the others. */
const POLICY: Partial<Policy> = {
  egress: EVERY,
  backends: [IRELAND, VIRGINIA, CHINA],
  rules: [rule({ keyId: 'key' })],
};

function judge(request: ReceivedRequest, under: Partial<Policy> = {}, form?: Form): Verdict {
  return decide(request, context({ ...POLICY, ...under }), form && { kind: 'form', form });
}

/** `[backend, bucket, key]` of what is forwarded, `[reason, code]` of what is refused. */
function outcome(verdict: Verdict): readonly (string | undefined)[] {
  if (verdict.kind === 'refused') return [verdict.refusal.reason, verdict.refusal.code];
  assert.ok(verdict.kind === 'forward', verdict.kind);
  return [verdict.backend.name, verdict.facts.bucket, verdict.facts.key];
}

function forwarded(verdict: Verdict): ForwardVerdict {
  assert.ok(verdict.kind === 'forward', JSON.stringify(verdict));
  return verdict;
}

interface Signed extends ClientRequest {
  readonly region: string;
  readonly credentials?: typeof CLIENT;
}

async function signed({ region, credentials = CLIENT, ...request }: Signed, channel: Channel = TLS) {
  const headers = { 'x-amz-content-sha256': EMPTY_HASH, ...request.headers };
  const message = await oracle(credentials, region).sign(httpRequest({ ...request, headers }), {
    signingDate: NOW,
  });
  const target = request.path + queryString(request.query ?? {});
  return { method: request.method, target, headers: headersOf(message.headers), channel };
}

async function presigned({ region, ...request }: Signed): Promise<ReceivedRequest> {
  const options = { signingDate: NOW, expiresIn: 300 };
  const headers = { 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD' };
  const message = await oracle(CLIENT, region).presign(httpRequest({ ...request, headers }), options);
  const target = message.path + queryString((message.query ?? {}) as Query);
  return { method: message.method, target, headers: headersOf(message.headers), channel: TLS };
}

const get = (host: string, path: string, region: string): Signed => ({ method: 'GET', host, path, region });

describe('a host that names a region', () => {
  // biome-ignore format: a table is read by its rows
  const TABLE: readonly (readonly [host: string, path: string, region: string, expected: readonly (string | undefined)[]])[] = [
    ['bucket.s3.eu-west-1.amazonaws.com', '/dir/key', 'eu-west-1', ['ireland', 'bucket', 'dir/key']],
    ['s3.eu-west-1.amazonaws.com', '/bucket/dir/key', 'eu-west-1', ['ireland', 'bucket', 'dir/key']],
    ['s3-eu-west-1.amazonaws.com', '/bucket/dir/key', 'eu-west-1', ['ireland', 'bucket', 'dir/key']],
    ['us-1.s3.us-east-1.amazonaws.com', '/key', 'us-east-1', ['virginia', 'us-1', 'key']],
    ['both.s3.us-east-1.amazonaws.com', '/key', 'us-east-1', ['virginia', 'both', 'key']],
    ['both.s3.eu-west-1.amazonaws.com', '/key', 'eu-west-1', ['ireland', 'both', 'key']],
    ['us-1.s3.dualstack.us-east-1.amazonaws.com', '/key', 'us-east-1', ['virginia', 'us-1', 'key']],
    ['us-1.s3-fips.us-east-1.amazonaws.com', '/key', 'us-east-1', ['virginia', 'us-1', 'key']],
    ['us-1.s3-fips.dualstack.us-east-1.amazonaws.com', '/key', 'us-east-1', ['virginia', 'us-1', 'key']],
    ['bucket.s3.cn-north-1.amazonaws.com.cn', '/key', 'cn-north-1', ['china', 'bucket', 'key']],
    ['s3.us-east-1.amazonaws.com', '/', 'us-east-1', ['virginia', undefined, undefined]],
    // Served, but elsewhere; and served nowhere in this region.
    ['bucket.s3.us-east-1.amazonaws.com', '/key', 'us-east-1', ['region_not_allowed', 'AccessDenied']],
    ['bucket.s3.eu-north-1.amazonaws.com', '/key', 'eu-north-1', ['region_not_allowed', 'AccessDenied']],
    ['s3.eu-north-1.amazonaws.com', '/', 'eu-north-1', ['region_not_allowed', 'AccessDenied']],
    // The region of the signature is the host's, whatever backends there are.
    ['us-1.s3.us-east-1.amazonaws.com', '/key', 'eu-west-1', ['signature_mismatch', 'AuthorizationHeaderMalformed']],
    ['bucket.s3.eu-north-1.amazonaws.com', '/key', 'eu-west-1', ['signature_mismatch', 'AuthorizationHeaderMalformed']],
    // What is not answered.
    ['bucket.s3.cn-north-1.amazonaws.com', '/key', 'cn-north-1', ['host_not_allowed', 'AccessDenied']],
    ['bucket.s3-accelerate.amazonaws.com', '/key', 'eu-west-1', ['host_not_allowed', 'AccessDenied']],
    ['sts.eu-west-1.amazonaws.com', '/key', 'eu-west-1', ['host_not_allowed', 'AccessDenied']],
    // Other hosts know no regions, as ever.
    ['gateway.example', '/us-1/key', 'eu-west-1', ['ireland', 'us-1', 'key']],
    ['gateway.example', '/us-1/key', 'us-east-1', ['signature_mismatch', 'AuthorizationHeaderMalformed']],
  ];
  for (const [host, path, region, expected] of TABLE) {
    test(`${host}${path}, signed for ${region} → ${expected.join(' ')}`, async () => {
      assert.deepEqual(outcome(judge(await signed(get(host, path, region)))), expected);
    });
  }

  test('is named to clients that sign for another', async () => {
    const verdict = judge(await signed(get('bucket.s3.eu-north-1.amazonaws.com', '/key', 'eu-west-1')));
    assert.ok(verdict.kind === 'refused');
    assert.deepEqual(verdict.refusal.details, [['Region', 'eu-north-1']]);
  });

  test('goes to the backend under the backend’s own name, signed for its region', async () => {
    const request = get('us-1.s3.us-east-1.amazonaws.com', '/key', 'us-east-1');
    const { outgoing } = forwarded(judge(await signed(request)));
    const headers = Object.fromEntries(outgoing.headers);
    assert.equal(outgoing.target, '/us-1/key');
    assert.equal(headers['host'], BACKEND.hostname);
    assert.match(headers['authorization'] ?? '', /\/us-east-1\/s3\/aws4_request/);
  });

  test('tells strangers nothing: who may not sign is refused as ever', async () => {
    for (const host of ['bucket.s3.eu-north-1.amazonaws.com', 'bucket.s3.us-east-1.amazonaws.com']) {
      const region = host.split('.')[2] ?? '';
      const forged = { ...CLIENT, secretAccessKey: 'wrong' };
      assert.deepEqual(outcome(judge(await signed({ ...get(host, '/key', region), credentials: forged }))), [
        'signature_mismatch',
        'SignatureDoesNotMatch',
      ]);
      const unsigned = { method: 'GET', target: '/key', headers: headersOf({ host }), channel: TLS };
      assert.deepEqual(outcome(judge(unsigned)), ['anonymous', 'AccessDenied']);
    }
  });

  test('tells a client nothing of buckets that are not its own', async () => {
    const clients = new Map([[CLIENT.accessKeyId, { ...CLIENT, buckets: ['mine'] }]]);
    const request = await signed(get('bucket.s3.us-east-1.amazonaws.com', '/key', 'us-east-1'));
    assert.deepEqual(outcome(judge(request, { clients })), ['bucket_not_allowed', 'AccessDenied']);
  });

  test('a bucket that no backend serves anywhere is refused as one', async () => {
    const request = await signed(get('bucket.s3.us-east-1.amazonaws.com', '/key', 'us-east-1'));
    assert.deepEqual(outcome(judge(request, { backends: [VIRGINIA] })), [
      'bucket_not_allowed',
      'AccessDenied',
    ]);
  });

  test('holds for presigned URLs', async () => {
    const host = 'us-1.s3.us-east-1.amazonaws.com';
    assert.deepEqual(outcome(judge(await presigned(get(host, '/key', 'us-east-1')))), [
      'virginia',
      'us-1',
      'key',
    ]);
    assert.deepEqual(outcome(judge(await presigned(get(host, '/key', 'eu-west-1')))), [
      'signature_mismatch',
      'AuthorizationQueryParametersError',
    ]);
  });

  test('is refused where no form, or another, is answered', async () => {
    const request = await signed(get('bucket.s3.eu-west-1.amazonaws.com', '/key', 'eu-west-1'));
    const refused = ['host_not_allowed', 'AccessDenied'];
    assert.deepEqual(outcome(judge(request, { egress: undefined })), refused);
    assert.deepEqual(outcome(judge(request, { egress: { ...EVERY, hosts: ['fips', 'global'] } })), refused);
  });

  test('us-east-1 tells the region of every bucket, as at AWS', async () => {
    const locate = (host: string, path: string, region: string) =>
      signed({ ...get(host, path, region), query: { location: '' } });
    for (const [host, path] of [
      ['s3.us-east-1.amazonaws.com', '/bucket'],
      ['bucket.s3.us-east-1.amazonaws.com', '/'],
      ['s3.amazonaws.com', '/bucket'],
    ] as const) {
      const verdict = forwarded(judge(await locate(host, path, 'us-east-1')));
      assert.equal(verdict.backend.name, 'ireland');
      assert.match(verdict.answer?.kind === 'document' ? verdict.answer.text : '', />eu-west-1</);
    }
    const here = forwarded(judge(await locate('both.s3.us-east-1.amazonaws.com', '/', 'us-east-1')));
    assert.equal(here.backend.name, 'virginia');
    const elsewhere = judge(await locate('s3.eu-north-1.amazonaws.com', '/bucket', 'eu-north-1'));
    assert.deepEqual(outcome(elsewhere), ['region_not_allowed', 'AccessDenied']);
  });
});

describe('a host that names no region', () => {
  const host = 'both.s3.amazonaws.com';
  const fixed = { egress: { ...EVERY, globalRegion: 'us-east-1' } } as const;

  test('follows the region that is signed for: header, query', async () => {
    for (const sign of [signed, presigned]) {
      assert.equal(outcome(judge(await sign(get(host, '/key', 'us-east-1'))))[0], 'virginia');
      assert.equal(outcome(judge(await sign(get(host, '/key', 'eu-west-1'))))[0], 'ireland');
      assert.equal(
        outcome(judge(await sign(get('s3.amazonaws.com', '/us-1/key', 'us-east-1'))))[0],
        'virginia',
      );
    }
  });

  test('the region that is signed for is still to be one with a backend', async () => {
    assert.deepEqual(outcome(judge(await signed(get(host, '/key', 'eu-north-1')))), [
      'region_not_allowed',
      'AccessDenied',
    ]);
    const forged = {
      ...get(host, '/key', 'eu-north-1'),
      credentials: { ...CLIENT, secretAccessKey: 'wrong' },
    };
    assert.equal(outcome(judge(await signed(forged)))[0], 'signature_mismatch');
  });

  test('is us-east-1 where the configuration says so', async () => {
    assert.equal(outcome(judge(await signed(get(host, '/key', 'us-east-1')), fixed))[0], 'virginia');
    assert.deepEqual(outcome(judge(await signed(get(host, '/key', 'eu-west-1')), fixed)), [
      'signature_mismatch',
      'AuthorizationHeaderMalformed',
    ]);
    const request = await signed(get('bucket.s3.amazonaws.com', '/key', 'us-east-1'));
    assert.deepEqual(outcome(judge(request, fixed)), ['region_not_allowed', 'AccessDenied']);
  });

  test('is any region for who signs for none', () => {
    const date = 'Mon, 23 Nov 2026 12:00:00 GMT';
    const toSign = `GET\n\n\n${date}\n/us-1/key`;
    const signature = createHmac('sha1', CLIENT.secretAccessKey).update(toSign).digest('base64');
    const authorization = `AWS ${CLIENT.accessKeyId}:${signature}`;
    const headers = headersOf({ host: 'us-1.s3.amazonaws.com', date, authorization });
    const v2 = { method: 'GET', target: '/key', headers, channel: TLS };
    assert.equal(outcome(judge(v2))[0], 'ireland', 'the first whose buckets match');
    assert.equal(outcome(judge(v2, fixed))[0], 'virginia');
    const preflight = {
      method: 'OPTIONS',
      target: '/key',
      headers: headersOf({ host, origin: 'https://app.example', 'access-control-request-method': 'GET' }),
      channel: TLS,
    };
    assert.equal(outcome(judge(preflight))[0], 'ireland');
  });

  test('follows the claim of a sidecar’s client too, and of one whose signature is preserved', async () => {
    for (const channel of [
      { ...TLS, authentication: 'none' },
      { ...TLS, signing: 'preserve' },
    ] as const) {
      const stranger = { ...CLIENT, accessKeyId: 'ANYBODY', secretAccessKey: 'anything' };
      for (const [region, backend] of [
        ['us-east-1', 'virginia'],
        ['eu-west-1', 'ireland'],
      ] as const) {
        const request = await signed({ ...get(host, '/key', region), credentials: stranger }, channel);
        assert.equal(outcome(judge(request))[0], backend);
      }
      const unsigned = { method: 'GET', target: '/key', headers: headersOf({ host }), channel };
      assert.equal(outcome(judge(unsigned))[0], 'ireland');
    }
  });
});

describe('a preserved request', () => {
  test('keeps its Host and goes to the backend of its region', async () => {
    const backends = [IRELAND, { ...VIRGINIA, hostname: 's3.us-east-1.amazonaws.com' }];
    const host = 'us-1.s3.dualstack.us-east-1.amazonaws.com';
    const request = await signed(get(host, '/key', 'us-east-1'), { ...TLS, signing: 'preserve' });
    const { outgoing } = forwarded(judge(request, { backends }));
    assert.equal(outgoing.origin, 'https://s3.us-east-1.amazonaws.com:443');
    assert.equal(outgoing.target, '/key');
    assert.ok(outgoing.headers.some(([name, value]) => name === 'host' && value === host));
  });
});

describe('a copy at a host of AWS', () => {
  const copy = (host: string, region: string, source: string): Signed => ({
    method: 'PUT',
    host,
    path: '/copied',
    region,
    headers: { 'x-amz-copy-source': source },
  });

  test('has its source in the same region', async () => {
    const virginia = (source: string) => signed(copy('us-1.s3.us-east-1.amazonaws.com', 'us-east-1', source));
    const verdict = forwarded(judge(await virginia('us-2/key')));
    assert.equal(verdict.backend.name, 'virginia');
    assert.equal(Object.fromEntries(verdict.outgoing.headers)['x-amz-copy-source'], 'us-2/key');
    // Without the host's region Ireland would take this source.
    assert.equal(outcome(judge(await virginia('elsewhere/key')))[0], 'bucket_not_allowed');
    const ireland = await signed(copy('bucket.s3.eu-west-1.amazonaws.com', 'eu-west-1', 'us-2/key'));
    assert.equal(outcome(judge(ireland))[0], 'ireland');
  });
});

describe('a form at a host of AWS', () => {
  function form(bucket: string, region: string): Form {
    const amzDate = '20261123T120000Z';
    const scope = [amzDate.slice(0, 8), region, 's3', 'aws4_request'];
    const document = {
      expiration: '2026-11-23T13:00:00Z',
      conditions: [
        { bucket },
        ['starts-with', '$key', ''],
        ['starts-with', '$x-amz-date', ''],
        ['starts-with', '$x-amz-algorithm', ''],
        ['starts-with', '$x-amz-credential', ''],
      ],
    };
    const text = Buffer.from(JSON.stringify(document)).toString('base64');
    const hmac = (key: Buffer | string, message: string) =>
      createHmac('sha256', key).update(message).digest();
    const signingKey = scope.reduce<Buffer | string>(hmac, `AWS4${CLIENT.secretAccessKey}`);
    const fields = new Map([
      ['key', 'from a form'],
      ['policy', text],
      ['x-amz-algorithm', 'AWS4-HMAC-SHA256'],
      ['x-amz-credential', [CLIENT.accessKeyId, ...scope].join('/')],
      ['x-amz-date', amzDate],
      ['x-amz-signature', hmac(signingKey, text).toString('hex')],
    ]);
    return { fields, filename: undefined, fileSize: 5 } as Form;
  }
  function post(host: string, target: string): ReceivedRequest {
    const headers = headersOf({
      host,
      'content-type': 'multipart/form-data; boundary=b',
      'content-length': '500',
    });
    return { method: 'POST', target, headers, channel: TLS };
  }

  // biome-ignore format: a table is read by its rows
  const TABLE: readonly (readonly [host: string, target: string, region: string, expected: readonly string[], url?: string])[] = [
    ['both.s3.us-east-1.amazonaws.com', '/', 'us-east-1', ['virginia', 'both', 'from a form'], 'https://both.s3.us-east-1.amazonaws.com/'],
    ['s3.eu-west-1.amazonaws.com', '/both', 'eu-west-1', ['ireland', 'both', 'from a form'], 'https://s3.eu-west-1.amazonaws.com/both/'],
    ['both.s3.amazonaws.com', '/', 'us-east-1', ['virginia', 'both', 'from a form'], 'https://both.s3.amazonaws.com/'],
    ['both.s3.amazonaws.com', '/', 'eu-west-1', ['ireland', 'both', 'from a form'], 'https://both.s3.amazonaws.com/'],
    ['both.s3.us-east-1.amazonaws.com', '/', 'eu-west-1', ['signature_mismatch', 'InvalidArgument']],
    ['both.s3.amazonaws.com', '/', 'eu-north-1', ['region_not_allowed', 'AccessDenied']],
  ];
  for (const [host, target, region, expected, url] of TABLE) {
    test(`${host}${target}, signed for ${region} → ${expected.join(' ')}`, () => {
      const request = post(host, target);
      assert.equal(judge(request).kind, 'read-form');
      const verdict = judge(request, {}, form('both', region));
      assert.deepEqual(outcome(verdict), expected);
      if (verdict.kind === 'forward') assert.equal(verdict.form?.bucketUrl, url);
    });
  }
});

describe('operations of other endpoints are refused under their own names', () => {
  // biome-ignore format: a table is read by its rows
  const TABLE: readonly (readonly [method: string, host: string, path: string, query: Query, operation: string, reason: string])[] = [
    ['GET', 's3express-control.eu-west-1.amazonaws.com', '/', {}, 'ListDirectoryBuckets', 'operation_not_allowed'],
    ['GET', 's3express-control.eu-west-1.amazonaws.com', '/', { 'max-directory-buckets': '9' }, 'ListDirectoryBuckets', 'operation_not_allowed'],
    ['POST', 'route.s3-object-lambda.eu-west-1.amazonaws.com', '/WriteGetObjectResponse', {}, 'WriteGetObjectResponse', 'operation_not_allowed'],
    ['GET', 'b--euw1-az1--x-s3.s3express-euw1-az1.eu-west-1.amazonaws.com', '/', { session: '' }, 'CreateSession', 'operation_not_allowed'],
    ['PUT', 'b--euw1-az1--x-s3.s3express-euw1-az1.eu-west-1.amazonaws.com', '/key', {}, 'PutObject', 'host_not_allowed'],
    ['PUT', 's3express-control.eu-west-1.amazonaws.com', '/bucket/', {}, 'Unknown', 'host_not_allowed'],
    ['GET', 'ap-123456789012.s3-object-lambda.eu-west-1.amazonaws.com', '/key', {}, 'Unknown', 'host_not_allowed'],
  ];
  for (const [method, host, path, query, operation, reason] of TABLE) {
    test(`${method} ${host}${path}${queryString(query)} is ${operation}`, async () => {
      const request = await signed({ method, host, path, query, region: 'eu-west-1' });
      for (const under of [{}, { egress: undefined }]) {
        const verdict = judge(request, under);
        assert.ok(verdict.kind === 'refused');
        assert.deepEqual([verdict.facts.operation, verdict.refusal.reason], [operation, reason]);
        assert.deepEqual([verdict.refusal.status, verdict.refusal.code], [403, 'AccessDenied']);
      }
    });
  }

  test('at the hosts of buckets nothing changes', async () => {
    const session = { ...get('bucket.s3.eu-west-1.amazonaws.com', '/', 'eu-west-1'), query: { session: '' } };
    const verdict = judge(await signed(session));
    assert.deepEqual(
      [verdict.facts.operation, outcome(verdict)[0]],
      ['CreateSession', 'operation_not_allowed'],
    );
    const list = judge(await signed(get('s3.eu-west-1.amazonaws.com', '/', 'eu-west-1')));
    assert.equal(list.facts.operation, 'ListBuckets');
  });
});
