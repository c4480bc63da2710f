import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseTarget } from '../../../src/core/http/target.ts';
import {
  headerStanding,
  operationNamed,
  type Resource,
  routeOperation,
} from '../../../src/core/s3/operation.ts';
import { OPERATIONS } from '../../../src/core/s3/operation-table.ts';
import { headersOf } from '../fixture.ts';

type Row = readonly [
  name: string,
  method: string,
  resource: Resource | 'elsewhere',
  query: string,
  copy?: 'copy',
];

/** Every operation of the S3 service model (botocore 1.43.107): method, what the path addresses, what the query must hold. */
// biome-ignore format: a table is read by its rows
const MODEL: readonly Row[] = [
  ['AbortMultipartUpload', 'DELETE', 'object', 'uploadId=1'],
  ['CompleteMultipartUpload', 'POST', 'object', 'uploadId=1'],
  ['CopyObject', 'PUT', 'object', '', 'copy'],
  ['CreateBucket', 'PUT', 'bucket', ''],
  ['CreateBucketMetadataConfiguration', 'POST', 'bucket', 'metadataConfiguration'],
  ['CreateBucketMetadataTableConfiguration', 'POST', 'bucket', 'metadataTable'],
  ['CreateMultipartUpload', 'POST', 'object', 'uploads'],
  ['CreateSession', 'GET', 'bucket', 'session'],
  ['DeleteBucket', 'DELETE', 'bucket', ''],
  ['DeleteBucketAnalyticsConfiguration', 'DELETE', 'bucket', 'analytics&id=1'],
  ['DeleteBucketCors', 'DELETE', 'bucket', 'cors'],
  ['DeleteBucketEncryption', 'DELETE', 'bucket', 'encryption'],
  ['DeleteBucketIntelligentTieringConfiguration', 'DELETE', 'bucket', 'intelligent-tiering&id=1'],
  ['DeleteBucketInventoryConfiguration', 'DELETE', 'bucket', 'inventory&id=1'],
  ['DeleteBucketLifecycle', 'DELETE', 'bucket', 'lifecycle'],
  ['DeleteBucketMetadataConfiguration', 'DELETE', 'bucket', 'metadataConfiguration'],
  ['DeleteBucketMetadataTableConfiguration', 'DELETE', 'bucket', 'metadataTable'],
  ['DeleteBucketMetricsConfiguration', 'DELETE', 'bucket', 'metrics&id=1'],
  ['DeleteBucketOwnershipControls', 'DELETE', 'bucket', 'ownershipControls'],
  ['DeleteBucketPolicy', 'DELETE', 'bucket', 'policy'],
  ['DeleteBucketReplication', 'DELETE', 'bucket', 'replication'],
  ['DeleteBucketTagging', 'DELETE', 'bucket', 'tagging'],
  ['DeleteBucketWebsite', 'DELETE', 'bucket', 'website'],
  ['DeleteObject', 'DELETE', 'object', ''],
  ['DeleteObjectAnnotation', 'DELETE', 'object', 'annotation&annotationName=1'],
  ['DeleteObjectTagging', 'DELETE', 'object', 'tagging'],
  ['DeleteObjects', 'POST', 'bucket', 'delete'],
  ['DeletePublicAccessBlock', 'DELETE', 'bucket', 'publicAccessBlock'],
  ['GetBucketAbac', 'GET', 'bucket', 'abac'],
  ['GetBucketAccelerateConfiguration', 'GET', 'bucket', 'accelerate'],
  ['GetBucketAcl', 'GET', 'bucket', 'acl'],
  ['GetBucketAnalyticsConfiguration', 'GET', 'bucket', 'analytics&id=1'],
  ['GetBucketCors', 'GET', 'bucket', 'cors'],
  ['GetBucketEncryption', 'GET', 'bucket', 'encryption'],
  ['GetBucketIntelligentTieringConfiguration', 'GET', 'bucket', 'intelligent-tiering&id=1'],
  ['GetBucketInventoryConfiguration', 'GET', 'bucket', 'inventory&id=1'],
  ['GetBucketLifecycle', 'GET', 'bucket', 'lifecycle'],
  ['GetBucketLifecycleConfiguration', 'GET', 'bucket', 'lifecycle'],
  ['GetBucketLocation', 'GET', 'bucket', 'location'],
  ['GetBucketLogging', 'GET', 'bucket', 'logging'],
  ['GetBucketMetadataConfiguration', 'GET', 'bucket', 'metadataConfiguration'],
  ['GetBucketMetadataTableConfiguration', 'GET', 'bucket', 'metadataTable'],
  ['GetBucketMetricsConfiguration', 'GET', 'bucket', 'metrics&id=1'],
  ['GetBucketNotification', 'GET', 'bucket', 'notification'],
  ['GetBucketNotificationConfiguration', 'GET', 'bucket', 'notification'],
  ['GetBucketOwnershipControls', 'GET', 'bucket', 'ownershipControls'],
  ['GetBucketPolicy', 'GET', 'bucket', 'policy'],
  ['GetBucketPolicyStatus', 'GET', 'bucket', 'policyStatus'],
  ['GetBucketReplication', 'GET', 'bucket', 'replication'],
  ['GetBucketRequestPayment', 'GET', 'bucket', 'requestPayment'],
  ['GetBucketTagging', 'GET', 'bucket', 'tagging'],
  ['GetBucketVersioning', 'GET', 'bucket', 'versioning'],
  ['GetBucketWebsite', 'GET', 'bucket', 'website'],
  ['GetObject', 'GET', 'object', ''],
  ['GetObjectAcl', 'GET', 'object', 'acl'],
  ['GetObjectAnnotation', 'GET', 'object', 'annotation&annotationName=1'],
  ['GetObjectAttributes', 'GET', 'object', 'attributes'],
  ['GetObjectLegalHold', 'GET', 'object', 'legal-hold'],
  ['GetObjectLockConfiguration', 'GET', 'bucket', 'object-lock'],
  ['GetObjectRetention', 'GET', 'object', 'retention'],
  ['GetObjectTagging', 'GET', 'object', 'tagging'],
  ['GetObjectTorrent', 'GET', 'object', 'torrent'],
  ['GetPublicAccessBlock', 'GET', 'bucket', 'publicAccessBlock'],
  ['HeadBucket', 'HEAD', 'bucket', ''],
  ['HeadObject', 'HEAD', 'object', ''],
  ['ListBucketAnalyticsConfigurations', 'GET', 'bucket', 'analytics'],
  ['ListBucketIntelligentTieringConfigurations', 'GET', 'bucket', 'intelligent-tiering'],
  ['ListBucketInventoryConfigurations', 'GET', 'bucket', 'inventory'],
  ['ListBucketMetricsConfigurations', 'GET', 'bucket', 'metrics'],
  ['ListBuckets', 'GET', 'service', ''],
  ['ListDirectoryBuckets', 'GET', 'elsewhere', ''],
  ['ListMultipartUploads', 'GET', 'bucket', 'uploads'],
  ['ListObjectAnnotations', 'GET', 'object', 'annotation'],
  ['ListObjectVersions', 'GET', 'bucket', 'versions'],
  ['ListObjects', 'GET', 'bucket', ''],
  ['ListObjectsV2', 'GET', 'bucket', 'list-type=2'],
  ['ListParts', 'GET', 'object', 'uploadId=1'],
  ['PutBucketAbac', 'PUT', 'bucket', 'abac'],
  ['PutBucketAccelerateConfiguration', 'PUT', 'bucket', 'accelerate'],
  ['PutBucketAcl', 'PUT', 'bucket', 'acl'],
  ['PutBucketAnalyticsConfiguration', 'PUT', 'bucket', 'analytics&id=1'],
  ['PutBucketCors', 'PUT', 'bucket', 'cors'],
  ['PutBucketEncryption', 'PUT', 'bucket', 'encryption'],
  ['PutBucketIntelligentTieringConfiguration', 'PUT', 'bucket', 'intelligent-tiering&id=1'],
  ['PutBucketInventoryConfiguration', 'PUT', 'bucket', 'inventory&id=1'],
  ['PutBucketLifecycle', 'PUT', 'bucket', 'lifecycle'],
  ['PutBucketLifecycleConfiguration', 'PUT', 'bucket', 'lifecycle'],
  ['PutBucketLogging', 'PUT', 'bucket', 'logging'],
  ['PutBucketMetricsConfiguration', 'PUT', 'bucket', 'metrics&id=1'],
  ['PutBucketNotification', 'PUT', 'bucket', 'notification'],
  ['PutBucketNotificationConfiguration', 'PUT', 'bucket', 'notification'],
  ['PutBucketOwnershipControls', 'PUT', 'bucket', 'ownershipControls'],
  ['PutBucketPolicy', 'PUT', 'bucket', 'policy'],
  ['PutBucketReplication', 'PUT', 'bucket', 'replication'],
  ['PutBucketRequestPayment', 'PUT', 'bucket', 'requestPayment'],
  ['PutBucketTagging', 'PUT', 'bucket', 'tagging'],
  ['PutBucketVersioning', 'PUT', 'bucket', 'versioning'],
  ['PutBucketWebsite', 'PUT', 'bucket', 'website'],
  ['PutObject', 'PUT', 'object', ''],
  ['PutObjectAcl', 'PUT', 'object', 'acl'],
  ['PutObjectAnnotation', 'PUT', 'object', 'annotation&annotationName=1'],
  ['PutObjectLegalHold', 'PUT', 'object', 'legal-hold'],
  ['PutObjectLockConfiguration', 'PUT', 'bucket', 'object-lock'],
  ['PutObjectRetention', 'PUT', 'object', 'retention'],
  ['PutObjectTagging', 'PUT', 'object', 'tagging'],
  ['PutPublicAccessBlock', 'PUT', 'bucket', 'publicAccessBlock'],
  ['RenameObject', 'PUT', 'object', 'renameObject'],
  ['RestoreObject', 'POST', 'object', 'restore'],
  ['SelectObjectContent', 'POST', 'object', 'select&select-type=2'],
  ['UpdateBucketMetadataAnnotationTableConfiguration', 'PUT', 'bucket', 'metadataAnnotationTable'],
  ['UpdateBucketMetadataInventoryTableConfiguration', 'PUT', 'bucket', 'metadataInventoryTable'],
  ['UpdateBucketMetadataJournalTableConfiguration', 'PUT', 'bucket', 'metadataJournalTable'],
  ['UpdateObjectEncryption', 'PUT', 'object', 'encryption'],
  ['UploadPart', 'PUT', 'object', 'partNumber=1&uploadId=1'],
  ['UploadPartCopy', 'PUT', 'object', 'partNumber=1&uploadId=1', 'copy'],
  ['WriteGetObjectResponse', 'POST', 'elsewhere', ''],];

