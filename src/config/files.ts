// Reads the files that a configuration names: secrets, certificates, keys. Remembers what was read, so that changes can be
// seen. Must not know what they are for.
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { ConfigurationPath, Report } from './fault.ts';
import type { SecretsSection } from './schema.ts';

/** The files around one configuration file. */
export interface Files {
  /** Text of a file that the configuration names at a path; a file that cannot be read is reported. */
  text(name: string, path: ConfigurationPath): string | undefined;
}

/** Absolute path → digest of what was read there, or `ABSENT`; the configuration file first. */
export type FilesRead = ReadonlyMap<string, string>;

/** Stands for a file that could not be read. */
export const ABSENT = '';

/** The files around one configuration file, and what has been read of them. */
export interface ConfigurationFiles extends Files {
  readonly read: FilesRead;
}

/** Files as the configuration file, whose text has been read, sees them: relative names start from its directory. */
export function filesBeside(configurationFile: string, text: string, report: Report): ConfigurationFiles {
  const directory = dirname(resolve(configurationFile));
  const read = new Map<string, string>([[resolve(configurationFile), digestOf(text)]]);
  return {
    read,
    text(name, path) {
      const file = resolve(directory, name);
      try {
        const content = readFileSync(file, 'utf8');
        read.set(file, digestOf(content));
        return content;
      } catch (error) {
        read.set(file, ABSENT);
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

/** Tells the contents of files apart, without keeping what is secret in them. */
export function digestOf(content: string): string {
  return hash('sha256', content);
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
  const text = files.text(file, at)?.replace(/\r?\n$/, '');
  if (text === '') report.fault(at, `${file} is empty`, 'Write the secret into it.');
  if (text?.includes('\n')) {
    report.fault(at, `${file} holds more than one line`, 'Leave the secret alone in it.');
  }
  return text;
}
