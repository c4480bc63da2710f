// Server-side encryption as requests and answers write it. Knows header names and values, no rule of the operator's.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-kms-encryption.html

/** Header names of SSE-S3, SSE-KMS and DSSE-KMS. */
export const SSE = {
  algorithm: 'x-amz-server-side-encryption',
  keyId: 'x-amz-server-side-encryption-aws-kms-key-id',
  context: 'x-amz-server-side-encryption-context',
  bucketKey: 'x-amz-server-side-encryption-bucket-key-enabled',
} as const;

/** The family that is refused on reads and injected on writes. SSE-C is not of it: it is legitimate on both. */
export const SSE_FAMILY: readonly string[] = Object.values(SSE);

const CUSTOMER_KEY_PREFIX = 'x-amz-server-side-encryption-customer-';

/** What a write asks for. Absent is `undefined`; an empty header is `''`, which S3 does not take as absent. */
export interface RequestedEncryption {
  readonly algorithm: string | undefined;
  readonly keyId: string | undefined;
  readonly context: string | undefined;
  readonly bucketKey: string | undefined;
  /** Whether any header of SSE-C is there. */
  readonly customerKey: boolean;
}

/** Reads the encryption a request asks for; `headers` maps lower-case names to values. */
export function requestedEncryption(headers: ReadonlyMap<string, string>): RequestedEncryption {
  let customerKey = false;
  for (const name of headers.keys()) if (name.startsWith(CUSTOMER_KEY_PREFIX)) customerKey = true;
  return {
    algorithm: headers.get(SSE.algorithm),
    keyId: headers.get(SSE.keyId),
    context: headers.get(SSE.context),
    bucketKey: headers.get(SSE.bucketKey),
    customerKey,
  };
}

/** Whether an `x-amz-server-side-encryption` value means a KMS key, in a request or an answer. */
export function usesKms(algorithm: string | undefined): boolean {
  return algorithm === 'aws:kms' || algorithm === 'aws:kms:dsse';
}
