// Host names of AWS's: which bucket and region each names, and that no other name is taken for one of them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseTarget } from '../../../src/core/http/target.ts';
import { addressOf, isBucketName } from '../../../src/core/s3/address.ts';
import { HOST_FORMS, type HostForm, readAwsHost } from '../../../src/core/s3/aws-host.ts';
import { PARTITIONS, partitionOf } from '../../../src/core/s3/partition.ts';

/** `[region, bucket, key]`, or the reason of the refusal, or the resource at an endpoint that is never served. */
function read(host: string, target: string, forms: readonly HostForm[] = HOST_FORMS): unknown {
  const parsed = parseTarget(target);
  assert.ok(parsed);
  const addressed = addressOf(host, parsed, ['s3.gateway.example'], forms);
  if (addressed.kind === 'refused') return addressed.refusal.reason;
  if (addressed.kind === 'elsewhere') return { endpoint: addressed.endpoint, resource: addressed.resource };
  const { address, region } = addressed;
  if (address.resource === 'service') return [region];
  return address.resource === 'bucket' ? [region, address.bucket] : [region, address.bucket, address.key];
}

/** The hosts that botocore 1.43.11 calls, region by region and with every setting it has, and the legacy ones. */
// biome-ignore format: a table is read by its rows
const ANSWERED: readonly (readonly [form: HostForm, host: string, region: string, bucket?: string])[] = [
  ['standard', 's3.eu-west-1.amazonaws.com', 'eu-west-1'],
  ['standard', 'bucket.s3.eu-west-1.amazonaws.com', 'eu-west-1', 'bucket'],
  ['standard', 'bu.ck.et.s3.eu-west-1.amazonaws.com', 'eu-west-1', 'bu.ck.et'],
  ['standard', 'bucket.s3.us-east-1.amazonaws.com', 'us-east-1', 'bucket'],
  ['standard', 'bucket.s3.mx-central-1.amazonaws.com', 'mx-central-1', 'bucket'],
  ['standard', 'bucket.s3.ap-southeast-12.amazonaws.com', 'ap-southeast-12', 'bucket'],
  ['standard', 'bucket.s3.us-gov-west-1.amazonaws.com', 'us-gov-west-1', 'bucket'],
  ['standard', 'bucket.s3.cn-north-1.amazonaws.com.cn', 'cn-north-1', 'bucket'],
  ['standard', 's3.cn-northwest-1.amazonaws.com.cn', 'cn-northwest-1'],
  ['standard', 'bucket.s3.us-iso-east-1.c2s.ic.gov', 'us-iso-east-1', 'bucket'],
  ['standard', 'bucket.s3.us-isob-east-1.sc2s.sgov.gov', 'us-isob-east-1', 'bucket'],
  ['standard', 'bucket.s3.eu-isoe-west-1.cloud.adc-e.uk', 'eu-isoe-west-1', 'bucket'],
  ['standard', 'bucket.s3.us-isof-south-1.csp.hci.ic.gov', 'us-isof-south-1', 'bucket'],
  ['standard', 'bucket.s3.eusc-de-east-1.amazonaws.eu', 'eusc-de-east-1', 'bucket'],
  ['standard', 's3-eu-west-1.amazonaws.com', 'eu-west-1'],
  ['standard', 'bucket.s3-us-west-2.amazonaws.com', 'us-west-2', 'bucket'],
  ['standard', 'bucket.s3-us-gov-west-1.amazonaws.com', 'us-gov-west-1', 'bucket'],
  ['standard', 'BUCKET.S3.EU-West-1.AmazonAWS.com:443', 'eu-west-1', 'bucket'],
  ['standard', 'bucket.s3.eu-west-1.amazonaws.com.', 'eu-west-1', 'bucket'],
  ['dualstack', 's3.dualstack.eu-west-1.amazonaws.com', 'eu-west-1'],
  ['dualstack', 'bucket.s3.dualstack.eu-west-1.amazonaws.com', 'eu-west-1', 'bucket'],
  ['dualstack', 'bucket.s3.dualstack.cn-north-1.amazonaws.com.cn', 'cn-north-1', 'bucket'],
  ['dualstack', 'bucket.s3.dualstack.eusc-de-east-1.amazonaws.eu', 'eusc-de-east-1', 'bucket'],
  ['fips', 's3-fips.us-gov-west-1.amazonaws.com', 'us-gov-west-1'],
  ['fips', 'bucket.s3-fips.us-east-1.amazonaws.com', 'us-east-1', 'bucket'],
  ['fips', 'bucket.s3-fips.dualstack.us-east-1.amazonaws.com', 'us-east-1', 'bucket'],
  ['fips', 'bucket.s3-fips.us-iso-east-1.c2s.ic.gov', 'us-iso-east-1', 'bucket'],
  ['global', 's3.amazonaws.com', 'aws-global'],
  ['global', 'bucket.s3.amazonaws.com', 'aws-global', 'bucket'],
  ['global', 'bu.cket.s3.amazonaws.com:443', 'aws-global', 'bu.cket'],
  // Buckets that are called as endpoints are: what counts stands at the end.
  ['standard', 'dualstack.s3.eu-west-1.amazonaws.com', 'eu-west-1', 'dualstack'],
  ['standard', 'my.s3.dualstack.s3.eu-west-1.amazonaws.com', 'eu-west-1', 'my.s3.dualstack'],
  ['dualstack', 'my.s3.s3.dualstack.eu-west-1.amazonaws.com', 'eu-west-1', 'my.s3'],
  ['global', 's3.eu-west-1.s3.amazonaws.com', 'aws-global', 's3.eu-west-1'],
  ['global', 'eu-west-1.s3.amazonaws.com', 'aws-global', 'eu-west-1'],
  ['standard', 's3-us-east-1.amazonaws.com.s3.eu-west-1.amazonaws.com', 'eu-west-1', 's3-us-east-1.amazonaws.com'],
  ['standard', 'gw-1.elb.s3.eu-west-1.amazonaws.com', 'eu-west-1', 'gw-1.elb'],
];

