// How many requests may be under way at a time, all together and for each client. Counts; answers nobody.
import type { ProcessLimits } from '../config/configuration.ts';

/** A place among the requests that are under way. */
export interface Place {
  /** Counts it to its client as well; `false` where that one has as many as it may. Unknown clients are not counted. */
  assign(client: string | undefined): boolean;
  /** To be called once. */
  leave(): void;
}

type InFlightLimits = Pick<ProcessLimits, 'requestsInFlight' | 'requestsInFlightPerClient'>;

/** The requests that are under way in this process. */
export class Admission {
  #total = 0;
  #perClient: number | undefined;
  readonly #byClient = new Map<string, number>();
  #inFlight = 0;

  constructor(limits: InFlightLimits) {
    this.limit(limits);
  }

  /** Sets other limits. What is under way stays and counts on, even where that is more than there may be now. */
  limit(limits: InFlightLimits): void {
    this.#total = limits.requestsInFlight;
    this.#perClient = limits.requestsInFlightPerClient;
  }

  /** A place, or nothing where all are taken. */
  enter(): Place | undefined {
    if (this.#inFlight >= this.#total) return undefined;
    this.#inFlight += 1;
    let owner: string | undefined;
    return {
      assign: (client) => {
        if (client === undefined) return true;
        const others = this.#byClient.get(client) ?? 0;
        if (this.#perClient !== undefined && others >= this.#perClient) return false;
        this.#byClient.set(client, others + 1);
        owner = client;
        return true;
      },
      leave: () => {
        this.#inFlight -= 1;
        if (owner !== undefined) this.#release(owner);
      },
    };
  }

  #release(client: string): void {
    const left = (this.#byClient.get(client) ?? 0) - 1;
    if (left > 0) this.#byClient.set(client, left);
    else this.#byClient.delete(client);
  }
}
