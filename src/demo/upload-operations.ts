// Multipart uploads in the embedded store.
import {
  elements,
  emptyAnswer,
  type Fault,
  fault,
  isFault,
  MALFORMED_XML,
  parseXml,
  textOf,
  xmlAnswer,
} from './answers.ts';
import { encryptionHeaders, refuseInsecure } from './encryption.ts';
import {
  copyResult,
  etagHeader,
  full,
  metadataOf,
  newDataKey,
  rangeOf,
  readObject,
  requestedAt,
  sourceOf,
  writeCondition,
} from './object-operations.ts';
import type { StoredPart, Upload } from './objects.ts';
import { etagOf, multipartEtag } from './objects.ts';
import { type AtKey, LEAST_PART, type Outcome, type VerifiedRequest } from './shelves.ts';

export function createUpload(at: AtKey): Outcome {
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

export async function uploadPart(at: AtKey): Promise<Outcome> {
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

export function uploadPartCopy(at: AtKey): Outcome {
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

export async function completeUpload(at: AtKey): Promise<Outcome> {
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

export function abortUpload(at: AtKey): Outcome {
  const upload = uploadOf(at);
  if (isFault(upload)) return upload;
  at.shelves.buckets.removeUpload(at.bucket, upload);
  return emptyAnswer(204);
}

export function listParts(at: AtKey): Outcome {
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
