// What the backend may hold, by what clients were told: of each object the contents that are possible, mostly one.
// Pure. Knows neither sockets nor servers.

/** One content of an object. */
export interface Version {
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
  /** The KMS keys it may lie under: two where it was written while one rule gave way to another. */
  readonly keyIds: readonly string[];
}

export type State = Version | 'absent';

/** An object as it was found. */
export interface Found {
  readonly size: number;
  readonly sha256: string;
}

export class Ledger {
  readonly #possible = new Map<string, readonly State[]>();

  /** By `BUCKET/KEY`, every object that anybody ever tried to write. */
  entries(): IterableIterator<[string, readonly State[]]> {
    return this.#possible.entries();
  }

  /** What may be there. What nobody wrote is absent. */
  possible(name: string): readonly State[] {
    return this.#possible.get(name) ?? ['absent'];
  }

  /** The client was told that it was done. */
  acknowledged(name: string, state: State): void {
    if (this.isOpen(name)) throw new Error(`${name}: written again though its last write got no answer`);
    this.#possible.set(name, [state]);
  }

  /** Nobody was told what became of it: done or not, and done later perhaps. */
  unanswered(name: string, state: State): void {
    this.#possible.set(name, [...this.possible(name), state]);
  }

  /** Whether more than one content is possible. Such an object must not be written again: the two writes could overtake each other. */
  isOpen(name: string): boolean {
    return this.possible(name).length > 1;
  }

  /** What is wrong with what was found, undefined where nothing is. */
  objection(name: string, found: Found | undefined): string | undefined {
    const possible = this.possible(name);
    if (found === undefined) return possible.includes('absent') ? undefined : `${name} is missing`;
    if (this.match(name, found)) return undefined;
    const expected = possible
      .map((state) => (state === 'absent' ? state : `${state.size} bytes`))
      .join(' or ');
    return `${name} has ${found.size} bytes that nobody was told are there: expected ${expected}`;
  }

  /** The version that was found. */
  match(name: string, found: Found): Version | undefined {
    return this.possible(name).find(
      (state): state is Version =>
        state !== 'absent' && state.size === found.size && state.sha256 === found.sha256,
    );
  }
}
