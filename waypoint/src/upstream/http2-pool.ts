import type { Carrier } from '@ambit/mesh/hbone';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { EndpointPoolOptions } from './endpoint-pool.ts';
import { Http2Connection, type Http2ConnectionOwner } from './http2-connection.ts';

/** Somebody with a request. */
export interface Http2Waiter {
  /** What the server has said of itself decides whether it gets the request. */
  readonly needsSettings: boolean;
  /** Called once, unless it was cancelled; the connection must be used in the same turn. */
  onHttp2Connection(connection: Http2Connection): void;
  /** The endpoint could not be reached; nothing has been sent. */
  onNoConnection(): void;
}

/**
 * The HTTP/2 connections to one endpoint: one, as long as it takes all requests. Another is opened when it does not, up to the limit;
 * whichever takes one more first serves who waits.
 */
export class Http2Pool implements Http2ConnectionOwner {
  readonly #options: EndpointPoolOptions;
  readonly #environment: { readonly clock: Clock; readonly logger: Logger };
  readonly #all = new Set<Http2Connection>();
  #waiters: Http2Waiter[] = [];
  #openingCount = 0;
  #serving = false;
  readonly #stop = new AbortController();

  constructor(options: EndpointPoolOptions) {
    this.#options = options;
    this.#environment = { clock: options.clock, logger: options.logger };
  }

  /** Requests that are being served or wait. */
  get load(): number {
    let load = this.#waiters.length;
    for (const connection of this.#all) load += connection.load;
    return load;
  }

  get connectionCount(): number {
    return this.#all.size;
  }

  get idleCount(): number {
    let count = 0;
    for (const connection of this.#all) if (connection.load === 0) count += 1;
    return count;
  }

  /** A connection that takes a request, in the same turn; `waiting`: the waiter will hear of one, or that there is none. */
  acquire(waiter: Http2Waiter): Http2Connection | 'waiting' | 'overload' {
    const connection = this.#free(waiter);
    if (connection !== undefined) return connection;
    const { limits } = this.#options;
    if (this.#waiters.length >= limits.waitersMax || this.#stop.signal.aborted) return 'overload';
    this.#waiters.push(waiter);
    this.#openMore();
    return 'waiting';
  }

  /** The waiter hears nothing more. */
  cancel(waiter: Http2Waiter): void {
    const at = this.#waiters.indexOf(waiter);
    if (at >= 0) this.#waiters.splice(at, 1);
  }

  onCapacity(connection: Http2Connection): void {
    const { limits, clock } = this.#options;
    if (connection.requestCount >= limits.requestsMax) connection.retire();
    else if (connection.load === 0) connection.deadlineMs = clock.monotonic() + limits.idleTimeoutMs;
    this.#serve();
  }

  forget(connection: Http2Connection): void {
    this.#all.delete(connection);
    this.#options.deadlines.delete(connection);
    this.#openMore();
  }

  /** Connections that there are serve no further requests: our certificate is a new one, or the endpoint goes. */
  retire(): void {
    for (const connection of [...this.#all]) connection.retire();
  }

  /** Opens nothing any more; what is under way goes on. */
  close(): void {
    this.#stop.abort();
    this.retire();
    for (const waiter of this.#waiters.splice(0)) waiter.onNoConnection();
  }

  /** Ends everything at once. */
  destroy(): void {
    this.close();
    for (const connection of [...this.#all]) connection.destroy();
  }

  #free({ needsSettings }: Http2Waiter): Http2Connection | undefined {
    for (const connection of this.#all)
      if (connection.freeCount > 0 && (!needsSettings || connection.isSettled)) return connection;
    return undefined;
  }

  #serve(): void {
    // Whoever is served may give a connection capacity at once.
    if (this.#serving) return;
    this.#serving = true;
    for (let waiter = this.#waiters[0]; waiter !== undefined; waiter = this.#waiters[0]) {
      const connection = this.#free(waiter);
      if (connection === undefined) break;
      this.#waiters.shift();
      waiter.onHttp2Connection(connection);
    }
    this.#serving = false;
    this.#openMore();
  }

  /** One at a time: it may well serve all who wait. */
  #openMore(): void {
    const { limits } = this.#options;
    const mayOpen = this.#all.size < limits.connectionsMax && !this.#stop.signal.aborted;
    if (this.#waiters.length === 0 || this.#openingCount > 0 || !mayOpen) return;
    for (const connection of this.#all) if (!connection.isSettled && !connection.isGone) return;
    this.#openingCount += 1;
    void this.#open();
  }

  async #open(): Promise<void> {
    const { connector, deadlines, logger, name } = this.#options;
    let carrier: Carrier;
    try {
      carrier = await connector.open(this.#stop.signal, 'h2');
    } catch (error) {
      this.#openingCount -= 1;
      logger.debug('an endpoint could not be reached', { endpoint: name, error });
      for (const waiter of this.#waiters.splice(0)) waiter.onNoConnection();
      return;
    }
    const connection = new Http2Connection(carrier, this, this.#environment);
    this.#openingCount -= 1;
    this.#all.add(connection);
    deadlines.add(connection);
    connection.open();
    if (this.#stop.signal.aborted) connection.retire();
    else if (!connection.isGone) this.#serve();
  }
}
