import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import { type EchoStream, onceEnded, type StreamObserver, type StreamOpener } from './echo-stream.ts';
import { reasonOf } from './pending-request.ts';
import { acceptValue, closePayload, encodeFrame, FrameReader, NORMAL, OPCODES } from './websocket-frames.ts';

/** WebSockets over HTTP/1.1, each on its own connection. In order when both have sent a close frame. */
export class WebSocketStreams implements StreamOpener {
  readonly #to: { readonly host: string; readonly port: number };

  constructor({ host, port }: { readonly host: string; readonly port: number }) {
    this.#to = { host, port };
  }

  open(observer: StreamObserver): EchoStream {
    const told = onceEnded(observer);
    const key = randomBytes(16).toString('base64');
    let socket: Socket | undefined;
    let isClosing = false;
    const held: Buffer[] = [];
    const write = (frame: Buffer): void => {
      if (socket === undefined) held.push(frame);
      else if (socket.writable) socket.write(frame);
    };
    const sayClose = (payload: Buffer): void => {
      if (isClosing) return;
      isClosing = true;
      write(encodeFrame(OPCODES.close, payload, true));
    };
    const request = httpRequest({
      ...this.#to,
      path: '/echo',
      agent: false,
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-key': key,
        'sec-websocket-version': '13',
      },
    });
    request.on('error', (error) => told.onEnd({ cut: reasonOf(error) }));
    request.on('response', (response) => {
      told.onEnd({ cut: `status ${response.statusCode}` });
      response.destroy();
    });
    request.on('upgrade', (response, upgraded, head) => {
      if (response.headers['sec-websocket-accept'] !== acceptValue(key)) told.onEnd({ cut: 'not accepted' });
      socket = upgraded;
      follow(upgraded, head, told, sayClose);
      for (const frame of held.splice(0)) upgraded.write(frame);
    });
    request.end();
    return {
      send: (text) => write(encodeFrame(OPCODES.text, Buffer.from(text), true)),
      end: () => sayClose(closePayload(NORMAL)),
      destroy: () => void (socket ?? request).destroy(),
    };
  }

  close(): void {}
}

/** Reads frames; a close frame of the server is answered, and then both have said goodbye. */
function follow(socket: Socket, head: Buffer, told: StreamObserver, sayClose: (payload: Buffer) => void): void {
  const reader = new FrameReader();
  const read = (chunk: Buffer): void => {
    for (const { opcode, payload } of reader.add(chunk)) {
      if (opcode === OPCODES.text) told.onMessage(payload.toString());
      else if (opcode === OPCODES.ping) socket.write(encodeFrame(OPCODES.pong, payload, true));
      else if (opcode === OPCODES.close) {
        sayClose(payload.subarray(0, 2));
        told.onEnd('orderly');
      }
    }
  };
  socket.setNoDelay(true);
  told.onConnected();
  socket.on('error', (error) => told.onEnd({ cut: reasonOf(error) }));
  socket.on('data', read);
  socket.on('end', () => socket.end());
  socket.on('close', () => {
    told.onEnd({ cut: 'closed without a close frame' });
    told.onDisconnected();
  });
  if (head.length > 0) read(head);
}
