// What the embedded store answers: XML documents and errors in S3's form. Knows XML, no operation.
import { XMLBuilder, XMLParser, XMLValidator } from 'fast-xml-parser';

/** A whole answer. */
export interface Answer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

/** An error as S3 words it; the core's refusals are of this form too. */
export interface Fault {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly details: readonly (readonly [element: string, text: string])[];
}

export function fault(
  status: number,
  code: string,
  message: string,
  details: Readonly<Record<string, string>> = {},
): Fault {
  return { status, code, message, details: Object.entries(details) };
}

export function isFault(value: unknown): value is Fault {
  return typeof value === 'object' && value !== null && 'code' in value && 'details' in value;
}

export function emptyAnswer(status: number, headers: Answer['headers'] = []): Answer {
  return { status, headers, body: Buffer.alloc(0) };
}

/** The content of an element: text, elements by name, or a list where an element repeats. */
export interface XmlContent {
  readonly [element: string]: XmlValue;
}
type XmlValue = string | number | boolean | XmlContent | readonly XmlContent[] | undefined;

const builder = new XMLBuilder({ ignoreAttributes: false, suppressEmptyNode: false });
const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** A 200 with an XML document; elements without content are left out. */
export function xmlAnswer(root: string, content: XmlContent, headers: Answer['headers'] = []): Answer {
  const present = Object.entries(content).filter(([, value]) => value !== undefined);
  const document = { [root]: { '@_xmlns': NAMESPACE, ...Object.fromEntries(present) } };
  return xml(200, document, headers);
}

export function errorAnswer(error: Fault, resource: string, requestId: string): Answer {
  const { status, code, message, details } = error;
  const content = {
    Code: code,
    Message: message,
    ...Object.fromEntries(details),
    Resource: resource,
    RequestId: requestId,
    HostId: 'demo',
  };
  return xml(status, { Error: content }, []);
}

function xml(status: number, document: object, headers: Answer['headers']): Answer {
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n${builder.build(document)}`;
  return { status, headers: [['content-type', 'application/xml'], ...headers], body: Buffer.from(text) };
}

const LISTS = new Set(['Object', 'Part']);
const parser = new XMLParser({
  ignoreAttributes: true,
  removeNSPrefix: true,
  parseTagValue: false,
  // Keys may begin or end with spaces.
  trimValues: false,
  htmlEntities: true,
  isArray: (name) => LISTS.has(name),
});

export const MALFORMED_XML: Fault = fault(
  400,
  'MalformedXML',
  'The XML you provided was not well-formed or did not validate against our published schema',
);

/** The children of the document's root element. No DTD is read, so no entity of the sender's making either. */
export function parseXml(bytes: Buffer, root: string): Readonly<Record<string, unknown>> | Fault {
  const text = bytes.toString('utf8');
  if (text.includes('<!') || XMLValidator.validate(text) !== true) return MALFORMED_XML;
  const parsed: unknown = parser.parse(text);
  const content = isRecord(parsed) ? parsed[root] : undefined;
  return isRecord(content) ? content : MALFORMED_XML;
}

/** The repeated elements of a name, each as its own children. */
export function elements(parent: Readonly<Record<string, unknown>>, name: string): Record<string, unknown>[] {
  const found = parent[name];
  return Array.isArray(found) ? found.filter(isRecord) : [];
}

/** The text of a child element. */
export function textOf(parent: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = parent[name];
  return typeof value === 'string' ? value : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
