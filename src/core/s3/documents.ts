// The pages of AWS's documentation that say what a request is held against: one for each reason of a refusal, one for each
// operation. Knows names only.
import type { Reason } from '../refusal.ts';

const S3 = 'https://docs.aws.amazon.com/AmazonS3/latest';
const IAM = 'https://docs.aws.amazon.com/IAM/latest/UserGuide';

const SSE_KMS = `${S3}/userguide/UsingKMSEncryption.html`;
const KMS_HEADERS = `${S3}/userguide/specifying-kms-encryption.html`;
const CONTEXT = `${SSE_KMS}#encryption-context`;
const SIGNING = `${S3}/API/sig-v4-authenticating-requests.html`;
const SIGNED_HEADER = `${S3}/API/sigv4-auth-using-authorization-header.html`;
const TROUBLED_SIGNATURE = `${IAM}/reference_sigv-troubleshooting.html`;
const ACCESS_DENIED = `${S3}/userguide/troubleshoot-403-errors.html`;
const ERRORS = `${S3}/API/ErrorResponses.html`;

/** What AWS says about the matter of each refusal. What only the gateway refuses has the page on what it protects. */
export const DOCUMENT_OF_REASON: Readonly<Record<Reason, string>> = {
  insecure_transport: SSE_KMS,
  signature_v2: SSE_KMS,
  encryption_headers_on_read: KMS_HEADERS,
  encryption_headers_not_supported: KMS_HEADERS,
  encryption_missing: KMS_HEADERS,
  encryption_downgrade: SSE_KMS,
  algorithm_not_allowed: KMS_HEADERS,
  key_missing: KMS_HEADERS,
  key_not_allowed: KMS_HEADERS,
  key_not_usable: SSE_KMS,
  bucket_key_not_allowed: `${S3}/userguide/bucket-key.html`,
  context_invalid: CONTEXT,
  context_arn_mismatch: CONTEXT,
  context_missing_pair: CONTEXT,
  customer_key: `${S3}/userguide/ServerSideEncryptionCustomerKeys.html`,
  signature_mismatch: TROUBLED_SIGNATURE,
  unknown_access_key: ERRORS,
  unknown_certificate: ACCESS_DENIED,
  certificate_mismatch: ACCESS_DENIED,
  invalid_session_token: `${IAM}/id_credentials_temp_use-resources.html`,
  anonymous: SIGNING,
  clock_skew: TROUBLED_SIGNATURE,
  expired: `${S3}/API/sigv4-query-string-auth.html`,
  unsigned_header: SIGNED_HEADER,
  payload_mismatch: `${S3}/userguide/checking-object-integrity.html`,
  malformed_request: ERRORS,
  ambiguous_request: ERRORS,
  bucket_not_allowed: ACCESS_DENIED,
  host_not_allowed: `${S3}/userguide/VirtualHosting.html`,
  region_not_allowed: `${S3}/userguide/VirtualHosting.html`,
  operation_not_allowed: ACCESS_DENIED,
  no_rule: SSE_KMS,
  form_policy: `${S3}/API/sigv4-HTTPPOSTConstructPolicy.html`,
  too_large: ERRORS,
  overloaded: ERRORS,
};

/** What AWS says about the headers that put an object under KMS. */
export const DOCUMENT_OF_ENCRYPTION: string = KMS_HEADERS;

/** Pages that are not named as their operations are. */
const OTHER_PAGES: Readonly<Record<string, string>> = {
  CORSPreflight: `${S3}/API/RESTOPTIONSobject.html`,
  PostObject: `${S3}/API/RESTObjectPOST.html`,
};

/** The page of an operation in S3's API reference. */
export function documentOfOperation(name: string): string {
  return OTHER_PAGES[name] ?? `${S3}/API/API_${name}.html`;
}
