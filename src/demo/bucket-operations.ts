// Buckets and their listings in the embedded store.
import { encodeComponent } from '../core/http/target.ts';
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
import type { Bucket, Page } from './objects.ts';
import { listPage } from './objects.ts';
import { noSuchBucket, type Outcome, OWNER, type Shelves, type VerifiedRequest } from './shelves.ts';

export function regionOf({ region }: Shelves): Answer['headers'] {
  return [['x-amz-bucket-region', region]];
}

export function listBuckets(_request: VerifiedRequest, { buckets }: Shelves): Outcome {
  const rows = buckets
    .all()
    .map(({ name, created }) => ({ Name: name, CreationDate: created.toISOString() }));
  return xmlAnswer('ListAllMyBucketsResult', { Owner: OWNER, Buckets: { Bucket: rows } });
}

export async function createBucket(
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

export function deleteBucket(bucket: Bucket, { buckets }: Shelves): Outcome {
  if (bucket.objects.size > 0) {
    return fault(409, 'BucketNotEmpty', 'The bucket you tried to delete is not empty', {
      BucketName: bucket.name,
    });
  }
  buckets.remove(bucket.name);
  return emptyAnswer(204);
}

/** `us-east-1` is written as nothing: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html */
export function location({ region }: Shelves): Outcome {
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

export function listObjects(bucket: Bucket, request: VerifiedRequest): Outcome {
  const marker = request.query.get('marker') ?? '';
  const listing = readListing(request, marker);
  if (isFault(listing)) return listing;
  const page = listPage(bucket, listing.page);
  const next = page.next === undefined ? {} : { NextMarker: listing.name(page.next) };
  const content = listingContent(bucket, listing, page);
  return xmlAnswer('ListBucketResult', { ...content, Marker: listing.name(marker), ...next });
}

export function listObjectsV2(bucket: Bucket, request: VerifiedRequest): Outcome {
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

export async function deleteObjects(
  bucket: Bucket,
  request: VerifiedRequest,
  shelves: Shelves,
): Promise<Outcome> {
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