/** Names of the model that are another name of the same request. */
const SUPERSEDED: Readonly<Record<string, string>> = {
  GetBucketLifecycle: 'GetBucketLifecycleConfiguration',
  GetBucketNotification: 'GetBucketNotificationConfiguration',
  PutBucketLifecycle: 'PutBucketLifecycleConfiguration',
  PutBucketNotification: 'PutBucketNotificationConfiguration',
};

/** Name of the operation, or `code reason` of the refusal. */
function route(
  method: string,
  resource: Resource,
  query: string,
  headers: Readonly<Record<string, string>> = {},
): string {
  const target = parseTarget(`/?${query}`);
  assert.ok(target, query);
  const routed = routeOperation(method, resource, target.parameters, headersOf({ host: 'h', ...headers }));
  return routed.kind === 'operation'
    ? routed.operation.name
    : `${routed.refusal.code} ${routed.refusal.reason}`;
}

const COPY = { 'x-amz-copy-source': 'bucket/key' };

describe('every operation of the service model', () => {
  test('is in the table, and nothing else but forms and preflights', () => {
    const names = new Set(OPERATIONS.map(({ name }) => name));
    assert.equal(MODEL.length, 116);
    assert.deepEqual(
      [...names].sort(),
      [...MODEL.map(([name]) => name), 'PostObject', 'CORSPreflight'].sort(),
    );
  });

  for (const [name, method, resource, query, copy] of MODEL) {
    if (resource === 'elsewhere') continue;
    const expected = SUPERSEDED[name] ?? name;
    test(`${method} ${resource}?${query} is ${expected}`, () => {
      const headers = copy ? COPY : {};
      assert.equal(route(method, resource, query, headers), expected);
      assert.equal(
        route(method, resource, `${query}${query && '&'}x-id=${name}`, headers),
        expected,
        'with x-id',
      );
    });
  }

  for (const [name] of MODEL.filter(([, , resource]) => resource === 'elsewhere')) {
    test(`${name} belongs to another endpoint and is out of reach`, () => {
      assert.equal(operationNamed(name).access, 'never');
      assert.notEqual(operationNamed(name).endpoint, undefined);
    });
  }

  test('CreateSession is recognised, and out of reach', () => {
    assert.equal(operationNamed('CreateSession').access, 'never');
  });

  test('a form upload is one, whatever its boundary', () => {
    for (const type of [
      'multipart/form-data',
      'multipart/form-data; boundary=x',
      'Multipart/Form-Data;boundary="x"',
    ]) {
      assert.equal(route('POST', 'bucket', '', { 'content-type': type }), 'PostObject', type);
    }
    assert.equal(
      route('POST', 'bucket', '', { 'content-type': 'multipart/form-datax' }),
      'PreconditionFailed malformed_request',
    );
  });
});

