// What several configurations in a row have in common: opened by the first that asks for it, closed when the last lets go.
// Knows how many hold a thing; must not know what it is.

/** One holder's hold on a thing. */
export interface Hold<Value> {
  readonly value: Value;
  /** Whether it was opened for this holder. */
  readonly opened: boolean;
  /** To be called once. */
  release(): void;
}

/** Things by what they were made of. */
export class Common<Value> {
  readonly #open = new Map<string, { readonly value: Value; holders: number }>();
  readonly #close: (value: Value) => void;

  constructor(close: (value: Value) => void) {
    this.#close = close;
  }

  /** The thing that is made of what `key` says. */
  hold(key: string, open: () => Value): Hold<Value> {
    const known = this.#open.get(key);
    const entry = known ?? { value: open(), holders: 0 };
    entry.holders += 1;
    this.#open.set(key, entry);
    const release = () => {
      entry.holders -= 1;
      if (entry.holders > 0) return;
      this.#open.delete(key);
      this.#close(entry.value);
    };
    return { value: entry.value, opened: known === undefined, release };
  }
}
