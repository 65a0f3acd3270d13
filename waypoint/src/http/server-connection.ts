import type { Carrier, CarrierReader } from '@ambit/mesh/hbone';
import { RequestReader } from '@ambit/mesh/http1';
import type { ClientSession } from './client-session.ts';
import type { CurrentRequest } from './current-request.ts';
import type { Waiting } from './deadlines.ts';
import { Exchange } from './exchange.ts';
import type { ExchangeHost } from './exchange-host.ts';
import { FAILURES } from './failures.ts';
import { HeldBytes } from './held-bytes.ts';
import type { Caller, RequestPipeline } from './pipeline.ts';
import { ResponseWriter } from './response-writer.ts';
import type { WorkerContext } from './worker-context.ts';

export interface ServerConnectionOptions {
  readonly carrier: Carrier;
  readonly context: WorkerContext;
  readonly pipeline: RequestPipeline;
  readonly caller: Caller;
  /** Once, when the carrier is closed. */
  readonly onClose?: () => void;
}

const NOTHING: Buffer = Buffer.alloc(0);

/**
 * A client's HTTP/1.1 connection: one exchange after the other. The request is read only as far as its server takes it, and
 * what follows it is held until the answer is complete.
 *
 *     serving --client ends, answer that closes, fault, idle too long--> lingering --client closes, or deadline--> closed
 */
export class ServerConnection implements CarrierReader, ClientSession, ExchangeHost, Waiting {
  deadlineMs: number;
  readonly #carrier: Carrier;
  readonly #context: WorkerContext;
  readonly #onClose: (() => void) | undefined;
  readonly #reader = new RequestReader();
  readonly #exchange: Exchange;
  readonly #held = new HeldBytes();
  #phase: 'serving' | 'lingering' | 'closed' = 'serving';
  /** The end of the client's direction came behind what is held. */
  #isEndHeld = false;
  #isPaused = false;
  /** Bytes are being looked at; nobody else may. */
  #isReading = false;
  /** Some of a head has come. */
  #isInHead = false;
  #lingerBytes = 0;

  constructor(options: ServerConnectionOptions) {
    const { carrier, context, pipeline, caller } = options;
    this.#carrier = carrier;
    this.#context = context;
    this.#onClose = options.onClose;
    const { head } = this.#reader;
    const createWriter = (request: CurrentRequest): ResponseWriter => new ResponseWriter(context, carrier, request);
    this.#exchange = new Exchange({ context, pipeline, caller, head, createWriter }, this);
    this.deadlineMs = context.clock.monotonic() + context.limits.idleTimeoutMs;
    context.deadlines.add(this);
  }

