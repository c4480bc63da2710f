// The one rule that every kind of list shares: what identifies an item stands once.
import type { Entry } from './entries.ts';
import type { Report } from './fault.ts';

/** Reports each item whose identity an earlier one has, where it has any; `key` is where it stands in the item. */
export function checkUnique<T>(
  entries: readonly Entry<T>[],
  key: string,
  identity: (value: T) => string | undefined,
  report: Report,
): void {
  const seen = new Map<string, Entry<T>>();
  for (const entry of entries) {
    const own = identity(entry.value);
    if (own === undefined) continue;
    const earlier = seen.get(own);
    if (earlier === undefined) seen.set(own, entry);
    else {
      const where = `${earlier.path[0]}[${earlier.path[1]}]`;
      report.fault([...entry.path, key], `is the same as that of ${where}`, 'Give each its own.');
    }
  }
}
