// Set questions about patterns in which `*` stands for any run of characters: which names two have in common.
// Knows no bucket: matching a name against a pattern is the core's affair.

/** Whether some name matches both patterns. */
export function patternsOverlap(left: string, right: string): boolean {
  // Row by row: reachable[j] says whether left[..i] and right[..j] have a name in common.
  let reachable = overlapRow(right, (j, row) => j === 0 || (right[j - 1] === '*' && row[j - 1] === true));
  for (const symbol of left) {
    const above = reachable;
    reachable = overlapRow(right, (j, row) => {
      if (symbol === '*') return above[j] === true || row[j - 1] === true;
      if (j === 0) return false;
      if (right[j - 1] === '*') return above[j] === true || row[j - 1] === true;
      return right[j - 1] === symbol && above[j - 1] === true;
    });
  }
  return reachable[right.length] === true;
}

function overlapRow(
  right: string,
  cell: (j: number, row: readonly boolean[]) => boolean,
): readonly boolean[] {
  const row: boolean[] = [];
  for (let j = 0; j <= right.length; j++) row.push(cell(j, row));
  return row;
}

/** Whether every name that matches `specific` also matches `general`. */
export function patternCovers(general: string, specific: string): boolean {
  // A `*` of the specific pattern is one more letter, which only a `*` of the general one can take.
  const [first = '', ...rest] = general.split('*');
  const last = rest.pop();
  if (last === undefined) return general === specific;
  const end = specific.length - last.length;
  if (end < first.length || !specific.startsWith(first) || !specific.endsWith(last)) return false;
  let from = first.length;
  for (const piece of rest) {
    const at = specific.indexOf(piece, from);
    if (at < 0 || at + piece.length > end) return false;
    from = at + piece.length;
  }
  return true;
}