  onBytes(memory: Buffer, start: number, end: number): void {
    if (this.#phase !== 'serving') {
      this.#lingerBytes += end - start;
      if (this.#lingerBytes > this.#context.limits.lingerMaxBytes) this.#carrier.reset();
    } else if (this.#exchange.isTunnel) this.#exchange.tunnelData(memory, start, end);
    else if (this.#isReading || !this.#held.isEmpty) this.#hold(memory, start, end);
    else this.#hold(memory, this.#read(memory, start, end), end);
  }

  onEnd(): void {
    if (this.#phase !== 'serving') return;
    if (this.#exchange.isTunnel) this.#exchange.tunnelEnd();
    else if (this.#held.isEmpty && this.#exchange.mayRead) this.#clientEnds();
    else this.#isEndHeld = true;
  }

  onDrain(): void {
    this.#exchange.clientDrained();
    this.onReadable();
  }

  /** What its server sends takes a while to come. */
  onDraining(waitingBytes: number): void {
    this.#exchange.clientDrained(waitingBytes);
  }

  onClose(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#exchange.clientGone();
    this.#held.clear();
    this.#context.deadlines.delete(this);
    this.#onClose?.();
  }

  onDeadline(): void {
    const exchange = this.#exchange;
    if (this.#phase === 'lingering') this.#carrier.reset();
    else if (this.#phase === 'closed') return;
    else if (exchange.touched || exchange.isTunnel) this.#wait();
    else if (exchange.isRunning) exchange.answer(exchange.requestComplete ? 'idle' : 'request-timeout');
    else if (this.#isInHead) exchange.refuse('request-timeout');
    else this.#close();
  }

  drain(idleMs: number): void {
    if (!this.isIdle) return;
    if (idleMs === 0) this.#close();
    else this.deadlineMs = Math.min(this.deadlineMs, this.#context.clock.monotonic() + idleMs);
  }

  get heldBytes(): number {
    return this.#held.bytes + this.#exchange.heldBytes + this.#reader.memoryBytes;
  }

  get isIdle(): boolean {
    const { isRunning, isTunnel } = this.#exchange;
    return this.#phase === 'serving' && !isRunning && !isTunnel && !this.#isInHead && this.#held.isEmpty;
  }

  recheck(): void {
    if (this.#exchange.recheck()) this.destroy();
  }

  destroy(): void {
    this.#carrier.reset();
  }

  onReadable(): void {
    if (this.#phase !== 'serving' || this.#isReading) return;
    const exchange = this.#exchange;
    if (exchange.isTunnel) {
      if (!exchange.isHeldUp) this.#resume();
      return;
    }
    // The end of a request without a body is seen without bytes.
    if (exchange.isRunning && exchange.mayRead) this.#read(NOTHING, 0, 0);
    while (exchange.mayRead && !exchange.isHeldUp && this.#isServing) {
      const held = this.#held.peek();
      if (held === undefined) break;
      this.#held.drop(this.#read(held.memory, held.start, held.end));
    }
    if (!this.#held.isEmpty || exchange.isHeldUp || !this.#isServing) return;
    if (!this.#isEndHeld) this.#resume();
    else if (exchange.mayRead) this.#clientEnds();
  }

  onUnreadable(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#carrier.pause();
  }

  onTunnel(): void {
    const exchange = this.#exchange;
    for (let held = this.#held.peek(); held !== undefined; held = this.#held.peek()) {
      exchange.tunnelData(held.memory, held.start, held.end);
      this.#held.drop(held.end);
    }
    if (this.#isEndHeld) exchange.tunnelEnd();
    if (!exchange.isHeldUp) this.#resume();
  }

  onAnswered(mayGoOn: boolean): void {
    if (this.#phase !== 'serving') return;
    if (!mayGoOn) {
      this.#close();
      return;
    }
    this.#wait();
    if (this.#isReading) return;
    // Of a request without a body the end may be still to be seen.
    if (!this.#exchange.requestComplete) this.#reader.read(NOTHING, 0, 0);
    this.#reader.release();
    if (this.#isPaused || this.#isEndHeld) this.onReadable();
  }

  onCut(): void {
    if (this.#phase !== 'serving') return;
    this.#phase = 'lingering';
    this.#carrier.reset();
  }

  get #isServing(): boolean {
    return this.#phase === 'serving';
  }

  /** Reads as far as may be read now; says up to where. */
  #read(memory: Buffer, start: number, end: number): number {
    const reader = this.#reader;
    const exchange = this.#exchange;
    this.#isReading = true;
    let at = start;
    for (let goesOn = true; goesOn && exchange.mayRead && this.#isServing; ) {
      const step = reader.read(memory, at, end);
      at = reader.at;
      switch (step) {
        case 'more':
          goesOn = false;
          this.#noteHead(!exchange.isRunning && !reader.idle);
          break;
        case 'head':
          this.#isInHead = false;
          exchange.begin();
          break;
        case 'data':
          exchange.requestData(memory, reader.dataStart, reader.dataEnd);
          break;
        case 'trailers':
          if (reader.trailers !== undefined) exchange.requestTrailers(reader.trailers);
          break;
        case 'end':
          exchange.requestEnd();
          break;
        case 'fault':
          goesOn = false;
          this.#onFault();
      }
    }
    this.#isReading = false;
    if (exchange.isRunning) exchange.requestRead();
    return at;
  }

  /** A request that cannot be understood: nothing after it can be either. */
  #onFault(): void {
    const status = this.#reader.fault?.status ?? FAILURES['bad-request'].status;
    if (this.#exchange.isRunning) this.#exchange.answer('bad-request', status, false);
    else this.#exchange.refuse('bad-request', status);
  }

  /** The time that a head may take begins with its first byte. */
  #noteHead(isInHead: boolean): void {
    if (!isInHead || this.#isInHead) return;
    this.#isInHead = true;
    this.#exchange.touched = false;
    this.deadlineMs = this.#context.clock.monotonic() + this.#context.limits.headTimeoutMs;
  }

  /** The client sends nothing any more; it may still want its answer. */
  #clientEnds(): void {
    this.#isEndHeld = false;
    const finish = this.#reader.finish();
    if (this.#exchange.isRunning) {
      this.#exchange.clientGone();
      this.onCut();
    } else if (finish === 'idle') this.#close();
    else this.onCut();
  }

  #close(): void {
    this.#phase = 'lingering';
    this.#held.clear();
    this.#lingerBytes = 0;
    this.deadlineMs = this.#context.clock.monotonic() + this.#context.limits.lingerTimeoutMs;
    this.#carrier.end();
    this.#resume();
  }

  #wait(): void {
    this.#exchange.touched = false;
    this.deadlineMs = this.#context.deadlines.after(this.#context.limits.idleTimeoutMs);
  }

  #hold(memory: Buffer, start: number, end: number): void {
    if (start === end || this.#phase !== 'serving') return;
    if (this.#exchange.isTunnel) {
      this.#exchange.tunnelData(memory, start, end);
      return;
    }
    this.#held.push(memory, start, end);
    this.onUnreadable();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#carrier.resume();
  }
}
