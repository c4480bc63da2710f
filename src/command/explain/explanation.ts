// What `explain` answers, made of the verdict and of where things stand in the configuration. The names are those that
// programs rely on, described in docs/explain.md; must not judge.
import type { Configuration, ListSection } from '../../config/configuration.ts';
import type { Facts, ForwardVerdict, Verdict } from '../../core/decide.ts';
import type { BodyPlan } from '../../core/policy/body-plan.ts';
import type { EncryptionDemand } from '../../core/policy/encryption.ts';
import type { Refusal } from '../../core/refusal.ts';
import { parseRequest, type ReceivedRequest } from '../../core/request.ts';
import { DOCUMENT_OF_ENCRYPTION, DOCUMENT_OF_REASON, documentOfOperation } from '../../core/s3/documents.ts';
import { type HeaderEdits, headerEdits, type ShownHeader, shownHeader, shownTarget } from './edits.ts';
import { groundsOf } from './grounds.ts';
import type { Question } from './question.ts';
import type { Setting } from './setting.ts';

/** The answer. What the audit line has too is named as there; a field that does not apply is `undefined`, and absent in JSON. */
export interface Explanation extends Known, Partial<Order>, Partial<Forwarding>, Partial<RefusalFields> {
  readonly outcome: 'forwarded' | 'refused' | 'undecided';
  readonly notes: readonly string[];
  readonly documents: readonly string[];
}

/** What is known whatever became of the request. Lines are those of the configuration file. */
interface Known {
  readonly configuration: string;
  readonly listener: string;
  readonly listenerLine: number | undefined;
  readonly transport: 'TLS' | 'plaintext';
  readonly secure: boolean;
  readonly method: string;
  readonly target: string;
  /** The request as it was judged: what the question gave, and what its client had to add. */
  readonly headers: readonly ShownHeader[];
  readonly operation: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly client: string | undefined;
  readonly clientLine: number | undefined;
  readonly certificate: readonly string[] | undefined;
  readonly accessKeyId: string | undefined;
  readonly scheme: Facts['scheme'];
  readonly clientAlgorithm: string | undefined;
  readonly clientKeyId: string | undefined;
  readonly rule: string | undefined;
  readonly ruleLine: number | undefined;
  readonly ruleMode: Facts['ruleMode'];
  readonly observedReason: string | undefined;
  readonly observedInjected: readonly string[] | undefined;
  readonly backend: string | undefined;
  readonly backendLine: number | undefined;
}

/** Where the request goes, and as what. */
interface Forwarding {
  readonly forwardMethod: string;
  readonly forwardUrl: string;
  /** The signature it goes out with, in words. */
  readonly signedAs: string;
  readonly edits: HeaderEdits;
  readonly body: string;
  /** What the answer must state, else the client gets 502. */
  readonly mustConfirm: EncryptionDemand | undefined;
  /** What takes the place of an answer that says the object is under KMS. */
  readonly ifUnderKms: Omit<RefusalFields, 'errorDetails'> | undefined;
}

/** What is asked of the backend; also where the body is then refused. */
interface Order {
  readonly injected: readonly string[];
  readonly requestedAlgorithm: string | undefined;
  readonly requestedKeyId: string | undefined;
}

interface RefusalFields {
  readonly status: number;
  readonly reason: string;
  readonly errorCode: string;
  readonly errorMessage: string;
  readonly errorDetails: Readonly<Record<string, string>>;
}

/** The verdict, and the refusal of a body that was given and does not hold. */
export interface Judged {
  readonly verdict: Verdict;
  readonly bodyRefusal: Refusal | undefined;
}

