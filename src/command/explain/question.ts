// What `explain` is asked: a request in words of the command line, read into its parts. A target is taken as it stands,
// as a client would send it. Knows nothing of the configuration.
import type { CertificateName } from '../../core/certificate.ts';
import { type HeaderField, isHeaderName, trimOws, utf8AsLatin1 } from '../../core/http/headers.ts';

/** A question as the command line has it. */
export interface Question {
  readonly method: string;
  /** A path with its query, or a whole URL. */
  readonly url: string;
  /** `name: value`, in order. */
  readonly headers: readonly string[];
  /** The body, if there is one. */
  readonly data?: Buffer | undefined;
  readonly client?: string | undefined;
  readonly listener?: string | undefined;
  readonly plaintext?: boolean | undefined;
  readonly signature?: SignatureChoice | undefined;
  /** Names in the certificate that its connection shows, `kind:value`; that of the client where none is given. */
  readonly certificate?: readonly string[] | undefined;
  /** Address of the peer, which may be a trusted proxy. */
  readonly peer?: string | undefined;
}

/** How the request is signed here; `none`: not at all. */
export type SignatureChoice = 'v4' | 'v2' | 'none';

/** A question that has no answer, and what to do about it. */
export interface Unanswered {
  readonly kind: 'unanswered';
  readonly message: string;
}

export function unanswered(message: string): Unanswered {
  return { kind: 'unanswered', message };
}

/** Reads the names of a certificate. A kind and a value: no name is told from its look. */
export function parseCertificate(names: readonly string[]): readonly CertificateName[] | Unanswered {
  const parsed: CertificateName[] = [];
  for (const name of names) {
    const [, kind, value] = /^(uri|dnsName|email):(.+)$/.exec(name) ?? [];
    if (value === undefined || (kind !== 'uri' && kind !== 'dnsName' && kind !== 'email')) {
      return unanswered(`${name} is no name of a certificate: write uri:…, dnsName:… or email:…`);
    }
    parsed.push({ kind, value });
  }
  return parsed;
}

/** A URL in its parts. */
export interface AskedUrl {
  /** Absent where the question names a path only. */
  readonly origin:
    | { readonly scheme: 'http' | 'https'; readonly host: string; readonly port: number }
    | undefined;
  /** Path and query, as they go on the request line. */
  readonly target: string;
}

const URL_FORM = /^(https?):\/\/((?:\[[0-9A-Fa-f:.]+\]|[^:@[\]/?#]+)(?::(\d{1,5}))?)([/?].*)?$/s;

/** Reads a path or a URL. Dot segments and empty ones stay: to S3 they are part of the key. */
export function parseUrl(text: string): AskedUrl | Unanswered {
  if (text.startsWith('/')) return { origin: undefined, target: asSent(text) };
  const [, scheme, host, port, rest = ''] = URL_FORM.exec(text) ?? [];
  if ((scheme !== 'http' && scheme !== 'https') || host === undefined) {
    return unanswered(`${text} is no URL: write /bucket/key, or http:// or https://, a host and a path`);
  }
  const standard = scheme === 'https' ? 443 : 80;
  const origin = { scheme, host, port: Number(port ?? standard) } as const;
  return { origin, target: asSent(rest.startsWith('/') ? rest : `/${rest}`) };
}

/** What cannot stand on a request line is percent-encoded, as clients do it; everything else is left alone. */
function asSent(target: string): string {
  return target.replace(/[^\x21-\x7e]+/g, (run) => encodeURIComponent(run.toWellFormed()));
}

/** Reads header lines. Values as on the wire: one char for each byte. A value may be empty: to S3 such a header is there. */
export function parseHeaderLines(lines: readonly string[]): readonly HeaderField[] | Unanswered {
  const fields: HeaderField[] = [];
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    const value = trimOws(utf8AsLatin1(line.slice(colon + 1)));
    if (!isHeaderName(name) || /[\r\n\0]/.test(value)) {
      return unanswered(`${JSON.stringify(line)} is no header line: write 'name: value'`);
    }
    fields.push({ name, value });
  }
  return fields;
}
