// An explanation for people, in the form of the demonstration's walk, and for programs. Returns text or writes it to what it
// is given; must not touch the process.
import { parseEncryptionContext } from '../../core/s3/encryption-context.ts';
import { SSE } from '../../core/s3/sse.ts';
import { createReport, type Output, type Style } from '../../demo/report.ts';
import type { Explanation } from './explanation.ts';

const ENDS: Readonly<Record<Explanation['outcome'], readonly [end: string, style: Style]>> = {
  forwarded: ['✔ forwarded', 'green'],
  refused: ['✘ refused', 'yellow'],
  undecided: ['? undecided', 'dim'],
};

/** The explanation as JSON: one object, fields that do not apply absent. */
export function explanationJson(explanation: Explanation): string {
  return `${JSON.stringify(explanation, null, 2)}\n`;
}

/** Writes the explanation for a terminal. */
export function writeExplanation(explanation: Explanation, output: Output): void {
  const report = createReport(output);
  const { operation, bucket, key, outcome } = explanation;
  const address = bucket === undefined ? '' : ` ${bucket}${key === undefined ? '' : ` ${key}`}`;
  report.heading(printable(`${operation}${address}`), ...ENDS[outcome]);
  const fields: readonly (readonly [label: string, lines: readonly string[]])[] = [
    ['sent', sentLines(explanation)],
    ['listener', [listenerLine(explanation)]],
    ['client', [clientLine(explanation)]],
    ['rule', ruleLines(explanation)],
    ['backend', backendLines(explanation)],
    ['decided', decidedLines(explanation)],
    ['body', explanation.body === undefined ? [] : [explanation.body]],
    ['note', explanation.notes],
    ['AWS', explanation.documents],
  ];
  for (const [label, lines] of fields) if (lines.length > 0) report.field(label, lines.map(printable));
  report.text(['']);
}

/** Where the request is forwarded, its headers stand among the edits. */
function sentLines({ method, target, headers, outcome }: Explanation): string[] {
  const shown = outcome === 'forwarded' ? [] : headers;
  return [`${method} ${target}`, ...shown.flatMap(({ name, value }) => headerLines(' ', name, value))];
}

/** A place in the configuration file, as compilers write it. */
function placed(name: string, { configuration }: Explanation, line: number | undefined): string {
  return line === undefined ? name : `${name} (${configuration}:${line})`;
}

function listenerLine(explanation: Explanation): string {
  const { listener, listenerLine: line, transport, secure } = explanation;
  const worth = secure ? 'secure' : 'not secure';
  return `${placed(listener, explanation, line)}: ${transport}, which counts as ${worth}`;
}

const SCHEMES: Readonly<Record<NonNullable<Explanation['scheme']>, string>> = {
  sigv4: 'Signature Version 4 in the header',
  'sigv4-query': 'Signature Version 4 in a presigned URL',
  sigv4a: 'Signature Version 4A',
  sigv2: 'Signature Version 2 in the header',
  'sigv2-query': 'Signature Version 2 in a presigned URL',
  'post-policy': 'the policy of a form',
  certificate: 'its certificate',
  none: 'no signature asked for',
};

function clientLine(explanation: Explanation): string {
  const { client, clientLine: line, accessKeyId, certificate = [], scheme, outcome } = explanation;
  const form = scheme === undefined ? 'not asked for yet' : SCHEMES[scheme];
  if (client !== undefined) {
    const shown = certificate.length > 0 && outcome === 'forwarded' ? ` (${certificate.join(', ')})` : '';
    return `${placed(client, explanation, line)}, by ${form}${shown}`;
  }
  if (scheme === 'certificate') return `not known: by ${form}`;
  return accessKeyId === undefined ? `nobody: ${form}` : `not known: ${form}, access key ${accessKeyId}`;
}

function ruleLines(explanation: Explanation): string[] {
  const { rule, ruleLine: line, ruleMode, outcome, operation } = explanation;
  if (rule !== undefined) return [`${placed(rule, explanation, line)}, mode ${ruleMode}`];
  return outcome === 'forwarded' ? [`none is asked about ${operation}`] : [];
}

function backendLines(explanation: Explanation): string[] {
  const { backend, backendLine: line } = explanation;
  return backend === undefined ? [] : [placed(backend, explanation, line)];
}

function decidedLines(explanation: Explanation): string[] {
  const { outcome, status, errorCode, errorMessage = '', reason, errorDetails = {} } = explanation;
  if (outcome === 'undecided') return ['nothing yet'];
  if (outcome === 'forwarded') {
    return [`forward as ${explanation.forwardMethod} ${explanation.forwardUrl}`, ...editLines(explanation)];
  }
  const details = Object.entries(errorDetails).flatMap(([name, value]) => detailLines(name, value));
  return [`refuse with ${status} ${errorCode}, reason ${reason}`, errorMessage, ...details];
}

function detailLines(name: string, value: string): string[] {
  const [first = '', ...more] = value.split('\n');
  return [`  ${name}: ${first}`, ...more.map((line) => `    ${line}`)];
}

/** As in the walk: `+` added, `~` changed, `=` as sent; and `-` removed. Of a signature it is said whose it is. */
function editLines({ edits, signedAs }: Explanation): string[] {
  if (!edits) return [];
  const signature = (name: string, value: string) => (name === 'authorization' ? (signedAs ?? '') : value);
  return [
    ...edits.added.flatMap(({ name, value }) => headerLines('+', name, signature(name, value))),
    ...edits.changed.flatMap(({ name, before, after }) =>
      before === after
        ? [`~ ${name}: ${signature(name, after)}`]
        : [`~ ${name}: ${after}`, `  was ${before}`],
    ),
    ...edits.removed.flatMap(({ name, value }) => headerLines('-', name, value)),
    ...edits.kept.flatMap(({ name, value, from }) =>
      headerLines('=', name, signature(name, from === 'query' ? `${value} (from the query)` : value)),
    ),
  ];
}

/** A context is base64 of JSON: people want to read it. */
function headerLines(mark: string, name: string, value: string): string[] {
  const context = name === SSE.context ? parseEncryptionContext(value, 1 << 16) : undefined;
  const pairs = context && JSON.stringify(Object.fromEntries(context));
  return [`${mark} ${name}: ${value}`, ...(pairs === undefined ? [] : [`  ${pairs}`])];
}

/** A terminal obeys control characters, and a key may hold any. */
function printable(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
