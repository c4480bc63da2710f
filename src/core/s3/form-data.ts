// A multipart/form-data body of POST Object: bytes in, events out, split anywhere. Stricter than its RFCs: no preamble, no
// padding, CRLF only, nothing after the file. Must not know what a field means, beyond which one is the file.
// https://www.rfc-editor.org/rfc/rfc7578 https://www.rfc-editor.org/rfc/rfc2046#section-5.1
import { isHeaderName, trimOws } from '../http/headers.ts';
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';

/** A form up to the first byte of its file. */
export interface Form {
  /** Text of each field by its name in lower case: S3 compares names without regard to case. */
  readonly fields: ReadonlyMap<string, string>;
  /** As sent, directories included; `undefined` where the file part names none. */
  readonly filename: string | undefined;
  /** Bytes of the file, known before they are read; a form whose file turns out otherwise is refused. */
  readonly fileSize: number;
}

/** What the parser found, in order. `data` is a view of the bytes it was given, valid until they are reused. */
export type FormEvent =
  /** A file of no bytes is announced only once the form has proved complete, right before `end`. */
  | { readonly kind: 'file'; readonly form: Form }
  /** The last byte comes only once the form has proved complete: a backend cannot finish storing a refused one. */
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }
  /** Nothing follows. */
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/**
 * All that stands before the file's data, boundaries and part headers included.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html
 */
export const MAX_FIELD_BYTES = 20_480;

/** Characters of a boundary (RFC 2046 section 5.1.1); a space may not be its last. */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;

/** The boundary a `Content-Type` names; `undefined` for anything but `multipart/form-data` with one, and UTF-8 at most besides. */
export function formBoundary(contentType: string): string | undefined {
  const [type = ''] = /^[^;\s]*/.exec(contentType) ?? [];
  if (type.toLowerCase() !== 'multipart/form-data') return undefined;
  const parameters = parseParameters(contentType.slice(type.length));
  const boundary = parameters?.get('boundary');
  if (!parameters || boundary === undefined || !BOUNDARY.test(boundary)) return undefined;
  for (const [name, value] of parameters) {
    if (name !== 'boundary' && (name !== 'charset' || value.toLowerCase() !== 'utf-8')) return undefined;
  }
  return boundary;
}

