// A throw-away certificate authority and the server certificates it signs, so that the demo speaks real TLS at once.
// Knows just enough DER (X.690) for X.509 v3 (RFC 5280); keys and signatures are node:crypto's. Not for production.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A certificate and its private key, as PEM text. */
export interface IssuedCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** An authority that lives as long as this object: its own key is never written anywhere. */
export interface DemoAuthority {
  /** PEM text of the certificate that clients are to trust. */
  readonly certificate: string;
  /** A certificate with these names: of a server, unless it is to be a client's. */
  issue(names: AlternativeNames, role?: Role): IssuedCertificate;
}

/** What a certificate names: latin1 text, written as it stands, and IPv4 addresses. */
export interface AlternativeNames {
  readonly dns: readonly string[];
  readonly ipv4: readonly string[];
  readonly uri?: readonly string[];
  readonly email?: readonly string[];
}

export type Role = 'server' | 'client';

const VALID_FOR_MS = 30 * 24 * 60 * 60 * 1000;
/** Clocks in containers and virtual machines run apart. */
const VALID_BEFORE_MS = 60 * 60 * 1000;

/** Makes an authority whose certificates are valid from an hour before `now` for 30 days. */
export function createAuthority(now: Date): DemoAuthority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer: Issuer = { name: 's3-kms-gateway demo authority', publicKey, privateKey, now };
  return {
    certificate: certify(issuer, issuer.name, publicKey, authorityExtensions()),
    issue: (names, role = 'server') => {
      const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      return {
        certificate: certify(
          issuer,
          `s3-kms-gateway demo ${role}`,
          own.publicKey,
          leafExtensions(names, role),
        ),
        key: own.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      };
    },
  };
}

interface Issuer {
  readonly name: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  readonly now: Date;
}

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
} as const;

const ECDSA_WITH_SHA256 = der(TAG.sequence, Buffer.from('06082a8648ce3d040302', 'hex'));

/** Object identifiers, DER content: RFC 5280 section 4.2.1, appendix A. */
const OID = {
  commonName: '550403',
  subjectKeyIdentifier: '551d0e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  authorityKeyIdentifier: '551d23',
  extendedKeyUsage: '551d25',
  server: '2b06010505070301',
  client: '2b06010505070302',
} as const;

function certify(
  issuer: Issuer,
  subject: string,
  publicKey: KeyObject,
  extensions: readonly Buffer[],
): string {
  const from = new Date(issuer.now.getTime() - VALID_BEFORE_MS);
  const to = new Date(issuer.now.getTime() + VALID_FOR_MS);
  const identifiers = [
    extension(OID.subjectKeyIdentifier, false, der(TAG.octetString, keyIdentifier(publicKey))),
    extension(
      OID.authorityKeyIdentifier,
      false,
      der(TAG.sequence, der(0x80, keyIdentifier(issuer.publicKey))),
    ),
  ];
  const body = der(
    TAG.sequence,
    der(0xa0, der(TAG.integer, Buffer.of(2))),
    // The leading byte keeps the number positive.
    der(TAG.integer, Buffer.of(1), randomBytes(15)),
    ECDSA_WITH_SHA256,
    commonName(issuer.name),
    der(TAG.sequence, utcTime(from), utcTime(to)),
    commonName(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(TAG.sequence, ...extensions, ...identifiers)),
  );
  const signature = der(TAG.bitString, Buffer.of(0), sign('sha256', body, issuer.privateKey));
  return pem(der(TAG.sequence, body, ECDSA_WITH_SHA256, signature));
}

function authorityExtensions(): readonly Buffer[] {
  return [
    extension(OID.basicConstraints, true, der(TAG.sequence, der(TAG.boolean, Buffer.of(0xff)))),
    // Bits 5 and 6: keyCertSign, cRLSign.
    extension(OID.keyUsage, true, der(TAG.bitString, Buffer.of(1, 0b0000_0110))),
  ];
}

function leafExtensions(
  { dns, ipv4, uri = [], email = [] }: AlternativeNames,
  role: Role,
): readonly Buffer[] {
  const text = (tag: number) => (name: string) => der(tag, Buffer.from(name, 'latin1'));
  const names = [
    ...email.map(text(0x81)),
    ...dns.map(text(0x82)),
    ...uri.map(text(0x86)),
    ...ipv4.map((address) => der(0x87, Buffer.from(address.split('.').map(Number)))),
  ];
  return [
    extension(OID.basicConstraints, true, der(TAG.sequence)),
    // Bit 0: digitalSignature.
    extension(OID.keyUsage, true, der(TAG.bitString, Buffer.of(7, 0b1000_0000))),
    extension(OID.extendedKeyUsage, false, der(TAG.sequence, oid(OID[role]))),
    extension(OID.subjectAltName, false, der(TAG.sequence, ...names)),
  ];
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [der(TAG.boolean, Buffer.of(0xff))] : [];
  return der(TAG.sequence, oid(id), ...flag, der(TAG.octetString, value));
}

/** Any value that differs between keys will do (RFC 5280 section 4.2.1.2). */
function keyIdentifier(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
}

function commonName(name: string): Buffer {
  const attribute = der(TAG.sequence, oid(OID.commonName), der(TAG.utf8String, Buffer.from(name)));
  return der(TAG.sequence, der(TAG.set, attribute));
}

function utcTime(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, '');
  return der(TAG.utcTime, Buffer.from(digits.slice(2), 'ascii'));
}

function oid(hex: string): Buffer {
  return der(TAG.oid, Buffer.from(hex, 'hex'));
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
  return Buffer.concat([Buffer.of(tag, ...length), content]);
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
