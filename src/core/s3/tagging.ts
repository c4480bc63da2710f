// The Tagging document of a POST form, turned into the x-amz-tagging header of PutObject. Reads its one shape and no other
// XML: no attribute but the namespace, no comment, no DTD.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Tagging.html
import { encodeComponent } from '../http/target.ts';
import { unescapeXml } from './xml.ts';

const DOCUMENT =
  /^\s*(?:<\?xml[^<>]*\?>\s*)?<Tagging(?:\s+xmlns="[^"<>]*")?\s*>\s*<TagSet>(.*)<\/TagSet>\s*<\/Tagging>\s*$/s;
const TAG = /\s*<Tag>\s*<Key>([^<>]+)<\/Key>\s*(?:<Value>([^<>]*)<\/Value>|<Value\s*\/>)\s*<\/Tag>\s*/y;

/** The header's value, `key=value` pairs joined with `&`; `undefined` for any other document. */
export function taggingHeader(document: string): string | undefined {
  const tags = DOCUMENT.exec(document)?.[1];
  if (tags === undefined) return undefined;
  const pairs: string[] = [];
  const pattern = new RegExp(TAG);
  while (tags.slice(pattern.lastIndex).trim() !== '') {
    const match = pattern.exec(tags);
    const [key, value] = [unescapeXml(match?.[1] ?? '&'), unescapeXml(match?.[2] ?? '')];
    if (!key || value === undefined || !key.isWellFormed() || !value.isWellFormed()) return undefined;
    pairs.push(`${encodeComponent(key)}=${encodeComponent(value)}`);
  }
  return pairs.join('&');
}
