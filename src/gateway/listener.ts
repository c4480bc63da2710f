// One address at which clients are served: its socket stays, while the servers behind it change with the configuration.
// Knows connections; must not know TLS, HTTP or S3.
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { ListenerConfiguration, Timeouts } from '../config/configuration.ts';
import { type ListenerBounds, type ListenerEvents, type ListenerServer, openServer } from './server.ts';

/** Where a listener is bound; with port 0 the system has chosen one. */
export interface BoundListener {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** A listener that is bound. */
export interface RunningListener extends BoundListener {
  readonly listening: boolean;
  /** Takes new keys for the session tickets of TLS; older tickets then no longer resume a session. */
  setTicketKeys(keys: Buffer): void;
  /** Makes ready for another configuration of the same address; what it gives puts that in force. Throws what is wrong. */
  change(configuration: ListenerConfiguration, bounds: ListenerBounds): () => void;
  /** Lets each connection end with the next answer, while new ones are still taken. */
  lastAnswers(): void;
  /**
   * Takes no more connections, lets what is in flight end, then cuts what is left after `graceMs`. `withRequests`: what
   * comes on a connection that has not ended yet is still served.
   */
  close(graceMs: number, withRequests: boolean): Promise<void>;
}

/** Whom a listener tells besides of requests. */
export interface ConnectionEvents {
  connectionOpened(listener: string): void;
  connectionClosed(listener: string): void;
  connectionRefused(listener: string): void;
}

/** Binds a listener; rejects, naming the address, when it cannot. */
export async function startListener(
  configuration: ListenerConfiguration,
  bounds: ListenerBounds,
  events: ListenerEvents & ConnectionEvents,
): Promise<RunningListener> {
  const listener = new Listener(configuration, bounds, events);
  await listener.listen();
  return listener;
}

class Listener implements RunningListener {
  readonly host: string;
  port: number;
  readonly #events: ListenerEvents & ConnectionEvents;
  readonly #acceptor: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections that are kept for later, on all servers, those that have waited longest first. */
  readonly #kept = new Set<Socket>();
  readonly #former = new Set<ListenerServer>();
  #configuration: ListenerConfiguration;
  #bounds: ListenerBounds;
  #server: ListenerServer;

  constructor(
    configuration: ListenerConfiguration,
    bounds: ListenerBounds,
    events: ListenerEvents & ConnectionEvents,
  ) {
    this.host = configuration.host;
    this.port = configuration.port;
    this.#events = events;
    this.#configuration = configuration;
    this.#bounds = bounds;
    this.#server = openServer(configuration, bounds, events, this.#kept);
    // As Node's own HTTP server has it: a client that has sent its request may close its side before it has its answer.
    this.#acceptor = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#take(socket));
    this.#acceptor.maxConnections = bounds.connections;
    this.#acceptor.on('drop', () => this.#refused());
  }

  get name(): string {
    return this.#configuration.name;
  }

  get listening(): boolean {
    return this.#acceptor.listening;
  }

  listen(): Promise<void> {
    const { host, port } = this;
    return new Promise((resolve, reject) => {
      this.#acceptor.on('error', (cause) => {
        reject(new Error(`cannot listen on ${host}:${port}: ${cause.message}`, { cause }));
      });
      this.#acceptor.listen({ host, port }, () => {
        ({ port: this.port } = this.#acceptor.address() as AddressInfo);
        resolve();
      });
    });
  }

  setTicketKeys(keys: Buffer): void {
    this.#server.setTicketKeys(keys);
  }

  change(configuration: ListenerConfiguration, bounds: ListenerBounds): () => void {
    const kept = isSame(serverPart(this.#configuration, this.#bounds), serverPart(configuration, bounds));
    const next = kept ? undefined : openServer(configuration, bounds, this.#events, this.#kept);
    return () => {
      this.#acceptor.maxConnections = bounds.connections;
      if (next) this.#replace(next, configuration);
      this.#configuration = configuration;
      this.#bounds = bounds;
    };
  }

  /**
   * Connections go on at the server that took them, unless they would not be what the configuration now asks for: without
   * TLS, with an older version of it, or with a certificate of an authority that is no longer trusted.
   */
  #replace(next: ListenerServer, configuration: ListenerConfiguration): void {
    const former = this.#server;
    this.#server = next;
    this.#former.add(former);
    void former.over.then(() => this.#former.delete(former));
    if (isSame(demands(this.#configuration), demands(configuration))) former.retire();
    else former.end(false);
  }

  #take(socket: Socket): void {
    const { name } = this;
    this.#events.connectionOpened(name);
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#events.connectionClosed(name);
    });
    this.#server.take(socket);
  }

  /**
   * Over the limit a connection is closed as it comes: an answer would take a TLS handshake, the dearest thing that a client
   * can ask for. One that is only kept for later makes room for the next.
   */
  #refused(): void {
    this.#events.connectionRefused(this.name);
    const [idlest] = this.#kept;
    idlest?.destroy();
  }

  lastAnswers(): void {
    for (const server of [this.#server, ...this.#former]) server.lastAnswers();
  }

  async close(graceMs: number, withRequests: boolean): Promise<void> {
    const cut = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, graceMs);
    const closed = new Promise((resolve) => this.#acceptor.close(resolve));
    for (const server of [this.#server, ...this.#former]) server.end(withRequests);
    await closed;
    clearTimeout(cut);
    // The acceptor counts a connection as closed before whoever waits for that is told.
    for (const socket of this.#sockets) await new Promise((resolve) => socket.once('close', resolve));
  }
}

/** What a server is made of: with another of these it takes another server. */
function serverPart({ name, secure, tls }: ListenerConfiguration, { timeouts }: ListenerBounds): unknown {
  const { tlsHandshake, requestHeader, bodyIdle }: Timeouts = timeouts;
  return [name, secure, tls, tlsHandshake, requestHeader, bodyIdle];
}

/** What is asked of a connection: all of TLS but the certificate that the gateway itself shows. */
function demands({ tls }: ListenerConfiguration): unknown {
  if (!tls) return undefined;
  const { certificate: _certificate, key: _key, notAfter: _notAfter, ...asked } = tls;
  return asked;
}

function isSame(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
