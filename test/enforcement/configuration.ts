// Ways 32 to 38: configuration of buckets that would let others write past the rules, and doors beside the gateway.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PutBucketEncryptionCommand } from '@aws-sdk/client-s3';
import { OPERATIONS } from '../../src/core/s3/operation-table.ts';
import { BUCKET_ENCRYPTION } from '../clients/through-gateway.ts';
import { type Endpoint, sendSigned } from '../gateway/client.ts';
import { customerKeyHeaders, type Headers, put, SSE } from './requests.ts';
import { type Attempt, type Group, pastTheGateway, type Site } from './site.ts';

const S3 = 'http://s3.amazonaws.com/doc/2006-03-01/';
const document = (root: string, content: string): string => `<${root} xmlns="${S3}">${content}</${root}>`;

/** A request of the configuration's, with a fitting body. */
type Change = readonly [operation: string, method: string, query: string, body?: string, headers?: Headers];

const ENCRYPTION: readonly Change[] = [
  ['PutBucketEncryption', 'PUT', 'encryption=', document('ServerSideEncryptionConfiguration', '<Rule/>')],
  ['DeleteBucketEncryption', 'DELETE', 'encryption='],
];

/** Who may read or write beside the gateway. */
const RIGHTS: readonly Change[] = [
  ['PutBucketPolicy', 'PUT', 'policy=', '{"Version":"2012-10-17","Statement":[]}'],
  ['DeleteBucketPolicy', 'DELETE', 'policy='],
  ['PutBucketAcl', 'PUT', 'acl=', document('AccessControlPolicy', '<Owner/>')],
  ['PutBucketAcl by a header', 'PUT', 'acl=', '', { 'x-amz-acl': 'public-read-write' }],
  ['PutPublicAccessBlock', 'PUT', 'publicAccessBlock=', document('PublicAccessBlockConfiguration', '')],
  ['DeletePublicAccessBlock', 'DELETE', 'publicAccessBlock='],
  ['PutBucketOwnershipControls', 'PUT', 'ownershipControls=', document('OwnershipControls', '')],
  ['DeleteBucketOwnershipControls', 'DELETE', 'ownershipControls='],
  ['PutBucketAbac', 'PUT', 'abac=', document('AbacStatus', '<Status>Enabled</Status>')],
];

/** What else changes what becomes of objects. */
const INDIRECT: readonly Change[] = [
  ['PutBucketNotificationConfiguration', 'PUT', 'notification=', document('NotificationConfiguration', '')],
  [
    'PutBucketWebsite',
    'PUT',
    'website=',
    document('WebsiteConfiguration', '<IndexDocument><Suffix>i</Suffix></IndexDocument>'),
  ],
  ['DeleteBucketWebsite', 'DELETE', 'website='],
  [
    'PutBucketCors',
    'PUT',
    'cors=',
    document(
      'CORSConfiguration',
      '<CORSRule><AllowedMethod>PUT</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>',
    ),
  ],
  ['DeleteBucketCors', 'DELETE', 'cors='],
  ['PutBucketLifecycleConfiguration', 'PUT', 'lifecycle=', document('LifecycleConfiguration', '')],
  ['DeleteBucketLifecycle', 'DELETE', 'lifecycle='],
  [
    'PutBucketAccelerateConfiguration',
    'PUT',
    'accelerate=',
    document('AccelerateConfiguration', '<Status>Enabled</Status>'),
  ],
  [
    'PutBucketRequestPayment',
    'PUT',
    'requestPayment=',
    document('RequestPaymentConfiguration', '<Payer>Requester</Payer>'),
  ],
  ['PutObjectLockConfiguration', 'PUT', 'object-lock=', document('ObjectLockConfiguration', '')],
  [
    'PutBucketVersioning',
    'PUT',
    'versioning=',
    document('VersioningConfiguration', '<Status>Suspended</Status>'),
  ],
  ['PutBucketTagging', 'PUT', 'tagging=', document('Tagging', '<TagSet/>')],
  ['DeleteBucketTagging', 'DELETE', 'tagging='],
  ['PutBucketMetricsConfiguration', 'PUT', 'metrics=&id=x', document('MetricsConfiguration', '<Id>x</Id>')],
  [
    'PutBucketIntelligentTieringConfiguration',
    'PUT',
    'intelligent-tiering=&id=x',
    document('IntelligentTieringConfiguration', '<Id>x</Id>'),
  ],
  ['DeleteBucketReplication', 'DELETE', 'replication='],
];

