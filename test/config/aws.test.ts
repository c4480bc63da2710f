import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  isAwsHost,
  parseKeyArn,
  parseKeyArnPattern,
  partitionOfRegion,
  regionOfHost,
} from '../../src/config/aws.ts';

const HOSTS: readonly (readonly [hostname: string, region: string | undefined])[] = [
  ['s3.eu-central-1.amazonaws.com', 'eu-central-1'],
  ['s3-eu-west-1.amazonaws.com', 'eu-west-1'],
  ['s3.amazonaws.com', 'us-east-1'],
  ['s3.dualstack.ap-southeast-2.amazonaws.com', 'ap-southeast-2'],
  ['s3-fips.us-gov-west-1.amazonaws.com', 'us-gov-west-1'],
  ['s3-fips.dualstack.us-east-1.amazonaws.com', 'us-east-1'],
  ['bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com', 'us-east-1'],
  ['s3.cn-north-1.amazonaws.com.cn', 'cn-north-1'],
  ['s3.us-isob-east-1.sc2s.sgov.gov', 'us-isob-east-1'],
  ['s3.eusc-de-east-1.amazonaws.eu', 'eusc-de-east-1'],
  ['s3-accelerate.amazonaws.com', undefined],
  ['s3-external-1.amazonaws.com', undefined],
];

const KEY = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';

describe("AWS's names", () => {
  for (const [hostname, region] of HOSTS) {
    test(`${hostname} is AWS, region ${region ?? 'unsaid'}`, () => {
      assert.equal(isAwsHost(hostname), true);
      assert.equal(regionOfHost(hostname), region);
    });
  }

  for (const hostname of [
    'amazonaws.com',
    's3.amazonaws.com.example',
    'notamazonaws.com',
    'localhost',
    '[::1]',
  ]) {
    test(`${hostname} is not AWS`, () => {
      assert.equal(isAwsHost(hostname), false);
      assert.equal(regionOfHost(hostname), undefined);
    });
  }

  test('regions tell their partition', () => {
    const regions = [
      'eu-central-1',
      'cn-north-1',
      'us-gov-east-1',
      'us-iso-east-1',
      'us-isob-east-1',
      'us-east-1',
    ];
    const partitions = ['aws', 'aws-cn', 'aws-us-gov', 'aws-iso', 'aws-iso-b', 'aws'];
    assert.deepEqual(regions.map(partitionOfRegion), partitions);
  });

  test('a full key ARN is read', () => {
    const fields = { partition: 'aws', region: 'eu-central-1', account: '111122223333' };
    assert.deepEqual(parseKeyArn(KEY), fields);
    assert.deepEqual(parseKeyArn(KEY.replace(/key\/.*/, `key/mrk-${'a'.repeat(32)}`)), fields);
  });

  const NOT_KEYS = [
    KEY.replace('key/', 'alias/'),
    KEY.replace('111122223333', '1111'),
    KEY.replace('-1234567890ab', ''),
    KEY.replace('kms', 's3'),
    KEY.replace('1234abcd', '1234ABCD'),
    `${KEY}\n`,
    ` ${KEY}`,
    KEY.slice(KEY.indexOf('/') + 1),
    'alias/mine',
    '',
  ];
  for (const text of NOT_KEYS) {
    test(`${JSON.stringify(text)} is not a key ARN`, () => assert.equal(parseKeyArn(text), undefined));
  }

  test('a pattern of key ARNs is read by its fields', () => {
    const fields = { partition: 'aws', region: 'eu-*', account: '1111*' };
    assert.deepEqual(parseKeyArnPattern('arn:aws:kms:eu-*:1111*:key/*'), fields);
    assert.equal(parseKeyArnPattern('*'), undefined);
    assert.equal(parseKeyArnPattern('arn:aws:kms:eu-central-1:111122223333:alias/*'), undefined);
  });
});
