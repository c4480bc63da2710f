// Patterns with `*` for any run of characters, as rules use them for buckets and KMS keys.

/** Whether the whole text matches; without `*` that is equality. */
export function matchesPattern(pattern: string, text: string): boolean {
  if (!pattern.includes('*')) return pattern === text;
  const [head = '', ...rest] = pattern.split('*');
  const tail = rest.pop() ?? '';
  if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
  let position = head.length;
  const end = text.length - tail.length;
  for (const part of rest) {
    const found = text.indexOf(part, position);
    if (found < 0 || found + part.length > end) return false;
    position = found + part.length;
  }
  return true;
}

export function matchesAny(patterns: readonly string[], text: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, text));
}

/**
 * Whether a key ID that a client names is the one allowed, or matches it. ARNs are held against each other field by field,
 * so that a `*` never reaches into the next field; names of other makers' keys are held against the whole pattern.
 */
export function matchesKeyId(pattern: string, keyId: string): boolean {
  if (!pattern.startsWith('arn:')) return !keyId.startsWith('arn:') && matchesPattern(pattern, keyId);
  const wanted = pattern.split(':');
  const given = keyId.split(':');
  if (given[5]?.startsWith('alias/')) return false;
  return wanted.length === given.length && wanted.every((field, i) => matchesPattern(field, given[i] ?? ''));
}
