import type { CarrierReader, CarrierResult } from './carrier.ts';
import type { LinkSource } from './connection-writer.ts';
import type { HboneError } from './errors.ts';
import { Http2Code } from './frame-codec.ts';
import type { Stream, StreamSink } from './stream.ts';

/** Delivers a stream to a `CarrierReader`. */
export class ReaderSink implements StreamSink, LinkSource {
  private readonly stream: Stream;
  private readonly reader: CarrierReader;
  private paused = false;
  private owedBytes = 0;
  private done = false;

  constructor(stream: Stream, reader: CarrierReader) {
    this.stream = stream;
    this.reader = reader;
  }

  start(): void {
    this.stream.attach(this);
  }

  onBytes(memory: Buffer, start: number, end: number): boolean {
    if (this.paused) this.owedBytes += end - start;
    else this.stream.release(end - start);
    this.reader.onBytes(memory, start, end);
    return true;
  }

  onEnd(): void {
    this.reader.onEnd();
  }

  onWritable(): void {
    this.reader.onDrain?.();
  }

  onDraining(waitingBytes: number): void {
    this.reader.onDraining?.(waitingBytes);
  }

  onClosed(error: HboneError | undefined): void {
    this.finish(error);
  }

  onLinkBusy(): void {
    // `write` has returned false.
  }

  onLinkIdle(): void {
    if (!this.done && !this.stream.isSendBlocked) this.reader.onDrain?.();
  }

  /** False: the reader will hear `onDrain`. */
  write(memory: Buffer, start: number, end: number): boolean {
    const { writer } = this.stream.connection;
    this.stream.sendRange(memory, start, end);
    if (this.stream.isSendBlocked) return false;
    if (!writer.isCongested) return true;
    writer.hold(this);
    return false;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    const owed = this.owedBytes;
    this.owedBytes = 0;
    if (owed > 0) this.stream.release(owed);
  }

  /** Ends both directions at once. */
  cut(error: HboneError | undefined): void {
    this.stream.abort(error === undefined ? Http2Code.cancel : Http2Code.connectError);
    this.finish(error);
  }

  private finish(error: HboneError | undefined): void {
    if (this.done) return;
    this.done = true;
    this.resume();
    this.stream.connection.writer.forget(this);
    const { bytesSent, bytesReceived } = this.stream;
    const counts: CarrierResult = { bytesSent, bytesReceived };
    this.reader.onClose(error === undefined ? counts : { ...counts, error });
  }
}
