// What AWS's names say about themselves: endpoints, partitions, KMS key ARNs.
// Knows no configuration.

/** Partition of the regions whose names begin so; all others are in `aws`. */
const PARTITION_OF_REGION: readonly (readonly [prefix: string, partition: string])[] = [
  ['cn-', 'aws-cn'],
  ['us-gov-', 'aws-us-gov'],
  ['us-isob-', 'aws-iso-b'],
  ['us-isof-', 'aws-iso-f'],
  ['eu-isoe-', 'aws-iso-e'],
  ['us-iso-', 'aws-iso'],
  ['eusc-', 'aws-eusc'],
];

/** Domains under which AWS serves S3, one or more for each partition. */
const AWS_DOMAINS = [
  'amazonaws.com',
  'amazonaws.com.cn',
  'amazonaws.eu',
  'c2s.ic.gov',
  'sc2s.sgov.gov',
  'cloud.adc-e.uk',
  'csp.hci.ic.gov',
];

/** What comes before AWS's own domain in a host name; nothing for other hosts. */
function labelsBeforeDomain(hostname: string): string | undefined {
  const domain = AWS_DOMAINS.find((candidate) => hostname.endsWith(`.${candidate}`));
  return domain === undefined ? undefined : hostname.slice(0, -domain.length - 1);
}

/** Whether a host is AWS's own: a KMS key is only certain there as an ARN, anything else is resolved in the caller's account. */
export function isAwsHost(hostname: string): boolean {
  return labelsBeforeDomain(hostname) !== undefined;
}

/** Region that an AWS endpoint names, where it names one. */
export function regionOfHost(hostname: string): string | undefined {
  const labels = labelsBeforeDomain(hostname);
  if (labels === 's3') return 'us-east-1';
  return /(?:^|[.-])([a-z]{2,4}(?:-[a-z]+)+-\d+)(?:\.|$)/.exec(labels ?? '')?.[1];
}

/** First field of the ARNs of a region. */
export function partitionOfRegion(region: string): string {
  return PARTITION_OF_REGION.find(([prefix]) => region.startsWith(prefix))?.[1] ?? 'aws';
}

/** The fields of a KMS key ARN that tell where the key is and whose. */
export interface KeyArn {
  readonly partition: string;
  readonly region: string;
  readonly account: string;
}

/**
 * Reads a full key ARN; aliases, bare IDs and anything else give nothing.
 * Key IDs are UUIDs, those of multi-Region keys `mrk-` and 32 digits:
 * https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id-key-id
 */
export function parseKeyArn(text: string): KeyArn | undefined {
  return readFields(
    /^arn:(aws[a-z-]*):kms:([a-z0-9-]+):(\d{12}):key\/(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/,
    text,
  );
}

/** Reads a pattern of key ARNs: all the fields of one, in which `*` may stand. */
export function parseKeyArnPattern(text: string): KeyArn | undefined {
  return readFields(/^arn:([a-z*-]+):kms:([a-z0-9*-]+):([\d*]{1,12}):key\/[0-9a-fmrk*-]+$/, text);
}

function readFields(form: RegExp, text: string): KeyArn | undefined {
  const [, partition = '', region = '', account = ''] = form.exec(text) ?? [];
  return partition === '' ? undefined : { partition, region, account };
}