/** Names of AWS's that are never answered, whatever the configuration. */
const REFUSED: readonly string[] = [
  'amazonaws.com',
  'amazonaws.com.',
  'eu-west-1.amazonaws.com',
  'sts.eu-west-1.amazonaws.com',
  'kms.eu-west-1.amazonaws.com',
  'bucket.s3-accelerate.amazonaws.com',
  'bucket.s3-accelerate.dualstack.amazonaws.com',
  'bucket.s3-accelerate.c2s.ic.gov',
  'name-123456789012.s3-accesspoint.eu-west-1.amazonaws.com',
  'name-123456789012.s3-accesspoint-fips.dualstack.us-east-1.amazonaws.com',
  'mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com',
  'name-123456789012.op-01234567890abcdef.s3-outposts.us-west-2.amazonaws.com',
  '123456789012.s3-control.eu-west-1.amazonaws.com',
  's3-control-fips.dualstack.us-east-1.amazonaws.com',
  'bucket.s3-website-eu-west-1.amazonaws.com',
  'bucket.s3-website.eu-central-1.amazonaws.com',
  'bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com',
  's3tables.eu-west-1.amazonaws.com',
  's3vectors.eu-west-1.api.aws',
  's3.dualstack.eu-west-1.api.aws',
  's3-external-1.amazonaws.com',
  's3-fips-us-gov-west-1.amazonaws.com',
  's3-fips-us-west-1.amazonaws.com',
  's3-fips.amazonaws.com',
  's3.dualstack.amazonaws.com',
  's3.eu-west.amazonaws.com',
  's3.eu-west-1.x.amazonaws.com',
  's3..eu-west-1.amazonaws.com',
  'xs3.eu-west-1.amazonaws.com',
  'bucket_s3.eu-west-1.amazonaws.com',
  's3.aws-global.amazonaws.com',
  // A region under the suffix of another partition.
  's3.cn-north-1.amazonaws.com',
  'bucket.s3-cn-north-1.amazonaws.com',
  's3.eu-west-1.amazonaws.com.cn',
  's3.us-gov-west-1.amazonaws.com.cn',
  's3.us-iso-east-1.amazonaws.com',
  's3.us-iso-east-1.sc2s.sgov.gov',
  's3.us-east-1.amazonaws.eu',
  's3.eusc-de-east-1.amazonaws.com',
  // Legacy forms are of one suffix.
  's3.amazonaws.com.cn',
  's3.c2s.ic.gov',
  's3-cn-north-1.amazonaws.com.cn',
];

