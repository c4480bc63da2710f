// The catalogue of refusals: every reason for which the gateway turns a request down, with S3's own status, code and
// text where S3 has them: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and what S3 was
// recorded to answer where that page is silent. The only place where an error is worded. Knows no request.

/** Why a request was refused: the label of `refusals_total` and a field of the audit line. */
export type Reason =
  | 'insecure_transport'
  | 'signature_v2'
  | 'encryption_headers_on_read'
  | 'encryption_headers_not_supported'
  | 'encryption_missing'
  | 'encryption_downgrade'
  | 'algorithm_not_allowed'
  | 'key_missing'
  | 'key_not_allowed'
  | 'key_not_usable'
  | 'bucket_key_not_allowed'
  | 'context_invalid'
  | 'context_arn_mismatch'
  | 'context_missing_pair'
  | 'customer_key'
  | 'signature_mismatch'
  | 'unknown_access_key'
  | 'unknown_certificate'
  | 'certificate_mismatch'
  | 'invalid_session_token'
  | 'anonymous'
  | 'clock_skew'
  | 'expired'
  | 'unsigned_header'
  | 'payload_mismatch'
  | 'malformed_request'
  | 'ambiguous_request'
  | 'bucket_not_allowed'
  | 'region_not_allowed'
  | 'host_not_allowed'
  | 'operation_not_allowed'
  | 'no_rule'
  | 'form_policy'
  | 'too_large'
  | 'overloaded';

/** A refusal as S3 would answer it. `details` are the elements between Message and RequestId, in order. */
export interface Refusal {
  readonly reason: Reason;
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly details: readonly (readonly [element: string, text: string])[];
}

function refusal(
  reason: Reason,
  status: number,
  code: string,
  message: string,
  details: Refusal['details'] = [],
): Refusal {
  return { reason, status, code, message, details };
}

function invalidArgument(reason: Reason, message: string, name: string, value: string): Refusal {
  return refusal(reason, 400, 'InvalidArgument', message, [
    ['ArgumentName', name],
    ['ArgumentValue', value],
  ]);
}

/** What the gateway's own policy turns down has no original at S3; its nearest is the bucket policy's 403, which SDKs do not retry. */
function accessDenied(reason: Reason, why?: string): Refusal {
  return refusal(reason, 403, 'AccessDenied', why === undefined ? 'Access Denied' : `Access Denied: ${why}`);
}

const SSE = 'x-amz-server-side-encryption';

/** KMS asked for, or found in the backend's answer, over a connection without TLS. */
export function insecureTransport(algorithm: string): Refusal {
  const text =
    'Requests specifying Server Side Encryption with AWS KMS managed keys must be made over a secure connection.';
  return invalidArgument('insecure_transport', text, SSE, algorithm);
}

/** KMS with Signature Version 2 or without a signature. `authorization` is the header's scheme, never its signature. */
export function signatureV2WithKms(authorization: string | undefined): Refusal {
  const text =
    'Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.';
  return invalidArgument('signature_v2', text, 'Authorization', authorization ?? 'null');
}

/** Signature Version 2 where the configuration takes none at all. */
export function signatureV2NotSupported(): Refusal {
  const text = 'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.';
  return refusal('signature_v2', 400, 'InvalidRequest', text);
}

/** An SSE or SSE-KMS header on an operation that takes none. */
export function encryptionHeaderNotSupported(
  reason: 'encryption_headers_on_read' | 'encryption_headers_not_supported',
  header: string,
  value: string,
): Refusal {
  return invalidArgument(reason, `${header} header is not supported for this operation.`, header, value);
}

/** A value of `x-amz-server-side-encryption` that S3 does not know. */
export function encryptionMethodUnknown(value: string): Refusal {
  return invalidArgument(
    'algorithm_not_allowed',
    'The encryption method specified is not supported',
    SSE,
    value,
  );
}

