// Documents that settle encryption for later: bucket defaults, replicas, reports and tables that S3 itself will write, objects
// that it re-encrypts in place. Knows their form and what they ask for; must not know the operator's rules.
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import type { Operation } from './operation.ts';
import {
  elementAt,
  elementsNamed,
  fitsShape,
  textAt,
  type XmlElement,
  type XmlShape,
  type XmlShapes,
} from './xml-element.ts';

/** Encryption that S3 is to apply without asking again. */
export interface Settlement {
  readonly bucket: string;
  /**
   * `default`: the bucket's own default, which one of its rules must allow. `delivery`: objects below a prefix, which every
   * rule that reaches them must allow. `object`: one object.
   */
  readonly reach:
    | { readonly kind: 'default' }
    | { readonly kind: 'delivery'; readonly prefix: string }
    | { readonly kind: 'object'; readonly key: string };
  readonly algorithm: string | undefined;
  readonly keyId: string | undefined;
  readonly bucketKey?: string | undefined;
  /** Whether SSE-C is let in. */
  readonly customerKeys?: boolean;
  /** Where it stands in the document. */
  readonly element: string;
}

/** What a request configures. */
interface Target {
  readonly bucket: string;
  readonly key: string;
}

/** A document that settles encryption. */
interface SettlingDocument {
  readonly root: string;
  readonly shape: XmlShape;
  /** `undefined`: not a document that S3 would take. */
  readonly settlements: (document: XmlElement, target: Target) => readonly Settlement[] | Refusal | undefined;
}

const KMS = 'aws:kms';
const STATUS: XmlShapes = { Status: 'text' };
const TAG: XmlShapes = { Key: 'text', Value: 'text' };
const FILTER: XmlShapes = { Prefix: 'text', Tag: TAG, And: { Prefix: 'text', Tag: [TAG] } };
const TABLE_ENCRYPTION: XmlShapes = { SseAlgorithm: 'text', KmsKeyArn: 'text' };
const JOURNAL_TABLE: XmlShapes = {
  RecordExpiration: { Expiration: 'text', Days: 'text' },
  EncryptionConfiguration: TABLE_ENCRYPTION,
};
const STATE_TABLE: XmlShapes = {
  ConfigurationState: 'text',
  Role: 'text',
  EncryptionConfiguration: TABLE_ENCRYPTION,
};

/** Operation → its document. The shapes are those of the service model (botocore 1.43). */
const DOCUMENTS: Readonly<Record<string, SettlingDocument>> = {
  /** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html */
  PutBucketEncryption: {
    root: 'ServerSideEncryptionConfiguration',
    shape: {
      Rule: [
        {
          ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'text', KMSMasterKeyID: 'text' },
          BucketKeyEnabled: 'text',
          BlockedEncryptionTypes: { EncryptionType: ['text'] },
        },
      ],
    },
    settlements: bucketDefault,
  },
  /** https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html */
  UpdateObjectEncryption: {
    root: 'ObjectEncryption',
    shape: { 'SSE-KMS': { KMSKeyArn: 'text', BucketKeyEnabled: 'text' } },
    settlements: objectEncryption,
  },
  /** https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html */
  RestoreObject: {
    root: 'RestoreRequest',
    shape: {
      Days: 'text',
      GlacierJobParameters: { Tier: 'text' },
      Type: 'text',
      Tier: 'text',
      Description: 'text',
      SelectParameters: 'anything',
      OutputLocation: 'anything',
    },
    settlements: restore,
  },
  /** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketReplication.html */
  PutBucketReplication: {
    root: 'ReplicationConfiguration',
    shape: {
      Role: 'text',
      Rule: [
        {
          ID: 'text',
          Priority: 'text',
          Prefix: 'text',
          Filter: FILTER,
          Status: 'text',
          SourceSelectionCriteria: { SseKmsEncryptedObjects: STATUS, ReplicaModifications: STATUS },
          ExistingObjectReplication: STATUS,
          Destination: {
            Bucket: 'text',
            Account: 'text',
            StorageClass: 'text',
            AccessControlTranslation: { Owner: 'text' },
            EncryptionConfiguration: { ReplicaKmsKeyID: 'text' },
            ReplicationTime: { Status: 'text', Time: { Minutes: 'text' } },
            Metrics: { Status: 'text', EventThreshold: { Minutes: 'text' } },
          },
          DeleteMarkerReplication: STATUS,
        },
      ],
    },
    settlements: replicas,
  },
  /** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketInventoryConfiguration.html */
  PutBucketInventoryConfiguration: {
    root: 'InventoryConfiguration',
    shape: {
      Destination: {
        S3BucketDestination: {
          AccountId: 'text',
          Bucket: 'text',
          Format: 'text',
          Prefix: 'text',
          Encryption: { 'SSE-S3': {}, 'SSE-KMS': { KeyId: 'text' } },
        },
      },
      IsEnabled: 'text',
      Filter: { Prefix: 'text' },
      Id: 'text',
      IncludedObjectVersions: 'text',
      OptionalFields: { Field: ['text'] },
      Schedule: { Frequency: 'text' },
    },
    settlements: inventory,
  },
  /** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAnalyticsConfiguration.html */
  PutBucketAnalyticsConfiguration: {
    root: 'AnalyticsConfiguration',
    shape: {
      Id: 'text',
      Filter: FILTER,
      StorageClassAnalysis: {
        DataExport: {
          OutputSchemaVersion: 'text',
          Destination: {
            S3BucketDestination: { Format: 'text', BucketAccountId: 'text', Bucket: 'text', Prefix: 'text' },
          },
        },
      },
    },
    settlements: analyticsExport,
  },
  /** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLogging.html */
  PutBucketLogging: {
    root: 'BucketLoggingStatus',
    shape: {
      LoggingEnabled: {
        TargetBucket: 'text',
        TargetPrefix: 'text',
        TargetGrants: 'anything',
        TargetObjectKeyFormat: { SimplePrefix: {}, PartitionedPrefix: { PartitionDateSource: 'text' } },
      },
    },
    settlements: accessLogs,
  },
  /** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketMetadataConfiguration.html */
  CreateBucketMetadataConfiguration: {
    root: 'MetadataConfiguration',
    shape: {
      JournalTableConfiguration: JOURNAL_TABLE,
      InventoryTableConfiguration: STATE_TABLE,
      AnnotationTableConfiguration: STATE_TABLE,
    },
    settlements: (document, target) => document.children.flatMap((table) => metadataTable(table, target)),
  },
  /** Such a table cannot name a key. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketMetadataTableConfiguration.html */
  CreateBucketMetadataTableConfiguration: {
    root: 'MetadataTableConfiguration',
    shape: { S3TablesDestination: { TableBucketArn: 'text', TableName: 'text' } },
    settlements: metadataTable,
  },
  UpdateBucketMetadataInventoryTableConfiguration: {
    root: 'InventoryTableConfiguration',
    shape: STATE_TABLE,
    settlements: metadataTable,
  },
  /** Without an encryption it leaves the table's as it is. */
  UpdateBucketMetadataJournalTableConfiguration: {
    root: 'JournalTableConfiguration',
    shape: JOURNAL_TABLE,
    settlements: (table, target) =>
      elementAt(table, 'EncryptionConfiguration') ? metadataTable(table, target) : [],
  },
  UpdateBucketMetadataAnnotationTableConfiguration: {
    root: 'AnnotationTableConfiguration',
    shape: STATE_TABLE,
    settlements: metadataTable,
  },
};

