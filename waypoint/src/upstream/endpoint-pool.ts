import type { Carrier } from '@ambit/mesh/hbone';
import { ClientConnection, type ConnectionOwner } from './client-connection.ts';
import { ConnectionPool, type PoolWaiter } from './connection-pool.ts';

/** Somebody with a request. */
export interface ConnectionWaiter extends PoolWaiter {
  /** Called once, unless it was cancelled; the connection must be used in the same turn. */
  onConnection(connection: ClientConnection): void;
}

/** How long a server may take to close a connection that we have ended. */
const LINGER_MS = 5000;

/**
 * The HTTP/1.1 connections to one endpoint. The one used last is used first, so that those that are not needed become idle.
 * A connection is opened for each request that finds none free, up to the limit; whichever becomes free first serves it.
 */
export class EndpointPool extends ConnectionPool<ClientConnection, ConnectionWaiter> implements ConnectionOwner {
  protected override readonly protocol = 'http/1.1';
  readonly #idle: ClientConnection[] = [];

  /** Requests that are being served or wait. */
  get load(): number {
    return this.all.size - this.#idle.length + this.waiters.length;
  }

  get idleCount(): number {
    return this.#idle.length;
  }

  release(connection: ClientConnection): void {
    const { limits, deadlines } = this.options;
    if (connection.requestCount >= limits.requestsMax) {
      connection.retire();
      return;
    }
    const waiter = this.waiters.shift();
    if (waiter !== undefined) {
      waiter.onConnection(connection);
      return;
    }
    connection.deadlineMs = deadlines.after(limits.idleTimeoutMs);
    this.#idle.push(connection);
  }

  remove(connection: ClientConnection): number {
    this.all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    this.openMore();
    return this.options.clock.monotonic() + LINGER_MS;
  }

  forget(connection: ClientConnection): void {
    this.options.deadlines.delete(connection);
  }

  protected override take(): ClientConnection | undefined {
    return this.#idle.pop();
  }

  protected override openMore(): void {
    const { connectionsMax } = this.options.limits;
    while (
      this.openingCount < this.waiters.length &&
      this.all.size + this.openingCount < connectionsMax &&
      !this.isClosed
    ) {
      void this.open();
    }
  }

  protected override connectionOn(carrier: Carrier): ClientConnection {
    return new ClientConnection(carrier, this);
  }

  protected override onOpened(connection: ClientConnection): void {
    this.release(connection);
  }

  protected override onUnreachable(): void {
    this.waiters.shift()?.onNoConnection();
    // For those for whom there was no room beside it: nobody else might.
    this.openMore();
  }
}