/** A KMS key ID or context without `aws:kms`. */
export function kmsParametersWithoutKms(method: string | undefined): Refusal {
  const text =
    'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms';
  return invalidArgument('encryption_missing', text, SSE, method ?? 'null');
}

/** SSE-C together with a method. */
export function customerKeyWithMethod(method: string): Refusal {
  const text =
    'Server Side Encryption with Customer provided key is incompatible with the encryption method specified';
  return invalidArgument('customer_key', text, SSE, method);
}

export function customerKeyNotAllowed(rule: string): Refusal {
  return accessDenied(
    'customer_key',
    `encryption rule ${rule} does not allow customer-provided keys (SSE-C).`,
  );
}

export function encryptionMissing(rule: string, algorithm: string): Refusal {
  return accessDenied(
    'encryption_missing',
    `encryption rule ${rule} requires the header ${SSE}: ${algorithm} and a KMS key ID.`,
  );
}

export function encryptionDowngrade(rule: string, algorithm: string): Refusal {
  return accessDenied('encryption_downgrade', `encryption rule ${rule} requires ${SSE}: ${algorithm}.`);
}

export function algorithmNotAllowed(rule: string, algorithm: string): Refusal {
  return accessDenied('algorithm_not_allowed', `encryption rule ${rule} requires ${SSE}: ${algorithm}.`);
}

export function keyMissing(rule: string): Refusal {
  return accessDenied('key_missing', `encryption rule ${rule} requires the header ${SSE}-aws-kms-key-id.`);
}

export function keyNotAllowed(rule: string): Refusal {
  return accessDenied(
    'key_not_allowed',
    `encryption rule ${rule} does not allow the KMS key of this request.`,
  );
}

/** A key that KMS says is for something else, worded as KMS words it to S3. */
export function keyNotUsable(keyId: string, usage: { keySpec: string; keyUsage: string }): Refusal {
  const what =
    usage.keyUsage === 'ENCRYPT_DECRYPT' ? `key spec is ${usage.keySpec}` : `key usage is ${usage.keyUsage}`;
  const text = `${keyId} ${what} which is not valid for GenerateDataKey.`;
  return refusal('key_not_usable', 400, 'KMS.InvalidKeyUsageException', text);
}

export function bucketKeyNotAllowed(rule: string, wanted: boolean): Refusal {
  return accessDenied(
    'bucket_key_not_allowed',
    `encryption rule ${rule} requires ${SSE}-bucket-key-enabled: ${wanted}.`,
  );
}

/** A context that is not base64 of flat JSON. */
export function contextInvalid(): Refusal {
  const text =
    "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map";
  return refusal('context_invalid', 400, 'InvalidArgument', text, [['ArgumentName', `${SSE}-context`]]);
}

/** A pair of the context contradicts the one its rule fixes. Names the key, never a value. */
export function contextPairConflict(rule: string, key: string): Refusal {
  return accessDenied(
    'context_invalid',
    `encryption rule ${rule} fixes another value for the context key ${key}.`,
  );
}

/** `aws:s3:arn` present and wrong. */
export function contextArnMismatch(): Refusal {
  return refusal(
    'context_arn_mismatch',
    400,
    'InvalidArgument',
    "The context value for 'aws:s3:arn' shall be equal to object's ARN",
    [['ArgumentName', `${SSE}-context`]],
  );
}

export function contextMissingPair(rule: string, key: string): Refusal {
  return accessDenied('context_missing_pair', `encryption rule ${rule} requires the context key ${key}.`);
}

/** A reason for which encryption settled in a configuration document is turned down, in words. */
const SETTLEMENT_FLAWS = {
  encryption_missing: 'names no encryption with a KMS key',
  encryption_downgrade: 'asks for another encryption',
  algorithm_not_allowed: 'asks for another encryption',
  key_missing: 'names no KMS key',
  key_not_allowed: 'names a KMS key that the rule does not allow',
  bucket_key_not_allowed: 'asks for another bucket key setting',
  context_missing_pair: 'cannot carry the pairs of the encryption context',
  customer_key: 'lets customer-provided keys (SSE-C) in',
} as const;

