// The public entry `s3-kms-gateway/core`: the judgement on S3 requests and SigV4 for S3, without any I/O.
export type {
  AuthenticationScheme,
  DecisionContext,
  Facts,
  ForwardVerdict,
  OutgoingRequest,
  Verdict,
} from './decide.ts';
export { decide } from './decide.ts';
export { type HeaderField, ReceivedHeaders } from './http/headers.ts';
export { encodeComponent, encodePath, parseTarget, type QueryParameter, type Target } from './http/target.ts';
export type { BodyPlan } from './policy/body-plan.ts';
export type * from './policy/policy.ts';
export type { Reason, Refusal } from './refusal.ts';
export type { Channel, ReceivedRequest } from './request.ts';
export { type Address, addressOf } from './s3/address.ts';
export { AwsChunkedDecoder, type ChunkedEvent } from './s3/aws-chunked.ts';
export { HOST_FORMS, type HostForm } from './s3/aws-host.ts';
export { formatCopySource, parseCopySource } from './s3/copy-source.ts';
export { formatEncryptionContext, parseEncryptionContext } from './s3/encryption-context.ts';
export { type Operation, routeOperation } from './s3/operation.ts';
export { OPERATIONS } from './s3/operation-table.ts';
export { type PayloadMode, payloadModeOf } from './s3/payload-mode.ts';
export { headerClaim, queryClaim, type SigV4Claim } from './sigv4/claim.ts';
export { sign } from './sigv4/sign.ts';
export { SigningKeys } from './sigv4/signing-key.ts';
export { verifySigV4 } from './sigv4/verify.ts';
