// Who asks, and where: the listener a question comes in on, and the client that signs it. Chooses among what the
// configuration has; judges nothing.
import type { Configuration, ListenerConfiguration } from '../../config/configuration.ts';
import type { CertificateName } from '../../core/certificate.ts';
import type { Client, SigningClient } from '../../core/policy/policy.ts';
import { type AskedUrl, parseCertificate, type Question, type Unanswered, unanswered } from './question.ts';

/** Who sends the request. */
export type Sender =
  /** It carries a signature of its own, or one would change nothing. */
  | { readonly kind: 'as-it-stands' }
  | { readonly kind: 'unsigned' }
  /** Unsigned too: its certificate says who it is. */
  | { readonly kind: 'holder'; readonly client: Client }
  | { readonly kind: 'client'; readonly client: SigningClient; readonly version: 'v4' | 'v2' }
  /** Where signatures are not verified, any will do. */
  | { readonly kind: 'anybody'; readonly client: SigningClient; readonly version: 'v4' | 'v2' };

/** The listener, its place in the file's list, and the sender. */
export interface Setting {
  readonly kind: 'setting';
  readonly listener: ListenerConfiguration;
  readonly index: number;
  /** Where nobody can be named, what to ask for: not every request needs a sender. */
  readonly sender: Sender | Unanswered;
  /** In the certificate that the connection shows. */
  readonly certificateNames: readonly CertificateName[];
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
    return unanswered('the request carries a signature of its own: name no client (--client, --signature)');
  }
  const listener = chooseListener(configuration, question, url, carried);
  if ('kind' in listener) return listener;
  const given = question.certificate && parseCertificate(question.certificate);
  if (given && 'kind' in given) return given;
  const sender = chooseSender(configuration, question, listener, carried);
  const index = configuration.listeners.indexOf(listener);
  return { kind: 'setting', listener, index, sender, certificateNames: given ?? ownCertificate(sender) };
}

/** The certificate that the sender has by the configuration. */
function ownCertificate(sender: Sender | Unanswered): readonly CertificateName[] {
  const certificate = 'client' in sender ? sender.client.certificate : undefined;
  return certificate ? [certificate] : [];
}

function chooseListener(
  { listeners, clients, file }: Configuration,
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
    return unanswered(`no listener of ${file} ${wanted}: name the one that you mean (--listener)`);
  }
  const atPort = speaking.filter(({ port }) => port === origin?.port);
  const wanted = carried === 'none' ? wantedAuthentication(clients, question) : 'signature';
  return best(atPort.length > 0 ? atPort : speaking, plaintext, wanted) ?? first;
}

/** What the question has for its sender to be told by. */
function wantedAuthentication(
  clients: readonly Client[],
  { client: name, signature, certificate }: Question,
): ListenerConfiguration['authentication'] {
  if (signature !== undefined) return 'signature';
  if (name === undefined) return certificate === undefined ? 'none' : 'certificate';
  const client = clients.find((one) => one.name === name);
  return client && !isSigning(client) ? 'certificate' : 'signature';
}

/**
 * Who asks about plaintext wants to hear what becomes of it there; else a secure listener is meant, and one that tells
 * clients by what there is to tell them by. The order of the file breaks ties.
 */
function best(
  listeners: readonly ListenerConfiguration[],
  plaintext: boolean,
  wanted: ListenerConfiguration['authentication'],
): ListenerConfiguration | undefined {
  const rank = ({ secure, authentication, signing }: ListenerConfiguration): readonly number[] => {
    const preserves = Number(signing === 'preserve');
    const mismatch = authentication === wanted ? 0 : 2;
    return plaintext ? [Number(secure), mismatch + preserves] : [mismatch + preserves, Number(!secure)];
  };
  const compare = (a: readonly number[], b: readonly number[]) =>
    (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0);
  return [...listeners].sort((a, b) => compare(rank(a), rank(b)))[0];
}

/** Any key pair: the listener does not look at it. */
const ANYBODY: SigningClient = {
  name: 'anybody',
  accessKeyId: 'ANYBODY',
  secretAccessKey: 'anything',
  sessionToken: undefined,
  buckets: [],
  access: 'read-only',
};

function chooseSender(
  { clients, file }: Configuration,
  question: Question,
  listener: ListenerConfiguration,
  carried: CarriedSignature,
): Sender | Unanswered {
  const { client: name, signature, method, certificate } = question;
  // A signature would not make readable what is not.
  if (carried !== 'none') return { kind: 'as-it-stands' };
  const byCertificate = listener.authentication === 'certificate' && signature === undefined;
  // A browser does not sign its preflight; its connection has a certificate all the same.
  if (signature === 'none' || (method === 'OPTIONS' && !byCertificate)) return { kind: 'unsigned' };
  if (listener.authentication === 'none' && signature === undefined && name === undefined) {
    return { kind: 'unsigned' };
  }
  if (listener.signing === 'preserve' && name === undefined) {
    return { kind: 'anybody', client: ANYBODY, version: signature ?? 'v4' };
  }
  if (byCertificate && certificate !== undefined && name === undefined) return { kind: 'unsigned' };
  const suitable = clients.filter((client) => (byCertificate ? client.certificate : isSigning(client)));
  const client = namedOrOnly(name === undefined ? suitable : clients, name, file);
  if ('kind' in client) return client;
  if (byCertificate) return { kind: 'holder', client };
  return isSigning(client)
    ? { kind: 'client', client, version: signature ?? 'v4' }
    : unanswered(
        `client ${client.name} has no access key, and listener ${listener.name} asks for a signature`,
      );
}

function namedOrOnly(
  clients: readonly Client[],
  name: string | undefined,
  file: string,
): Client | Unanswered {
  const names = clients.map((client) => client.name).join(', ');
  if (name !== undefined) {
    const named = clients.find((one) => one.name === name);
    return named ?? unanswered(`${file} has no client ${name}. It has: ${names}`);
  }
  const [only, ...more] = clients;
  if (only && more.length === 0) return only;
  const choice = only ? `one of ${names}` : 'none is configured';
  return unanswered(`name the client that sends the request (--client): ${choice}`);
}

function isSigning(client: Client): client is SigningClient {
  return 'accessKeyId' in client;
}
