import type { Conversation, ExchangeSink, StopReason } from './contract.ts';
import { Detection } from './detection.ts';

/**
 * Reads along what two applications say to each other on one connection, from its first byte, and tells of every request. It looks at
 * memory only during the calls, keeps bounded state, never throws, and stops for good at what it cannot read.
 */
export class ConnectionObserver {
  private readonly sink: ExchangeSink;
  private readonly nowMs: () => number;
  /** Made by the first byte: idle connections should cost little. Null once nothing is read any more. */
  private conversation: Conversation | undefined | null;
  /** Until it is known what the conversation is. */
  private detection: Detection | undefined;

  /** `nowMs`: milliseconds that only grow. */
  constructor(sink: ExchangeSink, nowMs: () => number) {
    this.sink = sink;
    this.nowMs = nowMs;
  }

  /** The client said `[start, end)` of `memory`. */
  request(memory: Buffer, start: number, end: number): void {
    const { conversation } = this;
    if (conversation === null || start === end) return;
    try {
      const reason = (conversation ?? this.begin()).request(memory, start, end);
      if (reason !== null || this.detection !== undefined) this.settle(reason);
    } catch {
      // Whatever it was, the bytes go on.
      this.settle('failed');
    }
  }

  /** As `request`, of the server. */
  response(memory: Buffer, start: number, end: number): void {
    const { conversation } = this;
    if (conversation === null || start === end) return;
    try {
      const reason = (conversation ?? this.begin()).response(memory, start, end);
      if (reason !== null || this.detection !== undefined) this.settle(reason);
    } catch {
      this.settle('failed');
    }
  }

  /** The connection is over: what is still open is counted as it is. Idempotent. */
  end(): void {
    const { conversation } = this;
    this.conversation = null;
    try {
      conversation?.end();
    } catch {
      this.sink.onStopped('failed');
    }
  }

  private begin(): Conversation {
    this.detection = new Detection(this.sink, this.nowMs);
    this.conversation = this.detection;
    return this.detection;
  }

  private settle(reason: StopReason | null): void {
    if (reason !== null) {
      this.conversation = null;
      this.detection = undefined;
      this.sink.onStopped(reason);
    } else if (this.detection?.conversation !== undefined) {
      this.conversation = this.detection.conversation;
      this.detection = undefined;
    }
  }
}