/** Encryption that a document asks S3 to apply later. `element` is where it stands; its other faults keep S3's own words. */
export function settlementNotAllowed(refused: Refusal, rule: string, element: string): Refusal {
  const flaw = Object.entries(SETTLEMENT_FLAWS).find(([reason]) => reason === refused.reason)?.[1];
  if (flaw === undefined || refused.status !== 403) return refused;
  return accessDenied(refused.reason, `encryption rule ${rule} stands against ${element}, which ${flaw}.`);
}

/** A copy that would take an object out of the reach of the rule it is under. */
export function copyLeavesRule(rule: string): Refusal {
  return accessDenied(
    'encryption_downgrade',
    `encryption rule ${rule} does not let this object be copied to where no rule encrypts it.`,
  );
}

export function noRule(): Refusal {
  return accessDenied('no_rule', 'no encryption rule covers this bucket and key, so writes are refused.');
}

/** What S3 adds to SignatureDoesNotMatch so that a client can be debugged. */
export interface SignatureEvidence {
  readonly accessKeyId: string;
  readonly stringToSign: string;
  readonly signatureProvided: string;
  /** Absent for Signature Version 2 and forms. */
  readonly canonicalRequest: string | undefined;
}

export function signatureMismatch(evidence: SignatureEvidence): Refusal {
  const text =
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.';
  const details: [string, string][] = [
    ['AWSAccessKeyId', evidence.accessKeyId],
    ['StringToSign', evidence.stringToSign],
    ['SignatureProvided', evidence.signatureProvided],
    ['StringToSignBytes', hexPairs(evidence.stringToSign)],
  ];
  if (evidence.canonicalRequest !== undefined) {
    details.push(['CanonicalRequest', evidence.canonicalRequest]);
    details.push(['CanonicalRequestBytes', hexPairs(evidence.canonicalRequest)]);
  }
  return refusal('signature_mismatch', 403, 'SignatureDoesNotMatch', text, details);
}

function hexPairs(latin1: string): string {
  let out = '';
  for (let i = 0; i < latin1.length; i++) {
    out += `${i === 0 ? '' : ' '}${latin1.charCodeAt(i).toString(16).padStart(2, '0')}`;
  }
  return out;
}

/** A signed header that the request does not have: something between client and gateway took it away. */
export function signedHeaderAbsent(names: readonly string[]): Refusal {
  const text =
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.';
  return refusal('signature_mismatch', 403, 'SignatureDoesNotMatch', text, [
    ['SignedHeadersAbsent', names.join(', ')],
  ]);
}

export function unknownAccessKey(accessKeyId: string): Refusal {
  const text = 'The AWS Access Key Id you provided does not exist in our records.';
  return refusal('unknown_access_key', 403, 'InvalidAccessKeyId', text, [['AWSAccessKeyId', accessKeyId]]);
}

/** A listener that tells clients by their certificates, and a certificate that is nobody's, or has the names of several. */
export function unknownCertificate(): Refusal {
  return accessDenied('unknown_certificate', 'the certificate of this connection is that of no client.');
}

/** Said only to who has signed with the key's secret. */
export function certificateMismatch(): Refusal {
  return accessDenied(
    'certificate_mismatch',
    'this access key is good only with the certificate of its client.',
  );
}

export function invalidSessionToken(): Refusal {
  const text = 'The provided token is malformed or otherwise invalid.';
  return refusal('invalid_session_token', 400, 'InvalidToken', text);
}

/** A copy onto itself that changes nothing: the gateway's own encryption headers would make it a rewrite. */
export function copyOntoItself(): Refusal {
  const text =
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.";
  return refusal('malformed_request', 400, 'InvalidRequest', text);
}

