// Host names of AWS over real sockets: each leads to the backend of its region, or nowhere, and an object that goes by
// the wrong name is stored by nobody.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Answer, type Endpoint, type PlainRequest, send, sendSigned } from './client.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { DEFAULT_KEY, type StoreBackend, startStoreBackend } from './store.ts';

const SSE = 'x-amz-server-side-encryption';
const COMPLIANT = { [SSE]: 'aws:kms', [`${SSE}-aws-kms-key-id`]: DEFAULT_KEY };
const RULES = [{ name: 'everything', buckets: ['*'], mode: 'inject', keyId: DEFAULT_KEY }];
const FORMS = ['standard', 'dualstack', 'fips', 'global'];

/** Names that a certificate of S3 covers. */
const S3_NAMES = ['eu-west-1', 'us-east-1'].flatMap((region) =>
  ['s3', 's3.dualstack', 's3-fips', 's3-fips.dualstack']
    .map((service) => `${service}.${region}.amazonaws.com`)
    .flatMap((name) => [name, `*.${name}`]),
);

interface World {
  readonly ireland: StoreBackend;
  readonly virginia: StoreBackend;
  readonly gateway: TestGateway;
  close(): Promise<void>;
}

/** Two stores, the first of which would take every bucket; both have the bucket `both`. */
async function startWorld(
  listener: Record<string, unknown>,
  egress?: Record<string, unknown>,
): Promise<World> {
  const certificateNames = S3_NAMES;
  const ireland = await startStoreBackend({ name: 'ireland', region: 'eu-west-1', certificateNames });
  const virginia = await startStoreBackend({ name: 'virginia', region: 'us-east-1', certificateNames });
  for (const { direct } of [ireland, virginia]) {
    for (const bucket of ['both', 'a.b']) {
      assert.equal((await sendSigned(direct, { method: 'PUT', path: `/${bucket}` })).status, 200);
    }
  }
  const gateway = await startGateway({
    encrypted: listener,
    backends: [ireland.backend, { ...virginia.backend, buckets: ['both', 'a.*'] }],
    encryption: RULES,
    ...(egress === undefined ? {} : { egress }),
  });
  const close = async () => {
    await gateway.close();
    await Promise.all([ireland.close(), virginia.close()]);
  };
  return { ireland, virginia, gateway, close };
}

/** Sends to the gateway what is addressed to AWS. */
function toAws(gateway: TestGateway, more: Partial<Endpoint> = {}) {
  return (host: string, region: string, request: PlainRequest): Promise<Answer> =>
    sendSigned(
      { endpoint: gateway.endpoint, ca: gateway.ca, region, ...more },
      { ...request, headers: { host, ...request.headers } },
    );
}

const put = (path: string, headers: Record<string, string> = {}): PlainRequest => ({
  method: 'PUT',
  path,
  headers,
  body: 'content',
});