function change(to: Endpoint, [, method, query, body, headers = {}]: Change, bucket = 'inject'): Attempt[1] {
  return () =>
    sendSigned(to, { method, path: `/${bucket}?${query}`, headers, ...(body === undefined ? {} : { body }) });
}

/** Each by those who may not. */
function refusedToAll(site: Site, changes: readonly Change[]): Attempt[] {
  return changes.flatMap((one): Attempt[] => [
    [`${one[0]} by a writer`, change(site.writer, one), '403 operation_not_allowed'],
    [`${one[0]} by a reader`, change(site.reader, one), '403 operation_not_allowed'],
    [`${one[0]} of another’s bucket`, change(site.writer, one, 'others'), '403 bucket_not_allowed'],
    [
      `${one[0]} of another’s bucket by its admin’s colleague`,
      change(site.keeper, one, 'others'),
      '403 bucket_not_allowed',
    ],
  ]);
}

export const configuration: Group = (stage, site) => {
  if (stage === 'fake') return documents(site);
  if (stage === 'store') return;

  /** Nothing is stored, and the bucket’s configuration does not change, by Ceph's own administration. */
  async function changesNothing(attempts: readonly Attempt[]): Promise<void> {
    const before = await site().ceph?.configuration('inject');
    assert.ok(before !== undefined);
    await site().repels(attempts);
    assert.deepEqual(await site().ceph?.configuration('inject'), before);
  }

  test('way 32: the default encryption of a bucket is changed by admins only, and not away from its rule', async () => {
    const { admin } = site();
    // Ceph 16 does not know it, and would take it for the bucket itself.
    const refused = stage === 'pacific' ? '501 operation_not_allowed' : '403 encryption_downgrade';
    await changesNothing([
      ...refusedToAll(site(), ENCRYPTION),
      ['its deletion by an admin', change(admin, ['', 'DELETE', 'encryption=']), refused],
      [
        'AES256 by an admin',
        change(admin, ['', 'PUT', 'encryption=', defaultEncryption('<SSEAlgorithm>AES256</SSEAlgorithm>')]),
        refused,
      ],
    ]);
  });

  test('way 50: what a backend may not know, and would take for the bare verb, does not reach it', async () => {
    const { admin } = site();
    await pastTheGateway(site(), { method: 'PUT', path: '/empty' });
    const known = stage === 'tentacle' ? BUCKET_ENCRYPTION : [];
    const rare = OPERATIONS.filter(
      ({ rare, access, supersededBy, name }) =>
        rare && access !== 'never' && supersededBy === undefined && !known.includes(name),
    );
    assert.ok(rare.length > 30, `${rare.length}`);
    await site().repels(
      rare.map(({ name, method, resource, subresource = {}, requires = [] }) => {
        const query = [
          ...Object.keys(subresource).map((one) => `${one}=`),
          ...requires.map((one) => `${one}=x`),
        ];
        const path = `/empty${resource === 'object' ? '/k' : ''}?${query.join('&')}`;
        const body = method === 'PUT' || method === 'POST' ? { body: '<A/>' } : {};
        return [name, () => sendSigned(admin, { method, path, ...body }), '501 operation_not_allowed'];
      }),
    );
  });

  test('way 50: without the gateway, Ceph deletes the bucket on a parameter that it does not know', async () => {
    for (const query of ['metrics=&id=x', 'analytics=&id=x', 'ownershipControls=']) {
      await pastTheGateway(site(), { method: 'PUT', path: '/doomed-too' });
      await pastTheGateway(site(), { method: 'DELETE', path: `/doomed-too?${query}` });
      assert.equal(await site().ceph?.configuration('doomed-too'), undefined, query);
    }
  });

  if (stage === 'pacific') {
    test('way 32: without the gateway, Ceph 16 deletes the bucket instead', async () => {
      await pastTheGateway(site(), { method: 'PUT', path: '/doomed' });
      await pastTheGateway(site(), { method: 'DELETE', path: '/doomed?encryption=' });
      assert.equal(await site().ceph?.configuration('doomed'), undefined);
    });
  } else {
    test('way 32: without the gateway, Ceph 20 takes any default, and an object lies under it', async () => {
      const before = await site().ceph?.configuration('control');
      const byDefault = { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: site().keys.foreign } as const;
      const Rules = [{ ApplyServerSideEncryptionByDefault: byDefault }];
      const ServerSideEncryptionConfiguration = { Rules };
      await site().ceph?.s3.send(
        new PutBucketEncryptionCommand({ Bucket: 'control', ServerSideEncryptionConfiguration }),
      );
      assert.notDeepEqual(await site().ceph?.configuration('control'), before);
      await pastTheGateway(site(), put('/control/by-default'));
      assert.equal((await site().encryptionOf('control', 'by-default'))?.keyId, site().keys.foreign);
      await pastTheGateway(site(), { method: 'DELETE', path: '/control?encryption=' });
    });
  }

  test('way 33: policy, ACL, public access and ownership are changed by admins only', async () => {
    await changesNothing(refusedToAll(site(), RIGHTS));
  });

  test('way 33: no write of a writer’s gives rights away by its headers', async () => {
    const { writer, keys } = site();
    assert.equal((await sendSigned(writer, put('/inject/mine'))).status, 200);
    const grant = { 'x-amz-grant-read': 'uri="http://acs.amazonaws.com/groups/global/AllUsers"' };
    const headers: [string, Headers][] = [
      ...[
        'public-read',
        'public-read-write',
        'authenticated-read',
        'aws-exec-read',
        'log-delivery-write',
        'x',
      ].map((acl): [string, Headers] => [acl, { 'x-amz-acl': acl }]),
      ['a grant', grant],
      ['a grant of all', { 'x-amz-grant-full-control': 'id="x"' }],
      ['a grant of the ACL', { 'x-amz-grant-write-acp': 'id="x"' }],
    ];
    const writes = (given: Headers): [string, () => Parameters<typeof sendSigned>[1]][] => [
      ['PutObject', () => put('/inject/k', given)],
      ['PutObject where no rule encrypts', () => put('/off/k', given)],
      ['CreateMultipartUpload', () => ({ method: 'POST', path: '/inject/k?uploads=', headers: given })],
      [
        'CopyObject',
        () => ({
          method: 'PUT',
          path: '/inject/k',
          headers: { ...given, 'x-amz-copy-source': 'inject/mine' },
        }),
      ],
    ];
    await site().repels([
      ...headers.flatMap(([what, given]) =>
        writes(given).map(
          ([operation, request]): Attempt => [
            `${operation} with ${what}`,
            () => sendSigned(writer, request()),
            '403 operation_not_allowed',
          ],
        ),
      ),
      [
        'PutObjectAcl',
        () => sendSigned(writer, put('/inject/mine?acl=', { 'x-amz-acl': 'private' }, '')),
        '403 operation_not_allowed',
      ],
      [
        'past a retention',
        () =>
          sendSigned(writer, {
            method: 'DELETE',
            path: '/inject/mine',
            headers: { 'x-amz-bypass-governance-retention': 'true' },
          }),
        '403 operation_not_allowed',
      ],
      [
        'with MFA',
        () => sendSigned(writer, { method: 'DELETE', path: '/inject/mine', headers: { 'x-amz-mfa': '1 2' } }),
        '403 operation_not_allowed',
      ],
    ]);
    for (const acl of ['private', 'bucket-owner-full-control', 'bucket-owner-read']) {
      assert.equal((await sendSigned(writer, put('/inject/owned', { 'x-amz-acl': acl }))).status, 200, acl);
      assert.deepEqual(await site().encryptionOf('inject', 'owned'), {
        method: 'aws:kms',
        keyId: keys.default,
      });
    }
  });

  test('way 36: buckets are made by admins only, and a new one has its rule from the first write', async () => {
    const { writer, reader, admin, keys } = site();
    const create =
      (to: Endpoint, headers: Headers = {}): Attempt[1] =>
      () =>
        sendSigned(to, { method: 'PUT', path: '/created-one', headers });
    await site().repels([
      ['by a writer', create(writer), '403 operation_not_allowed'],
      ['by a reader', create(reader), '403 operation_not_allowed'],
      ['one open to all', create(writer, { 'x-amz-acl': 'public-read-write' }), '403 operation_not_allowed'],
      [
        'with an encryption header',
        create(admin, { [SSE]: 'AES256' }),
        '400 encryption_headers_not_supported',
      ],
      [
        'deleted by a writer',
        () => sendSigned(writer, { method: 'DELETE', path: '/unruled' }),
        '403 operation_not_allowed',
      ],
    ]);
    assert.equal((await create(admin)()).status, 200);
    assert.equal((await sendSigned(writer, put('/created-one/first'))).status, 200);
    assert.deepEqual(await site().encryptionOf('created-one', 'first'), {
      method: 'aws:kms',
      keyId: keys.default,
    });
    await site().repels([
      [
        'AES256',
        () => sendSigned(writer, put('/created-one/k', { [SSE]: 'AES256' })),
        '403 encryption_downgrade',
      ],
      ['SSE-C', () => sendSigned(writer, put('/created-one/k', customerKeyHeaders())), '403 customer_key'],
    ]);
  });

  test('way 37: what acts on objects later is configured by admins only', async () => {
    await changesNothing(refusedToAll(site(), INDIRECT));
  });
};

