// The whole judgement on a request, in order: parse → classify → authenticate → judge → plan the body → edit headers →
// sign. Pure: the clock and the credentials are arguments, the verdict is a value. From authentication on it goes on in
// judge.ts.
import {
  authenticate,
  authenticateForm,
  claimedFormRegion,
  claimedRegion,
  hostedBucketOf,
} from './authenticate.ts';
import type { Facts } from './facts.ts';
import { ReceivedHeaders } from './http/headers.ts';
import { isPreserved, judgeAuthenticated } from './judge.ts';
import { authorize, placeOf, refuseUnserved } from './policy/access.ts';
import type { Policy } from './policy/policy.ts';
import type { Refusal } from './refusal.ts';
import * as refusals from './refusal.ts';
import { type ParsedRequest, parseRequest, type ReceivedRequest } from './request.ts';
import { type Address, addressOf, type Elsewhere } from './s3/address.ts';
import { type Form, formBoundary } from './s3/form-data.ts';
import { type Operation, operationNamed, routeOperation } from './s3/operation.ts';
import { putObjectOf, withFilename } from './s3/post-object.ts';
import type { DecisionContext, ReadBody, Verdict } from './verdict.ts';

export type { AuthenticationScheme, Facts } from './facts.ts';
export type * from './verdict.ts';

/** Judges a request; a second time with what the first verdict asked to be read of it. */
export function decide(received: ReceivedRequest, context: DecisionContext, read?: ReadBody): Verdict {
  const facts: Facts = { operation: 'Unknown', secure: false };
  const verdict = judge(received, context, facts, read);
  return 'reason' in verdict ? { kind: 'refused', facts, refusal: verdict } : verdict;
}

function judge(
  received: ReceivedRequest,
  context: DecisionContext,
  facts: Facts,
  read: ReadBody | undefined,
): Verdict | Refusal {
  const { policy } = context;
  const parsed = parseRequest(received, policy.limits.headerBytes);
  if (parsed.kind === 'refused') return parsed.refusal;
  const { request } = parsed;
  facts.secure = request.secure;
  if (request.trace) Object.assign(facts, { traceId: request.trace.traceId, spanId: request.trace.spanId });

  const addressed = addressOf(request.host, request.target, policy.domains, policy.egress?.hosts);
  if (addressed.kind === 'refused') return addressed.refusal;
  if (addressed.kind === 'elsewhere') return refuseElsewhere(request, addressed, facts);
  const { address } = addressed;
  if (address.resource !== 'service') facts.bucket = address.bucket;
  if (address.resource === 'object') facts.key = address.key;
  // Routing reads the header alone, and so does S3: in the query it would make a copy look like an empty PutObject.
  if (request.fields.has('x-amz-copy-source') && !received.headers.has('x-amz-copy-source')) {
    return refusals.ambiguous('x-amz-copy-source stands in its query');
  }
  const routed = routeOperation(received.method, address.resource, request.query, received.headers);
  if (routed.kind === 'refused') return routed.refusal;
  const { operation } = routed;
  facts.operation = operation.name;
  if (operation.form && address.resource === 'bucket') {
    if (read?.kind !== 'form') return awaitForm(request, facts);
    const form = { request, operation, address, named: addressed.region, form: read.form };
    return judgeForm(form, context, facts);
  }

  const place = placeOf(policy, address, operation, addressed.region, () => claimedRegion(request));
  const identity = authenticate(request, operation, place.signingRegion, context, facts);
  if ('reason' in identity) return identity;
  const { region, backend } = place;
  return (
    authorize(identity.client, operation, address) ??
    (backend === undefined
      ? refuseUnserved(policy.backends, address, place)
      : judgeAuthenticated({ request, address, operation, region, backend, identity, read }, context, facts))
  );
}

