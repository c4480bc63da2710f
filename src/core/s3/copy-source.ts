// The x-amz-copy-source header, read once and written afresh. Knows its forms, not who may read what it names.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
import { decodeComponent, encodeComponent, encodePath } from '../http/target.ts';
import { isBucketName } from './address.ts';

/** The object a copy reads. */
export interface CopySource {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | undefined;
}

/**
 * Reads `bucket/key`, `/bucket/key` and both with `?versionId=`, percent-encoded or not. The last literal `?versionId=`
 * is split off before decoding: a key may itself hold `%3FversionId=`. `undefined` for everything else, ARNs included.
 * Here a literal `+` is itself: clients that leave it unencoded in this header mean a plus.
 */
export function parseCopySource(header: string): CopySource | undefined {
  const mark = header.lastIndexOf('?versionId=');
  const path = decodeLiteralPlus(mark < 0 ? header : header.slice(0, mark));
  const versionId = mark < 0 ? undefined : decodeLiteralPlus(header.slice(mark + '?versionId='.length));
  if (path === undefined || (mark >= 0 && !versionId)) return undefined;
  const match = /^\/?([^/]+)\/(.+)$/s.exec(path);
  const [bucket, key] = [match?.[1], match?.[2]];
  if (bucket === undefined || key === undefined || !isBucketName(bucket)) return undefined;
  return Buffer.byteLength(key, 'utf8') > 1024 ? undefined : { bucket, key, versionId };
}

function decodeLiteralPlus(latin1: string): string | undefined {
  const text = Buffer.from(latin1, 'latin1').toString('utf8');
  return text.includes('\uFFFD') ? undefined : decodeComponent(text.replaceAll('+', '%2B'));
}

/** The one form that is sent on: `bucket/key[?versionId=…]`, key encoded once. */
export function formatCopySource(source: CopySource): string {
  const path = `${source.bucket}/${encodePath(source.key)}`;
  return source.versionId === undefined ? path : `${path}?versionId=${encodeComponent(source.versionId)}`;
}
