// What is served under one configuration, and when that is over: a request ends under the configuration it began under.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Backends } from './backend.ts';
import { type Handling, handle } from './handle.ts';
import type { ListenerContext } from './receive.ts';

/** One configuration at work. */
export class Generation {
  readonly backends: Backends;
  /** Done when it is given no more requests and the last is over; the connections to its backends are closed then. */
  readonly over: Promise<void>;
  readonly #handling: Handling;
  readonly #isOver: () => void;
  #inFlight = 0;
  #retired = false;

  constructor(handling: Handling) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.over = promise;
    this.#isOver = resolve;
    this.#handling = handling;
    this.backends = handling.backends;
  }

  /** Serves one request. */
  handle(
    listener: ListenerContext,
    request: IncomingMessage,
    response: ServerResponse,
    mayContinue: boolean,
  ): void {
    this.#inFlight += 1;
    void handle(this.#handling, listener, request, response, mayContinue).finally(() => {
      this.#inFlight -= 1;
      this.#closeWhenOver();
    });
  }

  /** Is given no more requests. To be called once. */
  retire(): void {
    this.#retired = true;
    this.#closeWhenOver();
  }

  #closeWhenOver(): void {
    if (!this.#retired || this.#inFlight > 0) return;
    this.backends.close();
    this.#isOver();
  }
}
