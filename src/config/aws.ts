// What AWS's names say about themselves: endpoints, partitions, KMS key ARNs.
// Knows no configuration.
import { PARTITIONS, partitionOf } from '../core/s3/partition.ts';

/** Domains under which AWS serves S3. */
const AWS_DOMAINS = [...new Set(PARTITIONS.map(({ suffix }) => suffix))];

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
  return partitionOf(region)?.name ?? 'aws';
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
