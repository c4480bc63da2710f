// The answer to GetBucketLocation.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
import { escapeXml } from './xml.ts';

/** The document that names a region; us-east-1 is named by an empty one. */
export function locationDocument(region: string): string {
  const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';
  const text = region === 'us-east-1' ? '' : escapeXml(region);
  return `<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint xmlns="${namespace}">${text}</LocationConstraint>`;
}
