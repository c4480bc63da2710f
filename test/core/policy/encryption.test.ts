// Rule × request → verdict, with S3's own code and text where S3 has them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Channel, decide } from '../../../src/core/index.ts';
import {
  type ChannelStrength,
  encryptionHeaders,
  judgeEncryption,
  refuseMisplacedHeaders,
  refuseWeakChannel,
  ruleFor,
} from '../../../src/core/policy/encryption.ts';
import type { EncryptionRule } from '../../../src/core/policy/policy.ts';
import type { Refusal } from '../../../src/core/refusal.ts';
import { formatEncryptionContext, parseEncryptionContext } from '../../../src/core/s3/encryption-context.ts';
import { operationNamed } from '../../../src/core/s3/operation.ts';
import { OPERATIONS } from '../../../src/core/s3/operation-table.ts';
import { requestedEncryption, SSE } from '../../../src/core/s3/sse.ts';
import {
  BACKEND,
  context as decisionContext,
  FOREIGN_KEY_ARN,
  KEY_ARN,
  OTHER_KEY_ARN,
  rule,
  TLS,
  unsignedRequest,
} from '../fixture.ts';

const ARN = 'arn:aws:s3:::bucket/a b/é';
const STRONG: ChannelStrength = { secure: true, weakSignature: false, authorization: undefined };

type Headers = Readonly<Record<string, string>>;

interface Setting {
  readonly operation?: string;
  readonly strength?: ChannelStrength;
  readonly partition?: string;
}

function judge(under: Partial<EncryptionRule>, headers: Headers, setting: Setting = {}) {
  return judgeEncryption(rule(under), {
    operation: operationNamed(setting.operation ?? 'PutObject'),
    bucket: 'bucket',
    key: 'a b/é',
    partition: setting.partition ?? 'aws',
    requested: requestedEncryption(new Map(Object.entries(headers))),
    strength: setting.strength ?? STRONG,
    contextBytes: 4096,
  });
}

/** The encryption that goes out, context decoded. */
interface Ordered {
  readonly algorithm: string;
  readonly keyId: string;
  readonly bucketKey: string | undefined;
  readonly context: Readonly<Record<string, string>>;
  readonly injected: readonly string[];
}

function ordered(under: Partial<EncryptionRule>, headers: Headers, setting: Setting = {}): Ordered {
  const verdict = judge(under, headers, setting);
  assert.ok(verdict.kind === 'ordered', JSON.stringify(verdict));
  const { context, injected, ...rest } = verdict.order;
  const pairs = parseEncryptionContext(context, 4096);
  assert.ok(pairs);
  return { ...rest, context: Object.fromEntries(pairs), injected: [...injected].sort() };
}

function refusal(under: Partial<EncryptionRule>, headers: Headers, setting: Setting = {}): Refusal {
  const verdict = judge(under, headers, setting);
  assert.ok(verdict.kind === 'refused', JSON.stringify(verdict));
  return verdict.refusal;
}

function context(pairs: Readonly<Record<string, string>>): string {
  return formatEncryptionContext(new Map(Object.entries(pairs)));
}

const KMS = { [SSE.algorithm]: 'aws:kms' };
const DSSE = { [SSE.algorithm]: 'aws:kms:dsse' };
const AES256 = { [SSE.algorithm]: 'AES256' };
const KEY = { [SSE.keyId]: KEY_ARN };
const SSE_C = {
  'x-amz-server-side-encryption-customer-algorithm': 'AES256',
  'x-amz-server-side-encryption-customer-key': 'MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=',
  'x-amz-server-side-encryption-customer-key-md5': 'EIJ4rmxM0DDnHLNSyT0ygQ==',
};

