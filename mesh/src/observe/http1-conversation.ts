import {
  type Conversation,
  type ExchangeSink,
  NO_GRPC_STATUS,
  NO_STATUS,
  OBSERVE_LIMITS,
  type StopReason,
} from './contract.ts';
import { RequestFollower, type RequestOwner } from './request-follower.ts';
import { ResponseFollower, type ResponseOwner } from './response-follower.ts';

/** A power of two; most connections have one request under way at a time. */
const INITIAL_PLACES = 2;
/** Clients that pipeline send some tens. */
const PIPELINE_MAX: number = OBSERVE_LIMITS.inFlightMax / 8;

/** Pairs the requests of an HTTP/1 connection with their answers, which come in the same order. */
export class Http1Conversation implements Conversation, RequestOwner, ResponseOwner {
  private readonly sink: ExchangeSink;
  private readonly nowMs: () => number;
  private readonly requests: RequestFollower = new RequestFollower(this);
  private readonly responses: ResponseFollower = new ResponseFollower(this);
  /** When the requests under way began, oldest at `first`; a ring. */
  private begun: number[] = [0, 0];
  private first = 0;
  private count = 0;
  /** The head of the newest is complete. */
  private newestIsWhole = false;
  /** Positions, counted from the first request of the connection, of requests for HEAD. */
  private heads: number[] | undefined;
  private answered = 0;
  private tooMany = false;

  constructor(sink: ExchangeSink, nowMs: () => number) {
    this.sink = sink;
    this.nowMs = nowMs;
  }

  request(memory: Buffer, start: number, end: number): StopReason | null {
    const { requests } = this;
    requests.push(memory, start, end);
    if (this.tooMany) return 'too-many-requests';
    if (!requests.isBroken) return null;
    if (requests.isConnect) return 'upgraded';
    return requests.isHttp ? 'unreadable' : 'unknown-protocol';
  }

  /** The client had said the first `end` bytes of `memory`, part of a request line, at `begunMs`; before anything else. */
  begin(begunMs: number, memory: Buffer, end: number): StopReason | null {
    const reason = this.request(memory, 0, end);
    this.begun[this.first] = begunMs;
    return reason;
  }

  response(memory: Buffer, start: number, end: number): StopReason | null {
    const { responses } = this;
    responses.push(memory, start, end);
    if (!responses.isBroken) return null;
    return responses.isUpgrade ? 'upgraded' : 'unreadable';
  }

  end(): void {
    if (this.count > 0 && this.responses.isUntilEnd) this.onResponseEnd(this.responses.status);
    while (this.count > 1 || (this.count === 1 && this.newestIsWhole)) this.onResponseEnd(NO_STATUS);
  }

  onRequestBegin(): void {
    const { begun } = this;
    if (this.count === begun.length) this.grow();
    this.begun[(this.first + this.count) & (this.begun.length - 1)] = this.nowMs();
    this.count += 1;
    this.newestIsWhole = false;
    if (this.count > PIPELINE_MAX) this.tooMany = true;
  }

  onRequestHead(isHead: boolean): void {
    this.newestIsWhole = true;
    // An answer may have come before the head was complete.
    if (!isHead || this.count === 0) return;
    this.heads ??= [];
    this.heads.push(this.answered + this.count - 1);
  }

  nextIsHead(): boolean | undefined {
    if (this.count === 0) return undefined;
    return this.heads !== undefined && this.heads[0] === this.answered;
  }

  onResponseEnd(status: number): void {
    const { begun, first } = this;
    const startedMs = begun[first] ?? 0;
    this.first = (first + 1) & (begun.length - 1);
    this.count -= 1;
    if (this.heads !== undefined && this.heads[0] === this.answered) this.heads.shift();
    this.answered += 1;
    this.sink.onExchange(status, false, NO_GRPC_STATUS, this.nowMs() - startedMs);
  }

  private grow(): void {
    const { begun, first, count } = this;
    const grown: number[] = [];
    for (let i = 0; i < 2 * Math.max(count, INITIAL_PLACES); i += 1) grown.push(begun[(first + i) % count] ?? 0);
    this.begun = grown;
    this.first = 0;
  }
}
