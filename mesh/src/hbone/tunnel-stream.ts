import type { Socket } from 'node:net';
import { bug } from '../runtime/errors.ts';
import type { CarrierReader, CarrierResult, PayloadTap } from './carrier.ts';
import { HboneError } from './errors.ts';
import { Http2Code } from './frame-codec.ts';
import type { ReadBudget } from './read-budget.ts';
import { Splice } from './splice.ts';
import type { Stream } from './stream.ts';
import { ReaderSink } from './stream-reader.ts';
import type { TunnelStream } from './tunnel.ts';

/** A stream as a tunnel. */
export class ConnectTunnel implements TunnelStream {
  readonly isLocal: boolean = false;
  private readonly stream: Stream;
  private sink: Splice | ReaderSink | undefined;

  constructor(stream: Stream) {
    this.stream = stream;
  }

  get bytesSent(): number {
    return this.stream.bytesSent;
  }

  get bytesReceived(): number {
    return this.stream.bytesReceived;
  }

  get segments(): number {
    return this.stream.segments;
  }

  get waitingBytes(): number {
    return this.stream.waitingBytes + (this.sink instanceof Splice ? this.sink.waitingBytes : 0);
  }

  get closed(): boolean {
    return this.stream.closed;
  }

  splice(
    socket: Socket,
    onDone: (result: CarrierResult) => void,
    tap: PayloadTap | null = null,
    budget: ReadBudget | null = null,
  ): void {
    const splice = new Splice(this.stream, socket, onDone, tap, budget);
    this.use(splice);
    splice.start();
  }

  read(reader: CarrierReader): void {
    const sink = new ReaderSink(this.stream, reader);
    this.use(sink);
    sink.start();
  }

  pause(): void {
    if (this.sink instanceof ReaderSink) this.sink.pause();
  }

  resume(): void {
    if (this.sink instanceof ReaderSink) this.sink.resume();
  }

  write(memory: Buffer, start = 0, end: number = memory.length): boolean {
    if (!(this.sink instanceof ReaderSink)) return bug('write needs a reader');
    return this.sink.write(memory, start, end);
  }

  end(): void {
    this.stream.end();
  }

  reset(): void {
    if (this.sink instanceof Splice) this.sink.cut(new HboneError('aborted'));
    else if (this.sink === undefined) this.stream.abort(Http2Code.cancel);
    else this.sink.cut(undefined);
  }

  cut(reason: string): void {
    const error = new HboneError('cut', { data: { reason } });
    if (this.sink === undefined) this.stream.abort(Http2Code.connectError);
    else this.sink.cut(error);
  }

  private use(sink: Splice | ReaderSink): void {
    if (this.sink !== undefined) bug('a tunnel was taken twice');
    this.sink = sink;
  }
}
