// Credential scope and signing key of Signature Version 4.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
import { hmacSha256 } from './digest.ts';

/** What a signature is valid for. `date` is `yyyymmdd`. */
export interface CredentialScope {
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

/** `yyyymmdd/region/service/aws4_request`. */
export function formatScope(scope: CredentialScope): string {
  return `${scope.date}/${scope.region}/${scope.service}/aws4_request`;
}

/** The key derived from a secret for one day, region and service. */
export function deriveSigningKey(secretAccessKey: string, scope: CredentialScope): Buffer {
  const dateKey = hmacSha256(Buffer.from(`AWS4${secretAccessKey}`, 'utf8'), scope.date);
  const regionKey = hmacSha256(dateKey, scope.region);
  const serviceKey = hmacSha256(regionKey, scope.service);
  return hmacSha256(serviceKey, 'aws4_request');
}

/** A holder of a secret: signing keys are remembered for as long as the object itself lives. */
export interface SecretHolder {
  readonly secretAccessKey: string;
}

/** Derived keys kept for a holder: presigned URLs reach back seven days, so a few days by a few regions. */
const KEYS_PER_HOLDER = 32;

/**
 * Remembers derived keys, so that a request costs one HMAC in place of five. Keyed by the object that holds the secret:
 * a reloaded configuration brings new objects and so starts afresh.
 */
export class SigningKeys {
  readonly #byHolder = new WeakMap<SecretHolder, Map<string, Buffer>>();

  get(holder: SecretHolder, scope: CredentialScope): Buffer {
    let keys = this.#byHolder.get(holder);
    if (!keys) {
      keys = new Map();
      this.#byHolder.set(holder, keys);
    }
    const name = formatScope(scope);
    const known = keys.get(name);
    if (known) return known;
    if (keys.size >= KEYS_PER_HOLDER) keys.clear();
    const key = deriveSigningKey(holder.secretAccessKey, scope);
    keys.set(name, key);
    return key;
  }
}
