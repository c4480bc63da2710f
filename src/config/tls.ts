// Reads certificates and keys and makes sure that they work together, so that a listener cannot come up broken.
// Knows PEM; must not open sockets.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { TlsMaterial } from './configuration.ts';
import type { ConfigurationPath, Report } from './fault.ts';
import type { Files } from './files.ts';
import type { TlsSection } from './schema.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** The TLS material of a listener, when all of it is sound. */
export function readTls(
  section: TlsSection,
  path: ConfigurationPath,
  files: Files,
  report: Report,
): TlsMaterial | undefined {
  const certificate = readCertificates(section.certificateFile, [...path, 'certificateFile'], files, report);
  const key = readKey(section.keyFile, [...path, 'keyFile'], files, report);
  const clientCa =
    section.clientCaFile === undefined
      ? undefined
      : readCertificates(section.clientCaFile, [...path, 'clientCaFile'], files, report);
  if (certificate === undefined) return undefined;
  checkValidity(certificate.first, [...path, 'certificateFile'], report);
  if (key === undefined) return undefined;
  if (!certificate.first.checkPrivateKey(key.key)) {
    report.fault(
      [...path, 'keyFile'],
      `the key does not belong to the certificate in ${section.certificateFile}`,
      "Name the key that it was issued for, with the listener's own certificate first in its file.",
    );
  }
  return {
    certificate: certificate.pem,
    key: key.pem,
    clientCa: clientCa?.pem,
    minVersion: section.minVersion,
    notAfter: Date.parse(certificate.first.validTo),
  };
}

/** The certificates of a PEM file, all of them readable. */
export function readCertificates(
  name: string,
  path: ConfigurationPath,
  files: Files,
  report: Report,
): { pem: string; first: X509Certificate } | undefined {
  const pem = files.text(name, path);
  if (pem === undefined) return undefined;
  try {
    const [first] = (pem.match(CERTIFICATE) ?? []).map((text) => new X509Certificate(text));
    if (first !== undefined) return { pem, first };
  } catch {
    // Told below: OpenSSL's own words name neither the file nor the fault.
  }
  report.fault(path, `${name} holds no readable certificate`, 'Name a file with PEM certificates.');
  return undefined;
}

function readKey(
  name: string,
  path: ConfigurationPath,
  files: Files,
  report: Report,
): { pem: string; key: KeyObject } | undefined {
  const pem = files.text(name, path);
  if (pem === undefined) return undefined;
  // Looked for first: OpenSSL may ask for the passphrase on the terminal.
  if (/^-----BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(pem)) {
    const remedy = 'Store it without a passphrase, readable to the gateway alone.';
    report.fault(path, `the key in ${name} is encrypted`, remedy);
    return undefined;
  }
  try {
    return { pem, key: createPrivateKey(pem) };
  } catch {
    report.fault(path, `${name} holds no readable private key`, 'Name a file with one PEM private key.');
    return undefined;
  }
}

function checkValidity(certificate: X509Certificate, path: ConfigurationPath, report: Report): void {
  const now = Date.now();
  if (Date.parse(certificate.validTo) <= now) {
    report.fault(path, `the certificate expired on ${day(certificate.validTo)}`, 'Renew it.');
  }
  if (Date.parse(certificate.validFrom) > now) {
    const remedy = "Wait for it, or set this machine's clock.";
    report.fault(path, `the certificate is not valid before ${day(certificate.validFrom)}`, remedy);
  }
}

function day(date: string): string {
  return new Date(date).toISOString().slice(0, 10);
}
