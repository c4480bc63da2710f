// Request headers as they stood on the wire: in order, repeated ones kept, values as latin1 strings (one char, one byte).
// Must not know what any header means to S3 beyond whether it may be repeated.

/** One header line. The name is lower-case; the value has no white space at its ends. */
export interface HeaderField {
  readonly name: string;
  readonly value: string;
}

/** The header section of a received request. */
export class ReceivedHeaders {
  readonly fields: readonly HeaderField[];

  constructor(fields: readonly HeaderField[]) {
    this.fields = fields;
  }

  /** From Node's `rawHeaders`: name, value, name, value… */
  static fromRaw(raw: readonly string[]): ReceivedHeaders {
    const fields: HeaderField[] = [];
    for (let i = 0; i + 1 < raw.length; i += 2) {
      fields.push({ name: (raw[i] ?? '').toLowerCase(), value: trimOws(raw[i + 1] ?? '') });
    }
    return new ReceivedHeaders(fields);
  }

  /** The value of the first line with this lower-case name. An empty value is present: `''`, not `undefined`. */
  get(name: string): string | undefined {
    for (const field of this.fields) if (field.name === name) return field.value;
    return undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** Values of every line with this lower-case name, in order of arrival. */
  all(name: string): string[] {
    const values: string[] = [];
    for (const field of this.fields) if (field.name === name) values.push(field.value);
    return values;
  }

  /** Size of the section as S3 counts it against its 8192 bytes: names, values, colons and line ends. */
  get byteLength(): number {
    let total = 0;
    for (const field of this.fields) total += field.name.length + field.value.length + 4;
    return total;
  }
}

const NON_TOKEN = /[^!#$%&'*+\-.^_`|~0-9a-z]/;

/** Whether a lower-case name is a header name as RFC 9110 section 5.1 has it. */
export function isHeaderName(name: string): boolean {
  return name !== '' && !NON_TOKEN.test(name);
}

/** Whether a latin1 value can stand on the wire: no control characters but tabs (RFC 9110 section 5.5). */
export function isHeaderValue(value: string): boolean {
  return !/[^\t\x20-\x7e\x80-\xff]/.test(value);
}

/** Text as a header carries it: one char for each byte of its UTF-8 form. */
export function utf8AsLatin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Strips spaces and tabs from both ends (RFC 9110 section 5.5, OWS). */
export function trimOws(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isOws(value.charCodeAt(start))) start++;
  while (end > start && isOws(value.charCodeAt(end - 1))) end--;
  return start === 0 && end === value.length ? value : value.slice(start, end);
}

function isOws(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

const SINGLE = new Set([
  'host',
  'authorization',
  'date',
  'range',
  'expect',
  'expires',
  'transfer-encoding',
  'origin',
  'x-forwarded-proto',
]);

function mayRepeat(name: string): boolean {
  if (SINGLE.has(name) || name.startsWith('content-') || name.startsWith('if-')) return false;
  return !name.startsWith('x-amz-') || name.startsWith('x-amz-meta-');
}

/**
 * Name of the first header that arrived twice although it may not: servers disagree on which of the two counts,
 * so a request that repeats one could be judged by one value and served by the other.
 */
export function repeatedHeader(headers: ReceivedHeaders): string | undefined {
  const seen = new Set<string>();
  for (const { name } of headers.fields) {
    if (seen.has(name) && !mayRepeat(name)) return name;
    seen.add(name);
  }
  return undefined;
}
