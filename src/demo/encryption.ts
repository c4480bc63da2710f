// Server-side encryption as the embedded store understands it: which one a write asks for, and what answers say of it.
// Deliberately not the gateway's own judgement: this is the other side, and it checks for itself.
import type { EncryptionContext } from '../core/s3/encryption-context.ts';
import { ARN_KEY, parseEncryptionContext, s3Arn } from '../core/s3/encryption-context.ts';
import type { Operation } from '../core/s3/operation.ts';
import { requestedEncryption, SSE, SSE_FAMILY, usesKms } from '../core/s3/sse.ts';
import { type Answer, type Fault, fault, isFault } from './answers.ts';
import type { Vault } from './vault.ts';

/** How an object is encrypted. */
export interface Encryption {
  readonly algorithm: 'AES256' | 'aws:kms' | 'aws:kms:dsse';
  /** The key the data key is wrapped under. */
  readonly keyId: string;
  /** The context as it was sent; S3's own pair is added where it is used, not here. */
  readonly context: EncryptionContext;
  readonly contextHeader: string | undefined;
  readonly bucketKey: boolean;
}

/** The store's own key, for what no KMS key was asked for: the part of SSE-S3. */
export const STORE_KEY = 'sse-s3';
/** The managed key that S3 takes for `aws:kms` without a key ID. */
export const MANAGED_KEY = 'aws/s3';
/** The header section is bounded to 8 KiB, so nothing larger can arrive. */
const MAX_CONTEXT_BYTES = 8192;

const UNENCRYPTED: Encryption = {
  algorithm: 'AES256',
  keyId: STORE_KEY,
  context: new Map(),
  contextHeader: undefined,
  bucketKey: false,
};

/** An SSE header on an operation that takes none. */
export function misplacedHeader(
  operation: Operation,
  fields: ReadonlyMap<string, string>,
): Fault | undefined {
  if (operation.encryption === 'accepts') return undefined;
  const name = SSE_FAMILY.find((header) => fields.has(header));
  if (name === undefined) return undefined;
  return invalidArgument(`${name} header is not supported for this operation.`, name, fields.get(name) ?? '');
}

/** The encryption a write asks for. */
export function encryptionOf(
  fields: ReadonlyMap<string, string>,
  address: { readonly bucket: string; readonly key: string },
  channel: { readonly encrypted: boolean },
  vault: Vault,
): Encryption | Fault {
  const { algorithm, keyId, context, bucketKey, customerKey } = requestedEncryption(fields);
  if (customerKey) return fault(501, 'NotImplemented', 'The demo store does not implement SSE-C.');
  if (!usesKms(algorithm) && (keyId !== undefined || context !== undefined)) {
    const text =
      'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms';
    return invalidArgument(text, SSE.algorithm, algorithm ?? 'null');
  }
  if (algorithm === undefined || algorithm === 'AES256') return UNENCRYPTED;
  if (algorithm !== 'aws:kms' && algorithm !== 'aws:kms:dsse') {
    return invalidArgument('The encryption method specified is not supported', SSE.algorithm, algorithm);
  }
  if (!channel.encrypted) return insecureTransport(algorithm);
  const key = keyId ?? MANAGED_KEY;
  if (!vault.has(key)) return keyNotFound(key);
  const wanted = bucketKey === 'true';
  const pairs = contextOf(context, s3Arn('aws', address.bucket, wanted ? undefined : address.key));
  if (isFault(pairs)) return pairs;
  return { algorithm, keyId: key, context: pairs, contextHeader: context, bucketKey: wanted };
}

function contextOf(header: string | undefined, arn: string): EncryptionContext | Fault {
  if (header === undefined) return new Map();
  const context = parseEncryptionContext(header, MAX_CONTEXT_BYTES);
  if (!context) {
    const text =
      "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map";
    return invalidArgument(text, SSE.context, header);
  }
  const given = context.get(ARN_KEY);
  if (given === undefined || given === arn) return context;
  const text = "The context value for 'aws:s3:arn' shall be equal to object's ARN";
  return invalidArgument(text, SSE.context, header);
}

/** The context that the data key is bound to: what was sent, and S3's own pair. */
export function boundContext(
  encryption: Encryption,
  address: { readonly bucket: string; readonly key: string },
): EncryptionContext {
  const arn = s3Arn('aws', address.bucket, encryption.bucketKey ? undefined : address.key);
  return new Map([...encryption.context, [ARN_KEY, arn]]);
}

/** Reads and writes of what is under KMS need TLS, also where the request itself does not name it. */
export function refuseInsecure(encryption: Encryption, channel: { encrypted: boolean }): Fault | undefined {
  if (channel.encrypted || !usesKms(encryption.algorithm)) return undefined;
  return insecureTransport(encryption.algorithm);
}

/** The SSE headers of an answer. The context is told by Put, Copy and CreateMultipartUpload alone. */
export function encryptionHeaders(
  { algorithm, keyId, contextHeader, bucketKey }: Encryption,
  telling: 'context' | 'no context',
): Answer['headers'] {
  const headers: [string, string][] = [[SSE.algorithm, algorithm]];
  if (algorithm === 'AES256') return headers;
  headers.push([SSE.keyId, keyId]);
  if (bucketKey) headers.push([SSE.bucketKey, 'true']);
  if (telling === 'context' && contextHeader !== undefined) headers.push([SSE.context, contextHeader]);
  return headers;
}

function insecureTransport(algorithm: string): Fault {
  const text =
    'Requests specifying Server Side Encryption with AWS KMS managed keys must be made over a secure connection.';
  return invalidArgument(text, SSE.algorithm, algorithm);
}

function keyNotFound(keyId: string): Fault {
  const wellFormed = /^arn:|^(?:mrk-)?[0-9a-f-]{32,36}$/.test(keyId);
  const text = wellFormed ? `Key '${keyId}' does not exist` : `Invalid keyId '${keyId}'`;
  return fault(400, 'KMS.NotFoundException', text);
}

function invalidArgument(message: string, name: string, value: string): Fault {
  return fault(400, 'InvalidArgument', message, { ArgumentName: name, ArgumentValue: value });
}
