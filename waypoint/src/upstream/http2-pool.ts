import type { Carrier } from '@ambit/mesh/hbone';
import { ConnectionPool, type PoolWaiter } from './connection-pool.ts';
import { Http2Connection, type Http2ConnectionOwner } from './http2-connection.ts';

/** Somebody with a request. */
export interface Http2Waiter extends PoolWaiter {
  /** What the server has said of itself decides whether it gets the request. */
  readonly needsSettings: boolean;
  /** Called once, unless it was cancelled; the connection must be used in the same turn. */
  onHttp2Connection(connection: Http2Connection): void;
}

/**
 * The HTTP/2 connections to one endpoint: one, as long as it takes all requests. Another is opened when it does not, up to the limit;
 * whichever takes one more first serves who waits.
 */
export class Http2Pool extends ConnectionPool<Http2Connection, Http2Waiter> implements Http2ConnectionOwner {
  protected override readonly protocol = 'h2';
  #serving = false;

  /** Requests that are being served or wait. */
  get load(): number {
    let load = this.waiters.length;
    for (const connection of this.all) load += connection.load;
    return load;
  }

  get idleCount(): number {
    let count = 0;
    for (const connection of this.all) if (connection.load === 0) count += 1;
    return count;
  }

  onCapacity(connection: Http2Connection): void {
    const { limits, clock } = this.options;
    if (connection.requestCount >= limits.requestsMax) connection.retire();
    else if (connection.load === 0) connection.deadlineMs = clock.monotonic() + limits.idleTimeoutMs;
    this.#serve();
  }

  forget(connection: Http2Connection): void {
    this.all.delete(connection);
    this.options.deadlines.delete(connection);
    this.openMore();
  }

  /** Ends everything at once. */
  destroy(): void {
    this.close();
    for (const connection of [...this.all]) connection.destroy();
  }

  protected override take({ needsSettings }: Http2Waiter): Http2Connection | undefined {
    for (const connection of this.all)
      if (connection.freeCount > 0 && (!needsSettings || connection.isSettled)) return connection;
    return undefined;
  }

  #serve(): void {
    // Whoever is served may give a connection capacity at once.
    if (this.#serving) return;
    this.#serving = true;
    for (let waiter = this.waiters[0]; waiter !== undefined; waiter = this.waiters[0]) {
      const connection = this.take(waiter);
      if (connection === undefined) break;
      this.waiters.shift();
      waiter.onHttp2Connection(connection);
    }
    this.#serving = false;
    this.openMore();
  }

  /** One at a time: it may well serve all who wait. */
  protected override openMore(): void {
    const { limits } = this.options;
    const mayOpen = this.all.size < limits.connectionsMax && !this.isClosed;
    if (this.waiters.length === 0 || this.openingCount > 0 || !mayOpen) return;
    for (const connection of this.all) if (!connection.isSettled && !connection.isGone) return;
    void this.open();
  }

  protected override connectionOn(carrier: Carrier): Http2Connection {
    const { clock, logger } = this.options;
    return new Http2Connection(carrier, this, { clock, logger });
  }

  protected override onOpened(): void {
    this.#serve();
  }

  protected override onUnreachable(): void {
    // Those of now, one by one: who is told may end others, such as the copy of its request, or wait here again.
    for (const waiter of [...this.waiters]) if (this.takeOut(waiter)) waiter.onNoConnection();
  }
}
