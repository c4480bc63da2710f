// The session token of temporary credentials, the same for every form of signature.
import type { Refusal } from '../refusal.ts';
import * as refusals from '../refusal.ts';
import { equalInConstantTime } from './digest.ts';

/** A token must be there exactly where the identity has one, and be that one. */
export function checkSessionToken(
  expected: string | undefined,
  given: string | undefined,
): Refusal | undefined {
  if (expected === undefined) return given === undefined ? undefined : refusals.invalidSessionToken();
  return equalInConstantTime(expected, given ?? '') ? undefined : refusals.invalidSessionToken();
}