export function anonymous(): Refusal {
  return accessDenied('anonymous');
}

/** Clock skew of more than 15 minutes. `requestTime` as sent. */
export function clockSkew(requestTime: string, serverTime: Date): Refusal {
  const text = 'The difference between the request time and the current time is too large.';
  return refusal('clock_skew', 403, 'RequestTimeTooSkewed', text, [
    ['RequestTime', requestTime],
    ['ServerTime', isoSeconds(serverTime)],
    ['MaxAllowedSkewMilliseconds', '900000'],
  ]);
}

/** A presigned URL past its end. */
export function expired(expiresSeconds: string | undefined, expiry: Date, serverTime: Date): Refusal {
  const details: [string, string][] = expiresSeconds === undefined ? [] : [['X-Amz-Expires', expiresSeconds]];
  details.push(['Expires', isoSeconds(expiry)], ['ServerTime', isoSeconds(serverTime)]);
  return refusal('expired', 403, 'AccessDenied', 'Request has expired', details);
}

/** A presigned URL dated in the future. */
export function notValidYet(amzDate: string, serverTime: Date): Refusal {
  return refusal('clock_skew', 403, 'AccessDenied', 'Request is not valid yet', [
    ['X-Amz-Date', amzDate],
    ['ServerTime', isoSeconds(serverTime)],
  ]);
}

