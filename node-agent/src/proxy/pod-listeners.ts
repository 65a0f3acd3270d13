import net, { type Server, type Socket } from 'node:net';
import { acceptBare, type BareSocket } from '@ambit/mesh/hbone';
import { descriptorOf, duplicateDescriptor, listenInNetns, type NetnsHandle, OwnedDescriptor } from '@ambit/mesh/linux';
import type { Logger } from '@ambit/mesh/runtime';

/** A socket that listens on one of the agent's ports inside a pod. Whoever is given it closes it. */
export interface SharedListener {
  readonly port: number;
  readonly fd: number;
}

export interface PodListenersOptions {
  readonly netns: NetnsHandle;
  readonly logger: Logger;
  readonly packetMark: number;
  readonly connectionsMax: number;
  /** Takes over an accepted, paused socket, which has its error listener. */
  readonly accept: Readonly<Record<15008 | 15006, (socket: Socket) => void>> & {
    /** A bare one where Node has what it takes. */
    readonly 15001: (socket: Socket | BareSocket) => void;
  };
  /** A connection over the limit was closed. */
  readonly onDrop: (port: PodPort) => void;
}

/** Connections that are open and were accepted past the server. */
interface OpenCount {
  count: number;
}

export type PodPort = 15008 | 15006 | 15001;

/**
 * Connections of a pod that wait to be accepted: beyond it the kernel drops what comes, which is tried again a second later. Node
 * asks the kernel for 511 unless it is told, also for a socket that listens already.
 */
const BACKLOG = 4096;

/** In the order in which they are opened. Last what captures: what comes in by it needs the others when it comes back to this pod. */
export const POD_PORTS: readonly PodPort[] = [15008, 15006, 15001];

/**
 * The listening sockets of one pod in one data worker, opened here or taken over from another agent: then with the connections that
 * wait in them. Several sockets may stand for one port, when the other agent had more workers.
 */
export class PodListeners {
  readonly #options: PodListenersOptions;
  #servers: { readonly port: PodPort; readonly server: Server; readonly bare: OpenCount }[] = [];
  #closing = 0;
  /** Of servers that are closed and have connections open that they do not count. */
  #leftBare: OpenCount[] = [];

  constructor(options: PodListenersOptions) {
    this.#options = options;
  }

  /** Takes over `given` in any case; opens what is missing. Rejects, with nothing left open, when a port cannot be opened. */
  async open(given: readonly SharedListener[] = []): Promise<void> {
    using unused = new DisposableStack();
    const owned = given.map(({ port, fd }) => ({ port, socket: unused.use(new OwnedDescriptor(fd)) }));
    try {
      for (const port of POD_PORTS) {
        const taken = owned.filter((each) => each.port === port);
        if (taken.length === 0) await this.#listen(port, this.#bind(port));
        for (const { socket } of taken) await this.#listen(port, socket.release());
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Second descriptors of what is open, which belong to the caller. */
  share(): readonly SharedListener[] {
    using shared = new DisposableStack();
    const all = this.#servers.map(({ port, server }) => ({
      port,
      socket: shared.use(duplicateDescriptor(descriptorOf(server))),
    }));
    return all.map(({ port, socket }) => ({ port, fd: socket.release() }));
  }

  /** True while a connection is open that was accepted before the last `close`, carried or not yet decided about. */
  get hasLeftovers(): boolean {
    return this.#closing > 0 || this.#leftBare.some(({ count }) => count > 0);
  }

  /** Accepts nothing more. Connections that wait stay with whoever else has the sockets; otherwise the kernel resets or moves them. */
  close(): void {
    for (const { server, bare } of this.#servers) {
      this.#closing++;
      server.close(() => this.#closing--);
      this.#leftBare.push(bare);
    }
    this.#leftBare = this.#leftBare.filter(({ count }) => count > 0);
    this.#servers = [];
  }

  #bind(port: PodPort): number {
    const { netns, packetMark } = this.#options;
    return listenInNetns(netns, {
      address: 'wildcard',
      port,
      mark: packetMark,
      transparent: 'best-effort',
      reusePort: true,
    });
  }

  /** The limit and the count that a server would keep. */
  #acceptBare(server: Server, open: OpenCount): void {
    const { connectionsMax, accept, onDrop } = this.#options;
    const closed = (): void => void open.count--;
    acceptBare(server, this.#options.netns, (socket) => {
      if (open.count >= connectionsMax) {
        socket.destroy();
        onDrop(15001);
        return;
      }
      open.count++;
      socket.onClosed = closed;
      accept[15001](socket);
    });
  }

  async #listen(port: PodPort, fd: number): Promise<void> {
    const { logger, connectionsMax, accept, onDrop } = this.#options;
    const server = net
      .createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
        socket.on('error', () => {});
        accept[port](socket);
      })
      .on('error', (error) => logger.error('pod listener failed', { port, error }))
      .on('drop', () => onDrop(port));
    server.maxConnections = connectionsMax;
    const bare: OpenCount = { count: 0 };
    this.#servers.push({ port, server, bare });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ fd }, BACKLOG, () => {
        server.off('error', reject);
        if (port === 15001) this.#acceptBare(server, bare);
        resolve();
      });
    });
  }
}