describe('mode inject', () => {
  test('adds algorithm, key, bucket key and a context with the ARN to a write that names nothing', () => {
    assert.deepEqual(ordered({}, {}), {
      algorithm: 'aws:kms',
      keyId: KEY_ARN,
      bucketKey: 'false',
      context: { 'aws:s3:arn': ARN },
      injected: ['algorithm', 'bucket_key', 'context', 'key_id'],
    });
  });

  test('adds the key where only the algorithm is named: aws:kms alone would mean the aws/s3 key', () => {
    const { keyId, injected } = ordered({}, KMS);
    assert.equal(keyId, KEY_ARN);
    assert.deepEqual(injected, ['bucket_key', 'context', 'key_id']);
  });

  test('adds the algorithm where only a key is named', () => {
    assert.deepEqual(ordered({}, KEY).injected, ['algorithm', 'bucket_key', 'context']);
  });

  test('adds nothing to a write that is complete, and leaves its context to the letter', () => {
    const sent = Buffer.from(`{ "aws:s3:arn" : "${ARN}" }`).toString('base64');
    const verdict = judge({}, { ...KMS, ...KEY, [SSE.context]: sent, [SSE.bucketKey]: 'false' });
    assert.ok(verdict.kind === 'ordered');
    assert.deepEqual(verdict.order.injected, []);
    assert.equal(verdict.order.context, sent);
  });

  test("adds the rule's pairs to the client's", () => {
    const under = { context: { app: 'ledger', team: 'x' } };
    assert.deepEqual(ordered(under, { [SSE.context]: context({ own: 'pair', team: 'x' }) }).context, {
      app: 'ledger',
      team: 'x',
      own: 'pair',
      'aws:s3:arn': ARN,
    });
  });

  test('keeps a key the rule allows', () => {
    const allowedKeyIds = ['arn:aws:kms:eu-central-1:111122223333:key/*'];
    assert.equal(ordered({ allowedKeyIds }, { ...KMS, [SSE.keyId]: OTHER_KEY_ARN }).keyId, OTHER_KEY_ARN);
  });

  test("takes the name of another maker's key as it stands", () => {
    assert.equal(ordered({ keyId: 'testkey-1' }, { ...KMS, [SSE.keyId]: 'testkey-1' }).keyId, 'testkey-1');
  });

  test('raises AES256 where the rule upgrades it', () => {
    assert.deepEqual(ordered({ otherEncryption: 'upgrade' }, AES256), ordered({}, {}));
  });

  test('orders DSSE-KMS without a bucket key: it has none', () => {
    const order = ordered({ algorithm: 'aws:kms:dsse' }, {});
    assert.deepEqual([order.algorithm, order.bucketKey], ['aws:kms:dsse', undefined]);
    assert.deepEqual(order.injected, ['algorithm', 'context', 'key_id']);
  });
});

describe('mode require', () => {
  const under = { mode: 'require' } as const;

  test('adds the ARN to the context of a write that names algorithm and key', () => {
    const order = ordered(under, { ...KMS, ...KEY, [SSE.bucketKey]: 'false' });
    assert.deepEqual([order.context, order.injected], [{ 'aws:s3:arn': ARN }, ['context']]);
  });

  const REFUSED: readonly (readonly [what: string, headers: Headers, reason: string])[] = [
    ['neither algorithm nor key', {}, 'encryption_missing'],
    ['no key', KMS, 'key_missing'],
    ['AES256', AES256, 'encryption_downgrade'],
  ];
  for (const [what, headers, reason] of REFUSED) {
    test(`refuses a write with ${what}`, () => {
      const { reason: actual, status, code } = refusal(under, headers);
      assert.deepEqual([actual, status, code], [reason, 403, 'AccessDenied']);
    });
  }

  test('does not upgrade AES256, whatever the rule says of it', () => {
    assert.equal(refusal({ ...under, otherEncryption: 'upgrade' }, AES256).reason, 'encryption_downgrade');
  });
});

describe('mode off', () => {
  for (const headers of [{}, KMS, AES256, SSE_C, { [SSE.algorithm]: 'nonsense' }]) {
    test(`leaves ${JSON.stringify(Object.keys(headers))} as sent`, () => {
      assert.deepEqual(judge({ mode: 'off', keyId: undefined }, headers), { kind: 'as-sent' });
    });
  }
});

const KMS_WITHOUT_METHOD =
  'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms';
const SSE_C_WITH_METHOD =
  'Server Side Encryption with Customer provided key is incompatible with the encryption method specified';
const NOT_A_CONTEXT =
  "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map";
