// What the embedded store does, operation by operation. A request gets here with its signature verified.
// Must not know sockets; an operation that has no row here is not implemented.
import { encodeComponent } from '../core/http/target.ts';
import type { Address } from '../core/s3/address.ts';
import { type CopySource, parseCopySource } from '../core/s3/copy-source.ts';
import {
  type Answer,
  elements,
  emptyAnswer,
  type Fault,
  fault,
  isFault,
  MALFORMED_XML,
  parseXml,
  textOf,
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
import type { Bucket, Buckets, Metadata, Page, StoredObject, StoredPart, Upload } from './objects.ts';
import { etagOf, listPage, multipartEtag } from './objects.ts';
import type { Payload } from './payload.ts';
import type { DataKey, Vault } from './vault.ts';

/** What the operations work on. */
export interface Shelves {
  readonly region: string;
  readonly buckets: Buckets;
  readonly vault: Vault;
  readonly newUploadId: () => string;
}

/** A request whose sender is verified. */
export interface VerifiedRequest {
  readonly address: Address;
  readonly fields: ReadonlyMap<string, string>;
  readonly query: ReadonlyMap<string, string>;
  readonly channel: { readonly encrypted: boolean };
  readonly now: Date;
  /** Reads and verifies the body. */
  readonly payload: () => Promise<Payload | Fault>;
}

export type Outcome = Answer | Fault;
type Handler = (request: VerifiedRequest, shelves: Shelves) => Outcome | Promise<Outcome>;

/** By the operation's name in the core's table. */
export const HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['ListBuckets', listBuckets],
  ['CreateBucket', createBucket],
  ['HeadBucket', (request, shelves) => inBucket(request, shelves, () => emptyAnswer(200, regionOf(shelves)))],
  [
    'DeleteBucket',
    (request, shelves) => inBucket(request, shelves, (bucket) => deleteBucket(bucket, shelves)),
  ],
  ['GetBucketLocation', (request, shelves) => inBucket(request, shelves, () => location(shelves))],
  ['ListObjects', (request, shelves) => inBucket(request, shelves, (bucket) => listObjects(bucket, request))],
  [
    'ListObjectsV2',
    (request, shelves) => inBucket(request, shelves, (bucket) => listObjectsV2(bucket, request)),
  ],
  [
    'DeleteObjects',
    (request, shelves) => inBucket(request, shelves, (b) => deleteObjects(b, request, shelves)),
  ],
  ['PutObject', (request, shelves) => atKey(request, shelves, putObject)],
  ['GetObject', (request, shelves) => atKey(request, shelves, getObject)],
  ['HeadObject', (request, shelves) => atKey(request, shelves, getObject)],
  ['DeleteObject', (request, shelves) => atKey(request, shelves, deleteObject)],
  ['CopyObject', (request, shelves) => atKey(request, shelves, copyObject)],
  ['CreateMultipartUpload', (request, shelves) => atKey(request, shelves, createUpload)],
  ['UploadPart', (request, shelves) => atKey(request, shelves, uploadPart)],
  ['UploadPartCopy', (request, shelves) => atKey(request, shelves, uploadPartCopy)],
  ['CompleteMultipartUpload', (request, shelves) => atKey(request, shelves, completeUpload)],
  ['AbortMultipartUpload', (request, shelves) => atKey(request, shelves, abortUpload)],
  ['ListParts', (request, shelves) => atKey(request, shelves, listParts)],
]);

const LEAST_PART = 5 * 1024 * 1024;
const OWNER = { ID: 'demo', DisplayName: 'demo' };

const NO_SUCH_KEY = fault(404, 'NoSuchKey', 'The specified key does not exist.');
const PRECONDITION_FAILED = fault(
  412,
  'PreconditionFailed',
  'At least one of the pre-conditions you specified did not hold',
);

/** A request for one object, in a bucket that is there. */
interface AtKey {
  readonly request: VerifiedRequest;
  readonly shelves: Shelves;
  readonly bucket: Bucket;
  readonly key: string;
}