/** Exactly one rule: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ServerSideEncryptionConfiguration.html */
function bucketDefault(document: XmlElement, { bucket }: Target): readonly Settlement[] | undefined {
  const [rule, ...more] = elementsNamed(document, 'Rule');
  if (rule === undefined || more.length > 0) return undefined;
  const unblocked = elementAt(rule, 'BlockedEncryptionTypes');
  const types = elementsNamed(unblocked, 'EncryptionType').map(({ text }) => text);
  return [
    {
      bucket,
      reach: { kind: 'default' },
      // A rule that only blocks types leaves the default that S3 itself has.
      algorithm: textAt(rule, 'ApplyServerSideEncryptionByDefault', 'SSEAlgorithm') ?? 'AES256',
      keyId: textAt(rule, 'ApplyServerSideEncryptionByDefault', 'KMSMasterKeyID'),
      bucketKey: textAt(rule, 'BucketKeyEnabled'),
      customerKeys: unblocked !== undefined && !types.includes('SSE-C'),
      element: 'ServerSideEncryptionConfiguration',
    },
  ];
}

function objectEncryption(document: XmlElement, { bucket, key }: Target): readonly Settlement[] | undefined {
  const kms = elementAt(document, 'SSE-KMS');
  if (kms === undefined) return undefined;
  return [
    {
      bucket,
      reach: { kind: 'object', key },
      algorithm: KMS,
      keyId: textAt(kms, 'KMSKeyArn'),
      bucketKey: textAt(kms, 'BucketKeyEnabled') ?? 'false',
      element: 'ObjectEncryption',
    },
  ];
}

/** A restore stays in place, under the encryption that the object has; its results elsewhere would be written by S3. */
function restore(document: XmlElement): readonly Settlement[] | Refusal {
  const elsewhere = ['OutputLocation', 'SelectParameters', 'Type'].some((name) => elementAt(document, name));
  return elsewhere ? refusals.outputLocationNotAllowed() : [];
}

/**
 * Objects under KMS are replicated only where that is asked for, and then under the key that is named here.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html
 */
function replicas(document: XmlElement): readonly Settlement[] | undefined {
  const settlements: Settlement[] = [];
  for (const rule of elementsNamed(document, 'Rule')) {
    const destination = elementAt(rule, 'Destination');
    const bucket = bucketOfArn(textAt(destination, 'Bucket'));
    if (bucket === undefined) return undefined;
    const selects = textAt(rule, 'SourceSelectionCriteria', 'SseKmsEncryptedObjects', 'Status') === 'Enabled';
    settlements.push({
      bucket,
      reach: { kind: 'delivery', prefix: commonPrefix(rule) },
      algorithm: selects ? KMS : undefined,
      keyId: selects ? textAt(destination, 'EncryptionConfiguration', 'ReplicaKmsKeyID') : undefined,
      element: 'ReplicationConfiguration/Rule',
    });
  }
  return settlements;
}