const WRONG_ARN = "The context value for 'aws:s3:arn' shall be equal to object's ARN";

interface RefusedRow {
  readonly what: string;
  readonly under?: Partial<EncryptionRule>;
  readonly headers: Headers;
  readonly expected: readonly [reason: string, status: number, code: string, message: string];
  readonly argument?: readonly [name: string, value: string];
}

describe('a write is refused in the words of S3', () => {
  const METHOD_UNKNOWN = (value: string): RefusedRow => ({
    what: `an algorithm of ${JSON.stringify(value)}`,
    headers: { ...KEY, [SSE.algorithm]: value },
    expected: [
      'algorithm_not_allowed',
      400,
      'InvalidArgument',
      'The encryption method specified is not supported',
    ],
    argument: [SSE.algorithm, value],
  });
  const ROWS: readonly RefusedRow[] = [
    ...[
      '',
      'aes256',
      'AWS:KMS',
      'aws:kms ',
      'aws:kms, AES256',
      'aws:fsx',
      'aws:backup',
      'aes:kms',
      'aws:kms:dsse2',
    ].map(METHOD_UNKNOWN),
    {
      what: 'a key with AES256',
      headers: { ...AES256, ...KEY },
      expected: ['encryption_missing', 400, 'InvalidArgument', KMS_WITHOUT_METHOD],
      argument: [SSE.algorithm, 'AES256'],
    },
    {
      what: 'a context with AES256, even where AES256 is let through',
      under: { otherEncryption: 'allow' },
      headers: { ...AES256, [SSE.context]: context({ a: 'b' }) },
      expected: ['encryption_missing', 400, 'InvalidArgument', KMS_WITHOUT_METHOD],
    },
    {
      what: 'a key without an algorithm, under require',
      under: { mode: 'require' },
      headers: KEY,
      expected: ['encryption_missing', 400, 'InvalidArgument', KMS_WITHOUT_METHOD],
    },
    ...[KMS, DSSE, AES256].map((method) => ({
      what: `SSE-C with ${method[SSE.algorithm]}`,
      under: { otherEncryption: 'allow' } as const,
      headers: { ...method, ...SSE_C },
      expected: ['customer_key', 400, 'InvalidArgument', SSE_C_WITH_METHOD] as const,
      argument: [SSE.algorithm, method[SSE.algorithm] ?? ''] as const,
    })),
    ...['', 'bm90IGpzb24=', 'eyJhIjoxfQ==', 'eyJhIjoiYiJ9\n', 'null'].map((sent) => ({
      what: `a context of ${JSON.stringify(sent)}`,
      headers: { ...KMS, [SSE.context]: sent },
      expected: ['context_invalid', 400, 'InvalidArgument', NOT_A_CONTEXT] as const,
    })),
    {
      what: 'a context beyond its bound',
      headers: { [SSE.context]: context({ a: 'x'.repeat(4096) }) },
      expected: ['context_invalid', 400, 'InvalidArgument', NOT_A_CONTEXT],
    },
    ...[
      'arn:aws:s3:::bucket',
      'arn:aws:s3:::bucket/other',
      'arn:aws-cn:s3:::bucket/a b/é',
      'arn:aws:s3:::bucket/a%20b/%C3%A9',
    ].map((arn) => ({
      what: `a context for ${arn}`,
      headers: { [SSE.context]: context({ 'aws:s3:arn': arn }) },
      expected: ['context_arn_mismatch', 400, 'InvalidArgument', WRONG_ARN] as const,
    })),
    {
      what: "the object's ARN where a bucket key is used",
      under: { bucketKey: true },
      headers: { [SSE.context]: context({ 'aws:s3:arn': ARN }) },
      expected: ['context_arn_mismatch', 400, 'InvalidArgument', WRONG_ARN],
    },
  ];
  for (const { what, under, headers, expected, argument } of ROWS) {
    test(`for ${what}`, () => {
      const { reason, status, code, message, details } = refusal(under ?? {}, headers);
      assert.deepEqual([reason, status, code, message], expected);
      if (argument)
        assert.deepEqual(details, [
          ['ArgumentName', argument[0]],
          ['ArgumentValue', argument[1]],
        ]);
    });
  }
});