function isoSeconds(date: Date): string {
  return date.toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** An `x-amz-*` header, or `host`, that the signature does not cover. */
export function headersNotSigned(names: readonly string[]): Refusal {
  const text = 'There were headers present in the request which were not signed';
  return refusal('unsigned_header', 403, 'AccessDenied', text, [['HeadersNotSigned', names.join(', ')]]);
}

export function noDate(): Refusal {
  const text = 'AWS authentication requires a valid Date or x-amz-date header';
  return refusal('malformed_request', 403, 'AccessDenied', text);
}

/** The `Authorization` header of Signature Version 4 is not well-formed; `what` is one of S3's endings. */
export function authorizationMalformed(what: string): Refusal {
  const text = `The authorization header is malformed; ${what}`;
  return refusal('malformed_request', 400, 'AuthorizationHeaderMalformed', text);
}

/** Right in form, but for another region: clients read Region and try again there. */
export function wrongRegion(given: string, expected: string): Refusal {
  const text = `The authorization header is malformed; the region '${given}' is wrong; expecting '${expected}'`;
  return refusal('signature_mismatch', 400, 'AuthorizationHeaderMalformed', text, [['Region', expected]]);
}

/** The query parameters of a presigned URL are not well-formed; the texts are S3's. */
export function authorizationQueryMalformed(message: string, region?: string): Refusal {
  const details: [string, string][] = region === undefined ? [] : [['Region', region]];
  const reason = region === undefined ? 'malformed_request' : 'signature_mismatch';
  return refusal(reason, 400, 'AuthorizationQueryParametersError', message, details);
}

/** A V2 presigned URL that lacks one of its three parameters. */
export function signatureV2QueryIncomplete(): Refusal {
  const text = 'Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters';
  return refusal('malformed_request', 403, 'AccessDenied', text);
}

export function authorizationInvalid(message: string): Refusal {
  return invalidArgument('malformed_request', message, 'Authorization', 'redacted');
}

/** Two forms of authentication at once. */
export function severalAuthMechanisms(): Refusal {
  const text =
    'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified';
  return invalidArgument('ambiguous_request', text, 'Authorization', 'redacted');
}

export function contentSha256Missing(): Refusal {
  const text = 'Missing required header for this request: x-amz-content-sha256';
  return refusal('malformed_request', 400, 'InvalidRequest', text);
}

export function contentSha256Invalid(value: string): Refusal {
  const text =
    'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.';
  return invalidArgument('malformed_request', text, 'x-amz-content-sha256', value);
}

/** A streaming payload mode on an operation that uploads no stream. */
export function contentSha256NotForOperation(): Refusal {
  const text = 'The value of x-amz-content-sha256 header is invalid.';
  return refusal('malformed_request', 400, 'InvalidRequest', text);
}

export function payloadModeNotSupported(value: string): Refusal {
  return refusal('operation_not_allowed', 501, 'NotImplemented', NOT_IMPLEMENTED, [
    ['Header', 'x-amz-content-sha256'],
    ['AdditionalMessage', value],
  ]);
}

export function payloadMismatch(claimed: string, computed: string): Refusal {
  const text = "The provided 'x-amz-content-sha256' header does not match what was computed.";
  return refusal('payload_mismatch', 400, 'XAmzContentSHA256Mismatch', text, [
    ['ClientComputedContentSHA256', claimed],
    ['S3ComputedContentSHA256', computed],
  ]);
}

/** A checksum in a trailer that the bytes do not have. `algorithm` is the name as S3 prints it: CRC32, SHA256… */
export function checksumMismatch(algorithm: string): Refusal {
  const text = `The ${algorithm} you specified did not match the calculated checksum.`;
  return refusal('payload_mismatch', 400, 'BadDigest', text);
}

export function checksumInvalid(trailer: string): Refusal {
  return refusal(
    'malformed_request',
    400,
    'InvalidRequest',
    `Value for ${trailer} trailing header is invalid.`,
  );
}

export function trailerNotSupported(): Refusal {
  const text = 'The value specified in the x-amz-trailer header is not supported';
  return refusal('malformed_request', 400, 'InvalidRequest', text);
}

export function trailerMalformed(): Refusal {
  const text =
    'The request contained trailing data that was not well-formed or did not conform to our published schema.';
  return refusal('malformed_request', 400, 'MalformedTrailerError', text);
}

export function bodyIncomplete(): Refusal {
  const text = 'You did not provide the number of bytes specified by the Content-Length HTTP header';
  return refusal('malformed_request', 400, 'IncompleteBody', text);
}

/** An aws-chunked body that does not follow its grammar: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html */
export function chunkedBodyMalformed(): Refusal {
  return refusal(
    'malformed_request',
    400,
    'InvalidRequest',
    'The aws-chunked request body is not well-formed.',
  );
}

/** `chunk` counts from 1. */
export function chunkTooSmall(chunk: number, size: number): Refusal {
  const text = 'Only the last chunk is allowed to have a size less than 8192 bytes';
  return chunkSizeInvalid('malformed_request', text, chunk, size);
}

/** S3 takes any size; here a signed chunk waits in memory until its signature is proven. */
export function chunkTooLarge(chunk: number, size: number, maximum: number): Refusal {
  const text = `A signed chunk is allowed to have a size of at most ${maximum} bytes`;
  return chunkSizeInvalid('too_large', text, chunk, size);
}

function chunkSizeInvalid(reason: Reason, text: string, chunk: number, size: number): Refusal {
  return refusal(reason, 400, 'InvalidChunkSizeError', text, [
    ['Chunk', String(chunk)],
    ['BadChunkSize', String(size)],
  ]);
}

export function lengthMissing(): Refusal {
  const text = 'You must provide the Content-Length HTTP header.';
  return refusal('malformed_request', 411, 'MissingContentLength', text);
}

export function tooLarge(size: number, maximum: number): Refusal {
  const text = 'Your proposed upload exceeds the maximum allowed size';
  return refusal('too_large', 400, 'EntityTooLarge', text, [
    ['ProposedSize', String(size)],
    ['MaxSizeAllowed', String(maximum)],
  ]);
}

/** The client did not send its request head in time. The text is S3's. */
export function requestTimeout(): Refusal {
  const text =
    'Your socket connection to the server was not read from or written to within the timeout period.';
  return refusal('malformed_request', 400, 'RequestTimeout', text);
}

export function headerSectionTooLarge(maximum: number): Refusal {
  const text = 'Your request header section exceeds the maximum allowed size.';
  return refusal('too_large', 400, 'RequestHeaderSectionTooLarge', text, [
    ['MaxSizeAllowed', String(maximum)],
  ]);
}

export function keyTooLong(size: number): Refusal {
  return refusal('too_large', 400, 'KeyTooLongError', 'Your key is too long', [
    ['Size', String(size)],
    ['MaxSizeAllowed', '1024'],
  ]);
}

export function uriInvalid(): Refusal {
  return refusal('malformed_request', 400, 'InvalidURI', "Couldn't parse the specified URI.");
}

export function bucketNameInvalid(name: string): Refusal {
  const text = 'The specified bucket is not valid.';
  return refusal('malformed_request', 400, 'InvalidBucketName', text, [['BucketName', name]]);
}

/** Anything that two servers could read differently. */
export function ambiguous(what: string): Refusal {
  return refusal('ambiguous_request', 400, 'InvalidRequest', `The request is ambiguous: ${what}.`);
}

export function methodNotAllowed(method: string, resource: string): Refusal {
  const text = 'The specified method is not allowed against this resource.';
  return refusal('operation_not_allowed', 405, 'MethodNotAllowed', text, [
    ['Method', method],
    ['ResourceType', resource.toUpperCase()],
  ]);
}

const NOT_IMPLEMENTED = 'A header you provided implies functionality that is not implemented';

/** A query parameter that names no operation known here: S3 could give it a meaning that escapes the rules. */
export function queryNotImplemented(name: string): Refusal {
  return refusal(
    'operation_not_allowed',
    501,
    'NotImplemented',
    'A query parameter you provided implies functionality that is not implemented',
    [['Parameter', name]],
  );
}

export function headerNotImplemented(name: string): Refusal {
  return refusal('operation_not_allowed', 501, 'NotImplemented', NOT_IMPLEMENTED, [['Header', name]]);
}

export function argumentInvalid(message: string, name: string, value: string): Refusal {
  return invalidArgument('malformed_request', message, name, value);
}

/** An `x-amz-*` value given both as header and in the query, and not the same. */
export function headerQueryConflict(): Refusal {
  const text = 'Conflicting values provided in HTTP headers and query parameters';
  return refusal('ambiguous_request', 400, 'InvalidRequest', text);
}

export function bucketNotAllowed(): Refusal {
  return accessDenied('bucket_not_allowed');
}

/** The bucket is served, but not in the region that the request is for. */
export function regionNotAllowed(region: string): Refusal {
  return accessDenied('region_not_allowed', `no backend serves this in the region ${region}.`);
}

/** A host name of AWS's that does not lead here by the configuration. */
export function hostNotAllowed(): Refusal {
  return accessDenied(
    'host_not_allowed',
    'this gateway does not answer for the AWS endpoint that the Host header names.',
  );
}

export function operationNotAllowed(operation: string): Refusal {
  return accessDenied('operation_not_allowed', `this client may not use ${operation}.`);
}

/** An operation that the backend is not known to have, and could take for another. */
export function operationNotImplemented(operation: string): Refusal {
  const text = 'The storage behind the gateway is not known to implement this operation';
  return refusal('operation_not_allowed', 501, 'NotImplemented', text, [['Operation', operation]]);
}

/** A header that changes who may do what, or that overrides a protection: a matter of the bucket's administration. */
export function headerNeedsAdmin(header: string): Refusal {
  return accessDenied('operation_not_allowed', `this client may not send ${header} with this value.`);
}

/** An operation that has S3 write objects by itself, where no rule reaches. */
export function outputLocationNotAllowed(): Refusal {
  return accessDenied('operation_not_allowed', 'restores into an output location are not allowed.');
}

/** Too much at once; SDKs back off on it. */
export function overloaded(): Refusal {
  return refusal('overloaded', 503, 'SlowDown', 'Please reduce your request rate.');
}

/** POST to a bucket with a body that is no form. */
export function formNotMultipart(): Refusal {
  const text = 'At least one of the pre-conditions you specified did not hold';
  return refusal('malformed_request', 412, 'PreconditionFailed', text, [
    ['Condition', 'Bucket POST must be of the enclosure-type multipart/form-data'],
  ]);
}

const FORM_MALFORMED = 'The body of your POST request is not well-formed multipart/form-data.';

export function formMalformed(): Refusal {
  return refusal('malformed_request', 400, 'MalformedPOSTRequest', FORM_MALFORMED);
}

/** S3 ignores what follows the file. Here the file's length is told to the backend beforehand, so nothing may follow. */
export function formFileNotLast(): Refusal {
  const text = `${FORM_MALFORMED} The file must be its last field, and the closing boundary with CRLF its end.`;
  return refusal('malformed_request', 400, 'MalformedPOSTRequest', text);
}

export function formFileCount(): Refusal {
  return invalidArgument(
    'malformed_request',
    'POST requires exactly one file upload per request.',
    'file',
    '0',
  );
}

/** The spelling is S3's. */
export function formFieldsTooLarge(maximum: number): Refusal {
  const text = 'Your POST request fields preceeding the upload file was too large.';
  return refusal('too_large', 400, 'MaxPostPreDataLengthExceeded', text, [
    ['MaxPostPreDataLengthBytes', String(maximum)],
  ]);
}

/** The two spaces are S3's. */
export function formFieldMissing(name: string): Refusal {
  const text = `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`;
  return invalidArgument('malformed_request', text, name, '');
}

/** A field without a meaning here: S3 could give it one that escapes the rules. */
export function formFieldNotImplemented(name: string): Refusal {
  const text = 'A form field you provided implies functionality that is not implemented';
  return refusal('operation_not_allowed', 501, 'NotImplemented', text, [['Field', name]]);
}

/** The credential of a form is for another region. */
export function formRegionWrong(credential: string, given: string, expected: string): Refusal {
  return refusal(
    'signature_mismatch',
    400,
    'InvalidArgument',
    `the region '${given}' is wrong; expecting '${expected}'`,
    [
      ['ArgumentName', 'X-Amz-Credential'],
      ['ArgumentValue', credential],
      ['Region', expected],
    ],
  );
}

/** A POST policy that is not one; `what` is one of S3's endings. */
export function policyDocumentInvalid(what: string): Refusal {
  return refusal('malformed_request', 400, 'InvalidPolicyDocument', `Invalid Policy: ${what}`);
}

export function policyExpired(): Refusal {
  return refusal('expired', 403, 'AccessDenied', 'Invalid according to Policy: Policy expired.');
}

/** `condition` as S3 prints it: `["eq", "$key", "value"]`. */
export function policyConditionFailed(condition: string): Refusal {
  const text = `Invalid according to Policy: Policy Condition failed: ${condition}`;
  return refusal('form_policy', 403, 'AccessDenied', text);
}

/** A field of the form that no condition of its policy names. */
export function policyExtraField(name: string): Refusal {
  return refusal(
    'form_policy',
    403,
    'AccessDenied',
    `Invalid according to Policy: Extra input fields: ${name}`,
  );
}

/** A file below the policy's `content-length-range`. */
export function tooSmall(size: number, minimum: number): Refusal {
  const text = 'Your proposed upload is smaller than the minimum allowed size';
  return refusal('form_policy', 400, 'EntityTooSmall', text, [
    ['ProposedSize', String(size)],
    ['MinSizeAllowed', String(minimum)],
  ]);
}

export function xmlMalformed(): Refusal {
  const text = 'The XML you provided was not well-formed or did not validate against our published schema';
  return refusal('malformed_request', 400, 'MalformedXML', text);
}

export function keyEmpty(): Refusal {
  return invalidArgument('malformed_request', 'User key must have a length greater than 0.', 'key', '');
}
