// Environment variables in configuration values: `${NAME}`, `${NAME:-default}`, and `$${` for a plain `${`.
// Works on single strings that YAML has already delimited, so that no value can bring structure of its own.

/** The text with its variables replaced, or what is wrong with each. */
export type Expansion =
  | { readonly kind: 'expanded'; readonly text: string }
  | { readonly kind: 'faulty'; readonly problems: readonly { message: string; remedy: string }[] };

const PLACEHOLDER = /\$\$\{|\$\{([^}]*)(\})?/g;
const REFERENCE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/** Replaces the variables of one string. What a variable holds is not expanded again. */
export function expand(text: string, environment: Readonly<Record<string, string | undefined>>): Expansion {
  const problems: { message: string; remedy: string }[] = [];
  const expanded = text.replace(PLACEHOLDER, (whole: string, inner: string | undefined, end?: string) => {
    if (whole === '$${') return '${';
    const reference = end === undefined ? null : REFERENCE.exec(inner ?? '');
    if (reference === null) {
      // The text may hold a secret, so it is not repeated here.
      problems.push({
        message: 'has a ${ that names no variable',
        remedy: `Write \${NAME} or \${NAME:-default}, or $\${ for a plain \${.`,
      });
      return '';
    }
    return variable(reference[1] ?? '', reference[2], environment, problems);
  });
  return problems.length === 0 ? { kind: 'expanded', text: expanded } : { kind: 'faulty', problems };
}

function variable(
  name: string,
  fallback: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  problems: { message: string; remedy: string }[],
): string {
  const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
  // As in a shell, `:-` also stands in for a variable that is set to nothing.
  if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
  if (value === undefined) {
    problems.push({
      message: `the environment variable ${name} is not set`,
      remedy: `Set it, or give a default: \${${name}:-default}.`,
    });
  }
  return value ?? '';
}
