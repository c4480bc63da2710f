// Backends: that endpoint, region, partition and addressing agree, and what it takes to reach and sign for each.
// Knows the configuration only; contacts nothing.
import { isIP } from 'node:net';
import { isAwsHost, parseKeyArn, partitionOfRegion, regionOfHost } from './aws.ts';
import { patternCovers, patternsOverlap } from './bucket-pattern.ts';
import { buildSecrets } from './clients.ts';
import type { BackendConfiguration, CredentialsSpec, KmsConfiguration } from './configuration.ts';
import type { Entry } from './entries.ts';
import type { ConfigurationPath, Report } from './fault.ts';
import type { Files } from './files.ts';
import type { BackendSection, CredentialsSection, KmsSection } from './schema.ts';
import { readCertificates } from './tls.ts';
import { checkUnique } from './unique.ts';

/** Builds the backends and reports what is wrong with them. */
export function buildBackends(
  entries: readonly Entry<BackendSection>[],
  egress: boolean,
  files: Files,
  report: Report,
): readonly BackendConfiguration[] {
  checkUnique(entries, 'name', (backend) => backend.name, report);
  checkReach(entries, egress, report);
  return entries.map(({ path, value }) => {
    if (isAwsHost(value.endpoint.hostname)) checkAws(value, path, report);
    else checkPlaintext(value.endpoint, [...path, 'endpoint'], 'objects cross', report);
    checkAddressing(value, path, report);
    checkSts(value, path, report);
    checkKms(value, path, report);
    return buildBackend(value, path, files, report);
  });
}

function buildBackend(
  section: BackendSection,
  path: ConfigurationPath,
  files: Files,
  report: Report,
): BackendConfiguration {
  const { endpoint, caFile, credentials, keyAliases, rareOperations, kms, ...rest } = section;
  const rare = rareOperations ?? (isAwsHost(endpoint.hostname) ? ['*'] : []);
  const ca = caFile === undefined ? undefined : readCertificates(caFile, [...path, 'caFile'], files, report);
  return {
    ...rest,
    ...endpoint,
    rareOperations: rare.includes('*') ? 'all' : new Set(rare),
    keyAliases: new Map(Object.entries(keyAliases)),
    ca: ca?.pem,
    credentials: buildCredentials(credentials, [...path, 'credentials'], files, report),
    kms: kms && buildKms(kms, [...path, 'kms'], files, report),
  };
}

function buildKms(
  { endpoint, caFile, interval }: KmsSection,
  path: ConfigurationPath,
  files: Files,
  report: Report,
): KmsConfiguration {
  const ca = caFile === undefined ? undefined : readCertificates(caFile, [...path, 'caFile'], files, report);
  return { endpoint, ca: ca?.pem, interval };
}

function buildCredentials(
  section: CredentialsSection,
  path: ConfigurationPath,
  files: Files,
  report: Report,
): CredentialsSpec {
  if (section.provider === 'default' || section.provider === 'none') return section;
  if (section.provider === 'assume-role') {
    return { ...section, externalId: section.externalId, stsEndpoint: section.stsEndpoint };
  }
  const { provider, accessKeyId } = section;
  return { provider, accessKeyId, ...buildSecrets({ path, value: section }, files, report) };
}

/**
 * Backends that take requests for the buckets of a pattern: in order, up to the one that leaves nothing over. With egress
 * a host can name the region, so that each region has an order of its own.
 */
export function backendsServing<T extends { readonly buckets: readonly string[]; readonly region: string }>(
  pattern: string,
  backends: readonly T[],
  egress: boolean,
): readonly T[] {
  const serving: T[] = [];
  const taken = new Set<string>();
  for (const backend of backends) {
    const order = egress ? backend.region : '';
    if (taken.has(order)) continue;
    if (backend.buckets.some((own) => patternsOverlap(own, pattern))) serving.push(backend);
    if (backend.buckets.some((own) => patternCovers(own, pattern))) taken.add(order);
  }
  return serving;
}

