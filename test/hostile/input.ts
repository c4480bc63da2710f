// What a hostile input is, and the pieces that requests are built from, as bytes. Signed by the independent signer.
import { type PlainRequest, signedHeaders } from '../gateway/client.ts';
import type { HostileSite } from './site.ts';

/** Content of what may be stored: nothing else must ever come to lie at a backend. */
export const CONTENT = 'what may be stored, encrypted';

/** One row of docs/robustness.md, and the test of it. */
export interface HostileInput {
  /** A letter for its table, and a number. */
  readonly id: string;
  /** What is sent. */
  readonly input: string;
  /** What the client sees: each answer by status and code, and whether the connection then ends or goes on. */
  readonly sees: string;
  /** What the backend comes to hold; nothing, and it is not asked, where this is absent. */
  readonly backend?: BackendPart;
  /** How the bytes are sent: over the listener under test unless something else is said. */
  readonly over?: Channel;
  readonly bytes: (site: HostileSite) => Promise<Buffer | string> | Buffer | string;
}

export type BackendPart =
  /** One object in the bucket `inject`, under this key, with CONTENT and encrypted. */
  | { readonly stores: string }
  /** A request that stores nothing. */
  | 'is asked'
  /** An upload that is broken off: nothing of it is stored. */
  | 'is broken off';

/** `clear`: without TLS, on a listener that does not count as secure. `not TLS`: bytes on the port of a TLS listener. */
export type Channel =
  | 'clear'
  | 'not TLS'
  | { readonly servername: string }
  | { readonly maxVersion: 'TLSv1.1' }
  | { readonly ALPNProtocols: readonly string[] };

type Headers = Readonly<Record<string, string>>;

/** Text as the bytes of its latin1 form, lines ended with CRLF, and an empty one after them. */
export function message(lines: readonly string[], body: string | Buffer = ''): Buffer {
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body as string)]);
}

/** How a signed request departs from a good one. */
export interface Twist {
  readonly method?: string;
  /** Path and query that are signed; `/inject/ID` unless given. */
  readonly path?: string;
  /** What stands in the request line in place of the path. */
  readonly target?: string;
  /** Signed with the rest. */
  readonly headers?: Headers;
  /** Value of x-amz-content-sha256. */
  readonly payloadHash?: string;
  readonly body?: string | Buffer;
  /** Lines behind the signed ones; nothing of them is signed. `content-length` unless given. */
  readonly lines?: readonly string[];
  /** Edits the lines of the head, the request line first. */
  readonly head?: (lines: string[]) => string[];
  /** Bytes behind the request. */
  readonly behind?: string;
}

/** A signed request, twisted: an upload of CONTENT under its own ID as key unless it says otherwise. */
export async function twisted(site: HostileSite, id: string, twist: Twist = {}): Promise<Buffer> {
  const {
    method = 'PUT',
    path = `/inject/${id}`,
    headers = {},
    payloadHash,
    head = (lines) => lines,
  } = twist;
  const { body = method === 'PUT' || method === 'POST' ? CONTENT : '' } = twist;
  const request: PlainRequest = {
    method,
    path,
    headers,
    ...(payloadHash === undefined ? {} : { payloadHash }),
    ...(body === '' ? {} : { body }),
  };
  const signed = await signedHeaders(site.to, request);
  const length = body === '' ? [] : [`content-length: ${Buffer.byteLength(body)}`];
  const lines = Object.entries(signed).map(([name, value]) => `${name}: ${value}`);
  const start = `${method} ${twist.target ?? path} HTTP/1.1`;
  return Buffer.concat([
    message(head([start, ...lines, ...(twist.lines ?? length)]), body),
    Buffer.from(twist.behind ?? '', 'latin1'),
  ]);
}

/** A row whose request is twisted and signed. */
export function row(
  id: string,
  input: string,
  sees: string,
  twist: Twist,
  more: Pick<HostileInput, 'backend' | 'over'> = {},
): HostileInput {
  return { id, input, sees, ...more, bytes: (site) => twisted(site, id, twist) };
}

/** A row whose bytes are no signed request. */
export function rawRow(
  id: string,
  input: string,
  sees: string,
  bytes: string | Buffer | ((site: HostileSite) => string | Buffer),
  more: Pick<HostileInput, 'backend' | 'over'> = {},
): HostileInput {
  const latin1 = (text: string | Buffer) => (typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  return {
    id,
    input,
    sees,
    ...more,
    bytes: (site) => latin1(typeof bytes === 'function' ? bytes(site) : bytes),
  };
}

/** That it is stored, under its own ID. */
export function stored(id: string): { readonly backend: BackendPart } {
  return { backend: { stores: id } };
}

/** With a line of the head replaced. */
export function replacing(pattern: RegExp, replacement: string): NonNullable<Twist['head']> {
  return (lines) => lines.map((line) => line.replace(pattern, replacement));
}

/** In HTTP chunks. */
export function httpChunks(...pieces: string[]): string {
  return [...pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`), '0\r\n\r\n'].join('');
}

/** A request that must never be read as one: it would be stored in the clear, if it were. */
export const SMUGGLED = 'PUT /off/smuggled HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx';
