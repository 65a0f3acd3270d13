import type { LinkSource } from '../hbone/connection-writer.ts';
import { HboneError } from '../hbone/errors.ts';
import { Http2Code } from '../hbone/frame-codec.ts';
import type { DecodedHeaders } from '../hbone/hpack-decoder.ts';
import type { Stream, StreamObserver, StreamSink } from '../hbone/stream.ts';
import type { FieldBlock } from '../http1/field-block.ts';
import { bug } from '../runtime/errors.ts';
import type { Receiver } from './contract.ts';
import type { FaultCode } from './errors.ts';
import type { HeadEncoder } from './head-encoder.ts';
import { fromFramer, malformed } from './http2-error.ts';
import { copyFields } from './head-copy.ts';
import { sendBlock } from './send-block.ts';

/** What an exchange needs of the connection it belongs to. */
export interface ExchangeOwner {
  readonly encoder: HeadEncoder;
  /** The trailers that were just decoded, or why they are none. */
  readTrailers(endStream: boolean): FieldBlock | FaultCode;
  /** The peer has made us reset a stream: by a fault of its message, or by what is no message at all. */
  noteFault(fault: FaultCode | undefined): void;
}

/** No more than that is expected: any length will do. */
const ANY_LENGTH = -1;
const NO_BYTES: Buffer = Buffer.alloc(0);

/**
 * One request and its response on one stream, seen from either end: bodies, trailers, ends and resets both ways, each direction
 * by itself. Heads are in the subclasses. Belongs to whoever uses it until `Receiver.onClose` or `reset`.
 */
export abstract class Exchange implements StreamSink, StreamObserver, LinkSource {
  protected readonly stream: Stream;
  protected readonly owner: ExchangeOwner;
  protected abstract readonly receiver: Receiver;
  /** Content-Length of what the peer sends. */
  private expectedBytes = ANY_LENGTH;
  /** Received and not released. */
  private heldBytes = 0;
  /** Behind a body that waits for credit. */
  private waitingTrailers: FieldBlock | undefined;
  private waitingDropped: Uint8Array | undefined;
  private done = false;

  constructor(stream: Stream, owner: ExchangeOwner) {
    this.stream = stream;
    this.owner = owner;
    stream.observer = this;
  }

  /** Of this exchange on its connection. */
  get streamId(): number {
    return this.stream.id;
  }

  /** Nothing goes on any more, in either direction. */
  get closed(): boolean {
    return this.stream.closed;
  }

  /** Our message has been sent to its end, or as good as. */
  get ended(): boolean {
    return this.stream.localEnded || this.waitingTrailers !== undefined;
  }

  /** Our message has left to its end: nothing of it waits for credit. */
  get isSent(): boolean {
    const { stream } = this;
    return stream.localEnded && !stream.isSendBlocked && this.waitingTrailers === undefined;
  }

  /** Of bodies, without frames and trailers. */
  get bytesSent(): number {
    return this.stream.bytesSent;
  }

  get bytesReceived(): number {
    return this.stream.bytesReceived;
  }

  /** Where heads are written before they are sent. One for all exchanges of a connection: write and send at once. */
  get head(): HeadEncoder {
    return this.owner.encoder;
  }

  /**
   * Sends bytes of our body; they are copied. `last`: and the end of our message. False: wait for `onDrain` before sending more,
   * since what is sent meanwhile is kept in memory.
   */
  write(memory: Buffer, start: number, end: number, last = false): boolean {
    const { stream } = this;
    if (stream.closed || this.ended) return true;
    if (!this.headSent) bug('a body was sent before its head');
    stream.gatherRange(memory, start, end, last);
    return this.mayGoOn();
  }

  /** Ends our message behind what was sent. */
  end(): void {
    this.write(NO_BYTES, 0, 0, true);
  }

  /**
   * Ends our message with trailers, but for those with 1 in `dropped`: of what was received, what may be no trailer
   * (`markForbiddenTrailers`). They are copied when they have to wait.
   */
  trailers(block: FieldBlock, dropped?: Uint8Array): void {
    const { stream } = this;
    if (stream.closed || this.ended) return;
    if (!this.headSent) bug('trailers were sent before a head');
    if (stream.isSendBlocked) {
      this.waitingTrailers = copyFields(block);
      this.waitingDropped = dropped?.slice(0, block.count);
    } else {
      this.sendTrailers(block, dropped);
    }
  }

