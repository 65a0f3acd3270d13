import type { Carrier, CarrierReader } from '@ambit/mesh/hbone';
import { decideServerPersistence, type RequestFacts, ResponseReader } from '@ambit/mesh/http1';
import { Http2Code } from '@ambit/mesh/http2';
import type { Waiting } from '../http/deadlines.ts';
import type { ResponseSink } from '../http/exchange-facts.ts';
import type { UpstreamCall } from './upstream-call.ts';

/** Where a connection belongs; hears when it is free or gone. */
export interface ConnectionOwner {
  /** The connection takes another request. */
  release(connection: ClientConnection): void;
  /** The connection takes no request any more. Called once; says until when (monotonic) its server may take to close it. */
  remove(connection: ClientConnection): number;
  /** Its carrier is closed. Called once. */
  forget(connection: ClientConnection): void;
}

/**
 * One HTTP/1.1 connection to a server, one exchange at a time:
 *
 *     idle --start--> busy --end of both messages--> idle (release)
 *       \               \----anything else---------> gone (remove)
 *        \--end, bytes nobody asked for, idle too long, retire--> gone
 */
export class ClientConnection implements CarrierReader, UpstreamCall, Waiting {
  deadlineMs: number = Number.POSITIVE_INFINITY;
  requestComplete = false;
  readonly http2Code: number = Http2Code.internalError;
  requestCount = 0;
  readonly #carrier: Carrier;
  readonly #owner: ConnectionOwner;
  readonly #reader = new ResponseReader();
  #sink: ResponseSink | undefined;
  #gone = false;
  #retired = false;
  #tunnel = false;
  /** The carrier was paused because the client does not take the answer. */
  #paused = false;

  constructor(carrier: Carrier, owner: ConnectionOwner) {
    this.#carrier = carrier;
    this.#owner = owner;
  }

  /** Begins to read; may find the connection gone at once. */
  open(): void {
    this.#carrier.read(this);
  }

  get isGone(): boolean {
    return this.#gone;
  }

  get isIdle(): boolean {
    return this.#sink === undefined && !this.#gone;
  }

  /** Takes the connection for one exchange; `sink` hears of its answer. */
  start(sink: ResponseSink, request: RequestFacts): void {
    this.#sink = sink;
    this.requestComplete = false;
    this.requestCount += 1;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.#reader.expectResponse(request);
  }

  write(memory: Buffer, start: number, end: number): boolean {
    return this.#carrier.write(memory, start, end);
  }

  enterTunnel(): void {
    this.#tunnel = true;
  }

  endTunnel(): void {
    this.#carrier.end();
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#carrier.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#carrier.resume();
  }

  abandon(): void {
    this.#sink = undefined;
    this.#leave('reset');
  }

  /** Serves no further request; closes now, or after the exchange it is in. */
  retire(): void {
    this.#retired = true;
    if (this.#sink === undefined) this.#leave('end');
  }

  onDeadline(): void {
    if (this.#gone) this.#carrier.reset();
    else if (this.#sink === undefined) this.#leave('end');
  }

  onBytes(memory: Buffer, start: number, end: number): void {
    const sink = this.#sink;
    if (sink === undefined) {
      // Nobody asked: whoever reads this as an answer would take the next one's for the one after it.
      this.#leave('reset');
      return;
    }
    if (this.#tunnel) sink.onResponseData(memory, start, end);
    else this.#readAnswer(sink, memory, start, end);
  }

  onEnd(): void {
    const sink = this.#sink;
    if (sink === undefined) {
      this.#leave('end');
    } else if (this.#tunnel) {
      sink.onResponseEnd();
    } else {
      const { begun } = this.#reader;
      if (this.#reader.finish() === 'end') {
        this.#sink = undefined;
        this.#leave(this.requestComplete ? 'end' : 'reset');
        sink.onResponseEnd();
      } else this.#fail(sink, begun);
    }
  }

  onDrain(): void {
    this.#sink?.onUpstreamDrain();
  }

  /** What the client sends takes a while to come. */
  onDraining(): void {
    this.onDrain();
  }

  onClose(): void {
    this.#owner.forget(this);
    const sink = this.#sink;
    if (sink === undefined) this.#leave('none');
    else if (this.#tunnel) {
      this.#sink = undefined;
      this.#leave('none');
      sink.onUpstreamGone('upstream-gone');
    } else {
      const { begun } = this.#reader;
      this.#reader.finish();
      this.#fail(sink, begun);
    }
  }

  #readAnswer(sink: ResponseSink, memory: Buffer, start: number, end: number): void {
    const reader = this.#reader;
    for (let at = start; ; at = reader.at) {
      switch (reader.read(memory, at, end)) {
        case 'more':
          sink.onResponseRead();
          return;
        case 'head':
          if (reader.head.interim) sink.onInterim(reader.head);
          else sink.onResponse(reader.head);
          if (this.#tunnel) {
            if (reader.at < end) sink.onResponseData(memory, reader.at, end);
            return;
          }
          break;
        case 'data':
          sink.onResponseData(memory, reader.dataStart, reader.dataEnd);
          break;
        case 'trailers':
          sink.onResponseTrailers(reader.trailers ?? reader.head);
          break;
        case 'end':
          this.#finish(sink, reader.at < end);
          return;
        case 'fault':
          this.#fail(sink, true);
          return;
      }
      // The sink may have let go of the connection.
      if (this.#sink !== sink) return;
    }
  }

  #finish(sink: ResponseSink, hasMore: boolean): void {
    const { head } = this.#reader;
    const { framing } = head;
    this.#sink = undefined;
    this.resume();
    const persistence = decideServerPersistence({
      versionMinor: head.versionMinor,
      close: head.close,
      keepAlive: head.keepAlive,
      requestComplete: this.requestComplete,
      responseComplete: true,
      framing,
      retired: this.#retired || hasMore,
    });
    if (persistence === 'keep') {
      this.#reader.release();
      this.#owner.release(this);
    } else this.#leave(this.requestComplete ? 'end' : 'reset');
    sink.onResponseEnd();
  }

  #fail(sink: ResponseSink, begun: boolean): void {
    const { fault } = this.#reader;
    const isTruncated = fault === undefined || fault.code === 'truncated';
    this.#sink = undefined;
    this.#leave('reset');
    if (!isTruncated) sink.onUpstreamGone('upstream-protocol');
    else sink.onUpstreamGone(begun ? 'upstream-truncated' : 'upstream-gone');
  }

  #leave(how: 'end' | 'reset' | 'none'): void {
    if (this.#gone) return;
    this.#gone = true;
    this.deadlineMs = this.#owner.remove(this);
    if (how === 'end') this.#carrier.end();
    else if (how === 'reset') this.#carrier.reset();
  }
}
