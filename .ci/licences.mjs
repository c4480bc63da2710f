// Every package that is shipped has a licence that has been thought about. Reads the lock file and nothing else.
import { readFileSync } from 'node:fs';

/** Permissive: their notices are kept, and nothing else is asked. Add one only after reading it. */
const ALLOWED = new Set(['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT']);

const lockFile = process.argv[2] ?? new URL('../package-lock.json', import.meta.url);
const { packages } = JSON.parse(readFileSync(lockFile, 'utf8'));
const shipped = Object.entries(packages).filter(([path, { dev }]) => path !== '' && !dev);
// An expression such as `MIT OR GPL-2.0` is none of these: it has to be thought about, too.
const wrong = shipped.filter(([, { license }]) => !ALLOWED.has(license));
for (const [path, { version, license = 'no licence stated' }] of wrong) {
  console.error(`${path.replace(/^.*node_modules\//, '')} ${version}: ${license}`);
}
if (wrong.length === 0 && shipped.length > 0) {
  console.log(`${shipped.length} packages are shipped, all under ${[...ALLOWED].join(', ')}.`);
} else {
  console.error(`${wrong.length} of ${shipped.length} packages under no licence of .ci/licences.mjs`);
  process.exitCode = 1;
}
