import { once } from 'node:events';
import net, { type Server, type Socket } from 'node:net';
import type { Said } from './observed.ts';

/** A TCP proxy in front of a server on loopback that keeps all that passes, by connection. */
export class RecordingProxy implements AsyncDisposable {
  readonly conversations: Said[][] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(serverPort: number): Promise<RecordingProxy> {
    const server = net.createServer({ allowHalfOpen: true });
    const proxy = new RecordingProxy(server);
    server.on('connection', (client) => {
      const conversation: Said[] = [];
      proxy.conversations.push(conversation);
      const upstream = net.connect({ port: serverPort, host: '127.0.0.1', allowHalfOpen: true });
      for (const [from, to, by] of [
        [client, upstream, 'client'],
        [upstream, client, 'server'],
      ] as const) {
        proxy.#sockets.add(from);
        from.on('error', () => to.destroy()).on('data', (bytes: Buffer) => void conversation.push({ by, bytes }));
        from.pipe(to);
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return portOf(this.#server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}

/** The port of a server that listens on TCP. */
export function portOf(server: Pick<Server, 'address'>): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  return address.port;
}
