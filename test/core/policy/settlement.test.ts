// Encryption that a document settles for later, against the rules. The documents are those of AWS's own pages.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EncryptionRule, KeyUsage } from '../../../src/core/policy/policy.ts';
import { judgeSettlement, type SettlementVerdict } from '../../../src/core/policy/settlement.ts';
import { operationNamed } from '../../../src/core/s3/operation.ts';
import { parseXml } from '../../../src/gateway/xml.ts';
import { FOREIGN_KEY_ARN, KEY_ARN, OTHER_KEY_ARN, rule } from '../fixture.ts';

const STRONG = { secure: true, weakSignature: false, authorization: undefined };

interface Options {
  readonly rules?: readonly EncryptionRule[];
  readonly key?: string;
  readonly buckets?: readonly string[];
  readonly unusableKeys?: ReadonlyMap<string, KeyUsage>;
  readonly strength?: typeof STRONG | { secure: boolean; weakSignature: boolean; authorization: undefined };
}

function judge(operation: string, xml: string | undefined, options: Options = {}): SettlementVerdict {
  const buckets = options.buckets ?? ['bucket', 'target'];
  return judgeSettlement(
    {
      operation: operationNamed(operation),
      bucket: 'bucket',
      key: options.key,
      partition: 'aws',
      strength: options.strength ?? STRONG,
      rules: options.rules ?? [rule({ allowedKeyIds: [OTHER_KEY_ARN] })],
      unusableKeys: options.unusableKeys,
      mayUse: (bucket) => buckets.includes(bucket),
    },
    xml === undefined ? undefined : parseXml(Buffer.from(xml)),
  );
}

function reasonOf(operation: string, xml: string | undefined, options: Options = {}): string | undefined {
  const { refusal, observed } = judge(operation, xml, options);
  return observed ? `observed ${refusal?.reason}` : refusal?.reason;
}

const defaults = (content: string) =>
  `<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${content}</ServerSideEncryptionConfiguration>`;
const byDefault = (algorithm: string, keyId?: string, more = '') =>
  defaults(
    `<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>${algorithm}</SSEAlgorithm>${
      keyId === undefined ? '' : `<KMSMasterKeyID>${keyId}</KMSMasterKeyID>`
    }</ApplyServerSideEncryptionByDefault>${more}</Rule>`,
  );

