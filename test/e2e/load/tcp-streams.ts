import { connect } from 'node:net';
import { LineReader } from './echo-lines.ts';
import { type EchoStream, onceEnded, type StreamObserver, type StreamOpener } from './echo-stream.ts';
import { reasonOf } from './pending-request.ts';

/** Raw TCP: lines that come back. In order when the server's FIN comes after ours. */
export class TcpStreams implements StreamOpener {
  readonly #to: { readonly host: string; readonly port: number };

  constructor({ host, port }: { readonly host: string; readonly port: number }) {
    this.#to = { host, port };
  }

  open(observer: StreamObserver): EchoStream {
    const told = onceEnded(observer);
    const socket = connect({ ...this.#to, noDelay: true, allowHalfOpen: true });
    const lines = new LineReader();
    socket.on('error', (error) => told.onEnd({ cut: reasonOf(error) }));
    socket.on('connect', () => {
      told.onConnected();
      socket.once('close', () => told.onDisconnected());
    });
    socket.on('data', (chunk: Buffer) => {
      for (const line of lines.add(chunk)) told.onMessage(line);
    });
    socket.on('end', () => {
      const isOurs = socket.writableEnded;
      socket.end();
      told.onEnd(isOurs ? 'orderly' : { cut: 'ended by the server' });
    });
    socket.on('close', () => told.onEnd({ cut: 'closed' }));
    return {
      send: (text) => void socket.write(`${text}\n`),
      end: () => void socket.end(),
      destroy: () => void socket.destroy(),
    };
  }

  close(): void {}
}
