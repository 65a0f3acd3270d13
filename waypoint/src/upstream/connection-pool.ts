import type { Carrier } from '@ambit/mesh/hbone';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { Deadlines, Waiting } from '../http/deadlines.ts';
import type { Connector, InnerProtocol } from './connector.ts';
import type { UpstreamLimits } from './limits.ts';

/** Somebody with a request. */
export interface PoolWaiter {
  /** The endpoint could not be reached; nothing has been sent. */
  onNoConnection(): void;
  /** The endpoint serves nobody any more; nothing has been sent, and nothing has failed. */
  onPoolClosed(): void;
}

export interface PooledConnection extends Waiting {
  readonly isGone: boolean;
  /** Begins to read; may find the connection gone at once. */
  open(): void;
  /** Serves no further request. */
  retire(): void;
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

/** Why a pool takes nobody in: enough are waiting, or its endpoint is gone. */
export type PoolRefusal = 'overload' | 'closed';

/** The connections of one protocol to one endpoint and who waits for one; how many requests a connection takes is in subclasses. */
export abstract class ConnectionPool<C extends PooledConnection, W extends PoolWaiter> {
  protected readonly options: EndpointPoolOptions;
  protected readonly all: Set<C> = new Set();
  protected readonly waiters: W[] = [];
  protected openingCount = 0;
  readonly #stop = new AbortController();

  constructor(options: EndpointPoolOptions) {
    this.options = options;
  }

  get connectionCount(): number {
    return this.all.size;
  }

  /** A connection that takes a request, in the same turn; `waiting`: the waiter will hear of one, or that there is none. */
  acquire(waiter: W): C | 'waiting' | PoolRefusal {
    const connection = this.take(waiter);
    if (connection !== undefined) return connection;
    if (this.isClosed) return 'closed';
    if (this.waiters.length >= this.options.limits.waitersMax) return 'overload';
    this.waiters.push(waiter);
    this.openMore();
    return 'waiting';
  }

  /** The waiter hears nothing more. */
  cancel(waiter: W): void {
    this.takeOut(waiter);
  }

  /** Connections that there are serve no further requests: our certificate is a new one, or the endpoint goes. */
  retire(): void {
    for (const connection of [...this.all]) connection.retire();
  }

  /** Closes what is idle and opens nothing any more; what is under way goes on. */
  close(): void {
    this.#stop.abort();
    this.retire();
    // One by one: who is told may end others that wait here, such as the copy of its request.
    for (let waiter = this.waiters.shift(); waiter !== undefined; waiter = this.waiters.shift()) waiter.onPoolClosed();
  }

  get isClosed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Whether it still waited. */
  protected takeOut(waiter: W): boolean {
    const at = this.waiters.indexOf(waiter);
    if (at < 0) return false;
    this.waiters.splice(at, 1);
    return true;
  }

  /** What is agreed upon where the server wants TLS. */
  protected abstract readonly protocol: InnerProtocol;

  /** A connection that takes the waiter's request now. */
  protected abstract take(waiter: W): C | undefined;

  /** Opens connections, if who waits needs some and there may be more. */
  protected abstract openMore(): void;

  protected abstract connectionOn(carrier: Carrier): C;

  /** The connection serves who waits. */
  protected abstract onOpened(connection: C): void;

  /** A connection has not come about. */
  protected abstract onUnreachable(): void;

  protected async open(): Promise<void> {
    const { connector, deadlines, logger, name } = this.options;
    let carrier: Carrier;
    this.openingCount += 1;
    try {
      carrier = await connector.open(this.#stop.signal, this.protocol);
    } catch (error) {
      logger.debug('an endpoint could not be reached', { endpoint: name, error });
      this.openingCount -= 1;
      this.onUnreachable();
      return;
    }
    const connection = this.connectionOn(carrier);
    this.openingCount -= 1;
    this.all.add(connection);
    deadlines.add(connection);
    connection.open();
    if (this.isClosed) connection.retire();
    else if (!connection.isGone) this.onOpened(connection);
  }
}