describe('clients that believe they talk to AWS', () => {
  let world: World;
  before(async () => {
    world = await startWorld({}, { hosts: FORMS });
  });
  after(() => world?.close());

  // biome-ignore format: a table is read by its rows
  const HOSTS: readonly (readonly [host: string, path: string, region: string, store: 'ireland' | 'virginia', bucket: string])[] = [
    ['both.s3.eu-west-1.amazonaws.com', '', 'eu-west-1', 'ireland', 'both'],
    ['s3.eu-west-1.amazonaws.com:443', '/both', 'eu-west-1', 'ireland', 'both'],
    ['s3-eu-west-1.amazonaws.com', '/both', 'eu-west-1', 'ireland', 'both'],
    ['a.b.s3.eu-west-1.amazonaws.com', '', 'eu-west-1', 'ireland', 'a.b'],
    ['both.s3.us-east-1.amazonaws.com', '', 'us-east-1', 'virginia', 'both'],
    ['both.s3.dualstack.us-east-1.amazonaws.com', '', 'us-east-1', 'virginia', 'both'],
    ['s3-fips.us-east-1.amazonaws.com', '/a.b', 'us-east-1', 'virginia', 'a.b'],
    ['both.s3-fips.dualstack.us-east-1.amazonaws.com', '', 'us-east-1', 'virginia', 'both'],
    ['both.s3.amazonaws.com', '', 'us-east-1', 'virginia', 'both'],
    ['s3.amazonaws.com', '/both', 'eu-west-1', 'ireland', 'both'],
  ];
  for (const [host, path, region, store, bucket] of HOSTS) {
    test(`${host}${path}, signed for ${region}: stored in ${store} alone, under the key`, async () => {
      const key = `by ${host}`.replace(':443', '');
      const send = toAws(world.gateway);
      const answer = await send(host, region, put(`${path}/${encodeURIComponent(key)}`));
      assert.equal(answer.status, 200, answer.body.toString());
      const other = store === 'ireland' ? 'virginia' : 'ireland';
      assert.equal(world[store].store.stored(bucket, key)?.keyId, DEFAULT_KEY);
      assert.equal(world[other].store.stored(bucket, key), undefined);
      const back = await send(host, region, { method: 'GET', path: `${path}/${encodeURIComponent(key)}` });
      assert.equal(back.body.toString(), 'content');
      const line = (await world.gateway.audited()).at(-1);
      assert.deepEqual([line?.['backend'], line?.['bucket'], line?.['key']], [store, bucket, key]);
    });
  }

  test('a region with no backend is refused to those who may sign, and counted', async () => {
    const counted = 's3_kms_gateway_refusals_total{operation="PutObject",reason="region_not_allowed"}';
    const before = await world.gateway.metric(counted);
    const answer = await toAws(world.gateway)('both.s3.eu-north-1.amazonaws.com', 'eu-north-1', put('/k'));
    assert.deepEqual([answer.status, answer.code], [403, 'AccessDenied']);
    assert.equal(answer.message, 'Access Denied: no backend serves this in the region eu-north-1.');
    const line = (await world.gateway.audited()).at(-1);
    assert.deepEqual(
      [line?.['reason'], line?.['client'], line?.['backend']],
      ['region_not_allowed', 'tester', undefined],
    );
    assert.equal(await world.gateway.metric(counted), before + 1);
    const stranger = { accessKeyId: 'STRANGER000000000001', secretAccessKey: 'x' };
    const asked = toAws(world.gateway, { credentials: stranger });
    assert.equal(
      (await asked('both.s3.eu-north-1.amazonaws.com', 'eu-north-1', put('/k'))).code,
      'InvalidAccessKeyId',
    );
  });

  test('a signature for another region than the host’s is refused as S3 refuses it', async () => {
    const answer = await toAws(world.gateway)('both.s3.us-east-1.amazonaws.com', 'eu-west-1', put('/k'));
    assert.deepEqual([answer.status, answer.code], [400, 'AuthorizationHeaderMalformed']);
    assert.match(answer.body.toString(), /<Region>us-east-1<\/Region>/);
  });

  test('a copy finds its source in its own region', async () => {
    const send = toAws(world.gateway);
    await send('both.s3.us-east-1.amazonaws.com', 'us-east-1', put('/source'));
    const copied = await send('both.s3.us-east-1.amazonaws.com', 'us-east-1', {
      method: 'PUT',
      path: '/copied',
      headers: { 'x-amz-copy-source': 'both/source' },
    });
    assert.equal(copied.status, 200, copied.body.toString());
    assert.equal(world.virginia.store.stored('both', 'copied')?.keyId, DEFAULT_KEY);
    assert.equal(world.ireland.store.stored('both', 'copied'), undefined);
  });

  // biome-ignore format: a table is read by its rows
  const ELSEWHERE: readonly (readonly [method: string, host: string, path: string, operation: string, reason: string])[] = [
    ['GET', 's3express-control.eu-west-1.amazonaws.com', '/', 'ListDirectoryBuckets', 'operation_not_allowed'],
    ['POST', 'route.s3-object-lambda.eu-west-1.amazonaws.com', '/WriteGetObjectResponse', 'WriteGetObjectResponse', 'operation_not_allowed'],
    ['GET', 'b--euw1-az1--x-s3.s3express-euw1-az1.eu-west-1.amazonaws.com', '/?session=', 'CreateSession', 'operation_not_allowed'],
    ['PUT', 'both.s3-accelerate.amazonaws.com', '/key', 'Unknown', 'host_not_allowed'],
    ['PUT', 'both-123456789012.s3-accesspoint.eu-west-1.amazonaws.com', '/both/key', 'Unknown', 'host_not_allowed'],
    ['PUT', 'both.s3.cn-north-1.amazonaws.com', '/both/key', 'Unknown', 'host_not_allowed'],
  ];
  for (const [method, host, path, operation, reason] of ELSEWHERE) {
    test(`${method} ${host}${path} is refused as ${operation}, logged and counted so`, async () => {
      const counted = `s3_kms_gateway_refusals_total{operation="${operation}",reason="${reason}"}`;
      const before = await world.gateway.metric(counted);
      const seen = [world.ireland, world.virginia].map(({ store }) => store.requests.length);
      const answer = await toAws(world.gateway)(host, 'eu-west-1', { method, path });
      assert.deepEqual([answer.status, answer.code], [403, 'AccessDenied']);
      const line = (await world.gateway.audited()).at(-1);
      assert.deepEqual([line?.['operation'], line?.['reason']], [operation, reason]);
      assert.equal(await world.gateway.metric(counted), before + 1);
      assert.deepEqual(
        [world.ireland, world.virginia].map(({ store }) => store.requests.length),
        seen,
        'a backend was asked',
      );
    });
  }
});

