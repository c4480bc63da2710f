// Every hostile input, by subject: what docs/robustness.md lists, and what hostile.test.ts sends.
import { bodies } from './bodies.ts';
import { documents } from './documents.ts';
import { encryption } from './encryption.ts';
import { forms } from './forms.ts';
import { framing } from './framing.ts';
import { heads } from './heads.ts';
import { identity } from './identity.ts';
import type { HostileInput } from './input.ts';
import { sizes } from './sizes.ts';
import { targets } from './targets.ts';

/** Tables by their title. */
export const HOSTILE_INPUTS: Readonly<Record<string, readonly HostileInput[]>> = {
  'Where a request ends': framing,
  'Request lines, headers and hosts': heads,
  'Paths and queries': targets,
  'Identities, proxies and TLS': identity,
  'Encryption settings and copies': encryption,
  'Bodies in aws-chunked': bodies,
  'Browser forms': forms,
  'XML documents': documents,
  'Too much of it': sizes,
};
