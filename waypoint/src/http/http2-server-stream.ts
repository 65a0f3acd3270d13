import type { FieldBlock } from '@ambit/mesh/http1';
import { copyFields, Http2Code, type Http2Error, type Receiver, type ServerExchange } from '@ambit/mesh/http2';
import type { CurrentRequest } from './current-request.ts';
import { Exchange } from './exchange.ts';
import type { ExchangeHost, ExchangeOptions } from './exchange-host.ts';
import { HeldBytes } from './held-bytes.ts';
import { Http2ResponseWriter } from './http2-response-writer.ts';
import type { WorkerContext } from './worker-context.ts';

/** What a stream needs of its connection. */
export interface Http2StreamOwner {
  /** Something of the request has come: `afterRead` is to be called before the connection returns to the event loop. */
  onTouched(stream: Http2ServerStream): void;
  /** The stream is over; the object may be used for another. */
  onOver(stream: Http2ServerStream): void;
}

export type Http2ServerStreamOptions = Omit<ExchangeOptions, 'createWriter'>;

/**
 * One stream of a client's HTTP/2 connection: one exchange. What the client sends is held until a server takes it, and the client
 * gets no credit for what is held.
 */
export class Http2ServerStream implements ExchangeHost, Receiver {
  readonly #owner: Http2StreamOwner;
  readonly #context: WorkerContext;
  readonly #exchange: Exchange;
  readonly #held = new HeldBytes();
  #writer: Http2ResponseWriter | undefined;
  #stream: ServerExchange | undefined;
  #heldTrailers: FieldBlock | undefined;
  #isEndHeld = false;
  #isTouched = false;
  /** Of the body, and not yet given back to the client as credit. */
  #unreleasedBytes = 0;
  /** The client has said all it had to say. */
  #hasEnded = false;
  /** Until when it may go on though its request has been answered, and what it has said since. */
  #linger: Disposable | undefined;
  #lingerBytes = 0;

  constructor(options: Http2ServerStreamOptions, owner: Http2StreamOwner) {
    this.#owner = owner;
    this.#context = options.context;
    const createWriter = (request: CurrentRequest): Http2ResponseWriter => {
      const writer = new Http2ResponseWriter(options.context, request);
      this.#writer = writer;
      return writer;
    };
    this.#exchange = new Exchange({ ...options, createWriter }, this);
  }

  get heldBytes(): number {
    return this.#held.bytes + this.#exchange.heldBytes;
  }

