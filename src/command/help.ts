// What stands below the options in --help: examples, exit codes, environment. Nothing here decides anything.
import { styleText } from 'node:util';

/** Titles are bold here; Commander takes that out where there is no terminal, and with NO_COLOR. */
export function heading(text: string): string {
  return styleText('bold', text, { validateStream: false });
}

type Rows = readonly (readonly [term: string, text: string])[];

interface Sections {
  /** Command lines after the program's name, and what they are for. */
  readonly examples: Rows;
  readonly exitCodes?: Rows;
  readonly environment?: Rows;
  readonly documentation: string;
}

function sections({ examples, exitCodes, environment, documentation }: Sections): string {
  const lines = [heading('Examples:')];
  for (const [line, purpose] of examples) lines.push(`  # ${purpose}`, `  $ s3-kms-gateway ${line}`);
  if (exitCodes) lines.push('', heading('Exit codes:'), ...columns(exitCodes));
  if (environment) lines.push('', heading('Environment:'), ...columns(environment));
  lines.push('', heading('Documentation:'), `  ${documentation}`);
  return `\n${lines.join('\n')}`;
}

function columns(rows: Rows): string[] {
  const width = Math.max(...rows.map(([term]) => term.length));
  return rows.map(([term, text]) => `  ${term.padEnd(width)}  ${text}`);
}

const USAGE = ['2', 'the command line is wrong'] as const;
const VARIABLES = ['NAME', `whatever the configuration names as \${NAME}; read at the start only`] as const;
const CREDENTIALS = [
  'AWS_*',
  "credentials of a backend with provider default, as the AWS SDK's chain finds them",
] as const;
const NO_COLOR = ['NO_COLOR', 'no colours, also on a terminal. Without one there are none anyway'] as const;

type Page = 'program' | 'serve' | 'check' | 'explain' | 'demo' | 'schema' | 'completion';

export const HELP: Readonly<Record<Page, string>> = {
  program: sections({
    examples: [
      ['demo', 'see it at work: a store, the gateway in front of it, the main cases'],
      ['check --config gateway.yaml', 'before you serve'],
      ['serve --config gateway.yaml', 'run it'],
    ],
    exitCodes: [
      ['0', 'all is well'],
      ['1', 'something is faulty or failed; explain: the request would be refused'],
      ['2', 'the command line is wrong; explain: there is no answer'],
    ],
    environment: [VARIABLES, CREDENTIALS, NO_COLOR],
    documentation: 'README.md and docs/ in the repository; s3-kms-gateway COMMAND --help',
  }),
  serve: sections({
    examples: [
      ['serve --config gateway.yaml', 'until Ctrl+C'],
      ['serve --config gateway.yaml | tee gateway.log', 'the log is standard output, one JSON object a line'],
    ],
    exitCodes: [
      ['0', 'it was told to end, and did'],
      ['1', 'a faulty configuration, an address that is taken, workers that do not stay up, a second signal'],
      USAGE,
    ],
    environment: [VARIABLES, CREDENTIALS, ['SIGHUP', 'not a variable but a signal: read the files at once']],
    documentation: 'docs/configuration.md, docs/observability.md',
  }),
  check: sections({
    examples: [
      ['check --config gateway.yaml', 'read the file and all that it names'],
      ['check --online --config gateway.yaml', 'also ask backends and KMS'],
      ['check --json --config gateway.yaml', 'for programs'],
    ],
    exitCodes: [['0', 'sound, perhaps with warnings'], ['1', 'there is a fault'], USAGE],
    environment: [VARIABLES, CREDENTIALS],
    documentation: 'docs/configuration.md',
  }),
  explain: sections({
    examples: [
      [
        "explain --config gateway.yaml PUT /billing-eu/a.csv -H 'x-amz-server-side-encryption: AES256'",
        'a request with a header of its own',
      ],
      [
        'explain --config gateway.yaml --client billing --signature v2 GET /billing-eu/a.csv',
        'as one of the clients, signed as of old',
      ],
    ],
    exitCodes: [
      ['0', 'it would be forwarded'],
      ['1', 'it would be refused'],
      ['2', 'there is no answer: the configuration is faulty, or the question'],
    ],
    environment: [VARIABLES, NO_COLOR],
    documentation: 'docs/explain.md',
  }),
  demo: sections({
    examples: [
      ['demo', 'walk through the cases, then stay up and print lines to paste'],
      ['demo --once', 'the walk alone'],
    ],
    exitCodes: [['0', 'every step went as it should'], ['1', 'one did not'], USAGE],
    environment: [NO_COLOR],
    documentation: 'README.md',
  }),
  schema: sections({
    examples: [['schema > gateway.schema.json', 'then, as the first line of gateway.yaml:']],
    documentation: '# yaml-language-server: $schema=gateway.schema.json (docs/configuration.md)',
  }),
  completion: sections({
    examples: [
      ['completion bash > ~/.local/share/bash-completion/completions/s3-kms-gateway', 'bash'],
      ['completion zsh > /usr/local/share/zsh/site-functions/_s3-kms-gateway', 'zsh'],
      ['completion fish > ~/.config/fish/completions/s3-kms-gateway.fish', 'fish'],
    ],
    documentation: 'docs/configuration.md',
  }),
};
