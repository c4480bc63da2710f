// Egress: which of AWS's own host names are answered, and that some backend can be reached by them.
// Knows names only; asks no resolver.
import type { Egress } from '../core/policy/policy.ts';
import { readAwsHost } from '../core/s3/aws-host.ts';
import { partitionOf } from '../core/s3/partition.ts';
import type { Entry } from './entries.ts';
import type { Report } from './fault.ts';
import type { BackendSection, EgressSection } from './schema.ts';

/** Builds the section and reports what is wrong with it. */
export function buildEgress(
  section: EgressSection | undefined,
  domains: readonly Entry<string>[],
  backends: readonly Entry<BackendSection>[],
  report: Report,
): Egress | undefined {
  checkDomains(domains, report);
  if (section === undefined) return undefined;
  const { hosts, globalRegion } = section;
  if (globalRegion !== undefined && !hosts.includes('global')) {
    report.warning(
      ['egress', 'globalRegion'],
      'has no effect: no host is answered that names no region',
      'Take it out, or add global to hosts.',
    );
  }
  const egress: Egress = { hosts, globalRegion: globalRegion ?? 'signed' };
  const regions = backends.map(({ value }) => value.region);
  if (regions.length > 0 && !regions.some((region) => isReached(region, egress))) {
    report.warning(
      ['egress', 'hosts'],
      'no backend is in a region that these host names can name: their requests are all refused',
      "Give a backend the AWS region that its clients sign for, whoever's server it is.",
    );
  }
  return egress;
}

/** Under a domain any backend is served, whatever region the name says. */
function checkDomains(domains: readonly Entry<string>[], report: Report): void {
  for (const { path, value } of domains) {
    if (readAwsHost(value) === undefined) continue;
    report.fault(path, "is AWS's own", 'Take it out, and name the form of the host in egress.hosts.');
  }
}

function isReached(region: string, { hosts, globalRegion }: Egress): boolean {
  if (hosts.includes('global') && (globalRegion === 'signed' || region === globalRegion)) return true;
  return hosts.some((form) => form !== 'global') && partitionOf(region) !== undefined;
}