const UNKNOWN = 'NotImplemented operation_not_allowed';
const AMBIGUOUS = 'InvalidRequest ambiguous_request';
const ARGUMENT = 'InvalidArgument malformed_request';
const METHOD = 'MethodNotAllowed operation_not_allowed';

describe('a request that could be two operations, or none', () => {
  const TABLE: readonly (readonly [
    what: string,
    method: string,
    resource: Resource,
    query: string,
    expected: string,
  ])[] = [
    ['an unknown subresource on a write', 'PUT', 'object', 'madeup', UNKNOWN],
    ['an unknown subresource on a read', 'GET', 'object', 'madeup', UNKNOWN],
    ['an unknown subresource on DeleteBucket', 'DELETE', 'bucket', 'madeup', UNKNOWN],
    ['an unknown subresource on CreateBucket', 'PUT', 'bucket', 'madeup', UNKNOWN],
    ['an unknown subresource on POST', 'POST', 'object', 'madeup', UNKNOWN],
    ['an unknown one beside a known one', 'PUT', 'object', 'acl&madeup', UNKNOWN],
    ["Ceph's append", 'PUT', 'object', 'append&position=0', UNKNOWN],
    ['a subresource of another method', 'DELETE', 'object', 'acl', UNKNOWN],
    ['a subresource of buckets on an object', 'GET', 'object', 'versions', UNKNOWN],
    ['upper case', 'PUT', 'object', 'ACL', UNKNOWN],
    ['mixed case', 'PUT', 'object', 'Encryption', UNKNOWN],
    ['upper case uploadId', 'PUT', 'object', 'partNumber=1&UPLOADID=x', ARGUMENT],
    ['lower case partNumber', 'PUT', 'object', 'partnumber=1&uploadId=x', UNKNOWN],
    ['a subresource with a value', 'PUT', 'object', 'acl=x', UNKNOWN],
    ['a subresource with a value on a read', 'GET', 'bucket', 'location=eu', UNKNOWN],
    ['another list type', 'GET', 'bucket', 'list-type=3', UNKNOWN],
    ['another select type', 'POST', 'object', 'select&select-type=1', METHOD],
    ['a subresource twice', 'GET', 'object', 'acl&acl', AMBIGUOUS],
    ['a subresource twice, once with a value', 'GET', 'object', 'acl&acl=x', AMBIGUOUS],
    ['uploadId twice', 'PUT', 'object', 'partNumber=1&uploadId=a&uploadId=b', AMBIGUOUS],
    ['partNumber twice', 'PUT', 'object', 'partNumber=1&partNumber=2&uploadId=a', AMBIGUOUS],
    ['versionId twice', 'GET', 'object', 'versionId=a&versionId=b', AMBIGUOUS],
    ['a name twice, once escaped', 'GET', 'object', 'versionId=a&version%49d=b', AMBIGUOUS],
    ['two subresources', 'PUT', 'object', 'acl&tagging', AMBIGUOUS],
    ['two subresources of a bucket', 'PUT', 'bucket', 'encryption&policy', AMBIGUOUS],
    ['a subresource and an upload', 'PUT', 'object', 'acl&partNumber=1&uploadId=x', UNKNOWN],
    ['two kinds of upload', 'POST', 'object', 'uploads&uploadId=x', AMBIGUOUS],
    ['partNumber without uploadId', 'PUT', 'object', 'partNumber=1', ARGUMENT],
    ['partNumber with an empty uploadId', 'PUT', 'object', 'partNumber=1&uploadId=', ARGUMENT],
    ['uploadId without partNumber', 'PUT', 'object', 'uploadId=x', UNKNOWN],
    ['an empty uploadId on DELETE', 'DELETE', 'object', 'uploadId=', UNKNOWN],
    ['POST to an object with no query', 'POST', 'object', '', METHOD],
    ['POST to a bucket with no query', 'POST', 'bucket', '', 'PreconditionFailed malformed_request'],
    ['PUT on the service', 'PUT', 'service', '', METHOD],
    ['HEAD on the service', 'HEAD', 'service', '', METHOD],
    ['PATCH', 'PATCH', 'object', '', METHOD],
    ['CONNECT', 'CONNECT', 'object', '', METHOD],
    ['a method in lower case', 'put', 'object', '', METHOD],
    ['a method of the prototype', 'constructor', 'object', '', METHOD],
    ['a name of the prototype', 'GET', 'object', 'constructor', UNKNOWN],
    ['a name of the prototype, again', 'PUT', 'object', '__proto__', UNKNOWN],
  ];
  for (const [what, method, resource, query, expected] of TABLE) {
    test(`is refused: ${what}`, () => assert.equal(route(method, resource, query), expected));
  }

  test('names the method and the resource that do not go together', () => {
    const routed = routeOperation('PATCH', 'object', [], headersOf({}));
    assert.ok(routed.kind === 'refused');
    assert.deepEqual(routed.refusal.details, [
      ['Method', 'PATCH'],
      ['ResourceType', 'OBJECT'],
    ]);
  });

  const NOT_A_COPY: readonly (readonly [method: string, resource: Resource, query: string])[] = [
    ['GET', 'object', ''],
    ['DELETE', 'object', ''],
    ['PUT', 'object', 'acl'],
    ['PUT', 'object', 'encryption'],
    ['PUT', 'bucket', ''],
    ['POST', 'object', 'uploads'],
  ];
  for (const [method, resource, query] of NOT_A_COPY) {
    test(`is refused: a copy source on ${method} ${resource}?${query}`, () => {
      assert.equal(route(method, resource, query, COPY), ARGUMENT);
    });
  }

  test('encryption on an object is UpdateObjectEncryption, on a bucket PutBucketEncryption', () => {
    assert.equal(route('PUT', 'object', 'encryption'), 'UpdateObjectEncryption');
    assert.equal(route('PUT', 'bucket', 'encryption'), 'PutBucketEncryption');
    assert.equal(operationNamed('UpdateObjectEncryption').access, 'admin');
  });

  test('never throws, and gives an operation whose whole query it knows', () => {
    const names = OPERATIONS.flatMap((row) => [
      ...Object.keys(row.subresource ?? {}),
      ...(row.requires ?? []),
      ...(row.query ?? []),
    ]);
    const parameter = fc.record({
      name: fc.oneof(fc.constantFrom(...names), fc.string({ minLength: 1 })),
      value: fc.constantFrom('', '', '1', '2'),
    });
    const method = fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH');
    const resource = fc.constantFrom<Resource>('service', 'bucket', 'object');
    fc.assert(
      fc.property(
        method,
        resource,
        fc.array(parameter, { maxLength: 4 }),
        fc.boolean(),
        (verb, on, query, copy) => {
          const routed = routeOperation(verb, on, query, headersOf(copy ? COPY : {}));
          if (routed.kind === 'refused') return;
          const { operation } = routed;
          assert.deepEqual([operation.method, operation.resource], [verb, on]);
          const known = [
            ...Object.keys(operation.subresource ?? {}),
            ...(operation.requires ?? []),
            ...(operation.query ?? []),
          ];
          for (const { name } of query) {
            assert.ok(
              known.includes(name) || name === 'x-id' || /^x-amz-/i.test(name),
              `${operation.name}: ${name}`,
            );
          }
          assert.equal(copy, operation.copySource === true);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('a CORS preflight', () => {
  // A browser asks for the very URL it is about to use, query included.
  for (const query of [
    '',
    'uploads',
    'partNumber=1&uploadId=x',
    'x-id=PutObject',
    'versionId=x',
    'list-type=2&prefix=a',
  ]) {
    test(`of ?${query} is one`, () => {
      assert.equal(route('OPTIONS', 'object', query), 'CORSPreflight');
      assert.equal(route('OPTIONS', 'bucket', query), 'CORSPreflight');
    });
  }
});

describe('the right an operation takes', () => {
  const RIGHTS: Readonly<Record<string, readonly string[]>> = {
    admin: [
      'PutBucketEncryption',
      'DeleteBucketEncryption',
      'PutBucketPolicy',
      'DeleteBucketPolicy',
      'PutBucketAcl',
      'PutObjectAcl',
      'PutBucketReplication',
      'PutBucketInventoryConfiguration',
      'PutBucketLogging',
      'CreateBucket',
      'DeleteBucket',
      'PutPublicAccessBlock',
      'DeletePublicAccessBlock',
      'PutBucketOwnershipControls',
      'PutBucketLifecycleConfiguration',
      'PutBucketNotificationConfiguration',
      'UpdateObjectEncryption',
      'RestoreObject',
      'PutObjectLockConfiguration',
      'PutBucketVersioning',
      'PutBucketWebsite',
      'PutBucketCors',
    ],
    write: [
      'PutObject',
      'CopyObject',
      'CreateMultipartUpload',
      'UploadPart',
      'UploadPartCopy',
      'CompleteMultipartUpload',
      'AbortMultipartUpload',
      'DeleteObject',
      'DeleteObjects',
      'PutObjectTagging',
    ],
    // Credentials that lead past the gateway; moves that keep an encryption nobody has seen; other endpoints.
    never: ['CreateSession', 'RenameObject', 'ListDirectoryBuckets', 'WriteGetObjectResponse'],
    read: [
      'GetObject',
      'HeadObject',
      'ListObjects',
      'ListObjectsV2',
      'ListBuckets',
      'HeadBucket',
      'GetObjectAttributes',
      'ListParts',
    ],
  };
  for (const [access, names] of Object.entries(RIGHTS)) {
    for (const name of names)
      test(`${name}: ${access}`, () => assert.equal(operationNamed(name).access, access));
  }
  test('no read has a method that writes, save a select', () => {
    for (const { name, method, access } of OPERATIONS) {
      if (access === 'read' && name !== 'SelectObjectContent')
        assert.ok(['GET', 'HEAD'].includes(method), name);
    }
  });
});

describe('where encryption headers belong', () => {
  const ACCEPTS = ['CopyObject', 'CreateMultipartUpload', 'CreateSession', 'PostObject', 'PutObject'];
  const INHERITS = ['CompleteMultipartUpload', 'PutObjectAnnotation', 'UploadPart', 'UploadPartCopy'];
  for (const [encryption, names] of [
    ['accepts', ACCEPTS],
    ['inherits', INHERITS],
  ] as const) {
    test(`${encryption}: ${names.join(', ')}`, () => {
      const found = OPERATIONS.filter((row) => row.encryption === encryption).map(({ name }) => name);
      assert.deepEqual(found.sort(), names);
    });
  }
});

describe('an x-amz-* header', () => {
  const TABLE: readonly (readonly [operation: string, header: string, standing: string])[] = [
    ['PutObject', 'x-amz-server-side-encryption', 'known'],
    ['PutObject', 'x-amz-server-side-encryption-context', 'known'],
    ['PutObject', 'x-amz-server-side-encryption-customer-key-md5', 'known'],
    ['PutObject', 'x-amz-server-side-encryption-aws-bucket-key-enabled', 'unknown'],
    ['PutObject', 'x-amz-copy-source-server-side-encryption-customer-key', 'elsewhere'],
    ['CopyObject', 'x-amz-copy-source-server-side-encryption-customer-key', 'known'],
    ['PutObject', 'x-amz-meta-anything', 'known'],
    ['GetObject', 'x-amz-meta-anything', 'elsewhere'],
    ['GetObject', 'x-amz-checksum-mode', 'known'],
    ['GetObject', 'x-amz-acl', 'elsewhere'],
    ['PutObject', 'x-amz-expected-bucket-owner', 'known'],
    ['ListBuckets', 'x-amz-expected-bucket-owner', 'known'],
    ['PutObject', 'x-amz-fwd-header-etag', 'unknown'],
    ['PutObject', 'x-amz-madeup', 'unknown'],
    ['PutObject', 'x-amz-', 'unknown'],
    ['PutObject', 'x-amz-constructor', 'unknown'],
  ];
  for (const [operation, header, standing] of TABLE) {
    test(`${header} is ${standing} to ${operation}`, () => {
      assert.equal(headerStanding(operationNamed(operation), header), standing);
    });
  }
});