describe('a write that its rule does not allow is refused with 403 AccessDenied', () => {
  const ROWS: readonly (readonly [
    what: string,
    under: Partial<EncryptionRule>,
    headers: Headers,
    reason: string,
    why: string,
  ])[] = [
    [
      'AES256',
      {},
      AES256,
      'encryption_downgrade',
      'encryption rule all requires x-amz-server-side-encryption: aws:kms.',
    ],
    [
      'SSE-C',
      {},
      SSE_C,
      'customer_key',
      'encryption rule all does not allow customer-provided keys (SSE-C).',
    ],
    [
      'SSE-C where AES256 is upgraded',
      { otherEncryption: 'upgrade' },
      SSE_C,
      'customer_key',
      'encryption rule all does not allow customer-provided keys (SSE-C).',
    ],
    [
      'one header of SSE-C',
      {},
      { 'x-amz-server-side-encryption-customer-algorithm': 'AES256' },
      'customer_key',
      'encryption rule all does not allow customer-provided keys (SSE-C).',
    ],
    [
      'DSSE-KMS under a rule of SSE-KMS',
      {},
      DSSE,
      'algorithm_not_allowed',
      'encryption rule all requires x-amz-server-side-encryption: aws:kms.',
    ],
    [
      'SSE-KMS under a rule of DSSE-KMS',
      { algorithm: 'aws:kms:dsse' },
      KMS,
      'algorithm_not_allowed',
      'encryption rule all requires x-amz-server-side-encryption: aws:kms:dsse.',
    ],
    [
      'another bucket key setting',
      {},
      { [SSE.bucketKey]: 'true' },
      'bucket_key_not_allowed',
      'encryption rule all requires x-amz-server-side-encryption-bucket-key-enabled: false.',
    ],
    [
      'a bucket key setting of no meaning',
      { bucketKey: true },
      { [SSE.bucketKey]: 'TRUE' },
      'bucket_key_not_allowed',
      'encryption rule all requires x-amz-server-side-encryption-bucket-key-enabled: true.',
    ],
    [
      'a context without a required key',
      { requiredContext: ['cost-centre'] },
      { [SSE.context]: context({ a: 'b' }) },
      'context_missing_pair',
      'encryption rule all requires the context key cost-centre.',
    ],
    [
      'a context that contradicts the rule',
      { context: { app: 'ledger' } },
      { [SSE.context]: context({ app: 'secret' }) },
      'context_invalid',
      'encryption rule all fixes another value for the context key app.',
    ],
    ...[
      OTHER_KEY_ARN,
      FOREIGN_KEY_ARN,
      '',
      'aws/s3',
      'alias/aws/s3',
      'alias/mine',
      KEY_ARN.split('/')[1] ?? '',
      KEY_ARN.toUpperCase(),
      `${KEY_ARN},${KEY_ARN}`,
    ].map(
      (keyId) =>
        [
          `the key ${JSON.stringify(keyId)}`,
          {},
          { ...KMS, [SSE.keyId]: keyId },
          'key_not_allowed',
          'encryption rule all does not allow the KMS key of this request.',
        ] as const,
    ),
  ];
  for (const [what, under, headers, reason, why] of ROWS) {
    test(`for ${what}`, () => {
      const found = refusal(under, headers);
      assert.deepEqual(
        [found.reason, found.status, found.code, found.message],
        [reason, 403, 'AccessDenied', `Access Denied: ${why}`],
      );
    });
  }

  test('never naming a value of the context', () => {
    const found = refusal({ context: { app: 'ledger' } }, { [SSE.context]: context({ app: 'hush' }) });
    assert.doesNotMatch(JSON.stringify(found), /hush|ledger/);
  });

  test('unless the required pair comes from the rule itself', () => {
    assert.equal(ordered({ context: { app: 'x' }, requiredContext: ['app'] }, {}).context['app'], 'x');
  });
});