/** Replicas keep their keys: what a rule of the replication selects lies below its prefix at the destination too. */
function commonPrefix(rule: XmlElement): string {
  const filter = elementAt(rule, 'Filter');
  return textAt(rule, 'Prefix') ?? textAt(filter, 'Prefix') ?? textAt(filter, 'And', 'Prefix') ?? '';
}

function inventory(document: XmlElement): readonly Settlement[] | undefined {
  const destination = elementAt(document, 'Destination', 'S3BucketDestination');
  const bucket = bucketOfArn(textAt(destination, 'Bucket'));
  if (bucket === undefined) return undefined;
  const encryption = elementAt(destination, 'Encryption');
  const methods = encryption?.children.map(({ name }) => name) ?? [];
  if (methods.length > 1) return undefined;
  const algorithms: Readonly<Record<string, string>> = { 'SSE-S3': 'AES256', 'SSE-KMS': KMS };
  return [
    {
      bucket,
      reach: { kind: 'delivery', prefix: textAt(destination, 'Prefix') ?? '' },
      algorithm: algorithms[methods[0] ?? ''],
      keyId: textAt(encryption, 'SSE-KMS', 'KeyId'),
      element: 'InventoryConfiguration/Destination',
    },
  ];
}

function analyticsExport(document: XmlElement): readonly Settlement[] | undefined {
  const data = elementAt(document, 'StorageClassAnalysis', 'DataExport');
  if (data === undefined) return [];
  const destination = elementAt(data, 'Destination', 'S3BucketDestination');
  const bucket = bucketOfArn(textAt(destination, 'Bucket'));
  if (bucket === undefined) return undefined;
  const prefix = textAt(destination, 'Prefix') ?? '';
  return [unencrypted(bucket, prefix, 'AnalyticsConfiguration/StorageClassAnalysis/DataExport/Destination')];
}

function accessLogs(document: XmlElement): readonly Settlement[] | undefined {
  const enabled = elementAt(document, 'LoggingEnabled');
  if (enabled === undefined) return [];
  const bucket = textAt(enabled, 'TargetBucket');
  if (bucket === undefined || bucket === '') return undefined;
  return [unencrypted(bucket, textAt(enabled, 'TargetPrefix') ?? '', 'BucketLoggingStatus/LoggingEnabled')];
}

/** A delivery that cannot name an encryption. */
function unencrypted(bucket: string, prefix: string, element: string): Settlement {
  const reach = { kind: 'delivery', prefix } as const;
  return { bucket, reach, algorithm: undefined, keyId: undefined, element };
}

/** A table of the names and metadata of a bucket's objects. */
function metadataTable(table: XmlElement, { bucket }: Target): readonly Settlement[] {
  if (textAt(table, 'ConfigurationState') === 'DISABLED') return [];
  const encryption = elementAt(table, 'EncryptionConfiguration');
  return [
    {
      bucket,
      reach: { kind: 'default' },
      algorithm: textAt(encryption, 'SseAlgorithm'),
      keyId: textAt(encryption, 'KmsKeyArn'),
      element: table.name,
    },
  ];
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-arn-format.html */
function bucketOfArn(arn: string | undefined): string | undefined {
  return /^arn:aws[a-z-]*:s3:::([^/:*]+)$/.exec(arn ?? '')?.[1];
}

/** Resets the bucket to SSE-S3. https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketEncryption.html */
function defaultReset(bucket: string): Settlement {
  return {
    bucket,
    reach: { kind: 'default' },
    algorithm: 'AES256',
    keyId: undefined,
    element: 'DeleteBucketEncryption',
  };
}

/** Largest document that is judged, in bytes: S3's own bound on a replication configuration. */
export const MAX_SETTLING_DOCUMENT: number = 2 * 1024 * 1024;

/** Whether the operation brings a document that must be read before it is judged. */
export function settlesEncryption(operation: Operation): boolean {
  return Object.hasOwn(DOCUMENTS, operation.name);
}

/** What an operation settles; nothing for most. `root` is the root of its document, where it was well-formed. */
export function settlementsOf(
  operation: Operation,
  target: { readonly bucket: string; readonly key: string | undefined },
  root: XmlElement | undefined,
): readonly Settlement[] | Refusal {
  const { bucket, key = '' } = target;
  if (operation.name === 'DeleteBucketEncryption') return [defaultReset(bucket)];
  const document = Object.hasOwn(DOCUMENTS, operation.name) ? DOCUMENTS[operation.name] : undefined;
  if (!document) return [];
  const sound = root?.name === document.root && fitsShape(root, document.shape);
  if (!root || !sound) return refusals.xmlMalformed();
  return document.settlements(root, { bucket, key }) ?? refusals.xmlMalformed();
}
