// Objects in the embedded store: put, get, delete, copy.
import { type CopySource, parseCopySource } from '../core/s3/copy-source.ts';
import {
  type Answer,
  emptyAnswer,
  type Fault,
  fault,
  isFault,
  type XmlContent,
  xmlAnswer,
} from './answers.ts';
import {
  boundContext,
  type Encryption,
  encryptionHeaders,
  encryptionOf,
  refuseInsecure,
} from './encryption.ts';
import type { Metadata, StoredObject } from './objects.ts';
import { etagOf } from './objects.ts';
import {
  type AtKey,
  NO_SUCH_KEY,
  noSuchBucket,
  type Outcome,
  PRECONDITION_FAILED,
  type Shelves,
  type VerifiedRequest,
} from './shelves.ts';
import type { DataKey } from './vault.ts';

export async function putObject(at: AtKey): Promise<Outcome> {
  const { request, shelves, bucket, key } = at;
  const encryption = requestedAt(at);
  if (isFault(encryption)) return encryption;
  const payload = await request.payload();
  if (isFault(payload)) return payload;
  const conflict = writeCondition(request, bucket.objects.get(key));
  if (conflict) return conflict;
  const { bytes, checksums } = payload;
  const dataKey = newDataKey(at, encryption);
  const object: StoredObject = {
    key,
    etag: etagOf(encryption, bytes),
    lastModified: request.now,
    size: bytes.length,
    encryption,
    dataKey,
    segments: [shelves.vault.seal(dataKey, bytes)],
    metadata: metadataOf(request.fields),
    checksums,
  };
  shelves.buckets.put(bucket, object);
  const headers = [etagHeader(object.etag), ...encryptionHeaders(encryption, 'context'), ...checksums];
  return emptyAnswer(200, headers);
}

export function requestedAt({ request, shelves, bucket, key }: AtKey): Encryption | Fault {
  return encryptionOf(request.fields, { bucket: bucket.name, key }, request.channel, shelves.vault);
}

export function newDataKey({ shelves, bucket, key }: AtKey, encryption: Encryption): DataKey {
  const context = boundContext(encryption, { bucket: bucket.name, key });
  return shelves.vault.generateDataKey(encryption.keyId, context);
}

export function etagHeader(etag: string): readonly [string, string] {
  return ['etag', `"${etag}"`];
}

const CONTENT_HEADERS = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
];

export function metadataOf(fields: ReadonlyMap<string, string>): Metadata {
  const kept: [string, string][] = [];
  for (const [name, value] of fields) {
    if (name === 'content-encoding') {
      // The framing is not part of the object.
      const encodings = value.split(',').map((encoding) => encoding.trim());
      const rest = encodings.filter((encoding) => encoding !== 'aws-chunked').join(',');
      if (rest !== '') kept.push([name, rest]);
    } else if (name.startsWith('x-amz-meta-') || CONTENT_HEADERS.includes(name)) kept.push([name, value]);
  }
  if (!fields.has('content-type')) kept.push(['content-type', 'binary/octet-stream']);
  return kept;
}

function names(header: string, etag: string): boolean {
  return header.split(',').some((entry) => ['*', etag, `"${etag}"`].includes(entry.trim()));
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html */
export function writeCondition(
  { fields }: VerifiedRequest,
  existing: StoredObject | undefined,
): Fault | undefined {
  const [ifMatch, ifNoneMatch] = [fields.get('if-match'), fields.get('if-none-match')];
  if (ifNoneMatch !== undefined && existing) return PRECONDITION_FAILED;
  if (ifMatch === undefined) return undefined;
  if (!existing) return NO_SUCH_KEY;
  return names(ifMatch, existing.etag) ? undefined : PRECONDITION_FAILED;
}

export function getObject({ request, shelves, bucket, key }: AtKey): Outcome {
  const object = bucket.objects.get(key);
  if (!object) return { ...NO_SUCH_KEY, details: [['Key', key]] };
  if (request.query.has('partNumber') || request.query.has('versionId')) {
    return fault(501, 'NotImplemented', 'The demo store has neither parts of objects nor versions.');
  }
  const insecure = refuseInsecure(object.encryption, request.channel);
  if (insecure) return insecure;
  const headers = objectHeaders(object, request);
  const [ifMatch, ifNoneMatch] = [request.fields.get('if-match'), request.fields.get('if-none-match')];
  if (ifMatch !== undefined && !names(ifMatch, object.etag)) return PRECONDITION_FAILED;
  if (ifNoneMatch !== undefined && names(ifNoneMatch, object.etag)) return emptyAnswer(304, headers);
  const range = rangeOf(request.fields.get('range'), object.size);
  if (isFault(range)) return range;
  const bytes = readObject(shelves, object);
  if (!range) return { status: 200, headers, body: bytes };
  const contentRange = ['content-range', `bytes ${range.first}-${range.last}/${object.size}`] as const;
  return {
    status: 206,
    headers: [...headers, contentRange],
    body: bytes.subarray(range.first, range.last + 1),
  };
}

function objectHeaders(object: StoredObject, { fields, query }: VerifiedRequest): Answer['headers'] {
  const overrides = [...query]
    .filter(([name]) => name.startsWith('response-'))
    .map(([name, value]): [string, string] => [name.slice('response-'.length), value]);
  const overridden = new Set(overrides.map(([name]) => name));
  // A checksum is of the whole object.
  const checksums =
    fields.get('x-amz-checksum-mode') === 'ENABLED' && !fields.has('range') ? object.checksums : [];
  return [
    etagHeader(object.etag),
    ['last-modified', object.lastModified.toUTCString()],
    ['accept-ranges', 'bytes'],
    ...object.metadata.filter(([name]) => !overridden.has(name)),
    ...overrides,
    ...checksums,
    ...encryptionHeaders(object.encryption, 'no context'),
  ];
}

interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** One range, as S3 serves it; `undefined` for none, and for forms that RFC 9110 section 14.2 lets a server ignore. */
export function rangeOf(header: string | undefined, size: number): ByteRange | Fault | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  const [, from = '', to = ''] = match ?? [];
  if (!match || (from === '' && to === '')) return undefined;
  const first = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== '' && to !== '' && Number(to) < first) return undefined;
  if (first < size && (from !== '' || Number(to) > 0)) return { first, last };
  return fault(416, 'InvalidRange', 'The requested range is not satisfiable', {
    RangeRequested: header ?? '',
    ActualObjectSize: String(size),
  });
}