function inBucket(
  { address }: VerifiedRequest,
  shelves: Shelves,
  act: (bucket: Bucket) => Outcome | Promise<Outcome>,
): Outcome | Promise<Outcome> {
  const bucket = address.resource === 'service' ? undefined : shelves.buckets.get(address.bucket);
  return bucket ? act(bucket) : noSuchBucket();
}

function atKey(
  request: VerifiedRequest,
  shelves: Shelves,
  act: (at: AtKey) => Outcome | Promise<Outcome>,
): Outcome | Promise<Outcome> {
  const key = request.address.resource === 'object' ? request.address.key : '';
  return inBucket(request, shelves, (bucket) => act({ request, shelves, bucket, key }));
}

function noSuchBucket(): Fault {
  return fault(404, 'NoSuchBucket', 'The specified bucket does not exist');
}

function regionOf({ region }: Shelves): Answer['headers'] {
  return [['x-amz-bucket-region', region]];
}

function listBuckets(_request: VerifiedRequest, { buckets }: Shelves): Outcome {
  const rows = buckets
    .all()
    .map(({ name, created }) => ({ Name: name, CreationDate: created.toISOString() }));
  return xmlAnswer('ListAllMyBucketsResult', { Owner: OWNER, Buckets: { Bucket: rows } });
}

async function createBucket(
  { address, payload, now }: VerifiedRequest,
  { buckets }: Shelves,
): Promise<Outcome> {
  const body = await payload();
  if (isFault(body)) return body;
  if (address.resource !== 'bucket') return noSuchBucket();
  if (buckets.get(address.bucket)) {
    const text = 'Your previous request to create the named bucket succeeded and you already own it.';
    return fault(409, 'BucketAlreadyOwnedByYou', text, { BucketName: address.bucket });
  }
  buckets.create(address.bucket, now);
  return emptyAnswer(200, [['location', `/${address.bucket}`]]);
}

function deleteBucket(bucket: Bucket, { buckets }: Shelves): Outcome {
  if (bucket.objects.size > 0) {
    return fault(409, 'BucketNotEmpty', 'The bucket you tried to delete is not empty', {
      BucketName: bucket.name,
    });
  }
  buckets.remove(bucket.name);
  return emptyAnswer(204);
}

/** `us-east-1` is written as nothing: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html */
function location({ region }: Shelves): Outcome {
  return xmlAnswer('LocationConstraint', { '#text': region === 'us-east-1' ? '' : region });
}

const DEFAULT_MAX_KEYS = 1000;

/** What both listings read alike; `name` writes a name as the request wants it encoded. */
function readListing({ query }: VerifiedRequest, after: string) {
  const asked = Number(query.get('max-keys') ?? DEFAULT_MAX_KEYS);
  if (!Number.isInteger(asked) || asked < 0) {
    const details = { ArgumentName: 'max-keys', ArgumentValue: query.get('max-keys') ?? '' };
    return fault(400, 'InvalidArgument', 'Provided max-keys not an integer or within integer range', details);
  }
  const encoding = query.get('encoding-type');
  const maxKeys = Math.min(asked, DEFAULT_MAX_KEYS);
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  // S3 leaves `/` alone here.
  const name = (text: string) => (encoding === 'url' ? encodeComponent(text).replaceAll('%2F', '/') : text);
  return { page: { prefix, delimiter, after, maxKeys }, encoding, name };
}

type Listing = Exclude<ReturnType<typeof readListing>, Fault>;

