// Makes self-signed certificates of any validity for the tests: just enough DER for an X.509 v3 certificate.
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export interface TestCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** SHA-256 signed with either kind of key: RFC 5758 section 3.2, RFC 8017 appendix A.2.4. */
const SIGNED_WITH = {
  ec: Buffer.from('300a06082a8648ce3d040302', 'hex'),
  rsa: Buffer.from('300d06092a864886f70d01010b0500', 'hex'),
};
const COMMON_NAME = Buffer.from('0603550403', 'hex');

/** A certificate for `localhost` that is valid between two dates. */
export function makeCertificate(from: string, to: string, kind: 'ec' | 'rsa' = 'ec'): TestCertificate {
  const { publicKey, privateKey } =
    kind === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 });
  const name = der(0x30, der(0x31, der(0x30, COMMON_NAME, der(0x0c, Buffer.from('localhost')))));
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(1), randomBytes(8)),
    SIGNED_WITH[kind],
    name,
    der(0x30, time(from), time(to)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = der(0x03, Buffer.of(0), sign('sha256', body, privateKey));
  const base64 = der(0x30, body, SIGNED_WITH[kind], signature).toString('base64');
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
  return Buffer.concat([Buffer.of(tag, ...length), content]);
}

function time(date: string): Buffer {
  const digits = new Date(date).toISOString().replace(/[-:T]|\.\d+/g, '');
  return der(0x18, Buffer.from(digits));
}
