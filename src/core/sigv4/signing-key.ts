// Credential scope and signing key of Signature Version 4, and the keys remembered for those who hold a secret.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
import { deriveVerifyingKey } from './asymmetric-key.ts';
import { type EcdsaPublicKey, HmacKey, hmacSha256 } from './digest.ts';

/** What a signature is valid for. `date` is `yyyymmdd`. */
export interface CredentialScope {
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

/** The scope of SigV4A, whose regions stand in a header of their own. */
export type RegionlessScope = Omit<CredentialScope, 'region'>;

/** The scope of either algorithm. */
export type Scope = CredentialScope | RegionlessScope;

/** `yyyymmdd/region/service/aws4_request`, without the region in SigV4A. */
export function formatScope(scope: Scope): string {
  const region = 'region' in scope ? `${scope.region}/` : '';
  return `${scope.date}/${region}${scope.service}/aws4_request`;
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

/** Stands in for an unknown identity, so that its refusal takes the same work. */
export const NOBODY: SecretHolder = { secretAccessKey: 'nobody' };

/** Derived keys kept for a holder: presigned URLs reach back seven days, so a few days by a few regions. */
const KEYS_PER_HOLDER = 32;

/**
 * Remembers derived keys, so that a request costs one HMAC in place of five. Keyed by the object that holds the secret:
 * a reloaded configuration brings new objects and so starts afresh.
 */
export class SigningKeys {
  readonly #byHolder = new WeakMap<SecretHolder, Map<string, HmacKey>>();
  readonly #publicKeys = new WeakMap<SecretHolder, Map<string, EcdsaPublicKey>>();

  get(holder: SecretHolder, scope: CredentialScope): HmacKey {
    let keys = this.#byHolder.get(holder);
    if (!keys) {
      keys = new Map();
      this.#byHolder.set(holder, keys);
    }
    const name = formatScope(scope);
    const known = keys.get(name);
    if (known) return known;
    if (keys.size >= KEYS_PER_HOLDER) keys.clear();
    const key = new HmacKey(deriveSigningKey(holder.secretAccessKey, scope));
    keys.set(name, key);
    return key;
  }

  /** The key that SigV4A signatures of a holder are verified with. It depends on the access key ID, but on no day. */
  publicKey(holder: SecretHolder, accessKeyId: string): EcdsaPublicKey {
    let keys = this.#publicKeys.get(holder);
    if (!keys) {
      keys = new Map();
      this.#publicKeys.set(holder, keys);
    }
    let key = keys.get(accessKeyId);
    if (!key) {
      key = deriveVerifyingKey(holder.secretAccessKey, accessKeyId);
      keys.set(accessKeyId, key);
    }
    return key;
  }
}
