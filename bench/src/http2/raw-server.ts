import { once } from 'node:events';
import net, { type Server, type Socket } from 'node:net';
import {
  END_HEADERS,
  END_STREAM,
  Frame,
  frameOf,
  FrameScanner,
  openSettings,
  PREFACE,
  SETTINGS_ACK,
  windowUpdate,
} from './frames.ts';

/** Answers every request with the same response as soon as it has ended. */
export class RawServer implements AsyncDisposable {
  readonly port: number;
  private readonly server: Server;
  private readonly sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>, port: number) {
    this.server = server;
    this.sockets = sockets;
    this.port = port;
  }

  static async listen(blocks: readonly Buffer[], body: Buffer): Promise<RawServer> {
    const sockets = new Set<Socket>();
    const server = net.createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      serve(socket, blocks, body);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return new RawServer(server, sockets, typeof address === 'object' ? (address?.port ?? 0) : 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}

function serve(socket: Socket, blocks: readonly Buffer[], body: Buffer): void {
  let answered = 0;
  let out: Buffer[] = [];
  const scanner = new FrameScanner((type, flags, id, payloadBytes) => {
    if (type === Frame.settings && flags === 0) out.push(SETTINGS_ACK);
    if (type === Frame.data && payloadBytes > 0) out.push(windowUpdate(0, payloadBytes));
    if ((type !== Frame.data && type !== Frame.headers) || (flags & END_STREAM) === 0) return;
    const block = blocks[Math.min(answered, blocks.length - 1)] ?? Buffer.alloc(0);
    answered += 1;
    out.push(frameOf(Frame.headers, END_HEADERS, id, block), frameOf(Frame.data, END_STREAM, id, body));
  }, PREFACE.length);
  socket.write(Buffer.concat([openSettings(), windowUpdate(0, 2 ** 30)]));
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    scanner.take(chunk);
    if (out.length > 0) socket.write(Buffer.concat(out));
    out = [];
  });
}