function checkReach(entries: readonly Entry<BackendSection>[], egress: boolean, report: Report): void {
  const backends = entries.map((entry) => entry.value);
  for (const { path, value } of entries) {
    if (value.buckets.some((pattern) => backendsServing(pattern, backends, egress).includes(value))) continue;
    report.warning(
      [...path, 'buckets'],
      'no request comes here: the backends before it take all of these buckets',
      'Move it up, or narrow theirs.',
    );
  }
}

function checkAws(backend: BackendSection, path: ConfigurationPath, report: Report): void {
  const { endpoint, region, partition } = backend;
  const named = regionOfHost(endpoint.hostname);
  if (named !== undefined && named !== region) {
    report.fault([...path, 'region'], `is ${region}, but the endpoint is in ${named}`, `Write ${named}.`);
  }
  const expected = partitionOfRegion(region);
  if (partition !== expected) {
    const message = `is ${partition}, but the region ${region} is in ${expected}`;
    report.fault([...path, 'partition'], message, `Write ${expected}.`);
  }
  if (endpoint.protocol === 'http') {
    report.fault([...path, 'endpoint'], 'is plaintext: AWS refuses SSE-KMS without TLS', 'Write https://.');
  }
  checkKeyAliases(backend, path, report);
}

/** What an alias stands for is sent as it stands here, so it must be whole, and a key that S3 takes for these buckets. */
function checkKeyAliases(backend: BackendSection, path: ConfigurationPath, report: Report): void {
  const { partition, region } = backend;
  for (const [alias, keyId] of Object.entries(backend.keyAliases)) {
    const arn = parseKeyArn(keyId);
    if (arn?.partition === partition && arn.region === region) continue;
    const message = `must be a full key ARN of ${partition} ${region}, where the backend is`;
    const remedy = `Write arn:${partition}:kms:${region}:ACCOUNT:key/KEY-ID.`;
    report.fault([...path, 'keyAliases', alias], message, remedy);
  }
}

function checkPlaintext(
  { protocol, hostname }: { readonly protocol: string; readonly hostname: string },
  path: ConfigurationPath,
  what: string,
  report: Report,
): void {
  if (protocol.startsWith('https')) return;
  if (/^(?:localhost|127\.[\d.]+|\[::1\])$/.test(hostname)) return;
  report.warning(
    path,
    `is plaintext: ${what} the network unencrypted`,
    'Write https:// where the backend offers it.',
  );
}

function checkSts({ credentials, region }: BackendSection, path: ConfigurationPath, report: Report): void {
  if (credentials.provider !== 'assume-role' || credentials.stsEndpoint === undefined) return;
  const at = [...path, 'credentials', 'stsEndpoint'];
  checkService(new URL(credentials.stsEndpoint), region, at, 'credentials cross', report);
}

function checkKms(backend: BackendSection, path: ConfigurationPath, report: Report): void {
  const { kms, credentials, endpoint, region } = backend;
  if (kms === undefined) return;
  const at = [...path, 'kms'];
  if (credentials.provider === 'none') {
    const message = 'cannot be asked: the backend has no credentials to sign with';
    report.fault(at, message, 'Take kms out, or name a provider of credentials.');
  }
  if (kms.endpoint !== undefined) {
    checkService(new URL(kms.endpoint), region, [...at, 'endpoint'], 'questions about keys cross', report);
  } else if (!isAwsHost(endpoint.hostname)) {
    report.fault(at, "has no endpoint, and AWS's own is not meant: the backend is not AWS", 'Add endpoint.');
  }
}

/** A service beside S3: signed for the backend's region, as the backend itself is. */
function checkService(url: URL, region: string, path: ConfigurationPath, what: string, report: Report): void {
  checkPlaintext(url, path, what, report);
  const named = regionOfHost(url.hostname);
  if (named === undefined || named === region) return;
  report.fault(path, `is in ${named}, but the backend is in ${region}`, `Name the one in ${region}.`);
}

function checkAddressing(backend: BackendSection, path: ConfigurationPath, report: Report): void {
  const { hostname } = backend.endpoint;
  if (backend.addressing !== 'virtual-hosted') return;
  if (isIP(hostname) === 0 && !hostname.startsWith('[')) return;
  report.fault(
    [...path, 'addressing'],
    'cannot be virtual-hosted: the endpoint is an IP address, which no bucket name can stand before',
    'Write path, or name the endpoint by a host name.',
  );
}
