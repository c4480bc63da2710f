// The fields of the audit line as docs/observability.md has them: the one list that there is.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const PAGE = new URL('../../docs/observability.md', import.meta.url);

/** Every documented field. */
export const DOCUMENTED_FIELDS: ReadonlySet<string> = readFields();

function readFields(): Set<string> {
  const [, section = ''] = readFileSync(PAGE, 'utf8').split('\n## Log\n');
  const columns = [...section.matchAll(/^\| (`[^|]+) \|/gm)].map(([, column = '']) => column);
  const names = columns.flatMap((column) => [...column.matchAll(/`(\w+)`/g)].map(([, name = '']) => name));
  assert.ok(names.length > 30, 'the table of fields');
  assert.deepEqual([...new Set(names)], names, 'each field once');
  return new Set(names);
}

/** Fails where an audit line holds what is not documented. */
export function assertDocumented(line: Readonly<Record<string, unknown>>): void {
  const { level, time, msg, ...fields } = line;
  assert.deepEqual(
    Object.keys(fields).filter((name) => !DOCUMENTED_FIELDS.has(name)),
    [],
    'undocumented fields of an audit line',
  );
}
