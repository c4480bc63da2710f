// Chromium, as Debian has it, with nothing of its own on its mind.
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const EXECUTABLE = '/usr/bin/chromium';

/** For the `skip` option of a test: why this machine cannot run it. In CI that is a failure: the browser then does not start. */
export function skipWithoutBrowser(): string | false {
  if (existsSync(EXECUTABLE) || process.env['CI']) return false;
  const missing = 'Chromium is not installed: test/page/install.sh';
  console.warn(`SKIPPED: ${missing}`);
  return missing;
}

/** With a new profile, and without what a browser does for itself on the network. */
export function startBrowser(): Promise<Browser> {
  const quiet = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'];
  const still = ['--disable-background-networking', '--disable-component-update'];
  return chromium.launch({
    executablePath: EXECUTABLE,
    headless: true,
    args: ['--no-sandbox', ...quiet, ...still],
  });
}