function listingContent(bucket: Bucket, listing: Listing, page: Page): XmlContent {
  const { name, encoding } = listing;
  const { prefix, delimiter, maxKeys } = listing.page;
  return {
    Name: bucket.name,
    Prefix: name(prefix),
    ...(delimiter === '' ? {} : { Delimiter: name(delimiter) }),
    MaxKeys: maxKeys,
    ...(encoding === undefined ? {} : { EncodingType: encoding }),
    IsTruncated: page.next !== undefined,
    Contents: page.objects.map(({ key, lastModified, etag, size }) => ({
      Key: name(key),
      LastModified: lastModified.toISOString(),
      ETag: `"${etag}"`,
      Size: size,
      StorageClass: 'STANDARD',
    })),
    CommonPrefixes: page.commonPrefixes.map((text) => ({ Prefix: name(text) })),
  };
}

function listObjects(bucket: Bucket, request: VerifiedRequest): Outcome {
  const marker = request.query.get('marker') ?? '';
  const listing = readListing(request, marker);
  if (isFault(listing)) return listing;
  const page = listPage(bucket, listing.page);
  const next = page.next === undefined ? {} : { NextMarker: listing.name(page.next) };
  const content = listingContent(bucket, listing, page);
  return xmlAnswer('ListBucketResult', { ...content, Marker: listing.name(marker), ...next });
}

function listObjectsV2(bucket: Bucket, request: VerifiedRequest): Outcome {
  const token = request.query.get('continuation-token');
  const startAfter = request.query.get('start-after');
  const after = token === undefined ? (startAfter ?? '') : Buffer.from(token, 'base64url').toString('utf8');
  const listing = readListing(request, after);
  if (isFault(listing)) return listing;
  const page = listPage(bucket, listing.page);
  const next = page.next && Buffer.from(page.next, 'utf8').toString('base64url');
  return xmlAnswer('ListBucketResult', {
    ...listingContent(bucket, listing, page),
    KeyCount: page.objects.length + page.commonPrefixes.length,
    ContinuationToken: token,
    NextContinuationToken: next,
    StartAfter: startAfter === undefined ? undefined : listing.name(startAfter),
  });
}

async function deleteObjects(bucket: Bucket, request: VerifiedRequest, shelves: Shelves): Promise<Outcome> {
  const body = await request.payload();
  if (isFault(body)) return body;
  const document = parseXml(body.bytes, 'Delete');
  if (isFault(document)) return document;
  const keys = elements(document, 'Object').map((object) => textOf(object, 'Key'));
  if (keys.length === 0 || keys.length > 1000 || keys.includes(undefined)) return MALFORMED_XML;
  const deleted = keys.filter((key) => key !== undefined);
  for (const key of deleted) shelves.buckets.removeObject(bucket, key);
  const quiet = textOf(document, 'Quiet') === 'true';
  return xmlAnswer('DeleteResult', quiet ? {} : { Deleted: deleted.map((Key) => ({ Key })) });
}