export function readObject({ vault }: Shelves, { dataKey, segments }: StoredObject): Buffer {
  return Buffer.concat(segments.map((segment) => vault.open(dataKey, segment)));
}

export function deleteObject({ shelves, bucket, key }: AtKey): Outcome {
  shelves.buckets.removeObject(bucket, key);
  return emptyAnswer(204);
}

/** The object a copy reads, if it is there and the request's conditions on it hold. */
export function sourceOf({ request, shelves }: AtKey): { object: StoredObject; source: CopySource } | Fault {
  const { fields, channel } = request;
  const source = parseCopySource(fields.get('x-amz-copy-source') ?? '');
  if (!source) return fault(400, 'InvalidArgument', 'Invalid copy source object key');
  if (source.versionId !== undefined) return fault(501, 'NotImplemented', 'The demo store has no versions.');
  const bucket = shelves.buckets.get(source.bucket);
  if (!bucket) return noSuchBucket();
  const object = bucket.objects.get(source.key);
  if (!object) return { ...NO_SUCH_KEY, details: [['Key', source.key]] };
  const [match, noneMatch] = ['if-match', 'if-none-match'].map((name) =>
    fields.get(`x-amz-copy-source-${name}`),
  );
  if (match !== undefined && !names(match, object.etag)) return PRECONDITION_FAILED;
  if (noneMatch !== undefined && names(noneMatch, object.etag)) return PRECONDITION_FAILED;
  return refuseInsecure(object.encryption, channel) ?? { object, source };
}

export function copyObject(at: AtKey): Outcome {
  const { request, shelves, bucket, key } = at;
  const found = sourceOf(at);
  if (isFault(found)) return found;
  const { object: from, source } = found;
  const replaces = request.fields.get('x-amz-metadata-directive') === 'REPLACE';
  const asksEncryption = request.fields.has('x-amz-server-side-encryption');
  if (source.bucket === bucket.name && source.key === key && !replaces && !asksEncryption)
    return copyToItself();
  const encryption = requestedAt(at);
  if (isFault(encryption)) return encryption;
  if (from.size > shelves.buckets.free) return full(from.size);
  const bytes = readObject(shelves, from);
  const dataKey = newDataKey(at, encryption);
  const object: StoredObject = {
    ...from,
    key,
    etag: etagOf(encryption, bytes),
    lastModified: request.now,
    encryption,
    dataKey,
    segments: [shelves.vault.seal(dataKey, bytes)],
    metadata: replaces ? metadataOf(request.fields) : from.metadata,
  };
  shelves.buckets.put(bucket, object);
  return xmlAnswer('CopyObjectResult', copyResult(object), encryptionHeaders(encryption, 'context'));
}

export function copyResult({ lastModified, etag }: { lastModified: Date; etag: string }): XmlContent {
  return { LastModified: lastModified.toISOString(), ETag: `"${etag}"` };
}

function copyToItself(): Fault {
  return fault(
    400,
    'InvalidRequest',
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  );
}

export function full(size: number): Fault {
  return fault(400, 'EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
    ProposedSize: String(size),
  });
}