  /** As of `ClientSession`. */
  recheck(): void {
    if (this.#exchange.recheck()) this.#cut(Http2Code.cancel);
  }

  get isOver(): boolean {
    return this.#stream === undefined;
  }

  /** A request's head has come. */
  begin(stream: ServerExchange): void {
    this.#stream = stream;
    this.#unreleasedBytes = 0;
    this.#hasEnded = false;
    this.#writer?.open(stream);
    this.#exchange.begin();
    this.#touch();
  }

  /** For the connection: all that came in one read has been handed over. */
  afterRead(): void {
    this.#isTouched = false;
    if (this.#exchange.isRunning) this.#exchange.requestRead();
    this.#release();
  }

  /** Nothing has been said for too long. */
  onIdle(): void {
    const exchange = this.#exchange;
    if (exchange.isRunning && exchange.touched) exchange.touched = false;
    else if (exchange.isRunning) exchange.answer(exchange.requestComplete ? 'idle' : 'request-timeout');
    else if (!exchange.isTunnel) this.#cut(Http2Code.noError);
    // Both sides have said all they had to say, long ago, and the server has still not taken it.
    else if (this.#stream?.closed === true) {
      exchange.clientGone();
      this.#leave();
    }
  }

  onData(memory: Buffer, start: number, end: number): void {
    this.#unreleasedBytes += end - start;
    this.#touch();
    const exchange = this.#exchange;
    if (exchange.isTunnel) exchange.tunnelData(memory, start, end);
    else if (!exchange.isRunning) this.#drop(end - start);
    else if (this.#mayPassOn) exchange.requestData(memory, start, end);
    else this.#held.push(memory, start, end);
  }

  onTrailers(trailers: FieldBlock): void {
    if (!this.#exchange.isRunning) return;
    if (this.#mayPassOn) this.#exchange.requestTrailers(trailers);
    else this.#heldTrailers = copyFields(trailers);
  }

  onEnd(): void {
    this.#hasEnded = true;
    this.#stopLinger();
    this.#touch();
    if (this.#exchange.isTunnel) this.#exchange.tunnelEnd();
    else if (this.#mayPassOn) this.#exchange.requestEnd();
    else this.#isEndHeld = true;
  }

  onDrain(): void {
    this.#exchange.clientDrained();
  }

  onClose(error: Http2Error | undefined): void {
    const exchange = this.#exchange;
    // Without an error both have said all they had to say, and the exchange is about to see it.
    if (error !== undefined) exchange.clientGone(error.code === 'malformed' ? 'bad-request' : 'client-gone');
    if (!exchange.isRunning && !exchange.isTunnel) this.#leave();
  }

  onReadable(): void {
    const exchange = this.#exchange;
    while (exchange.mayRead && !exchange.isHeldUp) {
      const held = this.#held.peek();
      if (held === undefined) break;
      exchange.requestData(held.memory, held.start, held.end);
      this.#held.drop(held.end);
    }
    if (this.#held.isEmpty && exchange.mayRead) this.#passEnd();
    if (exchange.isRunning) exchange.requestRead();
    this.#release();
  }

  onUnreadable(): void {
    // What is not released gives no credit.
  }

  onTunnel(): void {
    const exchange = this.#exchange;
    for (let held = this.#held.peek(); held !== undefined; held = this.#held.peek()) {
      exchange.tunnelData(held.memory, held.start, held.end);
      this.#held.drop(held.end);
    }
    const isEndHeld = this.#isEndHeld;
    this.#forget();
    if (isEndHeld) exchange.tunnelEnd();
    this.#release();
  }

  onAnswered(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#forget();
    if (stream.closed) this.#leave();
    // The rest of the request is not wanted. An answer that still waits for credit must not be cut by that.
    else if (stream.isSent) this.#cut(Http2Code.noError);
    else {
      if (!this.#hasEnded) this.#startLinger();
      this.#release();
    }
  }

  onCut(http2Code: number): void {
    // A tunnel whose server has said all it had to say: that may still wait for credit.
    if (this.#stream?.ended === true) this.onAnswered();
    else this.#cut(http2Code);
  }

  get #mayPassOn(): boolean {
    return this.#exchange.mayRead && this.#held.isEmpty && !this.#isEndHeld;
  }

  #passEnd(): void {
    const trailers = this.#heldTrailers;
    this.#heldTrailers = undefined;
    if (trailers !== undefined) this.#exchange.requestTrailers(trailers);
    if (!this.#isEndHeld) return;
    this.#isEndHeld = false;
    this.#exchange.requestEnd();
  }

  #touch(): void {
    if (this.#isTouched) return;
    this.#isTouched = true;
    this.#owner.onTouched(this);
  }

  #release(): void {
    if (this.#unreleasedBytes === 0) return;
    const { isRunning, isTunnel, isHeldUp, mayRead, requestComplete } = this.#exchange;
    if (isTunnel && isHeldUp) return;
    if (isRunning && (isHeldUp || !this.#held.isEmpty || !(mayRead || requestComplete))) return;
    const bytes = this.#unreleasedBytes;
    this.#unreleasedBytes = 0;
    this.#stream?.release(bytes);
  }

  /** The client takes its answer no faster than it likes, but may not send for ever meanwhile what nobody reads. */
  #startLinger(): void {
    const { clock, limits } = this.#context;
    this.#lingerBytes = 0;
    this.#linger ??= clock.setTimer(limits.lingerTimeoutMs, () => this.#endLinger());
  }

  #stopLinger(): void {
    this.#linger?.[Symbol.dispose]();
    this.#linger = undefined;
  }

  #drop(bytes: number): void {
    this.#lingerBytes += bytes;
    if (this.#lingerBytes > this.#context.limits.lingerMaxBytes || this.#stream?.isSent === true) this.#endLinger();
  }

  /** An answer that has left whole is not cut by that: only the rest of its request is not wanted. */
  #endLinger(): void {
    this.#cut(this.#stream?.isSent === true ? Http2Code.noError : Http2Code.cancel);
  }

  #cut(http2Code: number): void {
    this.#stream?.reset(http2Code);
    this.#leave();
  }

  #forget(): void {
    this.#held.clear();
    this.#heldTrailers = undefined;
    this.#isEndHeld = false;
  }

  #leave(): void {
    if (this.#stream === undefined) return;
    this.#stream = undefined;
    this.#stopLinger();
    this.#forget();
    this.#owner.onOver(this);
  }
}
