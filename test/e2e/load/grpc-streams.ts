import { constants, type IncomingHttpHeaders } from 'node:http2';
import { type EchoStream, onceEnded, type StreamObserver, type StreamOpener } from './echo-stream.ts';
import type { ConnectionCounts } from './ledger.ts';
import { ECHO_METHOD, encodeMessage, MessageReader } from './grpc-messages.ts';
import { Http2Sessions } from './http2-sessions.ts';
import { reasonOf } from './pending-request.ts';

const OK = '0';

/**
 * gRPC streams, on shared connections or on their own. Written on node:http2: a gRPC library tries a refused stream again
 * without telling, and does not show its connections. In order when the status is OK, which a server says after it echoed all.
 */
export class GrpcStreams implements StreamOpener {
  readonly #sessions: Http2Sessions;

  constructor(to: { readonly host: string; readonly port: number }, connections: number, observer: ConnectionCounts) {
    this.#sessions = new Http2Sessions(to, connections, {
      onOpened: () => void observer.opened++,
      onClosed: () => void observer.closed++,
    });
  }

  open(observer: StreamObserver, isOnNewConnection: boolean): EchoStream {
    const told = onceEnded(observer);
    const { session, done } = this.#sessions.take(isOnNewConnection);
    const stream = session.request({
      ':method': 'POST',
      ':path': ECHO_METHOD,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const reader = new MessageReader();
    const finish = (fields: IncomingHttpHeaders): void => {
      const status = fields['grpc-status'];
      if (status === OK) told.onEnd('orderly');
      else told.onEnd({ cut: `grpc-status ${String(status)} ${String(fields['grpc-message'] ?? '')}`.trim() });
    };
    let head: IncomingHttpHeaders | undefined;
    stream.on('error', (error) => told.onEnd({ cut: reasonOf(error) }));
    stream.on('response', (fields) => {
      head = fields;
      if (fields[':status'] !== 200) told.onEnd({ cut: `status ${fields[':status']}` });
      else if (fields['grpc-status'] !== undefined) finish(fields);
      else told.onConnected();
    });
    stream.on('trailers', finish);
    stream.on('data', (chunk: Buffer) => {
      for (const message of reader.add(chunk)) told.onMessage(message);
    });
    stream.on('close', () => {
      told.onEnd({ cut: stream.rstCode === 0 ? 'closed without a status' : `reset ${stream.rstCode}` });
      if (head !== undefined) told.onDisconnected();
      done();
    });
    return {
      send: (text) => {
        if (stream.writable) stream.write(encodeMessage(text));
      },
      end: () => void stream.end(),
      destroy: () => stream.close(constants.NGHTTP2_CANCEL),
    };
  }

  close(): void {
    this.#sessions.close();
  }
}
