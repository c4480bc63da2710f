// Completion as shells do it: each sources the script and is asked what may follow.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'completion-'));
  writeFileSync(join(folder, 'gate way.yaml'), '');
  for (const shell of ['bash', 'zsh', 'fish']) {
    const script = execFileSync(process.execPath, [MAIN, 'completion', shell], { encoding: 'utf8' });
    writeFileSync(join(folder, `script.${shell}`), script);
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

function run(program: string, ...args: string[]): string {
  const env = { PATH: '/usr/bin:/bin', HOME: folder, TERM: 'dumb', LANG: 'C.UTF-8' };
  return execFileSync(program, args, { encoding: 'utf8', cwd: folder, env, timeout: 30_000 });
}

/** Each shell says what may follow the words, the last of which is not finished. */
const shells: Readonly<Record<string, (words: readonly string[]) => readonly string[]>> = {
  bash: (words) => {
    const line = words.map((word) => `'${word}'`).join(' ');
    const code = `source script.bash; COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}
      _s3_kms_gateway
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    return run('/bin/bash', '--norc', '-c', code).split('\n').filter(Boolean);
  },
  fish: (words) => {
    const code = `source script.fish; complete --do-complete '${words.join(' ')}'`;
    const lines = run('/usr/bin/fish', '--no-config', '-c', code).split('\n').filter(Boolean);
    return lines.map((line) => (line.split('\t')[0] ?? '').replaceAll('\\ ', ' '));
  },
  // Only at a terminal does zsh complete: one is made, a tab is pressed, and what then stands on the line is printed.
  zsh: (words) => {
    const code = `zmodload zsh/zpty
      zpty shell zsh -f -i
      zpty -w shell "PS1=; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u; source ./script.zsh"
      zpty -w shell "show() { print -r -- \\"<<\\$BUFFER>>\\"; BUFFER=; zle accept-line }; zle -N show; bindkey '^X' show; print 'rea''dy'"
      zpty -r -m shell line '*ready*'
      zpty -n -w shell "${words.join(' ')}"$'\\t\\x18'
      zpty -r -m shell line '*<<*>>*' && print -r -- "$line"`;
    const [, buffer = ''] = /<<(.*)>>/.exec(run('/usr/bin/zsh', '-f', '-c', code)) ?? [];
    return [
      buffer
        .trim()
        .split(' ')
        .slice(words.length - 1)
        .join(' ')
        .replaceAll('\\', ''),
    ];
  },
};

for (const [shell, follow] of Object.entries(shells)) {
  const program = shell === 'bash' ? '/bin/bash' : `/usr/bin/${shell}`;
  const missing = existsSync(program)
    ? false
    : `${program} is not installed: test/install-debian.sh ${shell}`;
  if (missing && process.env['CI']) throw new Error(missing);
  if (missing) console.warn(`SKIPPED: completion: ${missing}`);

  describe(`completion in ${shell}`, { skip: missing }, () => {
    for (const [words, expected] of [
      [['ch'], 'check'],
      [['explain', '--sig'], '--signature'],
      [['explain', '--signature', 'no'], 'none'],
      [['check', '--config', 'gate'], 'gate way.yaml'],
      [['completion', 'fi'], 'fish'],
    ] as const) {
      test(`${words.join(' ')} … ${expected}`, () => {
        assert.deepEqual(follow(['s3-kms-gateway', ...words]), [expected]);
      });
    }
  });
}

test('completion of a shell that is not known is a faulty command line', () => {
  assert.throws(() => execFileSync(process.execPath, [MAIN, 'completion', 'tcsh'], { stdio: 'pipe' }), {
    status: 2,
  });
});

describe('help at a terminal', () => {
  const help = (env: string) =>
    execFileSync(
      '/usr/bin/script',
      ['-qec', `${env} ${process.execPath} ${MAIN} check --help`, '/dev/null'],
      {
        encoding: 'utf8',
        env: { PATH: '/usr/bin:/bin', TERM: 'xterm-256color' },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );

  test('has titles in bold', () => {
    const text = help('');
    for (const title of ['Options:', 'Examples:', 'Exit codes:', 'Environment:']) {
      assert.ok(text.includes(`\u001b[1m${title}`), title);
    }
  });
  test('has none with NO_COLOR', () => assert.equal(help('NO_COLOR=1').includes('\u001b'), false));
});
