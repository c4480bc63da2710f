// The answer to ListBuckets, with none but the buckets that its reader may know of.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
import { escapeXml } from './xml.ts';
import { elementAt, type XmlElement } from './xml-element.ts';

/** The document with the buckets that are allowed; `undefined` where it is no list of buckets. */
export function filteredBucketList(
  root: XmlElement | undefined,
  mayList: (bucket: string) => boolean,
): string | undefined {
  if (root?.name !== 'ListAllMyBucketsResult') return undefined;
  const children = root.children.map((child) =>
    child.name === 'Buckets' ? filtered(child, mayList) : child,
  );
  const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';
  const content = children.map(formatElement).join('');
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root.name} xmlns="${namespace}">${content}</${root.name}>`;
}

function filtered(buckets: XmlElement, mayList: (bucket: string) => boolean): XmlElement {
  const own = buckets.children.filter((bucket) => mayList(elementAt(bucket, 'Name')?.text ?? ''));
  return { ...buckets, children: own, text: '' };
}

function formatElement({ name, children, text }: XmlElement): string {
  return `<${name}>${escapeXml(text)}${children.map(formatElement).join('')}</${name}>`;
}