export function explanationOf(
  configuration: Configuration,
  setting: Setting,
  received: ReceivedRequest,
  { verdict, bodyRefusal }: Judged,
  question: Question,
): Explanation {
  const { facts } = verdict;
  const known = knownOf(configuration, setting, received, facts);
  const refusal = verdict.kind === 'refused' ? verdict.refusal : bodyRefusal;
  if (refusal) {
    const body = verdict.kind === 'forward' ? ['the head of the request is accepted, its body is not'] : [];
    const notes = [...body, ...groundsOf(refusal, facts, configuration)];
    const documents = documentsOf(facts, [DOCUMENT_OF_REASON[refusal.reason]]);
    const order = verdict.kind === 'forward' ? orderOf(verdict) : {};
    return { outcome: 'refused', ...known, ...order, ...refusalFields(refusal), notes, documents };
  }
  if (verdict.kind !== 'forward') {
    const judgedBy =
      verdict.kind === 'read-document' ? 'this is judged by its document' : 'a form is judged by its fields';
    const notes = [`${judgedBy}: give its body with --data`];
    return { outcome: 'undecided', ...known, notes, documents: documentsOf(facts, []) };
  }
  return {
    outcome: 'forwarded',
    ...known,
    ...orderOf(verdict),
    ...forwardingOf(configuration, received, verdict),
    notes: notesOf(configuration, verdict, question),
    documents: documentsOf(facts, verdict.encryption ? [DOCUMENT_OF_ENCRYPTION] : []),
  };
}

function knownOf(
  { file, positions, policy, clients }: Configuration,
  { listener, index }: Setting,
  { method, target, headers }: ReceivedRequest,
  facts: Readonly<Facts>,
): Known {
  const line = (section: ListSection, at: number) => positions[section][at]?.line;
  const named = (
    section: ListSection,
    items: Iterable<{ readonly name: string }>,
    name: string | undefined,
  ) =>
    line(
      section,
      [...items].findIndex((item) => item.name === name),
    );
  return {
    configuration: file,
    listener: listener.name,
    listenerLine: line('listeners', index),
    transport: listener.tls === undefined ? 'plaintext' : 'TLS',
    secure: facts.secure,
    method,
    target: shownTarget(target),
    headers: headers.fields.map(({ name, value }) => shownHeader(name, value)),
    operation: facts.operation,
    bucket: facts.bucket,
    key: facts.key,
    client: facts.client,
    clientLine: named('clients', clients, facts.client),
    certificate: facts.certificate,
    accessKeyId: facts.accessKeyId,
    scheme: facts.scheme,
    clientAlgorithm: facts.clientAlgorithm,
    clientKeyId: facts.clientKeyId,
    rule: facts.rule,
    ruleLine: named('encryption', policy.rules, facts.rule),
    ruleMode: facts.ruleMode,
    observedReason: facts.observedReason,
    observedInjected: facts.observedInjected,
    backend: facts.backend,
    backendLine: named('backends', policy.backends, facts.backend),
  };
}

/** Elements of an error that hold a signature, or repeat another element in hex. */
const LEFT_OUT = new Set(['SignatureProvided', 'StringToSignBytes', 'CanonicalRequestBytes']);

function refusalFields({ status, reason, code, message, details }: Refusal): RefusalFields {
  const shown = details.filter(([element]) => !LEFT_OUT.has(element));
  return { status, reason, errorCode: code, errorMessage: message, errorDetails: Object.fromEntries(shown) };
}

function documentsOf(
  { operation, observedReason }: Readonly<Facts>,
  first: readonly string[],
): readonly string[] {
  const observed = observedReason === undefined ? [] : [DOCUMENT_OF_REASON[observedReason]];
  const reference = operation === 'Unknown' ? [] : [documentOfOperation(operation)];
  return [...new Set([...first, ...observed, ...reference])];
}

function forwardingOf(
  configuration: Configuration,
  received: ReceivedRequest,
  verdict: ForwardVerdict,
): Forwarding {
  const { outgoing, body, demand, ifAnswerUnderKms } = verdict;
  const parsed = parseRequest(received, configuration.policy.limits.headerBytes);
  const fields = parsed.kind === 'parsed' ? parsed.request.fields : new Map<string, string>();
  return {
    forwardMethod: outgoing.method,
    forwardUrl: outgoing.origin + shownTarget(outgoing.target),
    signedAs: signatureOf(configuration, received, verdict),
    edits: headerEdits(received.headers, fields, outgoing),
    body: bodyText(body),
    mustConfirm: demand,
    ifUnderKms: ifAnswerUnderKms && {
      status: ifAnswerUnderKms.status,
      reason: ifAnswerUnderKms.reason,
      errorCode: ifAnswerUnderKms.code,
      errorMessage: ifAnswerUnderKms.message,
    },
  };
}