describe("another encryption that the rule lets through goes on as the client's", () => {
  for (const [what, headers] of [
    ['AES256', AES256],
    ['SSE-C', SSE_C],
  ] as const) {
    for (const mode of ['inject', 'require'] as const) {
      test(`${what} under ${mode}`, () => {
        assert.deepEqual(judge({ mode, otherEncryption: 'allow' }, headers), { kind: 'as-sent' });
      });

      test(`${what} with a KMS key or context beside it under ${mode} is refused: which of the two counts?`, () => {
        for (const beside of [{ [SSE.keyId]: KEY_ARN }, { [SSE.context]: 'e30=' }]) {
          const refused = refusal({ mode, otherEncryption: 'allow' }, { ...headers, ...beside });
          assert.equal(refused.reason, 'encryption_missing');
        }
      });
    }
  }
});

describe('"If you use the aws:s3:arn context, it must equal the object\'s ARN, or the bucket\'s ARN with a bucket key" (UsingKMSEncryption, encryption context)', () => {
  const ROWS: readonly (readonly [
    what: string,
    under: Partial<EncryptionRule>,
    partition: string,
    arn: string,
  ])[] = [
    ['the object, its key unencoded', {}, 'aws', ARN],
    ['the bucket, with a bucket key', { bucketKey: true }, 'aws', 'arn:aws:s3:::bucket'],
    ['the object in another partition', {}, 'aws-us-gov', 'arn:aws-us-gov:s3:::bucket/a b/é'],
    [
      'the object with DSSE-KMS, which has no bucket keys',
      { algorithm: 'aws:kms:dsse', bucketKey: true },
      'aws',
      ARN,
    ],
  ];
  for (const [what, under, partition, arn] of ROWS) {
    test(what, () => {
      const sent = { [SSE.context]: context({ 'aws:s3:arn': arn }) };
      assert.equal(ordered(under, {}, { partition }).context['aws:s3:arn'], arn);
      assert.equal(ordered(under, sent, { partition }).context['aws:s3:arn'], arn);
    });
  }
});

describe('"All GET and PUT requests for an object protected by AWS KMS fail if you don\'t make them using SSL or SigV4" (UsingKMSEncryption)', () => {
  test('over plaintext', () => {
    const found = refuseWeakChannel('aws:kms', { ...STRONG, secure: false });
    assert.deepEqual(found, {
      reason: 'insecure_transport',
      status: 400,
      code: 'InvalidArgument',
      message:
        'Requests specifying Server Side Encryption with AWS KMS managed keys must be made over a secure connection.',
      details: [
        ['ArgumentName', 'x-amz-server-side-encryption'],
        ['ArgumentValue', 'aws:kms'],
      ],
    });
  });

  test('with a weak signature', () => {
    const found = refuseWeakChannel('aws:kms', { ...STRONG, weakSignature: true });
    assert.deepEqual(found, {
      reason: 'signature_v2',
      status: 400,
      code: 'InvalidArgument',
      message:
        'Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.',
      details: [
        ['ArgumentName', 'Authorization'],
        ['ArgumentValue', 'null'],
      ],
    });
  });

  test('and not otherwise', () => assert.equal(refuseWeakChannel('aws:kms', STRONG), undefined));

  for (const operation of [
    'PutObject',
    'CopyObject',
    'CreateMultipartUpload',
    'UploadPart',
    'UploadPartCopy',
    'CompleteMultipartUpload',
  ]) {
    test(`${operation} under a rule of KMS is such a request, whatever it names itself`, () => {
      const strength = { ...STRONG, secure: false };
      assert.equal(refusal({}, {}, { operation, strength }).reason, 'insecure_transport');
      assert.equal(
        refusal({}, {}, { operation, strength: { ...STRONG, weakSignature: true } }).reason,
        'signature_v2',
      );
    });
  }

  test('AES256 that the rule lets through is none', () => {
    assert.equal(
      judge({ otherEncryption: 'allow' }, AES256, { strength: { ...STRONG, secure: false } }).kind,
      'as-sent',
    );
  });
});

