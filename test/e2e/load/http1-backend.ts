import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type BackendServer, listenOn } from './backend-server.ts';
import { BODY_BYTES, echoOf, NUMBER, SERVED_BY } from './check-answer.ts';
import { acceptValue, closePayload, encodeFrame, FrameReader, GOING_AWAY, OPCODES } from './websocket-frames.ts';

const ANSWER: Buffer = Buffer.alloc(1024, 'x');
/** Longer than any test: it is the client who ends an idle connection. */
const KEEP_ALIVE_MS = 3_600_000;

/** HTTP/1.1 and WebSockets on one port. */
export async function openHttp1Backend(name: string, port: number): Promise<BackendServer> {
  const sockets = new Set<Socket>();
  let isLeaving = false;
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, noDelay: true }, (request, response) => {
    if (isLeaving) response.setHeader('connection', 'close');
    answer(name, request, response);
  });
  server.on('upgrade', (request, socket: Socket, head) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    echoFrames(name, request, socket, head);
  });
  const opened = await listenOn(server, port);
  return {
    port: opened,
    farewell: () => {
      isLeaving = true;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
    cut: () => {
      const count = sockets.size;
      for (const socket of sockets) socket.end(encodeFrame(OPCODES.close, closePayload(GOING_AWAY), false));
      server.closeAllConnections();
      return count;
    },
  };
}

function answer(name: string, request: IncomingMessage, response: ServerResponse): void {
  let bodyBytes = 0;
  request.on('error', () => response.destroy());
  request.on('data', (chunk: Buffer) => {
    bodyBytes += chunk.length;
  });
  request.on('end', () => {
    response.setHeader(SERVED_BY, name);
    response.setHeader(NUMBER, (request.url ?? '').slice('/load/'.length));
    response.setHeader(BODY_BYTES, bodyBytes);
    response.end(ANSWER);
  });
}

function echoFrames(name: string, request: IncomingMessage, socket: Socket, head: Buffer): void {
  const reader = new FrameReader();
  const read = (chunk: Buffer): void => {
    for (const { opcode, payload } of reader.add(chunk)) {
      if (opcode === OPCODES.text)
        socket.write(encodeFrame(OPCODES.text, Buffer.from(echoOf(payload.toString(), name)), false));
      else if (opcode === OPCODES.ping) socket.write(encodeFrame(OPCODES.pong, payload, false));
      else if (opcode === OPCODES.close) socket.end(encodeFrame(OPCODES.close, payload.subarray(0, 2), false));
    }
  };
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.end());
  socket.setNoDelay(true);
  const accept = acceptValue(request.headers['sec-websocket-key'] ?? '');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.on('data', read);
  if (head.length > 0) read(head);
}
