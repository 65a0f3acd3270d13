import type { Carrier } from '@ambit/mesh/hbone';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { Deadlines } from '../http/deadlines.ts';
import { ClientConnection, type ConnectionOwner } from './client-connection.ts';
import type { Connector } from './connector.ts';
import type { UpstreamLimits } from './limits.ts';

/** Somebody with a request. */
export interface ConnectionWaiter {
  /** Called once, unless it was cancelled; the connection must be used in the same turn. */
  onConnection(connection: ClientConnection): void;
  /** The endpoint could not be reached; nothing has been sent. */
  onNoConnection(): void;
}

export interface EndpointPoolOptions {
  readonly connector: Connector;
  readonly limits: UpstreamLimits;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly logger: Logger;
  /** As logs name it. */
  readonly name: string;
}

/** How long a server may take to close a connection that we have ended. */
const LINGER_MS = 5000;

/**
 * The HTTP/1.1 connections to one endpoint. The one used last is used first, so that those that are not needed become idle.
 * A connection is opened for each request that finds none free, up to the limit; whichever becomes free first serves it.
 */
export class EndpointPool implements ConnectionOwner {
  readonly #options: EndpointPoolOptions;
  readonly #all = new Set<ClientConnection>();
  readonly #idle: ClientConnection[] = [];
  #waiters: ConnectionWaiter[] = [];
  #openingCount = 0;
  readonly #stop = new AbortController();

  constructor(options: EndpointPoolOptions) {
    this.#options = options;
  }

  /** Requests that are being served or wait. */
  get load(): number {
    return this.#all.size - this.#idle.length + this.#waiters.length;
  }

  get connectionCount(): number {
    return this.#all.size;
  }

  get idleCount(): number {
    return this.#idle.length;
  }

  /** A free connection, to be used in the same turn; `waiting`: the waiter will hear of one, or that there is none. */
  acquire(waiter: ConnectionWaiter): ClientConnection | 'waiting' | 'overload' {
    const connection = this.#idle.pop();
    if (connection !== undefined) return connection;
    const { limits } = this.#options;
    if (this.#waiters.length >= limits.waitersMax || this.#stop.signal.aborted) return 'overload';
    this.#waiters.push(waiter);
    this.#openMore();
    return 'waiting';
  }

  /** The waiter hears nothing more. */
  cancel(waiter: ConnectionWaiter): void {
    const at = this.#waiters.indexOf(waiter);
    if (at >= 0) this.#waiters.splice(at, 1);
  }

  release(connection: ClientConnection): void {
    const { limits, deadlines } = this.#options;
    if (connection.requestCount >= limits.requestsMax) {
      connection.retire();
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.onConnection(connection);
      return;
    }
    connection.deadlineMs = deadlines.after(limits.idleTimeoutMs);
    this.#idle.push(connection);
  }

  remove(connection: ClientConnection): number {
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#openMore();
    return this.#options.clock.monotonic() + LINGER_MS;
  }

  forget(connection: ClientConnection): void {
    this.#options.deadlines.delete(connection);
  }

  /** Connections that there are serve no further requests: our certificate is a new one, or the endpoint goes. */
  retire(): void {
    for (const connection of [...this.#all]) connection.retire();
  }

  /** Closes what is idle and opens nothing any more; what is under way goes on. */
  close(): void {
    this.#stop.abort();
    this.retire();
    for (const waiter of this.#waiters.splice(0)) waiter.onNoConnection();
  }

  #openMore(): void {
    const { limits } = this.#options;
    while (
      this.#openingCount < this.#waiters.length &&
      this.#all.size + this.#openingCount < limits.connectionsMax &&
      !this.#stop.signal.aborted
    ) {
      this.#openingCount += 1;
      void this.#open();
    }
  }

  async #open(): Promise<void> {
    const { connector, deadlines, logger, name } = this.#options;
    let carrier: Carrier;
    try {
      carrier = await connector.open(this.#stop.signal, 'http/1.1');
    } catch (error) {
      this.#openingCount -= 1;
      logger.debug('an endpoint could not be reached', { endpoint: name, error });
      this.#waiters.shift()?.onNoConnection();
      return;
    }
    const connection = new ClientConnection(carrier, this);
    this.#openingCount -= 1;
    this.#all.add(connection);
    deadlines.add(connection);
    connection.open();
    if (this.#stop.signal.aborted) connection.retire();
    else if (!connection.isGone) this.release(connection);
  }
}