describe('"Encryption request headers should not be sent for GET requests and HEAD requests ... you\'ll get an HTTP 400 Bad Request error" (API_GetObject)', () => {
  for (const operation of OPERATIONS.filter(({ encryption }) => encryption !== 'accepts')) {
    test(`${operation.name} with any of them`, () => {
      for (const header of Object.values(SSE)) {
        const found = refuseMisplacedHeaders(operation, new Map([[header, 'value']]));
        const read = operation.method === 'GET' || operation.method === 'HEAD';
        assert.deepEqual(found, {
          reason: read ? 'encryption_headers_on_read' : 'encryption_headers_not_supported',
          status: 400,
          code: 'InvalidArgument',
          message: `${header} header is not supported for this operation.`,
          details: [
            ['ArgumentName', header],
            ['ArgumentValue', header === SSE.context ? 'redacted' : 'value'],
          ],
        });
      }
    });
  }

  test('an empty one counts', () => {
    assert.ok(refuseMisplacedHeaders(operationNamed('GetObject'), new Map([[SSE.algorithm, '']])));
  });

  test('SSE-C is not meant: it belongs on reads and parts', () => {
    for (const name of ['GetObject', 'HeadObject', 'UploadPart', 'UploadPartCopy']) {
      assert.equal(
        refuseMisplacedHeaders(operationNamed(name), new Map(Object.entries(SSE_C))),
        undefined,
        name,
      );
    }
  });

  for (const name of ['PutObject', 'CopyObject', 'CreateMultipartUpload']) {
    test(`${name} takes them`, () => {
      assert.equal(refuseMisplacedHeaders(operationNamed(name), new Map(Object.entries(KMS))), undefined);
    });
  }
});

describe('the parts of an upload', () => {
  for (const operation of ['UploadPart', 'UploadPartCopy', 'CompleteMultipartUpload']) {
    test(`${operation} inherits the encryption of its upload`, () => {
      const mayBeSilent = operation !== 'UploadPart';
      const keyIds = [KEY_ARN, OTHER_KEY_ARN];
      for (const mode of ['inject', 'require'] as const) {
        assert.deepEqual(judge({ mode, allowedKeyIds: [OTHER_KEY_ARN] }, {}, { operation }), {
          kind: 'inherited',
          demand: { algorithm: 'aws:kms', keyIds, mayBeSilent },
        });
      }
      assert.deepEqual(judge({ mode: 'off' }, {}, { operation }), { kind: 'as-sent' });
    });

    test(`${operation} with SSE-C is refused where its rule refuses SSE-C: its upload was begun elsewhere`, () => {
      assert.equal(judge({ otherEncryption: 'allow' }, SSE_C, { operation }).kind, 'as-sent');
      assert.equal(refusal({}, SSE_C, { operation }).reason, 'customer_key');
    });
  }
});

describe('an annotation', () => {
  // API_PutObjectAnnotation.html: "Annotations inherit the encryption of their parent object", and the response has no key.
  test('inherits the encryption of its object, which must be stated, though without its key', () => {
    assert.deepEqual(judge({}, {}, { operation: 'PutObjectAnnotation' }), {
      kind: 'inherited',
      demand: { algorithm: 'aws:kms', keyIds: [KEY_ARN], mayBeSilent: false, keyMayBeSilent: true },
    });
  });
});

describe('the rule of a write', () => {
  const rules = [
    rule({ name: 'ledger', buckets: ['finance-*'], prefixes: ['ledger/', 'books/'] }),
    rule({ name: 'finance', buckets: ['finance-*'] }),
    rule({ name: 'shared', buckets: ['shared'], prefixes: ['a/'] }),
  ];
  const TABLE: readonly (readonly [bucket: string, key: string, name: string | undefined])[] = [
    ['finance-1', 'ledger/x', 'ledger'],
    ['finance-1', 'books/x', 'ledger'],
    ['finance-1', 'ledger', 'finance'],
    ['finance-1', '/ledger/x', 'finance'],
    ['finance-1', 'Ledger/x', 'finance'],
    ['finance-1', '../ledger/x', 'finance'],
    ['shared', 'a/', 'shared'],
    ['shared', 'b', undefined],
    ['other', 'a', undefined],
  ];
  for (const [bucket, key, name] of TABLE) {
    test(`${bucket}/${key} → ${name ?? 'none'}`, () => assert.equal(ruleFor(rules, bucket, key)?.name, name));
  }
});

