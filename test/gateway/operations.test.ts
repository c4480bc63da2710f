// Every operation of S3's service model, one request each: it is judged, logged and counted under its name, and passed on or
// refused as the table says. What the requests look like is read from the table; which operations there are is not.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Operation } from '../../src/core/s3/operation.ts';
import { OPERATIONS } from '../../src/core/s3/operation-table.ts';
import { type Endpoint, type PlainRequest, sendSigned } from './client.ts';
import { answering, type FakeBackend, startFakeBackend } from './fake-backend.ts';
import { startGateway, type TestGateway } from './gateway.ts';

/** The 116 of the model of 2026-11, older names of the same request included. */
// biome-ignore format: a list of names
const NAMES: readonly string[] = [
  'AbortMultipartUpload',
  'CompleteMultipartUpload',
  'CopyObject',
  'CreateBucket',
  'CreateBucketMetadataConfiguration',
  'CreateBucketMetadataTableConfiguration',
  'CreateMultipartUpload',
  'CreateSession',
  'DeleteBucket',
  'DeleteBucketAnalyticsConfiguration',
  'DeleteBucketCors',
  'DeleteBucketEncryption',
  'DeleteBucketIntelligentTieringConfiguration',
  'DeleteBucketInventoryConfiguration',
  'DeleteBucketLifecycle',
  'DeleteBucketMetadataConfiguration',
  'DeleteBucketMetadataTableConfiguration',
  'DeleteBucketMetricsConfiguration',
  'DeleteBucketOwnershipControls',
  'DeleteBucketPolicy',
  'DeleteBucketReplication',
  'DeleteBucketTagging',
  'DeleteBucketWebsite',
  'DeleteObject',
  'DeleteObjectAnnotation',
  'DeleteObjectTagging',
  'DeleteObjects',
  'DeletePublicAccessBlock',
  'GetBucketAbac',
  'GetBucketAccelerateConfiguration',
  'GetBucketAcl',
  'GetBucketAnalyticsConfiguration',
  'GetBucketCors',
  'GetBucketEncryption',
  'GetBucketIntelligentTieringConfiguration',
  'GetBucketInventoryConfiguration',
  'GetBucketLifecycle',
  'GetBucketLifecycleConfiguration',
  'GetBucketLocation',
  'GetBucketLogging',
  'GetBucketMetadataConfiguration',
  'GetBucketMetadataTableConfiguration',
  'GetBucketMetricsConfiguration',
  'GetBucketNotification',
  'GetBucketNotificationConfiguration',
  'GetBucketOwnershipControls',
  'GetBucketPolicy',
  'GetBucketPolicyStatus',
  'GetBucketReplication',
  'GetBucketRequestPayment',
  'GetBucketTagging',
  'GetBucketVersioning',
  'GetBucketWebsite',
  'GetObject',
  'GetObjectAcl',
  'GetObjectAnnotation',
  'GetObjectAttributes',
  'GetObjectLegalHold',
  'GetObjectLockConfiguration',
  'GetObjectRetention',
  'GetObjectTagging',
  'GetObjectTorrent',
  'GetPublicAccessBlock',
  'HeadBucket',
  'HeadObject',
  'ListBucketAnalyticsConfigurations',
  'ListBucketIntelligentTieringConfigurations',
  'ListBucketInventoryConfigurations',
  'ListBucketMetricsConfigurations',
  'ListBuckets',
  'ListDirectoryBuckets',
  'ListMultipartUploads',
  'ListObjectAnnotations',
  'ListObjectVersions',
  'ListObjects',
  'ListObjectsV2',
  'ListParts',
  'PutBucketAbac',
  'PutBucketAccelerateConfiguration',
  'PutBucketAcl',
  'PutBucketAnalyticsConfiguration',
  'PutBucketCors',
  'PutBucketEncryption',
  'PutBucketIntelligentTieringConfiguration',
  'PutBucketInventoryConfiguration',
  'PutBucketLifecycle',
  'PutBucketLifecycleConfiguration',
  'PutBucketLogging',
  'PutBucketMetricsConfiguration',
  'PutBucketNotification',
  'PutBucketNotificationConfiguration',
  'PutBucketOwnershipControls',
  'PutBucketPolicy',
  'PutBucketReplication',
  'PutBucketRequestPayment',
  'PutBucketTagging',
  'PutBucketVersioning',
  'PutBucketWebsite',
  'PutObject',
  'PutObjectAcl',
  'PutObjectAnnotation',
  'PutObjectLegalHold',
  'PutObjectLockConfiguration',
  'PutObjectRetention',
  'PutObjectTagging',
  'PutPublicAccessBlock',
  'RenameObject',
  'RestoreObject',
  'SelectObjectContent',
  'UpdateBucketMetadataAnnotationTableConfiguration',
  'UpdateBucketMetadataInventoryTableConfiguration',
  'UpdateBucketMetadataJournalTableConfiguration',
  'UpdateObjectEncryption',
  'UploadPart',
  'UploadPartCopy',
  'WriteGetObjectResponse',
];