/** Before authentication: what is signed for another service cannot be verified. The name of the operation is for the audit. */
function refuseElsewhere(
  { received, query }: ParsedRequest,
  { endpoint, resource }: Elsewhere,
  facts: Facts,
): Refusal {
  const routed = routeOperation(received.method, resource, query, received.headers, endpoint);
  if (routed.kind === 'refused') return refusals.hostNotAllowed();
  const { name, access } = routed.operation;
  facts.operation = name;
  return access === 'never' ? refusals.operationNotAllowed(name) : refusals.hostNotAllowed();
}

/** What must be known of a form before it is read. */
function awaitForm(request: ParsedRequest, facts: Facts): Verdict | Refusal {
  // What a preserved form asks for could be judged, but not before its fields have gone.
  if (isPreserved(request)) return refusals.operationNotAllowed(facts.operation);
  if (request.form !== 'none') return refusals.severalAuthMechanisms();
  const { headers } = request.received;
  const boundary = formBoundary(headers.get('content-type') ?? '');
  if (boundary === undefined) return refusals.formMalformed();
  const length = headers.get('content-length');
  if (length === undefined || !/^\d{1,15}$/.test(length)) return refusals.lengthMissing();
  return { kind: 'read-form', facts, boundary, length: Number(length) };
}

interface FormCase {
  readonly request: ParsedRequest;
  readonly operation: Operation;
  readonly address: Extract<Address, { resource: 'bucket' }>;
  /** Region that the host names. */
  readonly named: string | undefined;
  readonly form: Form;
}

/** POST Object is judged by its policy, and then as the PutObject it stands for. */
function judgeForm(form: FormCase, context: DecisionContext, facts: Facts): Verdict | Refusal {
  const { request, operation, address, named } = form;
  const { bucket } = address;
  const fields = withFilename(form.form.fields, form.form.filename);
  const { fileSize } = form.form;
  const place = placeOf(context.policy, address, operation, named, () => claimedFormRegion(fields));
  const { region, backend, signingRegion } = place;
  const signed = { request, bucket, region: signingRegion, fileSize };
  const identity = authenticateForm(signed, fields, context, facts);
  if ('reason' in identity) return identity;
  const denied = authorize(identity.client, operation, address);
  if (denied) return denied;
  if (!backend) return refuseUnserved(context.policy.backends, address, place);
  const put = putObjectOf(fields, bucket);
  if (put.kind === 'refused') return put.refusal;
  const { key } = put;
  facts.key = key;
  const verdict = judgeAuthenticated(
    {
      request: asPutObject(request, put.headers, fileSize),
      address: { resource: 'object', bucket, key },
      operation: operationNamed('PutObject'),
      region,
      backend,
      identity,
      read: undefined,
    },
    context,
    facts,
  );
  if ('reason' in verdict || verdict.kind !== 'forward') return verdict;
  return {
    ...verdict,
    form: { fields, bucket, key, bucketUrl: bucketUrlOf(request, bucket, context.policy) },
  };
}

/** The request a form stands for: its fields as headers, its file as body. */
function asPutObject(
  request: ParsedRequest,
  headers: ReadonlyMap<string, string>,
  fileSize: number,
): ParsedRequest {
  const fields = [...headers, ['content-length', String(fileSize)] as const];
  const received = {
    ...request.received,
    method: 'PUT',
    headers: new ReceivedHeaders(fields.map(([name, value]) => ({ name, value }))),
  };
  // A page of another origin is answered by the backend's CORS rules for PUT, which is what is sent.
  const origin = request.fields.get('origin');
  const sent = origin === undefined ? headers : new Map([...headers, ['origin', origin]]);
  return { ...request, received, fields: sent, query: [] };
}

/** URL of the bucket as the client addressed it. */
function bucketUrlOf(request: ParsedRequest, bucket: string, policy: Policy): string {
  const root = `${request.secure ? 'https' : 'http'}://${request.host}/`;
  return hostedBucketOf(request, policy) === undefined ? `${root}${bucket}/` : root;
}
