// Waits for what happens on another connection, or after an answer has been read.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

/** Done once the condition holds; fails, naming it, after five seconds. */
export async function eventually(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await condition()) return;
    await sleep(25);
  }
  assert.fail(`never came true: ${what}`);
}
