// Keeps the heap of a process that serves in step with the bodies that pass through it. Knows V8; must not know what passes.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Bytes of bodies after which the young generation is collected. A body passes in buffers of 16 KiB that are garbage as soon
 * as they have been sent, and of each V8 sees a few small objects: before those fill the young generation, which would
 * collect them for little, the buffers have reached the size at which it goes through the whole heap. More often than this
 * costs more, and finds buffers that are still on their way.
 */
const PACE = 32 * 1024 * 1024;

let collectYoung = (): void => {};
let passed = 0;

/** Sets up the heap of this process. For those that serve: what runs once and ends has no use for it. */
export function keepHeapInStep(): void {
  // Buffers count towards the size at which V8 goes through the whole heap; so that size is not to be close to what is in use.
  setFlagsFromString('--heap-growing-percent=100');
  // Not in a pause between requests: of what requests are made of nothing is alive then, so V8 would forget its shape, and
  // throw away all code it has compiled for it.
  setFlagsFromString('--memory-reducer-gc-count=0');
  // The way to V8's own function that takes no argument of whoever starts the process; nothing else gets to see it.
  setFlagsFromString('--expose-gc');
  const gc: (options: { type: 'minor' }) => void = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  collectYoung = () => gc({ type: 'minor' });
}

/** Counts bytes of a body, in either direction. */
export function bodyPassed(bytes: number): void {
  passed += bytes;
  if (passed < PACE) return;
  passed = 0;
  collectYoung();
}
