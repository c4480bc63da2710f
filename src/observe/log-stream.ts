// Writes log lines to a file descriptor, or to another process: gathered, asynchronous, one write at a time, in order.
// Knows how to outlive a slow, full or closed destination; must not know what a line says.
// Stands in for pino's own asynchronous destination, whose flush at exit retries EPIPE and ENOSPC for ever
// and whose first such error, unless listened for, ends the process.

import { write, writeSync } from 'node:fs';

export interface LogStream {
  /** Takes a line, or several, line feeds included. Never throws and never blocks. */
  write(text: string, lines?: number): void;
  /** Calls back once every line taken so far is written or lost. */
  flush(callback: () => void): void;
  /** Writes what is left before returning; for the process's `exit` event, where nothing asynchronous runs. */
  flushSync(): void;
}

/** Takes the bytes of whole lines. It may take fewer than it is given, and say EAGAIN; any other error loses them. */
export interface LogSink {
  write(bytes: Buffer, callback: (error: Error | null, written: number) => void): void;
  writeSync(bytes: Buffer): number;
}

export interface LogStreamOptions {
  readonly sink: LogSink;
  /** Told of lines that could not be written. */
  readonly onLinesLost: (count: number) => void;
}

/** Writes start at this size: a pipe holds 64 KiB, and each write costs a thread's waking, whatever its size. */
const BATCH_LENGTH = 48 * 1024;
/** A line waits no longer than this for others to join it. */
const GATHER_MS = 100;
/** Lines held for a destination that does not keep up; beyond, they are lost and counted, so that memory is not. */
const MAX_HELD_LENGTH = 64 * 1024 * 1024;
/** A non-blocking pipe that is full says EAGAIN; try again after this long. */
const RETRY_MS = 20;
/** At exit, a destination that takes nothing is given up after this many tries: a second. */
const EXIT_TRIES = 50;

/** Lines that are written together, and who waits for them. */
interface Batch {
  text: string;
  lines: number;
  readonly waiting: (() => void)[];
}

/** The batch whose turn it is; between two tries at a busy destination its bytes are not with the system. */
interface Writing {
  bytes: Buffer;
  withSystem: boolean;
  readonly batch: Batch;
}

interface State extends LogStreamOptions {
  gathering: Batch;
  writing: Writing | undefined;
  timer: NodeJS.Timeout | undefined;
}

export function toDescriptor(fd: number): LogSink {
  return {
    write: (bytes, callback) => write(fd, bytes, callback),
    writeSync: (bytes) => writeSync(fd, bytes),
  };
}

export function openLogStream(options: LogStreamOptions): LogStream {
  const state: State = { ...options, gathering: emptyBatch(), writing: undefined, timer: undefined };
  return {
    write: (text, lines = 1) => take(state, text, lines),
    flush: (callback) => {
      const last = state.gathering.lines > 0 ? state.gathering : state.writing?.batch;
      if (last === undefined) {
        callback();
        return;
      }
      last.waiting.push(callback);
      writeWhenDue(state);
    },
    flushSync: () => writeRest(state),
  };
}

function emptyBatch(): Batch {
  return { text: '', lines: 0, waiting: [] };
}

function take(state: State, text: string, lines: number): void {
  const { gathering } = state;
  if (gathering.text.length + text.length > MAX_HELD_LENGTH) {
    state.onLinesLost(lines);
    return;
  }
  gathering.text += text;
  gathering.lines += lines;
  writeWhenDue(state);
}

/** Due is a batch that is full or waited for; any other gathers on until its time is up. */
function writeWhenDue(state: State): void {
  const { gathering, writing } = state;
  if (writing !== undefined || gathering.lines === 0) return;
  if (gathering.text.length >= BATCH_LENGTH || gathering.waiting.length > 0) writeBatch(state);
  // The timer does not keep the process up: at exit, flushSync writes these lines.
  else state.timer ??= setTimeout(writeBatch, GATHER_MS, state).unref();
}

function writeBatch(state: State): void {
  clearTimeout(state.timer);
  state.timer = undefined;
  const batch = state.gathering;
  state.gathering = emptyBatch();
  state.writing = { bytes: Buffer.from(batch.text), withSystem: false, batch };
  writeBytes(state, state.writing);
}

function writeBytes(state: State, writing: Writing): void {
  writing.withSystem = true;
  state.sink.write(writing.bytes, (error, written) => {
    writing.withSystem = false;
    if (isBusy(error)) {
      setTimeout(writeBytes, RETRY_MS, state, writing).unref();
      return;
    }
    writing.bytes = writing.bytes.subarray(written);
    if (error === null && writing.bytes.length > 0) {
      writeBytes(state, writing);
      return;
    }
    if (error !== null) state.onLinesLost(writing.batch.lines);
    state.writing = undefined;
    for (const callback of writing.batch.waiting) callback();
    writeWhenDue(state);
  });
}

/** Bytes that are with the system are left to it: writing them again could double their lines. */
function writeRest(state: State): void {
  const { writing, gathering } = state;
  clearTimeout(state.timer);
  state.timer = undefined;
  const begun = writing === undefined || writing.withSystem ? undefined : writing;
  state.gathering = emptyBatch();
  const bytes = Buffer.concat([begun?.bytes ?? Buffer.alloc(0), Buffer.from(gathering.text)]);
  const lines = (begun?.batch.lines ?? 0) + gathering.lines;
  if (begun !== undefined) begun.bytes = Buffer.alloc(0);
  if (!writePatiently(state.sink, bytes)) state.onLinesLost(lines);
}

function writePatiently(sink: LogSink, bytes: Buffer): boolean {
  let triesLeft = EXIT_TRIES;
  for (let rest = bytes; rest.length > 0; ) {
    try {
      rest = rest.subarray(sink.writeSync(rest));
      triesLeft = EXIT_TRIES;
    } catch (error) {
      triesLeft -= 1;
      if (!isBusy(error) || triesLeft === 0) return false;
      sleep(RETRY_MS);
    }
  }
  return true;
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}

/** Blocks: at exit there is no event loop left to wait on. */
function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
