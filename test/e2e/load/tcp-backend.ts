import { createServer, type Socket } from 'node:net';
import { type BackendServer, listenOn } from './backend-server.ts';
import { echoOf } from './check-answer.ts';
import { LineReader } from './echo-lines.ts';

/** Raw TCP: every line comes back, with the name; ends when the client does. */
export async function openTcpBackend(name: string, port: number): Promise<BackendServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const lines = new LineReader();
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
    socket.on('data', (chunk: Buffer) => {
      for (const line of lines.add(chunk)) socket.write(`${echoOf(line, name)}\n`);
    });
  });
  const opened = await listenOn(server, port);
  return {
    port: opened,
    // TCP has no word for it.
    farewell: () => {},
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
    cut: () => {
      const count = sockets.size;
      for (const socket of sockets) socket.destroy();
      return count;
    },
  };
}
