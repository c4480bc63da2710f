// The signature of POST forms: AWS's published example through every step, then against an independent implementation.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import { Sha256 } from '@aws-crypto/sha256-js';
import { createScope, getSigningKey } from '@smithy/signature-v4';
import fc from 'fast-check';
import { SigningKeys } from '../../src/core/index.ts';
import type { Refusal } from '../../src/core/refusal.ts';
import { FormDataParser, formBoundary } from '../../src/core/s3/form-data.ts';
import { type PostClaimed, postClaim, verifyPostClaim } from '../../src/core/s3/post-claim.ts';
import { putObjectOf, withFilename } from '../../src/core/s3/post-object.ts';
import { judgePostPolicy } from '../../src/core/s3/post-policy.ts';
import { CLIENT, NOW, REGION } from './fixture.ts';

type Fields = Record<string, string>;

function claimed(fields: Fields): PostClaimed {
  return postClaim(new Map(Object.entries(fields)));
}

interface Place {
  readonly client?: { secretAccessKey: string; sessionToken: string | undefined } | undefined;
  readonly regions?: readonly string[];
}

function judge(fields: Fields, place: Place = {}): Refusal | undefined {
  const outcome = claimed(fields);
  if (outcome.kind !== 'claim') return outcome.kind === 'refused' ? outcome.refusal : assert.fail('unsigned');
  return verifyPostClaim(outcome.claim, {
    client: CLIENT,
    regions: [REGION],
    now: NOW,
    keys: new SigningKeys(),
    ...place,
  });
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html
const PUBLISHED_POLICY = `{ "expiration": "2015-12-30T12:00:00.000Z",
  "conditions": [
    {"bucket": "sigv4examplebucket"},
    ["starts-with", "$key", "user/user1/"],
    {"acl": "public-read"},
    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},
    ["starts-with", "$Content-Type", "image/"],
    {"x-amz-meta-uuid": "14365123651274"},
    {"x-amz-server-side-encryption": "AES256"},
    ["starts-with", "$x-amz-meta-tag", ""],

    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},
    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
    {"x-amz-date": "20151229T000000Z" }
  ]
}`.replaceAll('\n', '\r\n');

const PUBLISHED_FIELDS = {
  key: 'user/user1/$' + '{filename}',
  acl: 'public-read',
  success_action_redirect: 'http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html',
  'Content-Type': 'image/jpeg',
  'x-amz-meta-uuid': '14365123651274',
  'x-amz-server-side-encryption': 'AES256',
  'X-Amz-Credential': 'AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request',
  'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
  'X-Amz-Date': '20151229T000000Z',
  'x-amz-meta-tag': '',
  Policy: Buffer.from(PUBLISHED_POLICY).toString('base64'),
  'X-Amz-Signature': '8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e',
};

describe('the POST example that AWS publishes', () => {
  test('is parsed, verified, allowed by its policy and turned into a PutObject', () => {
    const boundary = formBoundary('multipart/form-data; boundary=9431149156168') ?? '';
    const parts = Object.entries(PUBLISHED_FIELDS).map(
      ([name, value]) =>
        `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    );
    const file = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="MyFilename.jpg"\r\nContent-Type: image/jpeg\r\n\r\nfile_content\r\n`;
    const body = Buffer.from(`${parts.join('')}${file}--${boundary}--\r\n`);
    const events = new FormDataParser(boundary, body.length).push(body);
    const [opening] = events;
    assert.ok(opening?.kind === 'file' && events.at(-1)?.kind === 'end');
    const fields = withFilename(opening.form.fields, opening.form.filename);
    const outcome = postClaim(fields);
    assert.ok(outcome.kind === 'claim');
    const client = { secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', sessionToken: undefined };
    const context = { client, regions: ['us-east-1'], now: NOW, keys: new SigningKeys() };
    assert.equal(verifyPostClaim(outcome.claim, context), undefined);
    const form = {
      fields,
      bucket: 'sigv4examplebucket',
      fileSize: opening.form.fileSize,
      now: new Date('2015-12-29T12:00:00Z'),
    };
    assert.equal(judgePostPolicy(outcome.claim.policy, form), undefined);
    const put = putObjectOf(fields, 'sigv4examplebucket');
    assert.ok(put.kind === 'put');
    assert.equal(put.key, 'user/user1/MyFilename.jpg');
    assert.deepEqual(Object.fromEntries(put.headers), {
      'x-amz-acl': 'public-read',
      'content-type': 'image/jpeg',
      'x-amz-meta-uuid': '14365123651274',
      'x-amz-meta-tag': '',
      'x-amz-server-side-encryption': 'AES256',
    });
    assert.equal(judgePostPolicy(outcome.claim.policy, { ...form, bucket: 'other' })?.reason, 'form_policy');
    assert.equal(judgePostPolicy(outcome.claim.policy, { ...form, now: NOW })?.reason, 'expired');
  });
});

const POLICY = Buffer.from('{"expiration":"2026-12-01T00:00:00Z","conditions":[]}').toString('base64');
const DATE = '20261123T120000Z';
const CREDENTIAL = `${CLIENT.accessKeyId}/${createScope('20261123', REGION, 's3')}`;

/** Fields of a form signed by the reference implementation's key. */
async function signedV4(policy = POLICY, secretAccessKey = CLIENT.secretAccessKey): Promise<Fields> {
  const credentials = { accessKeyId: CLIENT.accessKeyId, secretAccessKey };
  const key = await getSigningKey(Sha256, credentials, '20261123', REGION, 's3');
  const hash = new Sha256(key);
  hash.update(policy);
  return {
    key: 'k',
    policy,
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': CREDENTIAL,
    'x-amz-date': DATE,
    'x-amz-signature': Buffer.from(await hash.digest()).toString('hex'),
  };
}

function signedV2(policy = POLICY): Fields {
  const signature = createHmac('sha1', CLIENT.secretAccessKey).update(policy).digest('base64');
  return { key: 'k', policy, awsaccesskeyid: CLIENT.accessKeyId, signature };
}

function without(fields: Fields, ...names: string[]): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}

describe('a form signed with Signature Version 4', () => {
  test('is verified', async () => {
    const fields = await signedV4();
    assert.equal(judge(fields), undefined);
    const outcome = claimed(fields);
    assert.ok(outcome.kind === 'claim');
    assert.deepEqual(outcome.claim.scope, { date: '20261123', region: REGION, service: 's3' });
    assert.equal(outcome.claim.accessKeyId, CLIENT.accessKeyId);
  });

  test('whatever its policy', async () => {
    const text = fc.base64String({ maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(text, async (policy) => assert.equal(judge(await signedV4(policy)), undefined)),
      { numRuns: 25 },
    );
  });

  test('is verified however old its date: the policy says how long it lives', async () => {
    const fields = await signedV4();
    assert.equal(judge({ ...fields, 'x-amz-date': '20261123T000000Z' }), undefined);
  });

  test('is refused once a character of its policy is another, and says what was signed', async () => {
    const fields = await signedV4();
    const refusal = judge({ ...fields, policy: `${POLICY.slice(0, -1)}!` });
    assert.deepEqual([refusal?.status, refusal?.code], [403, 'SignatureDoesNotMatch']);
    const details = new Map(refusal?.details);
    assert.deepEqual(
      [...details.keys()],
      ['AWSAccessKeyId', 'StringToSign', 'SignatureProvided', 'StringToSignBytes'],
    );
    assert.equal(details.get('StringToSign'), `${POLICY.slice(0, -1)}!`);
  });

  test('is refused where only the low byte of a character is the one that was signed', async () => {
    const fields = await signedV4();
    const shifted = String.fromCharCode(POLICY.charCodeAt(0) + 0x100) + POLICY.slice(1);
    assert.equal(judge({ ...fields, policy: shifted })?.code, 'SignatureDoesNotMatch');
  });

  test('is refused with another secret, in the same words for an unknown key', async () => {
    assert.equal(judge(await signedV4(POLICY, 'other'))?.code, 'SignatureDoesNotMatch');
    const refusal = judge(await signedV4(), { client: undefined });
    assert.deepEqual(
      [refusal?.code, refusal?.details],
      ['InvalidAccessKeyId', [['AWSAccessKeyId', CLIENT.accessKeyId]]],
    );
    assert.equal(judge(await signedV4(POLICY, 'nobody'), { client: undefined })?.code, 'InvalidAccessKeyId');
  });

  test('is refused for another region, which is named', async () => {
    const refusal = judge(await signedV4(), { regions: ['us-west-1'] });
    assert.equal(refusal?.message, `the region '${REGION}' is wrong; expecting 'us-west-1'`);
    assert.deepEqual(refusal.details, [
      ['ArgumentName', 'X-Amz-Credential'],
      ['ArgumentValue', CREDENTIAL],
      ['Region', 'us-west-1'],
    ]);
  });

  test('needs the session token of its client, and no other', async () => {
    const client = { secretAccessKey: CLIENT.secretAccessKey, sessionToken: 'token' };
    const fields = await signedV4();
    assert.equal(judge({ ...fields, 'x-amz-security-token': 'token' }, { client }), undefined);
    assert.equal(judge({ ...fields, 'x-amz-security-token': 'other' }, { client })?.code, 'InvalidToken');
    assert.equal(judge(fields, { client })?.code, 'InvalidToken');
    assert.equal(judge({ ...fields, 'x-amz-security-token': 'token' })?.code, 'InvalidToken');
  });

  for (const [field, name] of [
    ['x-amz-algorithm', 'X-Amz-Algorithm'],
    ['x-amz-credential', 'X-Amz-Credential'],
    ['x-amz-date', 'X-Amz-Date'],
    ['x-amz-signature', 'X-Amz-Signature'],
    ['policy', 'Policy'],
    ['key', 'key'],
  ] as const) {
    test(`must have the field ${name}`, async () => {
      const refusal = judge(without(await signedV4(), field));
      const text = `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`;
      assert.deepEqual([refusal?.status, refusal?.code, refusal?.message], [400, 'InvalidArgument', text]);
      assert.deepEqual(refusal?.details, [
        ['ArgumentName', name],
        ['ArgumentValue', ''],
      ]);
    });
  }

  const FAULTS: readonly (readonly [field: string, value: string, message: RegExp])[] = [
    ['x-amz-algorithm', 'AWS4-ECDSA-P256-SHA256', /^Only AWS4-HMAC-SHA256 is supported$/],
    ['x-amz-algorithm', 'aws4-hmac-sha256', /^Only AWS4-HMAC-SHA256 is supported$/],
    ['x-amz-date', '2026-11-23T12:00:00Z', /^X-Amz-Date must be formated via ISO8601 Long format$/],
    ['x-amz-date', '20261131T120000Z', /^X-Amz-Date must be formated/],
    ['x-amz-date', '20261124T120000Z', /^Invalid credential date/],
    ['x-amz-credential', '', /^the Credential is mal-formed/],
    ['x-amz-credential', `${CLIENT.accessKeyId}/20261123/${REGION}/s3`, /^the Credential is mal-formed/],
    ['x-amz-credential', `/20261123/${REGION}/s3/aws4_request`, /^the Credential is mal-formed/],
    ['x-amz-credential', `a/20261123//s3/aws4_request`, /^the Credential is mal-formed/],
    ['x-amz-credential', `a/20261123/${REGION}/iam/aws4_request`, /^the Credential is mal-formed/],
    ['x-amz-credential', `a/20261123/${REGION}/s3/aws4`, /^the Credential is mal-formed/],
    ['x-amz-signature', '', /^The request signature we calculated/],
    ['x-amz-signature', 'x', /^The request signature we calculated/],
  ];
  for (const [field, value, message] of FAULTS) {
    test(`is refused with ${field} ${JSON.stringify(value)}`, async () => {
      assert.match(judge({ ...(await signedV4()), [field]: value })?.message ?? '', message);
    });
  }
});

describe('a form signed with Signature Version 2', () => {
  test('is verified, and has no scope', () => {
    assert.equal(judge(signedV2()), undefined);
    const outcome = claimed(signedV2());
    assert.equal(outcome.kind === 'claim' && outcome.claim.scope, undefined);
  });

  test('is refused with another policy, for an unknown key, and with a V4 signature', async () => {
    assert.equal(judge({ ...signedV2(), policy: 'e30=' })?.code, 'SignatureDoesNotMatch');
    assert.equal(judge(signedV2(), { client: undefined })?.code, 'InvalidAccessKeyId');
    const { 'x-amz-signature': v4 = '' } = await signedV4();
    assert.equal(judge({ ...signedV2(), signature: v4 })?.code, 'SignatureDoesNotMatch');
  });

  for (const [field, name] of [
    ['awsaccesskeyid', 'AWSAccessKeyId'],
    ['signature', 'Signature'],
    ['policy', 'policy'],
  ] as const) {
    test(`must have the field ${name}`, () => {
      assert.deepEqual(judge(without(signedV2(), field))?.details, [
        ['ArgumentName', name],
        ['ArgumentValue', ''],
      ]);
    });
  }
});

describe('a form', () => {
  test('signed in both versions is refused', async () => {
    assert.equal(judge({ ...(await signedV4()), ...signedV2() })?.reason, 'ambiguous_request');
    assert.equal(judge({ ...(await signedV4()), signature: '' })?.reason, 'ambiguous_request');
  });

  test('without a field of a signature is unsigned, with a policy or without', () => {
    assert.equal(claimed({ key: 'k' }).kind, 'unsigned');
    assert.equal(claimed({ key: 'k', policy: POLICY, 'x-amz-security-token': 'token' }).kind, 'unsigned');
  });
});
