// AWS's partitions: their DNS suffixes and what their regions are called.
// https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html, and partitions.json of
// AWS's SDKs. Knows names only; must not know hosts, endpoints or services.

/** One partition. */
export interface Partition {
  /** The first field of its ARNs. */
  readonly name: string;
  readonly suffix: string;
  /** Suffix of the dual-stack hosts of most services; S3 keeps the other. Absent where there are none. */
  readonly dualStackSuffix?: string;
  readonly region: RegExp;
}

/** `aws` takes every region of its form, so that a region newer than this table is known. */
// biome-ignore format: a table is read by its rows
export const PARTITIONS: readonly Partition[] = [
  { name: 'aws', suffix: 'amazonaws.com', dualStackSuffix: 'api.aws', region: /^(?!cn-)[a-z]{2}-[a-z]+-\d{1,2}$/ },
  { name: 'aws-cn', suffix: 'amazonaws.com.cn', dualStackSuffix: 'api.amazonwebservices.com.cn', region: /^cn-[a-z]+-\d{1,2}$/ },
  { name: 'aws-us-gov', suffix: 'amazonaws.com', dualStackSuffix: 'api.aws', region: /^us-gov-[a-z]+-\d{1,2}$/ },
  { name: 'aws-iso', suffix: 'c2s.ic.gov', dualStackSuffix: 'api.aws.ic.gov', region: /^us-iso-[a-z]+-\d{1,2}$/ },
  { name: 'aws-iso-b', suffix: 'sc2s.sgov.gov', dualStackSuffix: 'api.aws.scloud', region: /^us-isob-[a-z]+-\d{1,2}$/ },
  { name: 'aws-iso-e', suffix: 'cloud.adc-e.uk', dualStackSuffix: 'api.cloud-aws.adc-e.uk', region: /^eu-isoe-[a-z]+-\d{1,2}$/ },
  { name: 'aws-iso-f', suffix: 'csp.hci.ic.gov', dualStackSuffix: 'api.aws.hci.ic.gov', region: /^us-isof-[a-z]+-\d{1,2}$/ },
  { name: 'aws-eusc', suffix: 'amazonaws.eu', dualStackSuffix: 'api.amazonwebservices.eu', region: /^eusc-[a-z]{2}-[a-z]+-\d{1,2}$/ },
];

/** The partition of a region; `undefined` for what is no region of AWS's. */
export function partitionOf(region: string): Partition | undefined {
  return PARTITIONS.find((partition) => partition.region.test(region));
}