describe('the default encryption of a bucket', () => {
  const TABLE: readonly (readonly [what: string, xml: string, reason: string | undefined])[] = [
    ['the key of its rule', byDefault('aws:kms', KEY_ARN), undefined],
    ['a key that its rule allows', byDefault('aws:kms', OTHER_KEY_ARN), undefined],
    ['SSE-S3', byDefault('AES256'), 'encryption_downgrade'],
    ['the wrong layers', byDefault('aws:kms:dsse', KEY_ARN), 'algorithm_not_allowed'],
    ['a foreign key', byDefault('aws:kms', FOREIGN_KEY_ARN), 'key_not_allowed'],
    ['an alias', byDefault('aws:kms', 'alias/ledger'), 'key_not_allowed'],
    ['no key', byDefault('aws:kms'), 'key_missing'],
    ['an empty key', byDefault('aws:kms', ''), 'key_not_allowed'],
    ['an unknown method', byDefault('aws:fsx', KEY_ARN), 'algorithm_not_allowed'],
    ['a method with white space', byDefault(' aws:kms', KEY_ARN), 'algorithm_not_allowed'],
    ['SSE-S3 with a key', byDefault('AES256', KEY_ARN), 'encryption_missing'],
    [
      'a bucket key that its rule does not have',
      byDefault('aws:kms', KEY_ARN, '<BucketKeyEnabled>true</BucketKeyEnabled>'),
      'bucket_key_not_allowed',
    ],
    [
      'SSE-C blocked',
      byDefault(
        'aws:kms',
        KEY_ARN,
        '<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>',
      ),
      undefined,
    ],
    [
      'SSE-C let in',
      byDefault(
        'aws:kms',
        KEY_ARN,
        '<BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes>',
      ),
      'customer_key',
    ],
    [
      'nothing but blocked types: S3 falls back to SSE-S3',
      defaults(
        '<Rule><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule>',
      ),
      'encryption_downgrade',
    ],
    ['no rule', defaults(''), 'malformed_request'],
    ['two rules', defaults('<Rule/><Rule/>'), 'malformed_request'],
    ['an element from elsewhere', byDefault('aws:kms', KEY_ARN, '<New>x</New>'), 'malformed_request'],
    [
      'a key named twice',
      byDefault('aws:kms', `${KEY_ARN}</KMSMasterKeyID><KMSMasterKeyID>${FOREIGN_KEY_ARN}`),
      'malformed_request',
    ],
    ['another root', '<Other/>', 'malformed_request'],
    ['a document that is none', '<a', 'malformed_request'],
  ];
  for (const [what, xml, reason] of TABLE) {
    test(`with ${what} is ${reason === undefined ? 'allowed' : `refused: ${reason}`}`, () => {
      assert.equal(reasonOf('PutBucketEncryption', xml), reason);
    });
  }

  test('needs TLS and Signature Version 4, as all that names a KMS key', () => {
    const xml = byDefault('aws:kms', KEY_ARN);
    assert.equal(
      reasonOf('PutBucketEncryption', xml, { strength: { ...STRONG, secure: false } }),
      'insecure_transport',
    );
    assert.equal(
      reasonOf('PutBucketEncryption', xml, { strength: { ...STRONG, weakSignature: true } }),
      'signature_v2',
    );
  });

  test('says in its refusal what stands against which rule', () => {
    const { refusal } = judge('PutBucketEncryption', byDefault('AES256'));
    assert.deepEqual([refusal?.status, refusal?.code], [403, 'AccessDenied']);
    assert.equal(
      refusal?.message,
      'Access Denied: encryption rule all stands against ServerSideEncryptionConfiguration, which asks for another encryption.',
    );
  });

  test('must be what one of the rules that reach the bucket allows', () => {
    const rules = [
      rule({ name: 'ledger', prefixes: ['ledger/'], keyId: OTHER_KEY_ARN }),
      rule({ name: 'rest', keyId: KEY_ARN }),
      rule({ name: 'never reached', keyId: FOREIGN_KEY_ARN }),
    ];
    const under = (keyId: string) => {
      const { rule, refusal } = judge('PutBucketEncryption', byDefault('aws:kms', keyId), { rules });
      return [rule?.name, refusal?.reason];
    };
    assert.deepEqual(under(OTHER_KEY_ARN), ['ledger', undefined]);
    assert.deepEqual(under(KEY_ARN), ['rest', undefined]);
    assert.deepEqual(under(FOREIGN_KEY_ARN), ['ledger', 'key_not_allowed']);
  });

  test('under a key that can never encrypt is refused as S3 does', () => {
    const unusableKeys = new Map([[KEY_ARN, { keySpec: 'RSA_2048', keyUsage: 'SIGN_VERIFY' }]]);
    const xml = byDefault('aws:kms', KEY_ARN);
    assert.equal(
      judge('PutBucketEncryption', xml, { unusableKeys }).refusal?.code,
      'KMS.InvalidKeyUsageException',
    );
  });

  test('of a bucket without a rule is refused', () => {
    const rules = [rule({ buckets: ['other'] })];
    assert.equal(reasonOf('PutBucketEncryption', byDefault('aws:kms', KEY_ARN), { rules }), 'no_rule');
  });

  test('is free where a rule in mode off reaches the bucket', () => {
    const rules = [rule({ prefixes: ['ledger/'] }), rule({ name: 'rest', mode: 'off', keyId: undefined })];
    assert.equal(reasonOf('PutBucketEncryption', byDefault('AES256'), { rules }), undefined);
  });

  test('is only counted under observe', () => {
    const rules = [rule({ mode: 'observe' })];
    assert.equal(
      reasonOf('PutBucketEncryption', byDefault('AES256'), { rules }),
      'observed encryption_downgrade',
    );
  });

  test('may be SSE-S3, and SSE-C let in, where the rule allows other encryption', () => {
    const rules = [rule({ otherEncryption: 'allow' })];
    const open = '<BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes>';
    assert.equal(reasonOf('PutBucketEncryption', byDefault('AES256', undefined, open), { rules }), undefined);
  });

  test('is not asked to carry the pairs of a context: writes here bring their own', () => {
    const rules = [rule({ context: { app: 'ledger' }, requiredContext: ['cost-centre'] })];
    assert.equal(reasonOf('PutBucketEncryption', byDefault('aws:kms', KEY_ARN), { rules }), undefined);
  });

  test('is not reset to SSE-S3', () => {
    assert.equal(reasonOf('DeleteBucketEncryption', undefined), 'encryption_downgrade');
    assert.equal(
      reasonOf('DeleteBucketEncryption', undefined, { rules: [rule({ mode: 'observe' })] }),
      'observed encryption_downgrade',
    );
    assert.equal(
      reasonOf('DeleteBucketEncryption', undefined, { rules: [rule({ mode: 'off' })] }),
      undefined,
    );
  });
});

