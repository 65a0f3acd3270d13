import type { HboneConnection } from '@ambit/mesh/hbone';
import type { SocketAddress } from '@ambit/mesh/model';
import type { TunnelPeer } from '@ambit/mesh/tls';

/** What the accepting side of a tunnel connection knows of it, all that admission asks of a connection. Plain data. */
export interface ServerEnd {
  /** The running instance of the pod that accepted it, the same in every worker. */
  readonly instance: number;
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  /** From the client certificate that was verified. */
  readonly peer: TunnelPeer;
  /** When that certificate ends. */
  readonly peerUntilMs: number;
}

interface Accepted {
  readonly end: ServerEnd;
  readonly connection: HboneConnection<TunnelPeer>;
  isHeld: boolean;
}

/**
 * The tunnel connections that one worker has accepted, by what only the two ends of each know. A client of this process finds
 * its other end here or nowhere; nothing a peer sends is looked up.
 */
export class ServerEnds {
  readonly #accepted = new Map<string, Accepted>();
  readonly #bindings = new WeakMap<HboneConnection<TunnelPeer>, string>();

  get size(): number {
    return this.#accepted.size;
  }

  add(connection: HboneConnection<TunnelPeer>, end: ServerEnd): void {
    const binding = connection.channelBinding;
    if (binding === undefined || connection.state === 'closed') return;
    this.#accepted.set(binding, { end, connection, isHeld: false });
    this.#bindings.set(connection, binding);
  }

  /** The connection has ended. */
  remove(connection: HboneConnection<TunnelPeer>): void {
    const binding = this.#bindings.get(connection);
    if (binding !== undefined) this.#accepted.delete(binding);
  }

  /**
   * The end of the session with this binding. From the first find on the connection is held: when its pod drains, the client's
   * end closes it, after the last of what has come by without a stream.
   */
  find(binding: string): ServerEnd | undefined {
    const found = this.#accepted.get(binding);
    if (found === undefined || found.connection.state !== 'open') return undefined;
    if (!found.isHeld) {
      found.isHeld = true;
      found.connection.hold(() => {});
    }
    return found.end;
  }
}
