// The part of a gateway that serves clients, one configuration after the other: a change is made ready as a whole, and then
// put in force in one step that cannot fail. Must not know where configurations and credentials come from.
import type { Dispatcher } from 'undici';
import type { BackendConfiguration, Configuration, ListenerConfiguration } from '../config/configuration.ts';
import type { CredentialSource } from '../config/credentials.ts';
import type { Backend, KeyUsage } from '../core/policy/policy.ts';
import { SigningKeys } from '../core/sigv4/signing-key.ts';
import type { DecisionRecorder } from '../observe/decisions.ts';
import { describeFault, type Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { createObserver, type Observer } from '../observe/observe.ts';
import { Admission } from './admission.ts';
import { type BackendConnection, openBackends } from './backend.ts';
import { BufferBudget } from './buffer-budget.ts';
import { Common } from './common.ts';
import { Generation } from './generation.ts';
import { type BoundListener, type RunningListener, startListener } from './listener.ts';
import { type ListenerContext, listenerContext } from './receive.ts';
import type { ListenerBounds } from './server.ts';
import type { RequestListener } from './turns.ts';

/** What serving clients takes besides configurations. */
export interface ServingOptions {
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Hears of every request that is over, whatever the configuration it began under. */
  readonly decisions: DecisionRecorder;
}

/** What a configuration is served with. */
export interface Supplies {
  /** Where the credentials for a backend come from. */
  readonly sourceOf: (backend: BackendConfiguration) => CredentialSource;
  /** Keys that KMS says can never encrypt objects; nothing where no KMS is asked. */
  readonly unusableKeys: (backend: Backend) => ReadonlyMap<string, KeyUsage> | undefined;
  /** Keys of the session tickets of TLS by listener, where several processes share them. */
  readonly ticketKeys?: ReadonlyMap<string, Buffer>;
}

/** A change that has been made ready. One of the two is to be called, once. */
export interface PreparedChange {
  /** The listeners as they will be. */
  readonly listeners: readonly BoundListener[];
  /** Puts it in force: requests that begin from now on are served under it. */
  commit(): void;
  abandon(): Promise<void>;
}

/** A listener, with what its next request is served under. */
interface Post {
  readonly listener: RunningListener;
  readonly setDuty: (duty: Duty) => void;
}

interface Duty {
  readonly generation: Generation;
  readonly context: ListenerContext;
}

/** The part of a gateway that serves clients. */
export class Serving {
  readonly #options: ServingOptions;
  readonly #observe: Observer;
  readonly #agents = new Common<Dispatcher>((agent) => void agent.destroy());
  /** Counts of what is in flight, whatever the configuration it began under. */
  readonly #admission = new Admission({ requestsInFlight: 0 });
  readonly #buffered = new BufferBudget(0);
  /** What has left the configuration and still has requests. */
  readonly #leaving = new Set<Promise<unknown>>();
  #posts: ReadonlyMap<string, Post> = new Map();
  #configuration: Configuration | undefined;
  #generation: Generation | undefined;

  constructor(options: ServingOptions) {
    this.#options = options;
    this.#observe = createObserver(options.metrics, options.logger, options.decisions);
    options.metrics.measureBufferedBytes(() => this.#buffered.used);
  }

  get listeners(): readonly RunningListener[] {
    return [...this.#posts.values()].map(({ listener }) => listener);
  }

  get connections(): readonly BackendConnection[] {
    return this.#generation?.backends.connections ?? [];
  }

  /** Makes ready for a configuration, the first or another; rejects, with nothing changed, when it cannot be served. */
  async prepare(configuration: Configuration, supplies: Supplies): Promise<PreparedChange> {
    const posts = new Map<string, Post>();
    const opened: RunningListener[] = [];
    const changes: (() => void)[] = [];
    const abandon = async () => {
      await Promise.all(opened.map((listener) => listener.close(0, false)));
    };
    try {
      for (const listener of configuration.listeners) {
        const bounds = boundsOf(listener, configuration, supplies);
        const known = this.#posts.get(addressOf(listener));
        if (known) changes.push(known.listener.change(listener, bounds));
        const post = known ?? (await this.#openPost(listener, bounds));
        if (!known) opened.push(post.listener);
        posts.set(addressOf(listener), post);
      }
    } catch (error) {
      await abandon();
      throw error;
    }
    const commit = () => {
      for (const change of changes) change();
      this.#commit(configuration, supplies, posts);
    };
    return { listeners: boundAt(configuration, posts), commit, abandon };
  }

  /** A new listener takes connections as soon as it is bound; their requests wait until it knows what to do with them. */
  async #openPost(listener: ListenerConfiguration, bounds: ListenerBounds): Promise<Post> {
    const { connectionOpened, connectionClosed, connectionRefused } = this.#options.metrics;
    const { promise: onDuty, resolve: goOnDuty } = Promise.withResolvers<void>();
    let duty: Duty | undefined;
    const onRequest: RequestListener = (request, response, mayContinue) => {
      if (duty) duty.generation.handle(duty.context, request, response, mayContinue);
      else void onDuty.then(() => onRequest(request, response, mayContinue));
    };
    const events = {
      onRequest,
      observe: this.#observe,
      connectionOpened,
      connectionClosed,
      connectionRefused,
    };
    const running = await startListener(listener, bounds, events);
    const setDuty = (next: Duty) => {
      duty = next;
      goOnDuty();
    };
    return { listener: running, setDuty };
  }

  #commit(configuration: Configuration, supplies: Supplies, posts: ReadonlyMap<string, Post>): void {
    const { metrics } = this.#options;
    const [before, former] = [this.#configuration, this.#generation];
    const left = [...this.#posts].filter(([address]) => !posts.has(address));
    const generation = this.#open(configuration, supplies);
    for (const listener of configuration.listeners) {
      posts.get(addressOf(listener))?.setDuty({ generation, context: listenerContext(listener) });
    }
    this.#posts = posts;
    this.#configuration = configuration;
    this.#generation = generation;
    for (const [, { listener }] of left)
      this.#leave(this.#close(listener, configuration.drain.deadline, false));
    if (former) this.#leave(former.over);
    former?.retire();
    for (const { name } of before?.listeners ?? []) metrics.certificateExpiry(name, undefined);
    for (const { name, tls } of configuration.listeners) {
      metrics.certificateExpiry(name, tls && new Date(tls.notAfter));
    }
  }

  #open(configuration: Configuration, { sourceOf, unusableKeys }: Supplies): Generation {
    const { policy, timeouts, limits } = configuration;
    const { metrics, logger } = this.#options;
    this.#admission.limit(limits);
    this.#buffered.limit(limits.bufferedBytes);
    metrics.serving({
      connections: limits.connections,
      requests_in_flight: limits.requestsInFlight,
      requests_in_flight_per_client: limits.requestsInFlightPerClient,
      buffered_bytes: limits.bufferedBytes,
    });
    return new Generation({
      policy,
      backends: openBackends(configuration, sourceOf, this.#agents),
      // Afresh with each configuration: a key does not outlive the secret that it was derived from.
      keys: new SigningKeys(),
      unusableKeys,
      bodyIdleMs: timeouts.bodyIdle,
      admission: this.#admission,
      buffered: this.#buffered,
      observe: this.#observe,
      reportBug: (error, requestId) =>
        logger.error({ fault: describeFault(error), requestId }, 'fault of the gateway'),
      requestStarted: metrics.requestStarted,
      requestFinished: metrics.requestFinished,
    });
  }

  #leave(over: Promise<void>): void {
    const gone = over.then(() => void this.#leaving.delete(gone));
    this.#leaving.add(gone);
  }

  async #close(listener: RunningListener, graceMs: number, withRequests: boolean): Promise<void> {
    const { name } = listener;
    await listener.close(graceMs, withRequests);
    if (!this.listeners.some((other) => other.name === name)) this.#options.metrics.listenerGone(name);
  }

  /** Lets each connection end with its next answer, while new ones are still taken. */
  lastAnswers(): void {
    for (const listener of this.listeners) listener.lastAnswers();
  }

  /** Takes no more connections, lets what is in flight end until the deadline, and cuts what is left then. */
  async close(): Promise<void> {
    const deadline = this.#configuration?.drain.deadline ?? 0;
    const listeners = this.listeners.map((listener) => listener.close(deadline, true));
    await Promise.all([...listeners, ...this.#leaving]);
    this.#generation?.retire();
    await this.#generation?.over;
  }
}

/** By what a listener is known from one configuration to the next: its address or, where the system chooses it, its name. */
function addressOf({ name, host, port }: ListenerConfiguration): string {
  return port === 0 ? `${host}:0 ${name}` : `${host}:${port}`;
}

function boundsOf(
  { name }: ListenerConfiguration,
  { timeouts, limits }: Configuration,
  { ticketKeys }: Supplies,
): ListenerBounds {
  return { timeouts, connections: limits.connections, ticketKeys: ticketKeys?.get(name) };
}

function boundAt({ listeners }: Configuration, posts: ReadonlyMap<string, Post>): BoundListener[] {
  return listeners.map((listener) => {
    const port = posts.get(addressOf(listener))?.listener.port ?? listener.port;
    return { name: listener.name, host: listener.host, port };
  });
}