describe('the encryption of an object in place', () => {
  const kms = (keyId: string, more = '') =>
    `<ObjectEncryption><SSE-KMS><KMSKeyArn>${keyId}</KMSKeyArn>${more}</SSE-KMS></ObjectEncryption>`;
  const TABLE: readonly (readonly [
    what: string,
    xml: string,
    reason: string | undefined,
    rule?: EncryptionRule,
  ])[] = [
    ['the key of its rule', kms(KEY_ARN), undefined],
    ['a foreign key', kms(FOREIGN_KEY_ARN), 'key_not_allowed'],
    ['no key', '<ObjectEncryption><SSE-KMS/></ObjectEncryption>', 'key_missing'],
    ['another method', '<ObjectEncryption><SSE-S3/></ObjectEncryption>', 'malformed_request'],
    ['nothing', '<ObjectEncryption/>', 'malformed_request'],
    ['a bucket key', kms(KEY_ARN, '<BucketKeyEnabled>true</BucketKeyEnabled>'), 'bucket_key_not_allowed'],
    [
      'no bucket key where its rule has one',
      kms(KEY_ARN),
      'bucket_key_not_allowed',
      rule({ bucketKey: true }),
    ],
    [
      'one layer where its rule has two',
      kms(KEY_ARN),
      'algorithm_not_allowed',
      rule({ algorithm: 'aws:kms:dsse' }),
    ],
    ['a context that it cannot carry', kms(KEY_ARN), 'context_missing_pair', rule({ context: { app: 'x' } })],
    [
      'a required pair that it cannot carry',
      kms(KEY_ARN),
      'context_missing_pair',
      rule({ requiredContext: ['cost-centre'] }),
    ],
  ];
  for (const [what, xml, reason, under] of TABLE) {
    test(`with ${what} is ${reason === undefined ? 'allowed' : `refused: ${reason}`}`, () => {
      const rules = [under ?? rule()];
      assert.equal(reasonOf('UpdateObjectEncryption', xml, { key: 'key', rules }), reason);
    });
  }

  test('is judged by the rule of that object', () => {
    const rules = [rule({ name: 'ledger', prefixes: ['ledger/'], keyId: OTHER_KEY_ARN }), rule()];
    const at = (key: string) => reasonOf('UpdateObjectEncryption', kms(OTHER_KEY_ARN), { key, rules });
    assert.equal(at('ledger/1'), undefined);
    assert.equal(at('other/1'), 'key_not_allowed');
  });
});

const replication = (...rules: string[]) =>
  `<ReplicationConfiguration><Role>arn:aws:iam::1:role/r</Role>${rules.map((one) => `<Rule>${one}</Rule>`).join('')}</ReplicationConfiguration>`;
const SELECTED =
  '<SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria>';
const destination = (bucket: string, keyId?: string) =>
  `<Destination><Bucket>arn:aws:s3:::${bucket}</Bucket>${
    keyId === undefined
      ? ''
      : `<EncryptionConfiguration><ReplicaKmsKeyID>${keyId}</ReplicaKmsKeyID></EncryptionConfiguration>`
  }</Destination>`;
const inventory = (bucket: string, encryption: string) =>
  `<InventoryConfiguration><Id>i</Id><IsEnabled>true</IsEnabled><Destination><S3BucketDestination><Bucket>arn:aws:s3:::${bucket}</Bucket><Format>CSV</Format><Prefix>inv</Prefix>${encryption}</S3BucketDestination></Destination></InventoryConfiguration>`;
const byKey = (keyId: string) => `<Encryption><SSE-KMS><KeyId>${keyId}</KeyId></SSE-KMS></Encryption>`;
const logging = (bucket: string) =>
  `<BucketLoggingStatus><LoggingEnabled><TargetBucket>${bucket}</TargetBucket><TargetPrefix>log</TargetPrefix></LoggingEnabled></BucketLoggingStatus>`;