/** Not through this gateway, whoever asks. */
const NEVER = ['CreateSession', 'RenameObject', 'ListDirectoryBuckets', 'WriteGetObjectResponse'];

/** At hosts of their own, where the same request is another operation than here, or none. */
const ELSEWHERE: Readonly<Record<string, { readonly host: string; readonly path: string }>> = {
  ListDirectoryBuckets: { host: 's3express-control.us-east-1.amazonaws.com', path: '/' },
  WriteGetObjectResponse: {
    host: 'route.s3-object-lambda.us-east-1.amazonaws.com',
    path: '/WriteGetObjectResponse',
  },
};

const KEY_ARN = 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const KMS = {
  'x-amz-server-side-encryption': 'aws:kms',
  'x-amz-server-side-encryption-aws-kms-key-id': KEY_ARN,
};

const destination = (content: string) => `<Destination>${content}</Destination>`;
const bucketArn = '<Bucket>arn:aws:s3:::bucket</Bucket>';
const tableEncryption = `<EncryptionConfiguration><SseAlgorithm>aws:kms</SseAlgorithm><KmsKeyArn>${KEY_ARN}</KmsKeyArn></EncryptionConfiguration>`;
const expiration = '<RecordExpiration><Expiration>DISABLED</Expiration></RecordExpiration>';
const journal = `<JournalTableConfiguration>${expiration}${tableEncryption}</JournalTableConfiguration>`;

/** Documents of operations whose content is judged. */
const DOCUMENTS: Readonly<Record<string, string>> = {
  CreateBucketMetadataConfiguration: `<MetadataConfiguration>${journal}</MetadataConfiguration>`,
  CreateBucketMetadataTableConfiguration:
    '<MetadataTableConfiguration><S3TablesDestination><TableBucketArn>arn:aws:s3tables:us-east-1:111122223333:bucket/b</TableBucketArn><TableName>t</TableName></S3TablesDestination></MetadataTableConfiguration>',
  PutBucketAnalyticsConfiguration: `<AnalyticsConfiguration><Id>x</Id><StorageClassAnalysis><DataExport><OutputSchemaVersion>V_1</OutputSchemaVersion>${destination(`<S3BucketDestination><Format>CSV</Format>${bucketArn}</S3BucketDestination>`)}</DataExport></StorageClassAnalysis></AnalyticsConfiguration>`,
  PutBucketEncryption: `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>${KEY_ARN}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`,
  PutBucketInventoryConfiguration: `<InventoryConfiguration>${destination(`<S3BucketDestination>${bucketArn}<Format>CSV</Format><Encryption><SSE-KMS><KeyId>${KEY_ARN}</KeyId></SSE-KMS></Encryption></S3BucketDestination>`)}<IsEnabled>true</IsEnabled><Id>x</Id><IncludedObjectVersions>All</IncludedObjectVersions><Schedule><Frequency>Daily</Frequency></Schedule></InventoryConfiguration>`,
  PutBucketLogging: '<BucketLoggingStatus/>',
  PutBucketReplication: `<ReplicationConfiguration><Role>arn:aws:iam::111122223333:role/r</Role><Rule><Status>Enabled</Status><Priority>1</Priority><SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria><Filter/>${destination(`${bucketArn}<EncryptionConfiguration><ReplicaKmsKeyID>${KEY_ARN}</ReplicaKmsKeyID></EncryptionConfiguration>`)}</Rule></ReplicationConfiguration>`,
  RestoreObject: '<RestoreRequest><Days>1</Days></RestoreRequest>',
  UpdateBucketMetadataAnnotationTableConfiguration: `<AnnotationTableConfiguration>${tableEncryption}</AnnotationTableConfiguration>`,
  UpdateBucketMetadataInventoryTableConfiguration: `<InventoryTableConfiguration><ConfigurationState>ENABLED</ConfigurationState>${tableEncryption}</InventoryTableConfiguration>`,
  UpdateBucketMetadataJournalTableConfiguration: `<JournalTableConfiguration>${expiration}</JournalTableConfiguration>`,
  UpdateObjectEncryption: `<ObjectEncryption><SSE-KMS><KMSKeyArn>${KEY_ARN}</KMSKeyArn></SSE-KMS></ObjectEncryption>`,
};

