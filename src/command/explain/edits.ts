// How the request that goes out differs from the one that came in, header by header. Shows no secret and no signature.
import type { OutgoingRequest } from '../../core/decide.ts';
import type { ReceivedHeaders } from '../../core/http/headers.ts';
import { isSecret, REDACTED, withoutSecrets } from '../../core/sensitive.ts';

/** A header as it is shown. */
export interface ShownHeader {
  readonly name: string;
  readonly value: string;
  /** It came as a query parameter, and goes on as a header. */
  readonly from?: 'query';
}

/** A header of both requests whose values differ. */
export interface ChangedHeader {
  readonly name: string;
  readonly before: string;
  readonly after: string;
}

export interface HeaderEdits {
  readonly added: readonly ShownHeader[];
  readonly changed: readonly ChangedHeader[];
  readonly removed: readonly ShownHeader[];
  readonly kept: readonly ShownHeader[];
}

/** `fields`: what the request was read as, `x-amz-*` query parameters among its headers. */
export function headerEdits(
  headers: ReceivedHeaders,
  fields: ReadonlyMap<string, string>,
  outgoing: OutgoingRequest,
): HeaderEdits {
  const sent = new Map<string, string>();
  for (const { name, value } of headers.fields)
    sent.set(name, sent.has(name) ? `${sent.get(name)},${value}` : value);
  const moved = new Map([...fields].filter(([name]) => !sent.has(name)));
  const out = new Map<string, string>();
  for (const [name, value] of outgoing.headers)
    out.set(name, out.has(name) ? `${out.get(name)},${value}` : value);
  const added: ShownHeader[] = [];
  const changed: ChangedHeader[] = [];
  const kept: ShownHeader[] = [];
  for (const [name, after] of out) {
    const before = sent.get(name) ?? moved.get(name);
    if (before === undefined) added.push(shownHeader(name, after));
    else if (before === after)
      kept.push({ ...shownHeader(name, after), ...(moved.has(name) ? { from: 'query' } : {}) });
    else changed.push({ name, before: shownValue(name, before), after: shownValue(name, after) });
  }
  const gone = [...sent, ...moved].filter(([name]) => !out.has(name));
  return { added, changed, removed: gone.map(([name, value]) => shownHeader(name, value)), kept };
}

/** A header for people: bytes as UTF-8, secrets named alone. */
export function shownHeader(name: string, value: string): ShownHeader {
  return { name, value: shownValue(name, value) };
}

function shownValue(name: string, latin1: string): string {
  return isSecret(name) ? REDACTED : Buffer.from(latin1, 'latin1').toString('utf8');
}

/** Path and query without the values of secrets. */
export function shownTarget(target: string): string {
  const mark = target.indexOf('?');
  return mark < 0 ? target : `${target.slice(0, mark)}?${withoutSecrets(target.slice(mark + 1))}`;
}
