// The names in the certificate that a client has shown in its TLS handshake. Knows how Node.js writes them; must not know
// whose they are.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { CertificateName } from '../core/certificate.ts';

/** A certificate is that of a connection: it is read once for all requests on it. */
const known = new WeakMap<Socket, readonly CertificateName[]>();

/** The names by which the peer may be known; none where its certificate was not verified or is out of date. */
export function certificateNames(socket: Socket): readonly CertificateName[] {
  const before = known.get(socket);
  if (before) return before;
  const names = readNames(socket);
  known.set(socket, names);
  return names;
}

function readNames(socket: Socket): readonly CertificateName[] {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return [];
  const certificate = socket.getPeerX509Certificate();
  // A session that is resumed brings the certificate of the one before; nobody looks at its dates again.
  if (!certificate || Date.parse(certificate.validTo) <= Date.now()) return [];
  return parseAlternativeNames(certificate.subjectAltName ?? '');
}

const KINDS: Readonly<Record<string, CertificateName['kind']>> = {
  URI: 'uri',
  DNS: 'dnsName',
  email: 'email',
};

/**
 * One name as Node.js writes it: a kind, then either a value that stands as it is or, where it could be taken for more than
 * one name, a JSON string (CVE-2021-44532), before which other names have a kind of their own.
 */
const NAME = /([A-Za-z0-9 ]+):(?:([^",\\]*)|(?:[A-Za-z0-9]+:)?"(?:[^"\\]|\\.)*")(?:, (?=.)|$)/y;

/**
 * Reads the text form of subjectAltName: https://nodejs.org/api/crypto.html#x509subjectaltname. What is quoted holds
 * characters that no configured name has, so it is passed over; a text that does not read as a list of names to its end is
 * none at all.
 */
export function parseAlternativeNames(text: string): readonly CertificateName[] {
  const names: CertificateName[] = [];
  NAME.lastIndex = 0;
  while (NAME.lastIndex < text.length) {
    const [, type = '', value] = NAME.exec(text) ?? [];
    if (type === '') return [];
    const kind = KINDS[type];
    if (kind !== undefined && value !== undefined && isPlain(value)) names.push({ kind, value });
  }
  return names;
}

/** Visible ASCII: what names of machines and workloads are made of. */
function isPlain(value: string): boolean {
  return /^[!-~]+$/.test(value);
}
