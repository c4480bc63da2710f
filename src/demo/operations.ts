// What the embedded store does: which operation is whose. A request gets here with its signature verified.
// Must not know sockets; an operation that has no row here is not implemented.
import { emptyAnswer } from './answers.ts';
import {
  createBucket,
  deleteBucket,
  deleteObjects,
  listBuckets,
  listObjects,
  listObjectsV2,
  location,
  regionOf,
} from './bucket-operations.ts';
import { copyObject, deleteObject, getObject, putObject } from './object-operations.ts';
import type { Bucket } from './objects.ts';
import { type AtKey, noSuchBucket, type Outcome, type Shelves, type VerifiedRequest } from './shelves.ts';
import {
  abortUpload,
  completeUpload,
  createUpload,
  listParts,
  uploadPart,
  uploadPartCopy,
} from './upload-operations.ts';

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