/** Names that only look like AWS's, and those that AWS gives to its customers' own servers: as any other host. */
const NOT_AWS: readonly string[] = [
  'amazonaws.com.example',
  'bucket.s3.amazonaws.com.example',
  'xamazonaws.com',
  's3-amazonaws.com',
  'amazonaws.co',
  's3-kms-gateway-0123456789abcdef.elb.eu-west-1.amazonaws.com',
  'internal-gateway-123456789.eu-west-1.elb.amazonaws.com',
  's3-gateway.cn-north-1.elb.amazonaws.com.cn',
  'ec2-203-0-113-25.eu-west-1.compute.amazonaws.com',
  'ec2-203-0-113-25.compute-1.amazonaws.com',
  'vpce-0a1b2c-3d4e.vpce-svc-0123456789abcdef0.eu-west-1.vpce.amazonaws.com',
];

describe('host names of AWS that are answered', () => {
  for (const [form, host, region, bucket] of ANSWERED) {
    test(`${host} is ${form}`, () => {
      const hosted = bucket !== undefined;
      assert.deepEqual(read(host, '/'), hosted ? [region, bucket] : [region]);
      // What the first segment of a path is depends on the host alone.
      assert.deepEqual(
        read(host, '/other/a%2Fb//c'),
        hosted ? [region, bucket, 'other/a/b//c'] : [region, 'other', 'a/b//c'],
      );
    });

    test(`${host} is refused where ${form} is not configured`, () => {
      const others = HOST_FORMS.filter((one) => one !== form);
      assert.equal(read(host, '/bucket/key', others), 'host_not_allowed');
      assert.equal(read(host, '/bucket/key', []), 'host_not_allowed');
    });
  }

  test('a bucket that is none is refused', () => {
    for (const bucket of [
      '',
      'Bu_cket',
      'x-s3alias',
      'x--ol-s3',
      'x--usw2-az1--x-s3',
      '192.168.1.1',
      'a..b',
    ]) {
      assert.equal(read(`${bucket}.s3.eu-west-1.amazonaws.com`, '/key'), 'malformed_request', bucket);
    }
  });
});

describe('host names of AWS that are refused', () => {
  for (const host of REFUSED) {
    test(host, () => {
      assert.equal(read(host, '/bucket/key'), 'host_not_allowed');
      assert.equal(read(host, '/bucket/key', []), 'host_not_allowed');
    });
  }
});

describe('host names that are not AWS’s', () => {
  for (const host of NOT_AWS) {
    test(host, () => assert.deepEqual(read(host, '/bucket/key'), [undefined, 'bucket', 'key']));
  }

  test('a domain is served as before', () => {
    assert.deepEqual(read('bucket.s3.gateway.example', '/key'), [undefined, 'bucket', 'key']);
  });
});

describe('endpoints whose operations have names here', () => {
  // biome-ignore format: a table is read by its rows
  const TABLE: readonly (readonly [host: string, target: string, endpoint: string | undefined, resource: string])[] = [
    ['s3express-control.us-west-2.amazonaws.com', '/', 's3express-control', 'service'],
    ['s3express-control-fips.dualstack.us-west-2.amazonaws.com', '/', 's3express-control', 'service'],
    ['s3express-control.us-west-2.amazonaws.com', '/bucket?policy', 's3express-control', 'bucket'],
    ['route.s3-object-lambda.us-west-2.amazonaws.com', '/WriteGetObjectResponse', 's3-object-lambda', 'service'],
    ['route.s3-object-lambda-fips.us-west-2.amazonaws.com', '/WriteGetObjectResponse', 's3-object-lambda', 'service'],
    ['name-123456789012.s3-object-lambda.us-west-2.amazonaws.com', '/key', 's3-object-lambda', 'object'],
    ['b--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com', '/?session', undefined, 'bucket'],
    ['b--usw2-az1--x-s3.s3express-fips-usw2-az1.dualstack.us-west-2.amazonaws.com', '/key', undefined, 'object'],
  ];
  for (const [host, target, endpoint, resource] of TABLE) {
    test(`${host}${target}`, () => {
      assert.deepEqual(read(host, target), { endpoint, resource });
      assert.deepEqual(read(host, target, []), { endpoint, resource });
    });
  }
});

