import { constants, type IncomingHttpHeaders } from 'node:http2';
import { type EchoStream, onceEnded, type StreamObserver, type StreamOpener } from './echo-stream.ts';
import type { ConnectionCounts } from './ledger.ts';
import { ECHO_METHOD, encodeMessage, MessageReader } from './grpc-messages.ts';
import { type AskedStream, Http2Sessions } from './http2-sessions.ts';
import { reasonOf } from './pending-request.ts';

const OK = '0';
const HEAD = { ':method': 'POST', ':path': ECHO_METHOD, 'content-type': 'application/grpc', te: 'trailers' } as const;

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
    /** What was said before it left; said again if it did not. */
    let said: string[] = [];
    let hasEnded = false;
    const send = (text: string): void => {
      if (call.stream.writable) call.stream.write(encodeMessage(text));
    };
    const again = (): void => {
      call = this.#call(told, isOnNewConnection, again);
      for (const text of said) send(text);
      if (hasEnded) call.stream.end();
    };
    let call = this.#call(told, isOnNewConnection, again);
    return {
      send: (text) => {
        if (call.hasLeft) said = [];
        else said.push(text);
        send(text);
      },
      end: () => {
        hasEnded = true;
        call.stream.end();
      },
      destroy: () => call.stream.close(constants.NGHTTP2_CANCEL),
    };
  }

  close(): void {
    this.#sessions.close();
  }

  /** `again` is called when it did not leave. */
  #call(told: StreamObserver, isOnNewConnection: boolean, again: () => void): AskedStream {
    const call = this.#sessions.ask(isOnNewConnection, HEAD, { endStream: false });
    const { stream } = call;
    const reader = new MessageReader();
    const finish = (fields: IncomingHttpHeaders): void => {
      const status = fields['grpc-status'];
      if (status === OK) told.onEnd('orderly');
      else told.onEnd({ cut: `grpc-status ${String(status)} ${String(fields['grpc-message'] ?? '')}`.trim() });
    };
    let head: IncomingHttpHeaders | undefined;
    stream.on('error', (error) => {
      if (!call.isHeldBack) told.onEnd({ cut: reasonOf(error) });
    });
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
      if (call.isHeldBack) return again();
      told.onEnd({ cut: stream.rstCode === 0 ? 'closed without a status' : `reset ${stream.rstCode}` });
      if (head !== undefined) told.onDisconnected();
    });
    return call;
  }
}
