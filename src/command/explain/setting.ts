// Who asks, and where: the listener a question comes in on, and the client that signs it. Chooses among what the
// configuration has; judges nothing.
import type { Configuration, ListenerConfiguration } from '../../config/configuration.ts';
import type { Client } from '../../core/policy/policy.ts';
import type { AskedUrl, Question, Unanswered } from './question.ts';
import { unanswered } from './question.ts';

/** Who sends the request. */
export type Sender =
  /** It carries a signature of its own, or one would change nothing. */
  | { readonly kind: 'as-it-stands' }
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'client'; readonly client: Client; readonly version: 'v4' | 'v2' }
  /** Where signatures are not verified, any will do. */
  | { readonly kind: 'anybody'; readonly client: Client; readonly version: 'v4' | 'v2' };

/** The listener, its place in the file's list, and the sender. */
export interface Setting {
  readonly kind: 'setting';
  readonly listener: ListenerConfiguration;
  readonly index: number;
  /** Where nobody can be named, what to ask for: not every request needs a sender. */
  readonly sender: Sender | Unanswered;
}

/** What the request says of itself, before anybody signs it. */
export type CarriedSignature = 'its own' | 'none' | 'unreadable';

export function chooseSetting(
  configuration: Configuration,
  question: Question,
  url: AskedUrl,
  carried: CarriedSignature,
): Setting | Unanswered {
  if (carried === 'its own' && (question.client !== undefined || question.signature !== undefined)) {
    return unanswered('the request carries a signature of its own: leave out --client and --signature');
  }
  const listener = chooseListener(configuration, question, url, carried);
  if ('kind' in listener) return listener;
  const sender = chooseSender(configuration, question, listener, carried);
  return { kind: 'setting', listener, index: configuration.listeners.indexOf(listener), sender };
}

function chooseListener(
  { listeners, file }: Configuration,
  question: Question,
  { origin }: AskedUrl,
  carried: CarriedSignature,
): ListenerConfiguration | Unanswered {
  if (question.listener !== undefined) {
    const named = listeners.find(({ name }) => name === question.listener);
    const names = listeners.map(({ name }) => name).join(', ');
    return named ?? unanswered(`${file} has no listener ${question.listener}. It has: ${names}`);
  }
  const plaintext = question.plaintext === true || origin?.scheme === 'http';
  const speaking = listeners.filter(({ tls }) =>
    origin === undefined && !plaintext ? true : (tls === undefined) === plaintext,
  );
  const [first] = speaking;
  if (!first) {
    const wanted = plaintext ? 'is plaintext' : 'speaks TLS';
    return unanswered(`no listener of ${file} ${wanted}: name the one you mean with --listener`);
  }
  const atPort = speaking.filter(({ port }) => port === origin?.port);
  const unsigned = carried === 'none' && question.client === undefined && question.signature === undefined;
  return best(atPort.length > 0 ? atPort : speaking, plaintext, unsigned) ?? first;
}

/**
 * Who asks about plaintext wants to hear what becomes of it there; else a secure listener is meant, and one that asks for
 * signatures where there is one to show. The order of the file breaks ties.
 */
function best(
  listeners: readonly ListenerConfiguration[],
  plaintext: boolean,
  unsigned: boolean,
): ListenerConfiguration | undefined {
  const rank = ({ secure, authentication, signing }: ListenerConfiguration): readonly number[] => {
    const preserves = Number(signing === 'preserve');
    const mismatch = (authentication === 'none') === unsigned ? 0 : 2;
    return plaintext ? [Number(secure), mismatch + preserves] : [mismatch + preserves, Number(!secure)];
  };
  const compare = (a: readonly number[], b: readonly number[]) =>
    (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0);
  return [...listeners].sort((a, b) => compare(rank(a), rank(b)))[0];
}

/** Any key pair: the listener does not look at it. */
const ANYBODY: Client = {
  name: 'anybody',
  accessKeyId: 'ANYBODY',
  secretAccessKey: 'anything',
  sessionToken: undefined,
  buckets: [],
  access: 'read-only',
};

function chooseSender(
  { policy, file }: Configuration,
  { client: name, signature, method }: Question,
  listener: ListenerConfiguration,
  carried: CarriedSignature,
): Sender | Unanswered {
  // A signature would not make readable what is not.
  if (carried !== 'none') return { kind: 'as-it-stands' };
  // A browser does not sign its preflight.
  if (signature === 'none' || method === 'OPTIONS') return { kind: 'unsigned' };
  const version = signature ?? 'v4';
  const clients = [...policy.clients.values()];
  const names = clients.map((client) => client.name).join(', ');
  if (name !== undefined) {
    const client = clients.find((one) => one.name === name);
    return client
      ? { kind: 'client', client, version }
      : unanswered(`${file} has no client ${name}. It has: ${names}`);
  }
  if (listener.authentication === 'none' && signature === undefined) return { kind: 'unsigned' };
  if (listener.signing === 'preserve') return { kind: 'anybody', client: ANYBODY, version };
  const [only, ...more] = clients;
  if (only && more.length === 0) return { kind: 'client', client: only, version };
  const choice = only ? `one of ${names}` : 'none is configured';
  return unanswered(`name the client that sends the request with --client: ${choice}`);
}