/** The plainest request of an operation. */
function requestOf({
  name,
  method,
  resource,
  subresource = {},
  requires = [],
  body,
  copySource,
}: Operation): PlainRequest {
  const elsewhere = ELSEWHERE[name];
  const path = elsewhere?.path ?? { service: '/', bucket: '/bucket', object: '/bucket/folder/key' }[resource];
  const host = elsewhere ? { host: elsewhere.host } : {};
  const values = requires.map((parameter) => [parameter, parameter === 'partNumber' ? '1' : 'x']);
  const query = [...Object.entries(subresource), ...values].map(
    ([parameter, value]) => `${parameter}=${value}`,
  );
  const source = copySource ? { 'x-amz-copy-source': 'bucket/source' } : {};
  return {
    method,
    path: query.length === 0 ? path : `${path}?${query.join('&')}`,
    headers: { ...host, ...source, ...(name === 'RenameObject' ? { 'x-amz-rename-source': 'source' } : {}) },
    ...(body === undefined
      ? {}
      : { body: DOCUMENTS[name] ?? (body === 'stream' ? 'content' : '<Document/>') }),
  };
}

describe('the operations of S3', () => {
  let backend: FakeBackend;
  let gateway: TestGateway;
  let to: Endpoint;

  before(async () => {
    backend = await startFakeBackend();
    gateway = await startGateway({
      backends: [backend.backend],
      encryption: [{ name: 'left-alone', buckets: ['*'], mode: 'off' }],
    });
    to = { endpoint: gateway.endpoint, ca: gateway.ca };
    const buckets = '<ListAllMyBucketsResult><Owner><ID>x</ID></Owner><Buckets/></ListAllMyBucketsResult>';
    backend.behave((request, response) =>
      answering(200, KMS, request.method === 'GET' && request.url === '/' ? buckets : '')(request, response),
    );
  });
  after(async () => {
    await gateway?.close();
    await backend?.close();
  });

  test('are in the table, each once, and nothing else but forms and preflights', () => {
    const rows = OPERATIONS.map(({ name }) => name).filter(
      (name) => name !== 'PostObject' && name !== 'CORSPreflight',
    );
    assert.equal(NAMES.length, 116);
    assert.deepEqual(rows.sort(), [...NAMES].sort());
  });

  test('at other hosts are for nobody here', () => {
    const rows = OPERATIONS.filter(({ endpoint }) => endpoint !== undefined);
    assert.deepEqual(rows.map(({ name }) => name).sort(), Object.keys(ELSEWHERE));
    assert.ok(rows.every(({ access }) => access === 'never'));
  });

  for (const name of NAMES) {
    const operation = OPERATIONS.find((row) => row.name === name);
    const newer = operation?.supersededBy;
    const refused = NEVER.includes(name);
    const what = refused ? 'is refused' : 'is passed on';
    test(`${name} ${what}, logged and counted${newer === undefined ? '' : ` as ${newer}, the newer name of the same request`}`, async () => {
      assert.ok(operation, 'no row');
      const counted = newer ?? name;
      const [outcome, status] = refused ? ['refused', 403] : ['forwarded', 200];
      const sample = `s3_kms_gateway_requests_total{operation="${counted}",outcome="${outcome}",status="${status}"}`;
      const [before, held] = [await gateway.metric(sample), backend.received.length];
      const request = requestOf(operation);
      const answer = await sendSigned(to, request);
      assert.equal(answer.status, status, answer.body.toString());
      const line = (await gateway.audited()).at(-1);
      assert.deepEqual(
        [line?.['operation'], line?.['outcome'], line?.['status']],
        [counted, outcome, status],
      );
      assert.equal(
        line?.['requestId'],
        answer.headers[refused ? 'x-amz-request-id' : 'x-s3-kms-gateway-request-id'],
      );
      assert.equal(await gateway.metric(sample), before + 1);
      if (refused) {
        assert.equal(line?.['reason'], 'operation_not_allowed');
        assert.equal(backend.received.length, held);
        return;
      }
      const sent = backend.received.at(-1);
      assert.deepEqual(
        [sent?.method, sent?.target.replaceAll('=&', '&').replace(/=$/, '')],
        [request.method, request.path.replaceAll('=&', '&').replace(/=$/, '')],
      );
      assert.equal(sent?.body.toString(), request.body ?? '');
    });
  }
});
