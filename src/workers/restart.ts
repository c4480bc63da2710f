// When a worker that has ended is replaced, and when there is no use in going on. Pure.

/** A worker that has served this long was sound: what ended it is not met at once again. */
const SOUND_MS = 10_000;
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;
/** Starts in a row that may fail before the primary gives up. */
const MAX_FAILED_STARTS = 5;

/** The lives of the workers that have had one place, one after the other. */
export interface Lives {
  /** In a row: ended before they had served for long. */
  readonly short: number;
  /** In a row: ended before they served at all. */
  readonly unborn: number;
}

export const NO_LIVES: Lives = { short: 0, unborn: 0 };

/** Adds a life; `servedMs` is absent where it never served. */
export function addLife({ short, unborn }: Lives, servedMs: number | undefined): Lives {
  return {
    short: servedMs !== undefined && servedMs >= SOUND_MS ? 0 : short + 1,
    unborn: servedMs === undefined ? unborn + 1 : 0,
  };
}

/** How long to wait before the next: not at all after a sound life, longer with each short one. */
export function restartDelay({ short }: Lives): number {
  return short === 0 ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (short - 1), LONGEST_DELAY_MS);
}

/** Whether no place can be filled any more. */
export function isHopeless(places: readonly Lives[]): boolean {
  return places.every(({ unborn }) => unborn >= MAX_FAILED_STARTS);
}
