// Reads the files that a configuration names: secrets, certificates, keys. Remembers which, so that changes can be watched.
// Must not know what they are for.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { ConfigurationPath, Report } from './fault.ts';
import type { SecretsSection } from './schema.ts';

/** The files around one configuration file. */
export interface Files {
  /** Text of a file that the configuration names at a path; a file that cannot be read is reported. */
  read(name: string, path: ConfigurationPath): string | undefined;
  /** Absolute paths of all that was asked for. */
  readonly names: ReadonlySet<string>;
}

/** Files as the configuration file sees them: relative names start from its directory. */
export function filesBeside(configurationFile: string, report: Report): Files {
  const directory = dirname(resolve(configurationFile));
  const names = new Set<string>([resolve(configurationFile)]);
  return {
    names,
    read(name, path) {
      const file = resolve(directory, name);
      names.add(file);
      try {
        return readFileSync(file, 'utf8');
      } catch (error) {
        report.fault(
          path,
          `${file} cannot be read: ${reason(error)}`,
          'Correct the path or the permissions.',
        );
        return undefined;
      }
    },
  };
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'part of the path is not a directory',
};

/** Why a file could not be read, in words. */
export function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return REASONS[code ?? ''] ?? message;
}

/** A secret from the configuration itself or from the file named beside it; `undefined` when neither stands there. */
export function readSecret(
  section: SecretsSection,
  key: 'secretAccessKey' | 'sessionToken',
  path: ConfigurationPath,
  files: Files,
  report: Report,
): string | undefined {
  const fileKey = `${key}File` as const;
  const file = section[fileKey];
  if (file === undefined) return section[key];
  const at = [...path, fileKey];
  if (section[key] !== undefined) {
    report.fault(at, `stands beside ${key}`, 'Keep one of the two.');
    return undefined;
  }
  const text = files.read(file, at)?.replace(/\r?\n$/, '');
  if (text === '') report.fault(at, `${file} is empty`, 'Write the secret into it.');
  if (text?.includes('\n')) {
    report.fault(at, `${file} holds more than one line`, 'Leave the secret alone in it.');
  }
  return text;
}
