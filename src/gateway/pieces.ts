// Bytes that wait in memory until they may go on, in the pieces they came in. Knows nothing of what they are.

/** What is shorter is copied, in bytes: a buffer of its own costs some hundred bytes more than it holds. */
const SHORT = 1024;

/** Size of the blocks that short pieces are copied to, in bytes. */
const BLOCK = 4096;

/**
 * Holds bytes in order. Takes little more memory than they do, however short the pieces they come in are, and takes it as
 * they come.
 */
export class Pieces {
  #pieces: Uint8Array[] = [];
  #block: Uint8Array = new Uint8Array(0);
  /** Which part of the block is full, and not among the pieces yet. */
  #start = 0;
  #end = 0;

  /** Takes bytes, which must not change from then on. */
  add(bytes: Uint8Array): void {
    if (bytes.length >= SHORT) {
      this.#closeShort();
      this.#pieces.push(bytes);
      return;
    }
    if (bytes.length > this.#block.length - this.#end) this.#startBlock();
    this.#block.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Gives out all bytes, and holds none from then on. */
  take(): Uint8Array[] {
    this.#closeShort();
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  #startBlock(): void {
    this.#closeShort();
    this.#block = Buffer.allocUnsafeSlow(BLOCK);
    this.#start = 0;
    this.#end = 0;
  }

  #closeShort(): void {
    if (this.#end === this.#start) return;
    this.#pieces.push(this.#block.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }
}