function defaultEncryption(byDefault: string, more = ''): string {
  return document(
    'ServerSideEncryptionConfiguration',
    `<Rule><ApplyServerSideEncryptionByDefault>${byDefault}</ApplyServerSideEncryptionByDefault>${more}</Rule>`,
  );
}

/** Documents that are judged, in front of a backend that would take them all. */
function documents(site: () => Site): void {
  const fake = () => site().fake ?? assert.fail();
  const ask =
    (
      query: string,
      body: string,
      to: Endpoint = site().admin,
      bucket = 'inject',
      method = 'PUT',
    ): Attempt[1] =>
    () =>
      sendSigned(to, { method, path: `/${bucket}?${query}`, body });

  /** Asserts that it is passed on to the letter. */
  async function passes(query: string, body: string, bucket = 'inject', method = 'PUT'): Promise<void> {
    const answer = await ask(query, body, site().admin, bucket, method)();
    assert.equal(answer.status, 200, answer.body.toString());
    assert.equal(fake().received.at(-1)?.body.toString(), body);
  }

  test('way 32: a default encryption is judged by its document, and passed on to the letter', async () => {
    const { keys } = site();
    const kms = (keyId: string) =>
      `<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>${keyId}</KMSMasterKeyID>`;
    const good = defaultEncryption(kms(keys.allowed));
    const rule = good.slice(good.indexOf('<Rule>'), good.indexOf('</ServerSide'));
    const judged = (body: string): Attempt[1] => ask('encryption=', body);
    const blocked = (type: string) =>
      `<BlockedEncryptionTypes><EncryptionType>${type}</EncryptionType></BlockedEncryptionTypes>`;
    const root = 'ServerSideEncryptionConfiguration';
    const malformed: [string, string][] = [
      ['no rule', document(root, '')],
      ['two rules', document(root, rule + rule)],
      ['a DOCTYPE', `<!DOCTYPE x>${good}`],
      [
        'a DOCTYPE with an entity',
        `<!DOCTYPE x [<!ENTITY k "${keys.allowed}">]>${defaultEncryption(kms('&k;'))}`,
      ],
      ['a comment', good.replace('<Rule>', '<Rule><!-- -->')],
      ['a comment within the key', good.replace('allowed</KMS', 'allowed<!-- x --></KMS')],
      ['CDATA', good.replace(keys.allowed, `<![CDATA[${keys.allowed}]]>`)],
      ['a processing instruction', good.replace('<Rule>', '<?x y?><Rule>')],
      ['an element twice', defaultEncryption(`${kms(keys.allowed)}<SSEAlgorithm>AES256</SSEAlgorithm>`)],
      [
        'the key twice',
        defaultEncryption(`${kms(keys.allowed)}<KMSMasterKeyID>${keys.foreign}</KMSMasterKeyID>`),
      ],
      ['an element that S3 does not know', defaultEncryption(`${kms(keys.allowed)}<Other/>`)],
      ['an element in another case', defaultEncryption('<sseAlgorithm>AES256</sseAlgorithm>')],
      ['another root', good.replaceAll(root, 'EncryptionConfiguration')],
      ['another namespace', good.replace(S3, 'http://example.com/')],
      [
        'a prefix of another namespace',
        good.replace('<Rule>', '<x:Rule xmlns:x="http://example.com/">').replace('</Rule>', '</x:Rule>'),
      ],
      ['an entity of HTML', defaultEncryption(kms('&nbsp;'))],
      ['no UTF-8', Buffer.concat([Buffer.from(good), Buffer.from([0xff])]).toString('latin1')],
      ['a tag that is not closed', good.replace('</Rule>', '')],
      ['two roots', good + good],
      ['text behind', `${good}x`],
      ['nothing', ''],
    ];
    await site().repels([
      [
        'AES256',
        judged(defaultEncryption('<SSEAlgorithm>AES256</SSEAlgorithm>')),
        '403 encryption_downgrade',
      ],
      [
        'AES256 behind spaces',
        judged(defaultEncryption('<SSEAlgorithm> AES256 </SSEAlgorithm>')),
        '400 algorithm_not_allowed',
      ],
      ['a foreign key', judged(defaultEncryption(kms(keys.foreign))), '403 key_not_allowed'],
      [
        'a foreign key in character references',
        judged(defaultEncryption(kms(keys.foreign.replace('f', '&#x66;')))),
        '403 key_not_allowed',
      ],
      ['an alias', judged(defaultEncryption(kms('alias/x'))), '403 key_not_allowed'],
      [
        'KMS without a key',
        judged(defaultEncryption('<SSEAlgorithm>aws:kms</SSEAlgorithm>')),
        '403 key_missing',
      ],
      ['SSE-C unblocked', judged(defaultEncryption(kms(keys.default), blocked('NONE'))), '403 customer_key'],
      [
        'more than 2 MiB',
        judged(good.replace('<Rule>', `${' '.repeat(2 * 1024 * 1024)}<Rule>`)),
        '400 too_large',
      ],
      ...malformed.map(([what, body]): Attempt => [what, judged(body), '400 malformed_request']),
    ]);
    await passes('encryption=', good);
    await passes('encryption=', good.replace(` xmlns="${S3}"`, ''));
    await passes('encryption=', `<?xml version="1.0" encoding="UTF-8"?>\n${good}`);
    await passes(
      'encryption=',
      defaultEncryption(kms(keys.default), `<BucketKeyEnabled>false</BucketKeyEnabled>${blocked('SSE-C')}`),
    );
  });

  test('way 32: the default encryption of a bucket under a rule is not deleted', async () => {
    const { admin } = site();
    const remove =
      (bucket: string): Attempt[1] =>
      () =>
        sendSigned(admin, { method: 'DELETE', path: `/${bucket}?encryption=` });
    await site().repels([
      ['under inject', remove('inject'), '403 encryption_downgrade'],
      ['under require', remove('require'), '403 encryption_downgrade'],
    ]);
    assert.equal((await remove('off')()).status, 200);
  });

  test('way 34: what is replicated goes to a bucket of the client’s, under a key of its rule', async () => {
    const { keys, keeper, writer } = site();
    const enabled =
      '<SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria>';
    const to = (bucket: string, keyId: string | undefined) =>
      `<Destination><Bucket>arn:aws:s3:::${bucket}</Bucket>${keyId === undefined ? '' : `<EncryptionConfiguration><ReplicaKmsKeyID>${keyId}</ReplicaKmsKeyID></EncryptionConfiguration>`}</Destination>`;
    const rule = (destination: string, criteria = enabled) =>
      `<Rule><Status>Enabled</Status><Priority>1</Priority>${criteria}<Filter><Prefix></Prefix></Filter>${destination}</Rule>`;
    const replication = (rules: string) =>
      document('ReplicationConfiguration', `<Role>arn:aws:iam::111122223333:role/r</Role>${rules}`);
    const good = rule(to('require', keys.default));
    const judged = (rules: string, by: Endpoint = site().admin): Attempt[1] =>
      ask('replication=', replication(rules), by);
    const disabled = enabled.replace('Enabled', 'Disabled');
    await site().repels([
      ['by a writer', judged(good, writer), '403 operation_not_allowed'],
      ['without a key', judged(rule(to('require', undefined))), '403 key_missing'],
      ['an empty key', judged(rule(to('require', ''))), '403 key_not_allowed'],
      ['a foreign key', judged(rule(to('require', keys.foreign))), '403 key_not_allowed'],
      ['without objects under KMS', judged(rule(to('require', keys.default), '')), '403 encryption_missing'],
      [
        'objects under KMS left out',
        judged(rule(to('require', keys.default), disabled)),
        '403 encryption_missing',
      ],
      ['a good rule and a bad one', judged(good + rule(to('require', keys.foreign))), '403 key_not_allowed'],
      ['to another’s bucket', judged(rule(to('others', keys.default)), keeper), '403 bucket_not_allowed'],
      ['to a bucket outside', judged(rule(to('elsewhere', keys.default)), keeper), '403 bucket_not_allowed'],
      ['to a bucket without a rule', judged(rule(to('unruled', keys.default))), '403 no_rule'],
    ]);
    await passes('replication=', replication(good));
  });

  test('way 35: inventories are delivered to a bucket of the client’s, under a key of its rule', async () => {
    const { keys, keeper, writer } = site();
    const inventory = (encryption: string, bucket = 'require') =>
      document(
        'InventoryConfiguration',
        `<Destination><S3BucketDestination><Bucket>arn:aws:s3:::${bucket}</Bucket><Format>CSV</Format>${encryption}</S3BucketDestination></Destination><IsEnabled>true</IsEnabled><Id>x</Id><IncludedObjectVersions>All</IncludedObjectVersions><Schedule><Frequency>Daily</Frequency></Schedule>`,
      );
    const kms = (keyId: string) => `<Encryption><SSE-KMS><KeyId>${keyId}</KeyId></SSE-KMS></Encryption>`;
    const judged = (body: string, by: Endpoint = site().admin): Attempt[1] =>
      ask('inventory=&id=x', body, by);
    await site().repels([
      ['by a writer', judged(inventory(kms(keys.default)), writer), '403 operation_not_allowed'],
      ['without encryption', judged(inventory('')), '403 encryption_missing'],
      ['SSE-S3', judged(inventory('<Encryption><SSE-S3/></Encryption>')), '403 encryption_downgrade'],
      ['a foreign key', judged(inventory(kms(keys.foreign))), '403 key_not_allowed'],
      [
        'to another’s bucket',
        judged(inventory(kms(keys.default), 'others'), keeper),
        '403 bucket_not_allowed',
      ],
      ['to a bucket without a rule', judged(inventory(kms(keys.default), 'unruled')), '403 no_rule'],
    ]);
    await passes('inventory=&id=x', inventory(kms(keys.default)));
  });

  test('way 35: logs and analyses, which can name no key, are not delivered into a bucket under a rule', async () => {
    const { keeper, writer, admin } = site();
    const logging = (bucket: string) =>
      document(
        'BucketLoggingStatus',
        `<LoggingEnabled><TargetBucket>${bucket}</TargetBucket><TargetPrefix>logs/</TargetPrefix></LoggingEnabled>`,
      );
    const analytics = (bucket: string) =>
      document(
        'AnalyticsConfiguration',
        `<Id>x</Id><StorageClassAnalysis><DataExport><OutputSchemaVersion>V_1</OutputSchemaVersion><Destination><S3BucketDestination><Format>CSV</Format><Bucket>arn:aws:s3:::${bucket}</Bucket></S3BucketDestination></Destination></DataExport></StorageClassAnalysis>`,
      );
    for (const [query, body] of [
      ['logging=', logging],
      ['analytics=&id=x', analytics],
    ] as const) {
      await site().repels([
        [`${query} by a writer`, ask(query, body('off'), writer), '403 operation_not_allowed'],
        [`${query} into inject`, ask(query, body('inject')), '403 encryption_missing'],
        [`${query} into require`, ask(query, body('require')), '403 encryption_missing'],
        [`${query} into another’s bucket`, ask(query, body('others'), keeper), '403 bucket_not_allowed'],
        [`${query} into a bucket without a rule`, ask(query, body('unruled')), '403 no_rule'],
      ]);
      await passes(query, body('off'));
    }
    assert.equal((await ask('logging=', document('BucketLoggingStatus', ''), admin)()).status, 200);
  });

  test('way 35: metadata tables lie under a key of their bucket’s rule', async () => {
    const { keys, writer } = site();
    const encryption = (algorithm: string, keyArn = '') =>
      `<EncryptionConfiguration><SseAlgorithm>${algorithm}</SseAlgorithm>${keyArn && `<KmsKeyArn>${keyArn}</KmsKeyArn>`}</EncryptionConfiguration>`;
    const expiration = '<RecordExpiration><Expiration>DISABLED</Expiration></RecordExpiration>';
    const whole = (of: string) =>
      document(
        'MetadataConfiguration',
        `<JournalTableConfiguration>${expiration}${of}</JournalTableConfiguration><InventoryTableConfiguration><ConfigurationState>ENABLED</ConfigurationState>${of}</InventoryTableConfiguration>`,
      );
    const table = (of: string) =>
      document('InventoryTableConfiguration', `<ConfigurationState>ENABLED</ConfigurationState>${of}`);
    const forms: [string, string, (of: string) => string][] = [
      ['metadataConfiguration=', 'POST', whole],
      ['metadataInventoryTable=', 'PUT', table],
    ];
    for (const [query, method, body] of forms) {
      const judged = (of: string, by: Endpoint = site().admin): Attempt[1] =>
        ask(query, body(of), by, 'inject', method);
      await site().repels([
        [
          `${query} by a writer`,
          judged(encryption('aws:kms', keys.default), writer),
          '403 operation_not_allowed',
        ],
        [`${query} without encryption`, judged(''), '403 encryption_missing'],
        [`${query} AES256`, judged(encryption('AES256')), '403 encryption_downgrade'],
        [`${query} a foreign key`, judged(encryption('aws:kms', keys.foreign)), '403 key_not_allowed'],
      ]);
      await passes(query, body(encryption('aws:kms', keys.default)), 'inject', method);
    }
    const old = document(
      'MetadataTableConfiguration',
      '<S3TablesDestination><TableBucketArn>arn:aws:s3tables:us-east-1:111122223333:bucket/t</TableBucketArn><TableName>t</TableName></S3TablesDestination>',
    );
    await site().repels([
      [
        'the older form',
        ask('metadataTable=', old, site().admin, 'inject', 'POST'),
        '403 encryption_missing',
      ],
    ]);
  });

  test('way 38: other doors are not opened here: access points, vended credentials, other endpoints', async () => {
    const { admin } = site();
    const account = { 'x-amz-account-id': '111122223333' };
    const doors: [string, string, string, Headers, string?][] = [
      ['CreateSession', 'GET', '/inject?session=', {}],
      ['CreateSession, read-write', 'GET', '/inject?session=', { 'x-amz-create-session-mode': 'ReadWrite' }],
      ['CreateAccessPoint', 'PUT', '/v20180820/accesspoint/door', account, '<CreateAccessPointRequest/>'],
      [
        'PutAccessPointPolicy',
        'PUT',
        '/v20180820/accesspoint/door/policy',
        account,
        '<PutAccessPointPolicyRequest/>',
      ],
      [
        'CreateMultiRegionAccessPoint',
        'POST',
        '/v20180820/async-requests/mrap/create',
        account,
        '<CreateMultiRegionAccessPointRequest/>',
      ],
      [
        'CreateAccessPointForObjectLambda',
        'PUT',
        '/v20180820/accesspointforobjectlambda/door',
        account,
        '<x/>',
      ],
      [
        'GetDataAccess',
        'GET',
        '/v20180820/accessgrantsinstance/dataaccess?target=s3://inject/*&permission=READWRITE',
        account,
      ],
      [
        'CreateAccessGrant',
        'POST',
        '/v20180820/accessgrantsinstance/grant',
        account,
        '<CreateAccessGrantRequest/>',
      ],
      ['an access point’s alias', 'PUT', '/door-abc123-s3alias/k', {}, 'x'],
      ['an Object Lambda alias', 'GET', '/door-abc123--ol-s3/k', {}],
      ['a Multi-Region Access Point', 'PUT', '/abc123.mrap/k', {}, 'x'],
      ['a directory bucket', 'PUT', '/door--use1-az4--x-s3/k', {}, 'x'],
      ['an access point of one', 'PUT', '/door--use1-az4--xa-s3/k', {}, 'x'],
      ['a table bucket', 'GET', '/door--table-s3/k', {}],
      ['an access point’s ARN', 'PUT', '/arn:aws:s3:us-east-1:111122223333:accesspoint/door/k', {}, 'x'],
      [
        'WriteGetObjectResponse',
        'POST',
        '/WriteGetObjectResponse',
        { 'x-amz-request-route': 'r', 'x-amz-request-token': 't' },
        'x',
      ],
    ];
    const held = fake().received.length;
    for (const [what, method, path, headers, body] of doors) {
      const answer = await sendSigned(admin, {
        method,
        path,
        headers,
        ...(body === undefined ? {} : { body }),
      });
      assert.ok([400, 403, 405, 501].includes(answer.status), `${what}: ${answer.status}`);
    }
    assert.equal(fake().received.length, held, 'one of them reached the backend');
  });
}
