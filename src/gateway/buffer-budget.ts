// How many bytes may wait in memory at a time, those of all requests together. Room is given whole and in turn, so that
// nobody holds a part of what it needs while it waits for the rest. Counts; holds no bytes itself.

/** Room that was asked for. */
export interface BufferShare {
  readonly granted: boolean;
  /** Calls back, once, when it is granted. */
  whenGranted(callback: () => void): void;
  /** Gives it back, or up. To be called once. */
  release(): void;
}

interface Waiting {
  readonly bytes: number;
  grant(): void;
}

/** The room of this process. */
export class BufferBudget {
  #limit: number;
  readonly #queue = new Set<Waiting>();
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Sets another limit. What is granted stays granted, even where that is more than there may be now. */
  limit(bytes: number): void {
    this.#limit = bytes;
    this.#grantInTurn();
  }

  /** Bytes that are granted now. */
  get used(): number {
    return this.#used;
  }

  /** Asks for room; no request may be for more than there is in all. */
  request(bytes: number): BufferShare {
    if (bytes > this.#limit) throw new RangeError(`${bytes} bytes asked for where there are ${this.#limit}`);
    let granted = false;
    let tell: (() => void) | undefined;
    const waiting: Waiting = {
      bytes,
      grant: () => {
        granted = true;
        this.#used += bytes;
        tell?.();
      },
    };
    this.#queue.add(waiting);
    this.#grantInTurn();
    return {
      get granted() {
        return granted;
      },
      whenGranted: (callback) => {
        tell = callback;
      },
      release: () => {
        if (granted) this.#used -= bytes;
        else this.#queue.delete(waiting);
        this.#grantInTurn();
      },
    };
  }

  #grantInTurn(): void {
    for (const next of this.#queue) {
      if (this.#used + next.bytes > this.#limit) return;
      this.#queue.delete(next);
      next.grant();
    }
  }
}
