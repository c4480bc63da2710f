// Which bucket and key a request addresses, virtual-hosted or path style. Must not know operations or rules.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
import { decodeComponent, type Target } from '../http/target.ts';
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import { type AwsHost, type HostForm, readAwsHost } from './aws-host.ts';

/** What a request addresses. The key is decoded and never normalised: dot segments and `//` are part of it. */
export type Address =
  | { readonly resource: 'service' }
  | { readonly resource: 'bucket'; readonly bucket: string }
  | { readonly resource: 'object'; readonly bucket: string; readonly key: string };

export type Addressed =
  /** `region` is there at a host name of AWS's: the region of its endpoint. */
  | { readonly kind: 'address'; readonly address: Address; readonly region?: string }
  | ({ readonly kind: 'elsewhere' } & Elsewhere)
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** An endpoint of AWS's that is never served, but whose operations are known by name. */
export interface Elsewhere {
  /** As in the table of operations; absent where S3's own operations are spoken. */
  readonly endpoint: string | undefined;
  readonly resource: Address['resource'];
}

/** Longest object key, in bytes of UTF-8. */
const MAX_KEY_BYTES = 1024;

/**
 * Reads bucket and key out of `Host` and path. `domains` are those under which the bucket is the first labels of the host,
 * `awsHosts` the forms of AWS's own host names that are answered.
 */
export function addressOf(
  host: string,
  target: Target,
  domains: readonly string[],
  awsHosts: readonly HostForm[] = [],
): Addressed {
  const hostname = hostnameOf(host);
  if (hostname === undefined) return refused(refusals.ambiguous('its Host header is not a host name'));
  const path = target.rawPath.slice(1);
  const aws = readAwsHost(hostname);
  if (aws) return addressAtAws(aws, path, awsHosts);
  return addressIn(bucketOfHost(hostname, domains), path);
}

/** Never path style where the host is AWS's and not answered: it would take the first segment of a key for the bucket. */
function addressAtAws(aws: AwsHost, path: string, awsHosts: readonly HostForm[]): Addressed {
  if (aws.kind === 's3' && awsHosts.includes(aws.form)) {
    const addressed = addressIn(aws.bucket, path);
    return addressed.kind === 'address' ? { ...addressed, region: aws.region } : addressed;
  }
  switch (aws.kind) {
    case 's3express':
      return { kind: 'elsewhere', endpoint: undefined, resource: path === '' ? 'bucket' : 'object' };
    case 's3express-control':
      return { kind: 'elsewhere', endpoint: aws.kind, resource: path === '' ? 'service' : 'bucket' };
    case 's3-object-lambda': {
      const resource = path === 'WriteGetObjectResponse' ? 'service' : 'object';
      return { kind: 'elsewhere', endpoint: aws.kind, resource };
    }
    default:
      return refused(refusals.hostNotAllowed());
  }
}

function addressIn(hosted: string | undefined, path: string): Addressed {
  if (hosted !== undefined) return inBucket(hosted, path);
  if (path === '') return { kind: 'address', address: { resource: 'service' } };
  const slash = path.indexOf('/');
  return slash < 0 ? inBucket(path, '') : inBucket(path.slice(0, slash), path.slice(slash + 1));
}

function refused(refusal: Refusal): Addressed {
  return { kind: 'refused', refusal };
}

function hostnameOf(host: string): string | undefined {
  // The root dot says nothing; a second one is no host name.
  const match = /^([A-Za-z0-9._-]*[A-Za-z0-9_-]|\[[0-9A-Fa-f:.]+\])\.?(?::\d{1,5})?$/.exec(host);
  return match?.[1]?.toLowerCase();
}

function bucketOfHost(hostname: string, domains: readonly string[]): string | undefined {
  if (domains.includes(hostname)) return undefined;
  const matching = domains.filter((domain) => hostname.endsWith(`.${domain}`));
  const longest = matching.sort((a, b) => b.length - a.length)[0];
  return longest === undefined ? undefined : hostname.slice(0, -longest.length - 1);
}

function inBucket(bucket: string, rawKey: string): Addressed {
  if (!isBucketName(bucket)) return refused(refusals.bucketNameInvalid(bucket.slice(0, 255)));
  if (rawKey === '') return { kind: 'address', address: { resource: 'bucket', bucket } };
  const key = decodeComponent(rawKey);
  if (key === undefined) return refused(refusals.uriInvalid());
  const size = Buffer.byteLength(key, 'utf8');
  if (size > MAX_KEY_BYTES) return refused(refusals.keyTooLong(size));
  return { kind: 'address', address: { resource: 'object', bucket, key } };
}

/** Endings that make a "bucket" another thing: access point aliases, Object Lambda, directory and table buckets. */
const OTHER_RESOURCES = /(-s3alias|--ol-s3|\.mrap|--x-s3|--xa-s3|--table-s3)$/;

/**
 * Whether this names a general purpose bucket.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
 */
export function isBucketName(name: string): boolean {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) || name.includes('..')) return false;
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(name)) return false;
  return !name.startsWith('xn--') && !name.startsWith('sthree-') && !OTHER_RESOURCES.test(name);
}
