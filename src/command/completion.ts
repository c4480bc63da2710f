// Completion for shells, made of the command line's own tree: what is added to a command is completed from then on.
// Knows the shells' languages; must not know which commands there are.
import type { Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The script that a shell sources. */
export function completionScript(program: Command, shell: Shell): string {
  const commands = program.createHelp().visibleCommands(program).map(wordsOf);
  const lines = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](program.name(), commands);
  return `${lines.join('\n')}\n`;
}

interface Words {
  readonly name: string;
  readonly description: string;
  readonly options: readonly Option[];
  /** What its arguments may be, where they are a choice. */
  readonly choices: readonly string[];
}

function wordsOf(command: Command): Words {
  return {
    name: command.name(),
    description: command.description(),
    options: command.createHelp().visibleOptions(command),
    choices: command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
  };
}

/** What follows an option: one of a few words, a file, something else, or nothing of its own. */
function followedBy(option: Option): readonly string[] | 'file' | 'other' | 'none' {
  if (!option.required) return 'none';
  return option.argChoices ?? (option.flags.includes('<file>') ? 'file' : 'other');
}

function flagsOf({ short, long }: Option): string[] {
  return [short, long].filter((flag) => flag !== undefined);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function bashScript(program: string, commands: readonly Words[]): string[] {
  const named = `_${program.replaceAll('-', '_')}`;
  const words = (list: readonly string[]) =>
    `mapfile -t COMPREPLY < <(compgen -W ${quoted(list.join(' '))} -- "$word")`;
  const files = 'mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null';
  const values = commands.flatMap(({ name, options }) =>
    options.flatMap((option) => {
      const value = followedBy(option);
      if (value === 'none') return [];
      const act = value === 'file' ? files : value === 'other' ? ':' : words(value);
      return `    ${flagsOf(option)
        .map((flag) => quoted(`${name} ${flag}`))
        .join('|')}) ${act}; return ;;`;
    }),
  );
  return [
    `${named}() {`,
    `  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}"`,
    '  COMPREPLY=()',
    `  if ((COMP_CWORD == 1)); then ${words([...commands.map(({ name }) => name), '--help', '--version'])}; return; fi`,
    '  case "$command $before" in',
    ...values,
    '  esac',
    '  case "$command" in',
    ...commands.map(
      ({ name, options, choices }) => `    ${name}) ${words([...choices, ...options.flatMap(flagsOf)])} ;;`,
    ),
    '  esac',
    '}',
    `complete -F ${named} ${program}`,
  ];
}

function zshScript(program: string, commands: readonly Words[]): string[] {
  const named = `_${program}`;
  const plain = (text: string) => text.replace(/[[\]:\\]/g, (sign) => `\\${sign}`);
  const specification = (option: Option) => {
    const value = followedBy(option);
    const follows = { file: ':file:_files', other: ':value: ', none: '' } as const;
    const action = typeof value === 'string' ? follows[value] : `:value:(${value.join(' ')})`;
    return flagsOf(option)
      .map((flag) => quoted(`*${flag}[${plain(option.description)}]${action}`))
      .join(' ');
  };
  return [
    `#compdef ${program}`,
    `${named}() {`,
    '  if ((CURRENT == 2)); then',
    `    local -a commands=(${commands.map(({ name, description }) => quoted(`${name}:${plain(description)}`)).join(' ')})`,
    '    _describe command commands',
    '    return',
    '  fi',
    '  local command=$words[2]',
    '  shift words; ((CURRENT--))',
    '  case $command in',
    ...commands.map(({ name, options, choices }) => {
      const argument = choices.length > 0 ? ` ${quoted(`1:value:(${choices.join(' ')})`)}` : '';
      return `    ${name}) _arguments ${options.map(specification).join(' ')}${argument} ;;`;
    }),
    '  esac',
    '}',
    // Sourced it registers itself; found in fpath it is the function that is called for.
    `if [[ $funcstack[1] = ${named} ]]; then ${named} "$@"; else compdef ${named} ${program}; fi`,
  ];
}

function fishScript(program: string, commands: readonly Words[]): string[] {
  const complete = `complete --command ${program}`;
  const names = commands.map(({ name }) => name).join(' ');
  return [
    `${complete} --no-files`,
    ...commands.flatMap(({ name, description, options, choices }) => [
      `${complete} --condition ${quoted(`not __fish_seen_subcommand_from ${names}`)} --arguments ${name} --description ${quoted(description)}`,
      ...options.map(
        (option) =>
          `${complete} --condition ${quoted(`__fish_seen_subcommand_from ${name}`)} ${fishOption(option)}`,
      ),
      ...(choices.length > 0
        ? [
            `${complete} --condition ${quoted(`__fish_seen_subcommand_from ${name}`)} --arguments ${quoted(choices.join(' '))}`,
          ]
        : []),
    ]),
  ];
}

function fishOption(option: Option): string {
  const value = followedBy(option);
  const follows = {
    file: ' --require-parameter --force-files',
    other: ' --require-parameter',
    none: '',
  } as const;
  const action =
    typeof value === 'string'
      ? follows[value]
      : ` --require-parameter --arguments ${quoted(value.join(' '))}`;
  const short = option.short ? ` --short-option ${option.short.slice(1)}` : '';
  return `--long-option ${option.long?.slice(2)}${short} --description ${quoted(option.description)}${action}`;
}