describe('whatever the host', () => {
  const letters = (text: string, minLength: number, maxLength: number) =>
    fc.string({ unit: fc.constantFrom(...text), minLength, maxLength });
  const label = letters('abcxyz019-', 1, 8);
  const bucket = fc
    .array(fc.oneof(label, fc.constantFrom('s3', 'dualstack', 's3-fips', 'eu-west-1', 'elb')), {
      minLength: 1,
      maxLength: 4,
    })
    .map((labels) => labels.join('.'))
    .filter(isBucketName);
  const REGIONS = [
    ...['us-east-1', 'eu-west-1', 'ap-northeast-3', 'mx-central-1', 'us-gov-east-1', 'cn-northwest-1'],
    ...['us-iso-west-1', 'us-isob-east-1', 'eu-isoe-west-1', 'us-isof-east-1', 'eusc-de-east-1'],
  ];
  const key = fc.string({ unit: fc.constantFrom('a', '/', '.', '%41', '%2F'), minLength: 1, maxLength: 12 });

  test('every name that a form gives is read back, in every partition', () => {
    const partitions = new Set(REGIONS.map((region) => partitionOf(region)?.name));
    assert.deepEqual([...partitions].sort(), PARTITIONS.map(({ name }) => name).sort());
    const services = fc.constantFrom('s3', 's3-fips', 's3.dualstack', 's3-fips.dualstack');
    fc.assert(
      fc.property(bucket, fc.constantFrom(...REGIONS), services, key, (name, region, service, path) => {
        const endpoint = `${service}.${region}.${partitionOf(region)?.suffix}`;
        const decoded = decodeURIComponent(path);
        assert.deepEqual(read(`${name}.${endpoint}`, `/${path}`), [region, name, decoded]);
        assert.deepEqual(read(endpoint, `/${name}/${path}`), [region, name, decoded]);
      }),
      { numRuns: 1_000 },
    );
  });

  test('a region is answered under no suffix but its own', () => {
    for (const region of REGIONS) {
      for (const { suffix } of PARTITIONS.filter(({ suffix }) => suffix !== partitionOf(region)?.suffix)) {
        assert.equal(read(`bucket.s3.${region}.${suffix}`, '/key'), 'host_not_allowed');
      }
    }
  });

  const piece = fc.oneof(
    label,
    fc.constantFrom(
      ...[
        's3',
        's3-fips',
        'dualstack',
        's3-eu-west-1',
        's3-accesspoint',
        's3-control',
        's3express-x',
        'vpce',
      ],
      ...['elb', 'compute', 'eu-west-1', 'cn-north-1', 'us-gov-west-1', '', '_', 'S3', '\u{e9}'],
    ),
  );
  const suffix = fc.constantFrom(
    ...PARTITIONS.map((partition) => partition.suffix),
    ...['amazonaws.com.', 'amazonaws.com:443', 'api.aws', 'amazonaws', 'example.com', 'AMAZONAWS.COM'],
  );
  const host = fc.oneof(
    fc.tuple(fc.array(piece, { maxLength: 6 }), suffix).map(([labels, end]) => [...labels, end].join('.')),
    fc.string({ unit: 'binary', maxLength: 40 }),
  );

  test('it is a value or a refusal, and a bucket is hosted only where an endpoint of S3 stands behind it', () => {
    // Written apart from what is tested: the end of the name, label by label.
    const endpoint = /^(?:.+\.)?(?:s3|s3-fips)(?:\.dualstack)?\.[a-z]+(?:-[a-z]+)+-\d+$/;
    const legacy = /^(?:.+\.)?s3(?:-[a-z]+(?:-[a-z]+)+-\d+)?$/;
    fc.assert(
      fc.property(host, (name) => {
        const found = read(name, '/first/second');
        if (!Array.isArray(found) || found[0] === undefined) return;
        const bare = name.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
        const end = PARTITIONS.find((partition) => bare.endsWith(`.${partition.suffix}`))?.suffix ?? '';
        assert.notEqual(end, '');
        const before = bare.slice(0, -end.length - 1);
        assert.ok(endpoint.test(before) || (end === 'amazonaws.com' && legacy.test(before)), name);
        const hosted = found[1] !== 'first';
        assert.equal(found[2], hosted ? 'first/second' : 'second');
        if (hosted) assert.ok(before.startsWith(`${found[1]}.s3`), name);
      }),
      { numRuns: 5_000 },
    );
  });

  test('no name under a suffix of AWS’s is read path style unless its form is answered', () => {
    fc.assert(
      fc.property(host, (name) => {
        const found = read(name, '/first/second', []);
        if (!Array.isArray(found)) return;
        const bare = name.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
        assert.equal(readAwsHost(bare), undefined);
        assert.ok(
          !/(?:^|\.)(?:amazonaws\.(?:com|com\.cn|eu)|api\.aws)$/.test(bare) ||
            /\.(?:elb|compute)(?:\.|$)/.test(bare),
          name,
        );
      }),
      { numRuns: 5_000 },
    );
  });
});
