// Names in certificates, and which holder of one they make out. Knows names that were read from a verified certificate;
// must not know how they were read.

/** One of the names of a certificate (subjectAltName, RFC 5280 section 4.2.1.6). */
export interface CertificateName {
  readonly kind: 'uri' | 'dnsName' | 'email';
  readonly value: string;
}

/**
 * Two names are the same where their keys are. DNS names, and the host of a mail address, in any case (RFC 5280 sections
 * 7.2 and 7.5); all else as it stands: no wildcard, no prefix.
 */
export function certificateKey({ kind, value }: CertificateName): string {
  if (kind === 'dnsName') return `dnsName:${lowerCase(value)}`;
  if (kind === 'uri') return `uri:${value}`;
  const host = value.lastIndexOf('@') + 1;
  return `email:${value.slice(0, host)}${lowerCase(value.slice(host))}`;
}

/** ASCII alone: Unicode's case folding makes K of the Kelvin sign. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Whose name is in the certificate; `undefined` where nobody's is, and where those of several are. */
export function holderOf<Holder>(
  names: readonly CertificateName[],
  holders: ReadonlyMap<string, Holder>,
): Holder | undefined {
  const [only, ...more] = new Set(names.flatMap((name) => holders.get(certificateKey(name)) ?? []));
  return more.length === 0 ? only : undefined;
}

/** Whether the certificate has this name. */
export function hasName(names: readonly CertificateName[], wanted: CertificateName): boolean {
  const key = certificateKey(wanted);
  return names.some((name) => certificateKey(name) === key);
}
