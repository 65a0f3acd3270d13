import { once } from 'node:events';
import net, { type Server, type Socket } from 'node:net';
import { type Carrier, createPlainCarrier } from '@ambit/mesh/hbone';
import type { Caller } from '../http/pipeline.ts';
import { addressOf } from './hbone-listener.ts';
import { LISTENER_SOCKETS_MAX } from './limits.ts';

export interface PlainListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly serve: (caller: Caller, carrier: Carrier) => void;
}

const BACKLOG = 4096;

/** A plaintext port in front of one service, for clients outside the mesh. */
export class PlainListener implements AsyncDisposable {
  readonly #options: PlainListenerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(options: PlainListenerOptions) {
    this.#options = options;
    this.#server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
      this.#accept(socket.on('error', () => {})),
    );
  }

  async open(): Promise<void> {
    const { host, port } = this.#options;
    this.#server.listen({ host, port, backlog: BACKLOG, reusePort: true });
    await once(this.#server, 'listening');
  }

  get openCount(): number {
    return this.#sockets.size;
  }

  /** Accepts nothing new. */
  drain(): void {
    this.#server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: Socket): void {
    const address = addressOf(socket);
    if (address === null || this.#sockets.size >= LISTENER_SOCKETS_MAX) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    this.#options.serve({ identity: null, address }, createPlainCarrier(socket));
  }
}
