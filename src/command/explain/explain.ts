// `s3-kms-gateway explain`: what the gateway would do with a request, and why. Asks `decide`, as the gateway does, about a
// request that is signed as its client would sign it; judges nothing itself. Sends nothing, contacts nothing.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Configuration } from '../../config/configuration.ts';
import { type DecisionContext, decide } from '../../core/decide.ts';
import { placeOf } from '../../core/policy/access.ts';
import type { BodyPlan } from '../../core/policy/body-plan.ts';
import type { Backend, Policy, SigningCredentials } from '../../core/policy/policy.ts';
import type { Refusal } from '../../core/refusal.ts';
import { type Channel, parseRequest, type ReceivedRequest } from '../../core/request.ts';
import { addressOf } from '../../core/s3/address.ts';
import { operationNamed } from '../../core/s3/operation.ts';
import { SigningKeys } from '../../core/sigv4/signing-key.ts';
import { BodyRefused, type BodyRoom, ProvenBody } from '../../gateway/body.ts';
import { BufferBudget } from '../../gateway/buffer-budget.ts';
import type { FormUpload } from '../../gateway/form.ts';
import { asksToRead, type ReadAhead, readAhead } from '../../gateway/read-ahead.ts';
import { channelOf, listenerContext } from '../../gateway/receive.ts';
import { type Explanation, explanationOf, type Judged } from './explanation.ts';
import { parseHeaderLines, parseUrl, type Question, type Unanswered, unanswered } from './question.ts';
import { type Draft, draftOf, signed } from './sending.ts';
import { type CarriedSignature, chooseSetting, type Sender } from './setting.ts';

/** Answers a question as of `now`. What KMS says of keys is known to a gateway at work alone. */
export async function explain(
  configuration: Configuration,
  question: Question,
  now: Date,
  unusableKeys?: DecisionContext['unusableKeys'],
): Promise<Explanation | Unanswered> {
  const { policy } = configuration;
  const url = parseUrl(question.url);
  if ('kind' in url) return url;
  const given = parseHeaderLines(question.headers);
  if ('kind' in given) return given;
  const draft = draftOf(question, url, given, policy);
  const setting = chooseSetting(configuration, question, url, carriedSignature(draft, policy));
  if (setting.kind === 'unanswered') return setting;
  const listener = listenerContext(setting.listener);
  const names = listener.certificates ? setting.certificateNames : undefined;
  const channel = channelOf(listener, question.peer, names);
  const credentials = standIns(configuration);
  const keys = new SigningKeys();
  const context = { policy, credentials, now, keys, ...(unusableKeys && { unusableKeys }) };
  const received = asSent({ ...draft, channel }, setting.sender, context, question.data);
  if ('kind' in received) return received;
  const mismatch = lengthMismatch(received, question.data);
  if (mismatch) return mismatch;
  const judged = await judge(received, context, question.data);
  return explanationOf(configuration, setting, received, judged, question);
}

/** Reading a request takes a channel; whether it is signed does not depend on which. */
const ANY_CHANNEL: Channel = {
  encrypted: false,
  declaredSecure: false,
  peerTrusted: false,
  authentication: 'signature',
  signing: 'replace',
};

function carriedSignature(draft: Draft, { limits }: Policy): CarriedSignature {
  const parsed = parseRequest({ ...draft, channel: ANY_CHANNEL }, limits.headerBytes);
  if (parsed.kind === 'refused') return 'unreadable';
  return parsed.request.form === 'none' ? 'none' : 'its own';
}

/** Nothing is sent, so a signature of the gateway's that convinces no backend will do. */
const STAND_IN: SigningCredentials = {
  accessKeyId: 'STAND-IN',
  secretAccessKey: 'stand-in',
  sessionToken: undefined,
};