async function putObject(at: AtKey): Promise<Outcome> {
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

function requestedAt({ request, shelves, bucket, key }: AtKey): Encryption | Fault {
  return encryptionOf(request.fields, { bucket: bucket.name, key }, request.channel, shelves.vault);
}

function newDataKey({ shelves, bucket, key }: AtKey, encryption: Encryption): DataKey {
  const context = boundContext(encryption, { bucket: bucket.name, key });
  return shelves.vault.generateDataKey(encryption.keyId, context);
}

function etagHeader(etag: string): readonly [string, string] {
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

function metadataOf(fields: ReadonlyMap<string, string>): Metadata {
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
function writeCondition({ fields }: VerifiedRequest, existing: StoredObject | undefined): Fault | undefined {
  const [ifMatch, ifNoneMatch] = [fields.get('if-match'), fields.get('if-none-match')];
  if (ifNoneMatch !== undefined && existing) return PRECONDITION_FAILED;
  if (ifMatch === undefined) return undefined;
  if (!existing) return NO_SUCH_KEY;
  return names(ifMatch, existing.etag) ? undefined : PRECONDITION_FAILED;
}

function getObject({ request, shelves, bucket, key }: AtKey): Outcome {
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
function rangeOf(header: string | undefined, size: number): ByteRange | Fault | undefined {
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

function readObject({ vault }: Shelves, { dataKey, segments }: StoredObject): Buffer {
  return Buffer.concat(segments.map((segment) => vault.open(dataKey, segment)));
}

function deleteObject({ shelves, bucket, key }: AtKey): Outcome {
  shelves.buckets.removeObject(bucket, key);
  return emptyAnswer(204);
}

/** The object a copy reads, if it is there and the request's conditions on it hold. */
function sourceOf({ request, shelves }: AtKey): { object: StoredObject; source: CopySource } | Fault {
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

function copyObject(at: AtKey): Outcome {
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

function copyResult({ lastModified, etag }: { lastModified: Date; etag: string }): XmlContent {
  return { LastModified: lastModified.toISOString(), ETag: `"${etag}"` };
}

function copyToItself(): Fault {
  return fault(
    400,
    'InvalidRequest',
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  );
}

function full(size: number): Fault {
  return fault(400, 'EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
    ProposedSize: String(size),
  });
}

function createUpload(at: AtKey): Outcome {
  const { request, shelves, bucket, key } = at;
  const encryption = requestedAt(at);
  if (isFault(encryption)) return encryption;
  const upload: Upload = {
    id: shelves.newUploadId(),
    key,
    encryption,
    dataKey: newDataKey(at, encryption),
    metadata: metadataOf(request.fields),
    parts: new Map(),
  };
  bucket.uploads.set(upload.id, upload);
  const content = { Bucket: bucket.name, Key: key, UploadId: upload.id };
  return xmlAnswer('InitiateMultipartUploadResult', content, encryptionHeaders(encryption, 'context'));
}

function uploadOf({ request, bucket, key }: AtKey): Upload | Fault {
  const upload = bucket.uploads.get(request.query.get('uploadId') ?? '');
  if (upload && upload.key === key) return refuseInsecure(upload.encryption, request.channel) ?? upload;
  const text =
    'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.';
  return fault(404, 'NoSuchUpload', text, { UploadId: request.query.get('uploadId') ?? '' });
}

function partNumberOf({ query }: VerifiedRequest): number | Fault {
  const text = query.get('partNumber') ?? '';
  const number = Number(text);
  if (/^\d{1,5}$/.test(text) && number >= 1 && number <= 10000) return number;
  return fault(400, 'InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive', {
    ArgumentName: 'partNumber',
    ArgumentValue: text,
  });
}

function storePart({ request, shelves }: AtKey, upload: Upload, number: number, bytes: Buffer): StoredPart {
  const part: StoredPart = {
    number,
    etag: etagOf(upload.encryption, bytes),
    size: bytes.length,
    lastModified: request.now,
    sealed: shelves.vault.seal(upload.dataKey, bytes),
  };
  shelves.buckets.putPart(upload, part);
  return part;
}

async function uploadPart(at: AtKey): Promise<Outcome> {
  const number = partNumberOf(at.request);
  if (isFault(number)) return number;
  const before = uploadOf(at);
  if (isFault(before)) return before;
  const payload = await at.request.payload();
  if (isFault(payload)) return payload;
  // The upload may have been completed or aborted while the body came in.
  const upload = uploadOf(at);
  if (isFault(upload)) return upload;
  const part = storePart(at, upload, number, payload.bytes);
  const headers = [...encryptionHeaders(upload.encryption, 'no context'), ...payload.checksums];
  return emptyAnswer(200, [etagHeader(part.etag), ...headers]);
}

function uploadPartCopy(at: AtKey): Outcome {
  const number = partNumberOf(at.request);
  if (isFault(number)) return number;
  const upload = uploadOf(at);
  if (isFault(upload)) return upload;
  const found = sourceOf(at);
  if (isFault(found)) return found;
  const header = at.request.fields.get('x-amz-copy-source-range');
  const range = rangeOf(header, found.object.size);
  if (isFault(range)) return range;
  const all = readObject(at.shelves, found.object);
  const bytes = range ? all.subarray(range.first, range.last + 1) : all;
  if (bytes.length > at.shelves.buckets.free) return full(bytes.length);
  const part = storePart(at, upload, number, bytes);
  return xmlAnswer('CopyPartResult', copyResult(part), encryptionHeaders(upload.encryption, 'no context'));
}

async function completeUpload(at: AtKey): Promise<Outcome> {
  const { request, shelves, bucket, key } = at;
  const payload = await request.payload();
  if (isFault(payload)) return payload;
  const upload = uploadOf(at);
  if (isFault(upload)) return upload;
  const parts = completedParts(upload, payload.bytes);
  if (isFault(parts)) return parts;
  const conflict = writeCondition(request, bucket.objects.get(key));
  if (conflict) return conflict;
  const etag = multipartEtag(upload.encryption, parts);
  shelves.buckets.removeUpload(bucket, upload);
  shelves.buckets.put(bucket, {
    key,
    etag,
    lastModified: request.now,
    size: parts.reduce((sum, part) => sum + part.size, 0),
    encryption: upload.encryption,
    dataKey: upload.dataKey,
    segments: parts.map((part) => part.sealed),
    metadata: upload.metadata,
    checksums: [],
  });
  const content = { Location: `/${bucket.name}/${key}`, Bucket: bucket.name, Key: key, ETag: `"${etag}"` };
  const headers = encryptionHeaders(upload.encryption, 'no context');
  return xmlAnswer('CompleteMultipartUploadResult', content, headers);
}

/** The parts that the request lists, if they are those that were uploaded. */
function completedParts(upload: Upload, body: Buffer): StoredPart[] | Fault {
  const document = parseXml(body, 'CompleteMultipartUpload');
  if (isFault(document)) return document;
  const listed = elements(document, 'Part');
  if (listed.length === 0) return MALFORMED_XML;
  const parts: StoredPart[] = [];
  for (const element of listed) {
    const part = upload.parts.get(Number(textOf(element, 'PartNumber')));
    if (!part || textOf(element, 'ETag')?.replaceAll('"', '') !== part.etag) return invalidPart();
    if (part.number <= (parts.at(-1)?.number ?? 0)) return invalidPartOrder();
    if ((parts.at(-1)?.size ?? LEAST_PART) < LEAST_PART) {
      const text = 'Your proposed upload is smaller than the minimum allowed size';
      return fault(400, 'EntityTooSmall', text, { MinSizeAllowed: String(LEAST_PART) });
    }
    parts.push(part);
  }
  return parts;
}

function invalidPart(): Fault {
  const text =
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.";
  return fault(400, 'InvalidPart', text);
}

function invalidPartOrder(): Fault {
  const text = 'The list of parts was not in ascending order. Parts must be ordered by part number.';
  return fault(400, 'InvalidPartOrder', text);
}

function abortUpload(at: AtKey): Outcome {
  const upload = uploadOf(at);
  if (isFault(upload)) return upload;
  at.shelves.buckets.removeUpload(at.bucket, upload);
  return emptyAnswer(204);
}

function listParts(at: AtKey): Outcome {
  const upload = uploadOf(at);
  if (isFault(upload)) return upload;
  const marker = Number(at.request.query.get('part-number-marker') ?? 0);
  const most = Math.min(Number(at.request.query.get('max-parts') ?? 1000), 1000);
  const after = [...upload.parts.values()]
    .filter((part) => part.number > marker)
    .sort((a, b) => a.number - b.number);
  const parts = after.slice(0, most);
  return xmlAnswer('ListPartsResult', {
    Bucket: at.bucket.name,
    Key: at.key,
    UploadId: upload.id,
    PartNumberMarker: marker,
    NextPartNumberMarker: parts.at(-1)?.number,
    MaxParts: most,
    IsTruncated: after.length > most,
    Part: parts.map(({ number, lastModified, etag, size }) => ({
      PartNumber: number,
      LastModified: lastModified.toISOString(),
      ETag: `"${etag}"`,
      Size: size,
    })),
  });
}
