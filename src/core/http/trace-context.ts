// W3C Trace Context: which trace a request belongs to. https://www.w3.org/TR/trace-context/
// Nothing is decided by it, and nothing is made up where it is absent.

/** The header `traceparent`, read. */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits: the client's span, which the specification calls parent-id. */
  readonly spanId: string;
  /** The header as it goes on. */
  readonly traceparent: string;
}

/** https://www.w3.org/TR/trace-context/#traceparent-header-field-values: lower case, and what follows is of a later version. */
const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const SAMPLED = 1;

/** Reads the header; a malformed one counts as absent, as the specification wants. */
export function parseTraceparent(value: string | undefined): TraceContext | undefined {
  const [, version, traceId = '', spanId = '', flags = '', later] = FORM.exec(value ?? '') ?? [];
  if (value === undefined || version === undefined || version === 'ff') return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  if (version === '00') return later === undefined ? { traceId, spanId, traceparent: value } : undefined;
  // Of a version that is not known, what is known of it goes on as version 00.
  const sampled = Number.parseInt(flags, 16) & SAMPLED;
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-0${sampled}` };
}