describe('the headers of an order', () => {
  const order = { algorithm: 'aws:kms', keyId: 'k', context: 'c', bucketKey: 'true', injected: [] };
  test('are four, each once', () => {
    assert.deepEqual(encryptionHeaders(order), [
      ['x-amz-server-side-encryption', 'aws:kms'],
      ['x-amz-server-side-encryption-aws-kms-key-id', 'k'],
      ['x-amz-server-side-encryption-context', 'c'],
      ['x-amz-server-side-encryption-bucket-key-enabled', 'true'],
    ]);
  });
  test('are three where there is no bucket key to speak of', () => {
    assert.equal(encryptionHeaders({ ...order, bucketKey: undefined }).length, 3);
  });
});

describe('an alias or a bare key ID', () => {
  const backend = { ...BACKEND, keyAliases: new Map([['alias/ledger', KEY_ARN]]) };
  const headers = (keyId: string) => ({
    'content-length': '5',
    'x-amz-server-side-encryption': 'aws:kms',
    'x-amz-server-side-encryption-aws-kms-key-id': keyId,
  });
  const put = (keyId: string) => unsignedRequest('PUT', '/bucket/key', headers(keyId));
  const KEY_ID = 'x-amz-server-side-encryption-aws-kms-key-id';

  for (const mode of ['inject', 'require'] as const) {
    test(`goes out as the ARN that the backend's table has for it, under ${mode}`, () => {
      const verdict = decide(
        put('alias/ledger'),
        decisionContext({ rules: [rule({ mode })], backends: [backend] }),
      );
      assert.ok(verdict.kind === 'forward');
      const sent = verdict.outgoing.headers.filter(([name]) => name === KEY_ID);
      assert.deepEqual(sent, [[KEY_ID, KEY_ARN]]);
      assert.deepEqual(verdict.demand?.keyIds, [KEY_ARN]);
    });
  }

  for (const keyId of [
    'alias/other',
    'alias/Ledger',
    'alias/ledger ',
    '1234abcd-12ab-34cd-56ef-1234567890ab',
  ]) {
    test(`that is not in the table stays what it is: ${keyId}`, () => {
      const verdict = decide(put(keyId), decisionContext({ backends: [{ ...backend }] }));
      const known = keyId.trim() === 'alias/ledger';
      assert.equal(
        verdict.kind === 'refused' ? verdict.refusal.reason : 'sent',
        known ? 'sent' : 'key_not_allowed',
      );
    });
  }

  test('is judged by what it stands for', () => {
    const rules = [rule({ keyId: OTHER_KEY_ARN })];
    const verdict = decide(put('alias/ledger'), decisionContext({ rules, backends: [backend] }));
    assert.equal(verdict.kind === 'refused' ? verdict.refusal.reason : 'sent', 'key_not_allowed');
  });

  test('is not rewritten under a preserved signature, and so not allowed', () => {
    const channel: Channel = { ...TLS, signing: 'preserve' };
    const authorization = 'AWS4-HMAC-SHA256 is not verified here';
    const request = unsignedRequest(
      'PUT',
      '/bucket/key',
      { ...headers('alias/ledger'), authorization },
      channel,
    );
    const verdict = decide(request, decisionContext({ backends: [backend] }));
    assert.equal(verdict.kind === 'refused' ? verdict.refusal.reason : 'sent', 'key_not_allowed');
  });
});

describe('what a rule in mode observe would have done', () => {
  const observed = (headers: Readonly<Record<string, string>>) =>
    decide(
      unsignedRequest('PUT', '/bucket/key', { 'content-length': '5', ...headers }),
      decisionContext({ rules: [rule({ mode: 'observe' })] }),
    ).facts;
  test('is what it would have added', () => {
    const facts = observed({});
    assert.equal(facts.observedReason, undefined);
    assert.deepEqual(facts.observedInjected, ['algorithm', 'key_id', 'bucket_key', 'context']);
  });
  test('or what it would have refused', () => {
    const facts = observed({ 'x-amz-server-side-encryption': 'AES256' });
    assert.equal(facts.observedReason, 'encryption_downgrade');
    assert.equal(facts.observedInjected, undefined);
  });
});
