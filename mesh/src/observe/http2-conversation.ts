import {
  type Conversation,
  type ExchangeSink,
  NO_GRPC_STATUS,
  NO_STATUS,
  OBSERVE_LIMITS,
  type StopReason,
} from './contract.ts';
import { FrameFollower, type FrameOwner } from './frame-follower.ts';
import type { HeaderFollower } from './header-follower.ts';

const FINAL_STATUS_MIN = 200;

/** A request that has no answer yet, or no whole one. */
interface Exchange {
  readonly startedMs: number;
  readonly isGrpc: boolean;
  status: number;
}

/** Pairs the requests of an HTTP/2 connection with their answers, which share streams. What a server pushes was never asked for. */
export class Http2Conversation implements Conversation, FrameOwner {
  private readonly sink: ExchangeSink;
  private readonly nowMs: () => number;
  private readonly requests: FrameFollower = new FrameFollower(this);
  private readonly responses: FrameFollower = new FrameFollower(this);
  private readonly exchanges = new Map<number, Exchange>();
  private lastStreamId = 0;
  private tooMany = false;
  /** When what is being read began to arrive. */
  private arrivedMs = 0;

  constructor(sink: ExchangeSink, nowMs: () => number) {
    this.sink = sink;
    this.nowMs = nowMs;
  }

  request(memory: Buffer, start: number, end: number): StopReason | null {
    return this.follow(this.requests, memory, start, end);
  }

  response(memory: Buffer, start: number, end: number): StopReason | null {
    return this.follow(this.responses, memory, start, end);
  }

  end(): void {
    const nowMs = this.nowMs();
    for (const exchange of this.exchanges.values()) this.finish(exchange, NO_GRPC_STATUS, nowMs);
    this.exchanges.clear();
  }

  onHeaders(follower: FrameFollower, streamId: number, headers: HeaderFollower, endStream: boolean): void {
    if (follower === this.requests) {
      this.begin(streamId, headers.isGrpc);
      return;
    }
    const exchange = this.exchanges.get(streamId);
    if (exchange === undefined) return;
    if (headers.status >= FINAL_STATUS_MIN) exchange.status = headers.status;
    if (endStream) this.close(streamId, exchange, headers.grpcStatus);
  }

  onEndStream(follower: FrameFollower, streamId: number): void {
    if (follower === this.responses) this.onReset(streamId);
  }

  /** Either side may; whatever the answer was so far is all of it. */
  onReset(streamId: number): void {
    const exchange = this.exchanges.get(streamId);
    if (exchange !== undefined) this.close(streamId, exchange, NO_GRPC_STATUS);
  }

  onTableSize(follower: FrameFollower, bytes: number): void {
    (follower === this.requests ? this.responses : this.requests).announceTable(bytes);
  }

  private follow(follower: FrameFollower, memory: Buffer, start: number, end: number): StopReason | null {
    this.arrivedMs = 0;
    follower.push(memory, start, end);
    if (this.tooMany) return 'too-many-requests';
    if (!follower.isBroken) return null;
    return follower.isHttp2 ? 'unreadable' : 'unknown-protocol';
  }

  private begin(streamId: number, isGrpc: boolean): void {
    // Otherwise trailers, or of a stream that is over.
    if (streamId <= this.lastStreamId) return;
    this.lastStreamId = streamId;
    if (this.exchanges.size >= OBSERVE_LIMITS.inFlightMax) this.tooMany = true;
    else this.exchanges.set(streamId, { startedMs: this.time(), isGrpc, status: NO_STATUS });
  }

  private close(streamId: number, exchange: Exchange, grpcStatus: number): void {
    this.exchanges.delete(streamId);
    this.finish(exchange, grpcStatus, this.time());
  }

  private finish({ startedMs, isGrpc, status }: Exchange, grpcStatus: number, nowMs: number): void {
    this.sink.onExchange(status, isGrpc, isGrpc ? grpcStatus : NO_GRPC_STATUS, nowMs - startedMs);
  }

  /** One for all that comes at once. */
  private time(): number {
    if (this.arrivedMs === 0) this.arrivedMs = this.nowMs();
    return this.arrivedMs;
  }
}
