// Which headers belong to one connection only (RFC 9110 section 7.6.1). Knows names, nothing of S3.
import { trimOws } from './headers.ts';

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Lower-case names that a `Connection` header nominates as hop-by-hop. */
export function nominatedByConnection(values: readonly string[]): Set<string> {
  const names = new Set<string>();
  for (const value of values) {
    for (const name of value.split(',')) {
      const trimmed = trimOws(name).toLowerCase();
      if (trimmed !== '') names.add(trimmed);
    }
  }
  return names;
}

/** Whether the header ends at this connection, by its lower-case name or because `Connection` nominates it. */
export function isHopByHop(name: string, nominated: ReadonlySet<string>): boolean {
  return HOP_BY_HOP.has(name) || nominated.has(name);
}
