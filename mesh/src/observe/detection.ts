import { CLIENT_PREFACE } from '../hbone/frame-codec.ts';
import type { Conversation, ExchangeSink, StopReason } from './contract.ts';
import { Http1Conversation } from './http1-conversation.ts';
import { Http2Conversation } from './http2-conversation.ts';

const TLS_HANDSHAKE = 0x16;

/** Finds out which protocol a client speaks, by its first bytes, and leaves the rest to whoever follows that. */
export class Detection implements Conversation {
  private readonly sink: ExchangeSink;
  private readonly nowMs: () => number;
  /** How much of HTTP/2's preface has been said. */
  private prefaceBytes = 0;
  /** When the first of them came, if no others came with it. */
  private begunMs = 0;
  private http2: Http2Conversation | undefined;
  private found: Conversation | undefined;

  constructor(sink: ExchangeSink, nowMs: () => number) {
    this.sink = sink;
    this.nowMs = nowMs;
  }

  /** What was found; it takes all that comes behind. */
  get conversation(): Conversation | undefined {
    return this.found;
  }

  request(memory: Buffer, start: number, end: number): StopReason | null {
    if (this.prefaceBytes === 0 && memory[start] === TLS_HANDSHAKE) return 'tls';
    const before = this.prefaceBytes;
    let at = start;
    while (at < end && this.prefaceBytes < CLIENT_PREFACE.length && memory[at] === CLIENT_PREFACE[this.prefaceBytes]) {
      this.prefaceBytes += 1;
      at += 1;
    }
    if (this.prefaceBytes === CLIENT_PREFACE.length) {
      this.http2 ??= new Http2Conversation(this.sink, this.nowMs);
      this.found = this.http2;
      return at < end ? this.http2.request(memory, at, end) : null;
    }
    if (at === end) {
      if (before === 0) this.begunMs = this.nowMs();
      return null;
    }
    // The server has said what only HTTP/2's does.
    if (this.http2 !== undefined) return 'unknown-protocol';
    const http1 = new Http1Conversation(this.sink, this.nowMs);
    this.found = http1;
    // What was taken for the preface may be a method that begins like it, such as PUT.
    return (
      (before === 0 ? null : http1.begin(this.begunMs, CLIENT_PREFACE, before)) ?? http1.request(memory, start, end)
    );
  }

  /** A server of HTTP/2 need not wait for the preface, and those of gRPC in Go do not; one of HTTP/1 has nothing to say. */
  response(memory: Buffer, start: number, end: number): StopReason | null {
    this.http2 ??= new Http2Conversation(this.sink, this.nowMs);
    return this.http2.response(memory, start, end);
  }

  end(): void {}
}