const PARAMETER = /[ \t]*;[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";,\\]+))/y;

/** Parameters by lower-case name; `undefined` where the text is anything else, or repeats one. */
function parseParameters(text: string): Map<string, string> | undefined {
  const found = new Map<string, string>();
  const pattern = new RegExp(PARAMETER);
  while (pattern.lastIndex < text.length) {
    const [, name = '', quoted, token = ''] = pattern.exec(text) ?? [];
    if (name === '' || found.has(name.toLowerCase())) return undefined;
    // Only `\"` is an escape: browsers of old send `C:\path\file` with its backslashes bare.
    const value = quoted?.replace(/\\(.)/g, (pair, character) => (character === '"' ? '"' : pair)) ?? token;
    found.set(name.toLowerCase(), value);
  }
  return found;
}

interface Part {
  readonly name: string;
  readonly filename: string | undefined;
}

/** The header lines of a part; `undefined` where they break the grammar or ask for what is not read here. */
function parsePartHeader(block: string): Part | undefined {
  const lines = new Map<string, string>();
  if (/[^\t\r\n\x20-\x7e\u0080-\u{10ffff}]/u.test(block)) return undefined;
  for (const line of block.split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    if (!isHeaderName(name) || lines.has(name) || /[\r\n]/.test(line)) return undefined;
    lines.set(name, trimOws(line.slice(colon + 1)));
  }
  const part = parseDisposition(lines.get('content-disposition') ?? '');
  if (!part || !/^(binary|8bit|7bit)$/i.test(lines.get('content-transfer-encoding') ?? 'binary'))
    return undefined;
  // Any other line means nothing in a form (RFC 7578 section 4.8), the Content-Type of the file included: S3 takes the field.
  return readableType(lines.get('content-type'), part.name) ? part : undefined;
}

/** `form-data; name="…"[; filename="…"]`. `filename*` must not be used in forms (RFC 7578 section 4.2): it counts for nothing. */
function parseDisposition(value: string): Part | undefined {
  if (!/^form-data(?=[ \t;])/i.test(value)) return undefined;
  const parameters = parseParameters(value.slice('form-data'.length));
  const name = parameters?.get('name')?.toLowerCase();
  if (!parameters || name === undefined || !/^[!#-[\]-~]+$/.test(name)) return undefined;
  for (const other of parameters.keys()) {
    if (other !== 'name' && other !== 'filename' && other !== 'filename*') return undefined;
  }
  return { name, filename: parameters.get('filename') };
}

/** Fields are UTF-8, whatever else their type says; a nested multipart would be parts inside a part. */
function readableType(contentType: string | undefined, name: string): boolean {
  if (contentType === undefined) return true;
  if (/^multipart\//i.test(contentType)) return false;
  return (
    name === 'file' ||
    !/charset/i.test(contentType) ||
    /;[ \t]*charset="?(utf-8|us-ascii)"?$/i.test(contentType)
  );
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

const CRLF = '\r\n';
const HEADER_END = '\r\n\r\n';

type State = 'value' | 'header' | 'file' | 'closing' | 'done' | 'broken';

/**
 * Parses one form. Memory is bounded by {@link MAX_FIELD_BYTES}, whatever arrives. The size of the file follows from the
 * request's Content-Length and the one way a form may end: CRLF, the closing boundary, CRLF. Nearly every client ends it so;
 * one that does not is refused, as is one that sends fields after the file.
 */
export class FormDataParser {
  readonly #contentLength: number;
  readonly #delimiter: Buffer;
  readonly #closing: Buffer;
  readonly #fields = new Map<string, string>();
  /** What precedes the file, after a CRLF of our own that lets the first boundary be found like any other. */
  readonly #head: Buffer = Buffer.alloc(CRLF.length + MAX_FIELD_BYTES);
  #headLength: number = CRLF.length;
  /** Where in the head the current value or part header begins, and from where on it has yet to be searched. */
  #position = 0;
  #searched = 0;
  #state: State = 'value';
  #received = 0;
  #fieldName: string | undefined;
  #form: Form | undefined;
  #fileRead = 0;
  #closingRead = 0;
  #lastByte: Uint8Array | undefined;
  /** The end of the data so far, in which a delimiter may have begun. The file's data follow a CRLF. */
  #seam: Buffer = Buffer.from(CRLF);

  constructor(boundary: string, contentLength: number) {
    this.#contentLength = contentLength;
    this.#head.write(CRLF, 'latin1');
    this.#delimiter = Buffer.from(`${CRLF}--${boundary}`, 'latin1');
    this.#closing = Buffer.from(`${CRLF}--${boundary}--${CRLF}`, 'latin1');
  }

  /** Whether the whole form has been read. A body that ends before is incomplete. */
  get done(): boolean {
    return this.#state === 'done';
  }

  /** Reads the next bytes. After `refused` nothing more is read. */
  push(bytes: Uint8Array): FormEvent[] {
    const events: FormEvent[] = [];
    this.#received += bytes.length;
    if (this.#received > this.#contentLength) this.#refuse(refusals.formMalformed(), events);
    let offset = 0;
    while (offset < bytes.length && this.#state !== 'broken') {
      const rest = Buffer.from(bytes.buffer, bytes.byteOffset + offset, bytes.length - offset);
      if (this.#state === 'file') offset += this.#takeFile(rest, events);
      else if (this.#state === 'closing') offset += this.#takeClosing(rest, events);
      else offset += this.#takeHead(rest, events);
    }
    const short = this.#received === this.#contentLength && !this.done;
    if (short && this.#state !== 'broken') this.#refuse(refusals.formMalformed(), events);
    return events;
  }

  #refuse(refusal: Refusal, events: FormEvent[]): void {
    if (this.#state !== 'broken') events.push({ kind: 'refused', refusal });
    this.#state = 'broken';
  }

  /** Answers how many bytes were read: all of them, unless the file's data begin among them. */
  #takeHead(bytes: Buffer, events: FormEvent[]): number {
    const copied = bytes.copy(this.#head, this.#headLength);
    this.#headLength += copied;
    while (this.#readHead(events));
    if (this.#state === 'file' || this.#state === 'closing')
      return copied - (this.#headLength - this.#position);
    if (this.#headLength === this.#head.length) {
      const late = this.#form ? refusals.formFileNotLast() : refusals.formFieldsTooLarge(MAX_FIELD_BYTES);
      this.#refuse(late, events);
    }
    return copied;
  }

  /** Answers whether there may be more to read in what has come. */
  #readHead(events: FormEvent[]): boolean {
    if (this.#state === 'value') return this.#readValue(events);
    return this.#state === 'header' && this.#readHeader(events);
  }

  /** The place of a mark in the head, searching each byte once; `undefined` while it has not come. */
  #find(mark: string | Buffer): number | undefined {
    const found = this.#head.subarray(0, this.#headLength).indexOf(mark, this.#searched);
    if (found < 0) this.#searched = Math.max(this.#searched, this.#headLength - mark.length + 1);
    return found < 0 ? undefined : found;
  }

  /** The value of the field before the next boundary; before the first boundary stands nothing. */
  #readValue(events: FormEvent[]): boolean {
    const end = this.#find(this.#delimiter);
    const name = this.#fieldName;
    if (name === undefined && end !== 0 && this.#headLength >= this.#delimiter.length) {
      this.#refuse(refusals.formMalformed(), events);
      return false;
    }
    if (end === undefined) return false;
    if (name !== undefined) {
      const value = end < this.#position ? undefined : decodeUtf8(this.#head.subarray(this.#position, end));
      if (value === undefined || this.#fields.has(name)) {
        this.#refuse(refusals.formMalformed(), events);
        return false;
      }
      this.#fields.set(name, value);
    }
    this.#advance('header', end + this.#delimiter.length);
    return true;
  }

  #advance(state: 'value' | 'header', position: number): void {
    this.#state = state;
    this.#position = position;
    // A boundary right after a part header would be read by some as an empty value, by others as its first line.
    this.#searched = state === 'value' ? position - CRLF.length : position;
  }

  /** What follows a boundary: the header of a part, or the end of the form. */
  #readHeader(events: FormEvent[]): boolean {
    const start = this.#position + CRLF.length;
    if (this.#headLength < start) return false;
    const mark = this.#head.toString('latin1', this.#position, start);
    if (mark === '--') {
      this.#refuse(this.#form ? refusals.formFileNotLast() : refusals.formFileCount(), events);
      return false;
    }
    const end = mark === CRLF ? this.#find(HEADER_END) : -1;
    if (end === undefined) return false;
    const block = end < 0 ? undefined : decodeUtf8(this.#head.subarray(start, Math.max(start, end)));
    const part = block === undefined ? undefined : parsePartHeader(block);
    if (!part) this.#refuse(refusals.formMalformed(), events);
    else this.#openPart(part, end + HEADER_END.length, events);
    return this.#state !== 'broken';
  }

  #openPart(part: Part, position: number, events: FormEvent[]): void {
    if (this.#form) {
      this.#refuse(part.name === 'file' ? refusals.formFileCount() : refusals.formFileNotLast(), events);
    } else if (part.name === 'file') {
      this.#openFile(part, position, events);
    } else {
      this.#fieldName = part.name;
      this.#advance('value', position);
    }
  }

  #openFile(part: Part, position: number, events: FormEvent[]): void {
    const before = position - CRLF.length;
    const fileSize = this.#contentLength - before - this.#closing.length;
    if (fileSize < 0) {
      this.#refuse(refusals.formFileNotLast(), events);
      return;
    }
    this.#position = position;
    this.#form = { fields: this.#fields, filename: part.filename, fileSize };
    this.#state = fileSize === 0 ? 'closing' : 'file';
    if (fileSize > 0) events.push({ kind: 'file', form: this.#form });
  }

  /** Data up to where the file must end. A boundary before that place means that it is not the last part. */
  #takeFile(bytes: Buffer, events: FormEvent[]): number {
    const remaining = (this.#form?.fileSize ?? 0) - this.#fileRead;
    const data = bytes.subarray(0, remaining);
    const past = this.#pastDelimiter(data);
    if (past !== undefined) {
      this.#headLength = CRLF.length;
      this.#advance('header', CRLF.length);
      return past;
    }
    this.#fileRead += data.length;
    const last = data.length === remaining;
    const ready = last ? data.subarray(0, -1) : data;
    if (ready.length > 0) events.push({ kind: 'data', bytes: ready });
    if (last) {
      this.#lastByte = Uint8Array.from(data.subarray(-1));
      this.#state = 'closing';
    }
    return data.length;
  }

  /** How many of these bytes reach to the end of a delimiter, which may have begun in bytes before; `undefined` without one. */
  #pastDelimiter(data: Buffer): number | undefined {
    const seam = this.#seam;
    const reach = this.#delimiter.length - 1;
    const across = Buffer.concat([seam, data.subarray(0, reach)]);
    const begun = across.indexOf(this.#delimiter);
    if (begun >= 0) return begun + this.#delimiter.length - seam.length;
    const found = data.indexOf(this.#delimiter);
    if (found >= 0) return found + this.#delimiter.length;
    this.#seam = data.length < reach ? across.subarray(-reach) : Buffer.from(data.subarray(-reach));
    return undefined;
  }

  #takeClosing(bytes: Buffer, events: FormEvent[]): number {
    const expected = this.#closing.subarray(this.#closingRead, this.#closingRead + bytes.length);
    if (!expected.equals(bytes.subarray(0, expected.length))) {
      this.#refuse(refusals.formFileNotLast(), events);
      return bytes.length;
    }
    this.#closingRead += expected.length;
    if (this.#closingRead === this.#closing.length) this.#finish(events);
    return expected.length;
  }

  #finish(events: FormEvent[]): void {
    this.#state = 'done';
    if (this.#lastByte) events.push({ kind: 'data', bytes: this.#lastByte });
    else if (this.#form) events.push({ kind: 'file', form: this.#form });
    events.push({ kind: 'end' });
  }
}