const analytics = (bucket: string) =>
  `<AnalyticsConfiguration><Id>a</Id><StorageClassAnalysis><DataExport><Destination><S3BucketDestination><Format>CSV</Format><Bucket>arn:aws:s3:::${bucket}</Bucket></S3BucketDestination></Destination></DataExport></StorageClassAnalysis></AnalyticsConfiguration>`;
const tables = (encryption: string) =>
  `<MetadataConfiguration><JournalTableConfiguration><RecordExpiration><Expiration>DISABLED</Expiration></RecordExpiration>${encryption}</JournalTableConfiguration></MetadataConfiguration>`;
const tableKey = (algorithm: string, keyId?: string) =>
  `<EncryptionConfiguration><SseAlgorithm>${algorithm}</SseAlgorithm>${keyId === undefined ? '' : `<KmsKeyArn>${keyId}</KmsKeyArn>`}</EncryptionConfiguration>`;

describe('what S3 itself writes later', () => {
  const TABLE: readonly (readonly [
    operation: string,
    what: string,
    xml: string,
    reason: string | undefined,
  ])[] = [
    [
      'PutBucketReplication',
      'an allowed key',
      replication(SELECTED + destination('target', KEY_ARN)),
      undefined,
    ],
    ['PutBucketReplication', 'no key', replication(SELECTED + destination('target')), 'key_missing'],
    [
      'PutBucketReplication',
      'a foreign key',
      replication(SELECTED + destination('target', FOREIGN_KEY_ARN)),
      'key_not_allowed',
    ],
    [
      'PutBucketReplication',
      'only objects that are not under KMS',
      replication(destination('target', KEY_ARN)),
      'encryption_missing',
    ],
    [
      'PutBucketReplication',
      'KMS objects disabled',
      replication(SELECTED.replace('Enabled', 'Disabled') + destination('target', KEY_ARN)),
      'encryption_missing',
    ],
    [
      'PutBucketReplication',
      'a second rule without a key',
      replication(SELECTED + destination('target', KEY_ARN), SELECTED + destination('target')),
      'key_missing',
    ],
    [
      'PutBucketReplication',
      "another's bucket",
      replication(SELECTED + destination('foreign', KEY_ARN)),
      'bucket_not_allowed',
    ],
    [
      'PutBucketReplication',
      'a destination that is no bucket',
      replication(SELECTED + destination('target/x', KEY_ARN)),
      'malformed_request',
    ],
    ['PutBucketReplication', 'no destination', replication(SELECTED), 'malformed_request'],
    [
      'PutBucketReplication',
      'two destinations',
      replication(SELECTED + destination('target', KEY_ARN) + destination('foreign')),
      'malformed_request',
    ],
    ['PutBucketInventoryConfiguration', 'an allowed key', inventory('target', byKey(KEY_ARN)), undefined],
    [
      'PutBucketInventoryConfiguration',
      'a foreign key',
      inventory('target', byKey(FOREIGN_KEY_ARN)),
      'key_not_allowed',
    ],
    [
      'PutBucketInventoryConfiguration',
      'SSE-S3',
      inventory('target', '<Encryption><SSE-S3/></Encryption>'),
      'encryption_downgrade',
    ],
    [
      'PutBucketInventoryConfiguration',
      'both methods',
      inventory('target', `<Encryption><SSE-KMS><KeyId>${KEY_ARN}</KeyId></SSE-KMS><SSE-S3/></Encryption>`),
      'malformed_request',
    ],
    ['PutBucketInventoryConfiguration', 'no encryption', inventory('target', ''), 'encryption_missing'],
    [
      'PutBucketInventoryConfiguration',
      "another's bucket",
      inventory('foreign', byKey(KEY_ARN)),
      'bucket_not_allowed',
    ],
    ['PutBucketLogging', 'a bucket under a rule', logging('target'), 'encryption_missing'],
    ['PutBucketLogging', "another's bucket", logging('foreign'), 'bucket_not_allowed'],
    ['PutBucketLogging', 'nothing: logging ends', '<BucketLoggingStatus/>', undefined],
    ['PutBucketAnalyticsConfiguration', 'a bucket under a rule', analytics('target'), 'encryption_missing'],
    [
      'PutBucketAnalyticsConfiguration',
      'no export',
      '<AnalyticsConfiguration><Id>a</Id><StorageClassAnalysis/></AnalyticsConfiguration>',
      undefined,
    ],
    ['CreateBucketMetadataConfiguration', 'an allowed key', tables(tableKey('aws:kms', KEY_ARN)), undefined],
    ['CreateBucketMetadataConfiguration', 'no encryption', tables(''), 'encryption_missing'],
    ['CreateBucketMetadataConfiguration', 'SSE-S3', tables(tableKey('AES256')), 'encryption_downgrade'],
    [
      'CreateBucketMetadataConfiguration',
      'a foreign key',
      tables(tableKey('aws:kms', FOREIGN_KEY_ARN)),
      'key_not_allowed',
    ],
    [
      'CreateBucketMetadataTableConfiguration',
      'a table that cannot name a key',
      '<MetadataTableConfiguration><S3TablesDestination><TableBucketArn>arn</TableBucketArn><TableName>t</TableName></S3TablesDestination></MetadataTableConfiguration>',
      'encryption_missing',
    ],
    [
      'UpdateBucketMetadataInventoryTableConfiguration',
      'a table that is switched off',
      '<InventoryTableConfiguration><ConfigurationState>DISABLED</ConfigurationState></InventoryTableConfiguration>',
      undefined,
    ],
    [
      'UpdateBucketMetadataInventoryTableConfiguration',
      'a table without encryption',
      '<InventoryTableConfiguration><ConfigurationState>ENABLED</ConfigurationState></InventoryTableConfiguration>',
      'encryption_missing',
    ],
    [
      'UpdateBucketMetadataJournalTableConfiguration',
      'a table that keeps its encryption',
      '<JournalTableConfiguration><RecordExpiration><Expiration>DISABLED</Expiration></RecordExpiration></JournalTableConfiguration>',
      undefined,
    ],
    [
      'RestoreObject',
      'an output location',
      '<RestoreRequest><OutputLocation><S3><BucketName>target</BucketName></S3></OutputLocation></RestoreRequest>',
      'operation_not_allowed',
    ],
    [
      'RestoreObject',
      'a select',
      '<RestoreRequest><Type>SELECT</Type></RestoreRequest>',
      'operation_not_allowed',
    ],
    ['RestoreObject', 'a restore in place', '<RestoreRequest><Days>1</Days></RestoreRequest>', undefined],
  ];
  for (const [operation, what, xml, reason] of TABLE) {
    test(`${operation}: ${what} is ${reason === undefined ? 'allowed' : `refused: ${reason}`}`, () => {
      assert.equal(reasonOf(operation, xml, { key: 'key' }), reason);
    });
  }

  test('needs every rule that reaches its prefix at the destination', () => {
    const rules = [
      rule({ name: 'ledger', buckets: ['target'], prefixes: ['inv/ledger/'], keyId: OTHER_KEY_ARN }),
      rule({ name: 'rest', buckets: ['target'], keyId: KEY_ARN }),
    ];
    const verdict = judge('PutBucketInventoryConfiguration', inventory('target', byKey(KEY_ARN)), { rules });
    assert.equal(verdict.refusal?.reason, 'key_not_allowed');
    assert.equal(verdict.rule?.name, 'ledger');
  });

  test('needs rules for the whole of its prefix', () => {
    const rules = [rule({ buckets: ['target'], prefixes: ['inv/ledger/'] })];
    assert.equal(
      reasonOf('PutBucketInventoryConfiguration', inventory('target', byKey(KEY_ARN)), { rules }),
      'no_rule',
    );
  });

  test('goes freely to where a rule leaves encryption alone', () => {
    const rules = [rule({ buckets: ['target'], mode: 'off' })];
    assert.equal(reasonOf('PutBucketLogging', logging('target'), { rules }), undefined);
  });

  test('reports the refusal of an enforcing rule before what another only observes', () => {
    const rules = [
      rule({ name: 'watched', buckets: ['target'], prefixes: ['inv/'], mode: 'observe' }),
      rule({ name: 'kept', buckets: ['target'] }),
    ];
    const verdict = judge('PutBucketInventoryConfiguration', inventory('target', ''), { rules });
    assert.deepEqual([verdict.rule?.name, verdict.observed], ['kept', false]);
  });
});

describe('any other operation', () => {
  test('settles nothing', () => {
    assert.deepEqual(judge('PutBucketPolicy', undefined), {
      rule: undefined,
      refusal: undefined,
      observed: false,
    });
  });
});