describe('without egress a host of AWS is never read path style', () => {
  let world: World;
  before(async () => {
    world = await startWorld({});
  });
  after(() => world?.close());

  for (const host of ['bucket.s3.amazonaws.com', 's3.eu-west-1.amazonaws.com', 's3-kms.amazonaws.com']) {
    test(`${host} is refused, and nothing goes to the bucket that its path begins with`, async () => {
      const seen = world.ireland.store.requests.length;
      const answer = await toAws(world.gateway)(host, 'eu-west-1', put('/both/key'));
      assert.deepEqual([answer.status, answer.code], [403, 'AccessDenied']);
      assert.match(answer.message ?? '', /does not answer for the AWS endpoint/);
      assert.equal(world.ireland.store.requests.length, seen);
      assert.equal(world.ireland.store.stored('both', 'key'), undefined);
    });
  }

  test('the name of a load balancer is as good as any other', async () => {
    const host = 's3-gateway-0123456789abcdef.elb.eu-west-1.amazonaws.com';
    assert.equal((await toAws(world.gateway)(host, 'eu-west-1', put('/both/by-load-balancer'))).status, 200);
    assert.equal(world.ireland.store.stored('both', 'by-load-balancer')?.keyId, DEFAULT_KEY);
  });
});

describe('where hosts without a region are us-east-1', () => {
  let world: World;
  before(async () => {
    world = await startWorld({}, { hosts: ['global'], globalRegion: 'us-east-1' });
  });
  after(() => world?.close());

  test('they are, and no other region', async () => {
    const send = toAws(world.gateway);
    assert.equal((await send('both.s3.amazonaws.com', 'us-east-1', put('/k'))).status, 200);
    assert.equal(world.virginia.store.stored('both', 'k')?.keyId, DEFAULT_KEY);
    const other = await send('both.s3.amazonaws.com', 'eu-west-1', put('/other'));
    assert.equal(other.code, 'AuthorizationHeaderMalformed');
    assert.equal(world.ireland.store.stored('both', 'other'), undefined);
  });
});

describe('signatures preserved under AWS’s names', () => {
  let world: World;
  before(async () => {
    world = await startWorld({ signing: 'preserve' }, { hosts: FORMS });
  });
  after(() => world?.close());

  for (const [host, path, region, store] of [
    ['both.s3.eu-west-1.amazonaws.com', '/kept', 'eu-west-1', 'ireland'],
    ['both.s3.us-east-1.amazonaws.com', '/kept', 'us-east-1', 'virginia'],
    ['s3.dualstack.us-east-1.amazonaws.com', '/both/kept-too', 'us-east-1', 'virginia'],
    ['both.s3-fips.eu-west-1.amazonaws.com', '/kept-too', 'eu-west-1', 'ireland'],
  ] as const) {
    test(`${host}${path} goes on as it came, and ${store} accepts the client’s own signature`, async () => {
      const { credentials } = world[store].direct;
      const send = toAws(world.gateway, { credentials });
      const answer = await send(host, region, put(path, COMPLIANT));
      assert.equal(answer.status, 200, answer.body.toString());
      const key = path.replace('/both', '').slice(1);
      assert.equal(world[store].store.stored('both', key)?.keyId, DEFAULT_KEY);
      const sent = world[store].store.requests.at(-1);
      assert.equal(sent?.headers.find(({ name }) => name === 'host')?.value, host);
      assert.equal(sent?.target, path);
      assert.equal((await send(host, region, { method: 'GET', path })).body.toString(), 'content');
      // What the rule asks for is still asked for.
      assert.equal((await send(host, region, put(path))).status, 403);
    });
  }

  test('a forged one is refused there, a region without a backend here', async () => {
    const forger = { ...world.virginia.direct.credentials, secretAccessKey: 'wrong' };
    const send = toAws(world.gateway, { credentials: forger });
    const there = await send('both.s3.us-east-1.amazonaws.com', 'us-east-1', put('/forged', COMPLIANT));
    assert.deepEqual([there.code, there.headers['x-amz-id-2']], ['SignatureDoesNotMatch', 'demo']);
    const here = await send('both.s3.eu-north-1.amazonaws.com', 'eu-north-1', put('/forged', COMPLIANT));
    assert.deepEqual([here.code, here.headers['x-amz-id-2']], ['AccessDenied', 's3-kms-gateway']);
  });
});

describe('an unsigned client of a sidecar', () => {
  let world: World;
  before(async () => {
    world = await startWorld({ authentication: 'none' }, { hosts: FORMS });
  });
  after(() => world?.close());

  const unsigned = (host: string, key: string): Promise<Answer> =>
    send(
      { endpoint: world.gateway.endpoint, ca: world.gateway.ca },
      { ...put(`/${key}`), headers: { host, 'content-length': '7' } },
    );

  test('goes where its host says, and without a region to the first backend of the bucket', async () => {
    assert.equal((await unsigned('both.s3.us-east-1.amazonaws.com', 'a')).status, 200);
    assert.equal((await unsigned('both.s3.amazonaws.com', 'b')).status, 200);
    assert.equal(world.virginia.store.stored('both', 'a')?.keyId, DEFAULT_KEY);
    assert.equal(world.ireland.store.stored('both', 'b')?.keyId, DEFAULT_KEY);
  });
});
