// Listeners: what their addresses, transport and authentication must agree on.
// Knows the configuration only; opens no sockets.
import { BlockList, isIP } from 'node:net';
import { authenticationOf } from './certificates.ts';
import type { Address, ListenerConfiguration } from './configuration.ts';
import type { Entry } from './entries.ts';
import type { ConfigurationPath, Report } from './fault.ts';
import type { Files } from './files.ts';
import type { AdminSection, ListenerSection } from './schema.ts';
import { readTls } from './tls.ts';
import { checkUnique } from './unique.ts';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Builds the listeners and reports what is wrong with them. `certificatesStated`: some client is known by a certificate. */
export function buildListeners(
  entries: readonly Entry<ListenerSection>[],
  admin: AdminSection,
  certificatesStated: boolean,
  files: Files,
  report: Report,
): readonly ListenerConfiguration[] {
  checkUnique(entries, 'name', (listener) => listener.name ?? formatAddress(listener.address), report);
  checkAddresses([{ path: ['admin'], value: admin }, ...entries], report);
  return entries.map(({ path, value }) => {
    const authentication = authenticationOf(value, certificatesStated);
    checkTransport(value, path, report);
    checkTrust({ ...value, authentication }, path, report);
    return { ...buildListener(value, path, files, report), authentication };
  });
}

function buildListener(
  section: ListenerSection,
  path: ConfigurationPath,
  files: Files,
  report: Report,
): Omit<ListenerConfiguration, 'authentication'> {
  const { address, tls, trustedProxies, signing } = section;
  return {
    name: section.name ?? formatAddress(address),
    host: address.host,
    port: address.port,
    tls: tls === undefined ? undefined : readTls(tls, [...path, 'tls'], files, report),
    secure: tls !== undefined || section.secure,
    trustedProxies,
    signing,
  };
}

/** Writes an address with the brackets that IPv6 needs. */
export function formatAddress({ host, port }: Address): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host.toLowerCase() === 'localhost';
  return LOOPBACK.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

function checkTransport(listener: ListenerSection, path: ConfigurationPath, report: Report): void {
  const loopback = isLoopback(listener.address.host);
  if (listener.secure && listener.tls !== undefined) {
    report.fault([...path, 'secure'], 'stands on a TLS listener, which is secure anyway', 'Take it out.');
  } else if (listener.secure && !loopback) {
    report.fault(
      [...path, 'secure'],
      'only a plaintext listener on a loopback address can count as secure',
      'Listen on 127.0.0.1 or [::1], or give the listener tls.',
    );
  } else if (listener.tls === undefined && !loopback && listener.trustedProxies.length === 0) {
    report.warning(
      path,
      'is plaintext and reachable from other machines: requests that need KMS are refused here',
      'Give it tls, or listen on a loopback address.',
    );
  }
}

function checkTrust(
  listener: Pick<ListenerConfiguration, 'authentication'> & Omit<ListenerSection, 'authentication'>,
  path: ConfigurationPath,
  report: Report,
): void {
  if (listener.signing === 'preserve' && listener.authentication !== 'signature') {
    report.fault(
      [...path, 'authentication'],
      'is not signature, but unsigned requests that are not signed here either reach the backend anonymously',
      'Take it out, or set signing: replace.',
    );
  }
  if (listener.authentication === 'none' && listener.tls?.clientCaFile !== undefined) {
    report.warning(
      [...path, 'authentication'],
      'is none, and no client states a certificate: whoever has one of clientCaFile may use every bucket',
      'Set authentication: certificate, and give clients their certificate.',
    );
  } else if (listener.authentication === 'none' && !isLoopback(listener.address.host)) {
    report.warning(
      [...path, 'authentication'],
      'asks nobody for a signature and is reachable from other machines',
      'Listen on a loopback address, or set authentication: signature.',
    );
  }
  for (const [index, range] of listener.trustedProxies.entries()) {
    if (!range.endsWith('/0')) continue;
    report.warning(
      [...path, 'trustedProxies', index],
      'believes every peer that says it came over TLS',
      'Name the addresses of the proxies alone.',
    );
  }
}

function checkAddresses(entries: readonly Entry<{ readonly address: Address }>[], report: Report): void {
  for (const [index, { path, value }] of entries.entries()) {
    const other = entries.slice(0, index).find((earlier) => collide(earlier.value.address, value.address));
    if (other === undefined) continue;
    const where = `${other.path.length === 1 ? 'admin' : `listeners[${other.path[1]}]`}.address`;
    report.fault([...path, 'address'], `is taken by ${where}`, 'Give each its own port.');
  }
}

function collide(left: Address, right: Address): boolean {
  if (left.port !== right.port || left.port === 0) return false;
  const hosts = [left.host.toLowerCase(), right.host.toLowerCase()];
  return hosts[0] === hosts[1] || hosts.some((host) => host === '0.0.0.0' || host === '::');
}
