// What a host name of AWS's names: an endpoint of S3 in one of its forms, another endpoint, or nothing known here.
// Must not know which of them are answered, nor what a path addresses.
// https://docs.aws.amazon.com/general/latest/gr/s3.html
import { PARTITIONS } from './partition.ts';

/** Forms of the host names of S3's own endpoints. `fips` counts with and without dual-stack. */
export const HOST_FORMS = ['standard', 'dualstack', 'fips', 'global'] as const;
export type HostForm = (typeof HOST_FORMS)[number];

/** The region of hosts that name none, as AWS's SDKs call it. */
export const GLOBAL_REGION = 'aws-global';

/** What a host name of AWS's names. The bucket is what stands before the endpoint, whatever that is. */
export type AwsHost =
  | {
      readonly kind: 's3';
      readonly form: HostForm;
      readonly region: string;
      readonly bucket: string | undefined;
    }
  /** Endpoints with operations of S3's service model, none of them S3's own. */
  | {
      readonly kind: 's3express' | 's3express-control' | 's3-object-lambda';
      readonly bucket: string | undefined;
    }
  | { readonly kind: 'other' };

/** Reads a host name in lower case. `undefined`: it is not AWS's, or it is one that AWS gives to servers of its customers. */
export function readAwsHost(hostname: string): AwsHost | undefined {
  const suffix = SUFFIXES.find((one) => hostname === one || hostname.endsWith(`.${one}`));
  if (suffix === undefined) return undefined;
  const name = hostname.slice(0, -suffix.length - 1);
  if (CUSTOMER_HOST.test(name)) return undefined;
  return regionalHost(name, suffix) ?? legacyHost(name, suffix) ?? otherEndpoint(name) ?? { kind: 'other' };
}

const SUFFIXES = [
  ...new Set(PARTITIONS.flatMap(({ suffix, dualStackSuffix }) => [suffix, dualStackSuffix ?? suffix])),
];

/**
 * Load balancers, virtual machines and endpoint services of AWS's customers: a gateway may well have such a name.
 * Network Load Balancers end in `.elb.REGION`, the others in `.REGION.elb`.
 */
const CUSTOMER_HOST = /\.(?:elb(?:\.[a-z0-9-]+)?|compute(?:-1)?|vpce-svc-[0-9a-f]+\.[a-z0-9-]+\.vpce)$/;

const BUCKET = '(?:(?<bucket>.*)\\.)?';

/** `[bucket.]s3[-fips][.dualstack].REGION`. Read from the right, so dots in the bucket leave no second reading. */
const REGIONAL = new RegExp(
  `^${BUCKET}(?<service>s3|s3-fips)(?<dualstack>\\.dualstack)?\\.(?<region>[a-z0-9-]+)$`,
);

function regionalHost(name: string, suffix: string): AwsHost | undefined {
  const groups = REGIONAL.exec(name)?.groups;
  const region = groups?.['region'] ?? '';
  if (groups === undefined || !agree(region, suffix)) return undefined;
  const plain = groups['dualstack'] === undefined ? 'standard' : 'dualstack';
  const form = groups['service'] === 's3-fips' ? 'fips' : plain;
  return { kind: 's3', form, region, bucket: groups['bucket'] };
}

/** A region under the suffix of another partition is no name of AWS's. */
function agree(region: string, suffix: string): boolean {
  return PARTITIONS.some((partition) => partition.suffix === suffix && partition.region.test(region));
}

const LEGACY = new RegExp(`^${BUCKET}s3(?:-(?<region>[a-z0-9-]+))?$`);

/**
 * `[bucket.]s3-REGION` and `[bucket.]s3`, which there are under one suffix alone:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html#VirtualHostingBackwardsCompatibility
 */
function legacyHost(name: string, suffix: string): AwsHost | undefined {
  const groups = LEGACY.exec(name)?.groups;
  if (groups === undefined || suffix !== 'amazonaws.com') return undefined;
  const { bucket, region } = groups;
  if (region === undefined) return { kind: 's3', form: 'global', region: GLOBAL_REGION, bucket };
  return agree(region, suffix) ? { kind: 's3', form: 'standard', region, bucket } : undefined;
}

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-Regions-and-Zones.html, and
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_WriteGetObjectResponse.html
 */
const OTHER_ENDPOINT = new RegExp(
  `^${BUCKET}(?:(?<control>s3express-control(?:-fips)?)|(?<zonal>s3express-[a-z0-9-]+)|(?<lambda>s3-object-lambda(?:-fips)?))(?:\\.dualstack)?\\.[a-z0-9-]+$`,
);

function otherEndpoint(name: string): AwsHost | undefined {
  const groups = OTHER_ENDPOINT.exec(name)?.groups;
  if (groups === undefined) return undefined;
  const { bucket, control, lambda } = groups;
  if (control !== undefined) return { kind: 's3express-control', bucket };
  return { kind: lambda === undefined ? 's3express' : 's3-object-lambda', bucket };
}