function orderOf({ encryption, injected }: ForwardVerdict): Order {
  return { injected, requestedAlgorithm: encryption?.algorithm, requestedKeyId: encryption?.keyId };
}

function signatureOf(
  { backends }: Configuration,
  { channel }: ReceivedRequest,
  { backend }: ForwardVerdict,
): string {
  if (channel.signing === 'preserve') return "the client's own signature, which the backend verifies";
  const spec = backends.find(({ name }) => name === backend.name)?.credentials;
  const whose =
    spec?.provider === 'static' ? `access key ${spec.accessKeyId}` : `credentials: ${spec?.provider}`;
  return `Signature Version 4 of the gateway, ${whose}, region ${backend.region}`;
}

/** What becomes of the body, and what must hold of it. */
function bodyText(plan: BodyPlan): string {
  switch (plan.kind) {
    case 'none':
      return 'none';
    case 'raw':
      return plan.length === undefined
        ? 'sent on as it comes'
        : `${bytes(plan.length)}, sent on as they come`;
    case 'plain': {
      if (plan.length === 0) return 'none';
      const proof = plan.sha256 === undefined ? '' : '; they must have the SHA-256 that was signed';
      return `${bytes(plan.length)}, sent on as they come${proof}`;
    }
    case 'aws-chunked': {
      const signatures =
        'chunks' in plan && plan.chunks !== 'ignored' ? '; each chunk must have its signature' : '';
      const checksum = plan.checksum ? `; its ${plan.checksum.name} must hold` : '';
      const fate = plan.decode ? 'decoded here' : 'sent on in its framing';
      return `aws-chunked, ${bytes(plan.decodedLength)} in it, ${fate}${signatures}${checksum}`;
    }
  }
}

function bytes(count: number): string {
  return count === 1 ? '1 byte' : `${count} bytes`;
}

function notesOf(
  { backends }: Configuration,
  verdict: ForwardVerdict,
  question: Question,
): readonly string[] {
  const { facts, backend, demand, ifAnswerUnderKms, answer, confirmation, form } = verdict;
  const notes: string[] = [];
  if (facts.observedReason !== undefined) {
    notes.push(`mode observe lets through what mode inject would refuse: ${facts.observedReason}`);
  }
  if (facts.observedInjected?.length) {
    notes.push(`mode observe leaves out what mode inject would add: ${facts.observedInjected.join(', ')}`);
  }
  if (form) notes.push('the fields of the form became headers, its file the body');
  if (form && question.client !== undefined)
    notes.push('a form is signed in its fields: the client that was named had no say');
  if (demand) {
    const silence = demand.mayBeSilent ? ', or say nothing of it' : '';
    const keys = demand.keyIds.join(' or ');
    notes.push(
      `the answer must state ${demand.algorithm} and ${keys}${silence}; else the client gets 502 EncryptionNotConfirmed`,
    );
  }
  if (ifAnswerUnderKms) {
    const { status, code, reason } = ifAnswerUnderKms;
    notes.push(`if the object is under KMS, its answer is replaced by ${status} ${code} (${reason})`);
  }
  if (confirmation) notes.push('where the answer says nothing of it, the object is asked for with HEAD');
  if (answer?.kind === 'document') notes.push("the body of the answer is the gateway's own");
  if (answer?.kind === 'bucket-list') notes.push(`the answer names only ${answer.buckets.join(', ')}`);
  const provider = backends.find(({ name }) => name === backend.name)?.credentials.provider;
  if (provider === 'default' || provider === 'assume-role') {
    notes.push('credentials were not fetched: temporary ones add x-amz-security-token');
  }
  return notes;
}
