import { connect, createServer, type Server, type Socket } from 'node:net';

/** Passes connections on to a port of loopback until it is cut: then those that exist break and new ones are refused. */
export class Forwarder implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  private constructor(target: number) {
    this.#server = createServer((inner) => {
      if (this.#isCut) {
        inner.on('error', () => {}).resetAndDestroy();
        return;
      }
      const outer = connect(target, '127.0.0.1');
      for (const socket of [inner, outer]) {
        this.#sockets.add(socket);
        socket
          .on('error', () => {})
          .once('close', () => {
            this.#sockets.delete(socket);
            inner.destroy();
            outer.destroy();
          });
      }
      inner.pipe(outer).pipe(inner);
    });
  }

  static async start(target: number): Promise<Forwarder> {
    const forwarder = new Forwarder(target);
    await new Promise<void>((resolve, reject) => {
      forwarder.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return forwarder;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the forwarder does not listen');
    return address.port;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
