// A directory with everything a configuration can name: certificates, keys and secrets, sound and unsound.
import { createPrivateKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from './certificate.ts';

export interface Fixture {
  readonly directory: string;
  readonly file: string;
  write(name: string, text: string): string;
  remove(): void;
}

/** Makes the directory; the caller removes it. */
export function makeFixture(): Fixture {
  const directory = mkdtempSync(join(tmpdir(), 's3-kms-gateway-config-'));
  const write = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const sound = makeCertificate('2020-01-01', '2120-01-01');
  const other = makeCertificate('2020-01-01', '2120-01-01');
  const expired = makeCertificate('2020-01-01', '2021-02-03');
  const future = makeCertificate('2110-04-05', '2120-01-01');
  write('tls.crt', sound.certificate + other.certificate);
  write('tls.key', sound.key);
  write('other.key', other.key);
  write('ca.crt', other.certificate);
  write('expired.crt', expired.certificate);
  write('expired.key', expired.key);
  write('future.crt', future.certificate);
  write('future.key', future.key);
  const locked = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' } as const;
  write('locked.key', createPrivateKey(sound.key).export(locked).toString());
  write('junk.crt', 'not a certificate\n');
  write('broken.crt', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  write('billing.secret', 'billing-secret\n');
  write('empty.secret', '\n');
  write('lines.secret', 'one\ntwo\n');
  const remove = (): void => rmSync(directory, { recursive: true });
  return { directory, file: join(directory, 'gateway.yaml'), write, remove };
}
