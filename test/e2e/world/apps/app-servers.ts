import { createServer as createHttpServer } from 'node:http';
import { createServer as createTcpServer, type Server } from 'node:net';
import type { AppEvent } from './app-protocol.ts';

type Report = (event: AppEvent) => void;

const WILDCARD = '::';
/** As far as the kernel lets it: connections that come all at once must not wait for another attempt of the client. */
const BACKLOG = 65_535;
const LINE_BYTES_MAX = 4096;

/** HTTP: answers every request with who answered and which address it saw. */
export function startHttpApp(name: string, port: number, report: Report): Promise<Server> {
  const server = createHttpServer((request, response) => {
    const source = addressOf(request.socket.remoteAddress, request.socket.remotePort);
    let bodyBytes = 0;
    request.on('data', (chunk: Buffer) => {
      bodyBytes += chunk.length;
    });
    request.on('error', () => response.destroy());
    request.on('end', () => {
      report({ event: 'served', kind: 'http', source, what: `${request.method} ${request.url}` });
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ servedBy: name, seenSource: source, bodyBytes }));
    });
  });
  return listening(server, port);
}

/**
 * Raw TCP, and the server speaks first, as databases do: greets with its name and the address it saw, then echoes each
 * line. Ends when the client does.
 */
export function startLineApp(name: string, port: number, report: Report): Promise<Server> {
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    const source = addressOf(socket.remoteAddress, socket.remotePort);
    let pending = '';
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
    socket.on('data', (chunk: Buffer) => {
      pending += chunk.toString('utf8');
      if (pending.length > LINE_BYTES_MAX) socket.destroy();
      const lines = pending.split('\n');
      pending = lines.pop() ?? '';
      for (const line of lines) {
        report({ event: 'served', kind: 'line', source, what: line });
        socket.write(`${line}\n`);
      }
    });
    socket.write(`${JSON.stringify({ servedBy: name, seenSource: source })}\n`);
  });
  return listening(server, port);
}

/** Resolves once the server takes connections on `port`, of both families. */
export function listening(server: Server, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: WILDCARD, backlog: BACKLOG }, () => resolve(server));
  });
}

/** `ip:port` with IPv4 written as IPv4 although the socket serves both families. */
export function addressOf(ip: string | undefined, port: number | undefined): string {
  const text = (ip ?? 'unknown').replace(/^::ffff:/, '');
  return text.includes(':') ? `[${text}]:${port ?? 0}` : `${text}:${port ?? 0}`;
}