  /** `bytes` of the body that was received need no memory any more: the peer may send as many again. */
  release(bytes: number): void {
    const returned = Math.min(bytes, this.heldBytes);
    this.heldBytes -= returned;
    if (returned > 0) this.stream.release(returned);
  }

  /** Ends both directions at once; the peer is told why. Nothing more will be heard of the exchange. */
  reset(http2Code: number = Http2Code.cancel): void {
    if (this.done) return;
    this.finish();
    this.stream.abort(http2Code);
  }

  onBytes(memory: Buffer, start: number, end: number): boolean {
    const bytes = end - start;
    if (this.done) {
      this.stream.release(bytes);
      return true;
    }
    this.heldBytes += bytes;
    const fault = this.bodyFault();
    if (fault === undefined) this.receiver.onData(memory, start, end);
    else this.fail(fault);
    return true;
  }

  onEnd(): void {
    if (this.done) return;
    const fault = this.bodyFault() ?? (this.isShort() ? 'body-length' : undefined);
    if (fault === undefined) this.receiver.onEnd();
    else this.fail(fault);
  }

  onWritable(): void {
    const { waitingTrailers, waitingDropped } = this;
    this.waitingTrailers = undefined;
    if (this.done) return;
    if (waitingTrailers === undefined) this.receiver.onDrain();
    else this.sendTrailers(waitingTrailers, waitingDropped);
  }

  onLinkBusy(): void {
    // `write` has returned false.
  }

  onLinkIdle(): void {
    if (!this.done && !this.stream.isSendBlocked) this.receiver.onDrain();
  }

  onClosed(error: HboneError | undefined): void {
    if (this.done) return;
    this.finish();
    const reason = error === undefined ? undefined : fromFramer(error);
    this.receiver.onClose(reason);
    if (error?.code === 'protocol') this.owner.noteFault(reason?.fault);
  }

  onFailed(_stream: Stream, error: HboneError): void {
    this.onClosed(error);
  }

  /** Headers on a stream that has a message already: trailers. */
  onHeaders(_stream: Stream, _headers: DecodedHeaders, endStream: boolean): void {
    if (this.done) return;
    const trailers = this.owner.readTrailers(endStream);
    if (typeof trailers === 'string') this.fail(trailers);
    else if (trailers.count > 0) this.receiver.onTrailers(trailers);
  }

  /** The peer's message has a body of this length; undefined when only its end will tell. */
  protected expect(bytes: number | undefined): void {
    this.expectedBytes = bytes ?? ANY_LENGTH;
  }

  /** The peer has sent a head that may be followed by a body. */
  protected abstract get peerHeadSeen(): boolean;

  /** We have sent the head that a body may follow. */
  protected abstract get headSent(): boolean;

  /** Sends the head that was written. */
  protected sendHead(endStream: boolean): void {
    const { stream } = this;
    if (stream.closed || stream.localEnded) return;
    sendBlock(stream.connection.writer, stream.id, this.head, endStream);
    if (endStream) stream.endedWithHeaders();
  }

  /** Resets the stream because of what the peer has sent. */
  protected fail(fault: FaultCode): void {
    const http2Code = Http2Code.protocolError;
    const data = { rule: fault, http2Code };
    this.stream.abortWith(http2Code, new HboneError('protocol', { cause: malformed(fault), data }));
  }

  private bodyFault(): FaultCode | undefined {
    if (!this.peerHeadSeen) return 'response-missing';
    if (this.expectedBytes === ANY_LENGTH || this.stream.bytesReceived <= this.expectedBytes) return undefined;
    return this.expectedBytes === 0 ? 'body-unexpected' : 'body-length';
  }

  private isShort(): boolean {
    return this.expectedBytes !== ANY_LENGTH && this.stream.bytesReceived < this.expectedBytes;
  }

  private mayGoOn(): boolean {
    const { stream } = this;
    if (stream.isSendBlocked) return false;
    const { writer } = stream.connection;
    if (!writer.isCongested) return true;
    writer.hold(this);
    return false;
  }

  private sendTrailers(block: FieldBlock, dropped: Uint8Array | undefined): void {
    const { head, stream } = this;
    head.beginTrailers();
    head.fieldsOf(block, dropped);
    // A peer that takes none as large gets the end without them.
    if (head.end() && head.hasFields) this.sendHead(true);
    else stream.end();
  }

  /** Gives back what the exchange holds. */
  private finish(): void {
    this.done = true;
    this.waitingTrailers = undefined;
    this.release(this.heldBytes);
    this.stream.connection.writer.forget(this);
  }
}