/** The credentials that stand in the configuration; for those that would have to be fetched, a stand-in. */
function standIns({ backends }: Configuration): DecisionContext['credentials'] {
  return (backend: Backend) => {
    const spec = backends.find(({ name }) => name === backend.name)?.credentials;
    return spec?.provider === 'static' ? spec : STAND_IN;
  };
}

/** The request with its sender's signature. A form has one in its fields, or none. */
function asSent(
  bare: ReceivedRequest,
  sender: Sender | Unanswered,
  context: DecisionContext,
  data: Buffer | undefined,
): ReceivedRequest | Unanswered {
  if (sender.kind === 'as-it-stands' || sender.kind === 'unsigned' || sender.kind === 'holder') return bare;
  const { kind, facts } = decide(bare, context);
  if (kind === 'read-form') return bare;
  if (sender.kind === 'unanswered') return sender;
  const { policy, now } = context;
  const { client, version } = sender;
  const region = signingRegion(bare, facts.operation, policy);
  return signed(bare, policy, { client, version, region, now, data });
}

/** The region that the client would sign for: of a host that names one, else of the backend that takes the request. */
function signingRegion(bare: ReceivedRequest, operation: string, policy: Policy): string {
  const parsed = parseRequest(bare, policy.limits.headerBytes);
  const anywhere = { resource: 'service' } as const;
  const addressed =
    parsed.kind === 'parsed'
      ? addressOf(parsed.request.host, parsed.request.target, policy.domains, policy.egress?.hosts)
      : undefined;
  const { address, region } =
    addressed?.kind === 'address' ? addressed : { address: anywhere, region: undefined };
  const name = operation === 'Unknown' ? 'ListBuckets' : operation;
  return placeOf(policy, address, operationNamed(name), region, () => undefined).signingRegion;
}

/** HTTP itself would break such a request off, or begin the next one in the middle of its body. */
function lengthMismatch({ headers }: ReceivedRequest, data: Buffer | undefined): Unanswered | undefined {
  const length = headers.get('content-length');
  if (data === undefined || length === undefined || Number(length) === data.length) return undefined;
  return unanswered(`the data has ${data.length} bytes, but its Content-Length is ${length}`);
}

/** Never reached: what is read is there already. */
const IDLE_MS = 60_000;
const ROOM = Number.POSITIVE_INFINITY;

/** The path of a request through the gateway, up to where it would be sent: decide, read on where that is asked for, prove the body. */
async function judge(
  received: ReceivedRequest,
  context: DecisionContext,
  data: Buffer | undefined,
): Promise<Judged> {
  const body = Readable.from(data === undefined ? [] : [data]);
  const room = { budget: new BufferBudget(ROOM), waitMs: IDLE_MS };
  let verdict = decide(received, context);
  let ahead: ReadAhead | undefined;
  if (asksToRead(verdict)) {
    if (data === undefined) return { verdict, bodyRefusal: undefined };
    const read = await readAhead(body, verdict, room);
    if (!read) throw new Error('the body could not be read');
    if ('refusal' in read) return { verdict, bodyRefusal: read.refusal };
    ahead = read.ahead;
    verdict = decide(received, context, read.body);
  }
  // A document has been proven before it was judged.
  if (verdict.kind !== 'forward' || data === undefined || ahead?.kind === 'document') {
    return { verdict, bodyRefusal: undefined };
  }
  return { verdict, bodyRefusal: await refusalOfBody(verdict.body, body, room, ahead?.upload) };
}

/** Puts the body through what proves it on its way to the backend. */
async function refusalOfBody(
  plan: BodyPlan,
  body: Readable,
  room: BodyRoom,
  upload: FormUpload | undefined,
): Promise<Refusal | undefined> {
  if (plan.kind === 'none') return undefined;
  try {
    await pipeline(new ProvenBody(body, plan, room, upload), async (sent) => {
      for await (const _piece of sent);
    });
    return undefined;
  } catch (error) {
    if (error instanceof BodyRefused) return error.refusal;
    throw error;
  }
}
