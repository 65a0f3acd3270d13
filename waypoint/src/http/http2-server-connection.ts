import type { CarrierReader } from '@ambit/mesh/hbone';
import {
  FAULTS,
  type FaultCode,
  Http2Code,
  type Http2RequestHead,
  Http2Server,
  type ServerExchange,
  TunnelLink,
} from '@ambit/mesh/http2';
import type { ClientSession } from './client-session.ts';
import type { Waiting } from './deadlines.ts';
import { Http2ServerStream, type Http2StreamOwner } from './http2-server-stream.ts';
import { HeadWatch } from './head-watch.ts';
import { refusedRequest } from './refused-request.ts';
import type { ServerConnectionOptions } from './server-connection.ts';

/** Streams that are over and kept for others. */
const SPARE_MAX = 64;

/** A client's HTTP/2 connection. Whoever found out that HTTP/2 is spoken hands on to `reader` what has come. */
export class Http2ServerConnection implements ClientSession, Http2StreamOwner, Waiting {
  deadlineMs: number;
  readonly #options: ServerConnectionOptions;
  readonly #server: Http2Server;
  readonly #link: TunnelLink;
  readonly #streams = new Set<Http2ServerStream>();
  readonly #spare: Http2ServerStream[] = [];
  readonly #heads: HeadWatch;
  #touched: Http2ServerStream[] = [];

  constructor(options: ServerConnectionOptions) {
    this.#options = options;
    const { carrier, context } = options;
    this.#link = new TunnelLink(carrier);
    this.#server = new Http2Server(this.#link, {
      clock: context.clock,
      logger: context.logger,
      onRequest: (stream, head) => this.#begin(stream, head),
      onFault: (fault, where) => this.#onFault(fault, where),
      onClose: () => this.#onClose(),
    });
    this.#link.afterRead = () => {
      this.#afterRead();
      this.#server.flush();
    };
    this.deadlineMs = context.clock.monotonic() + context.limits.idleTimeoutMs;
    context.deadlines.add(this);
    this.#heads = new HeadWatch({
      clock: context.clock,
      timeoutMs: context.limits.headTimeoutMs,
      unfinishedHead: () => (this.#server.state === 'closed' ? 0 : this.#server.unfinishedHead),
      onTimeout: () => this.#onHeadTimeout(),
    });
    context.deadlines.add(this.#heads);
    this.#server.start();
  }

  get reader(): CarrierReader {
    return this.#link;
  }

  drain(): void {
    this.#server.drain();
  }

  get heldBytes(): number {
    let bytes = this.#server.heldBytes;
    for (const stream of this.#streams) bytes += stream.heldBytes;
    return bytes;
  }

  get isIdle(): boolean {
    return this.#server.state === 'open' && this.#streams.size === 0;
  }

  recheck(): void {
    for (const stream of [...this.#streams]) stream.recheck();
  }

  destroy(): void {
    this.#server.destroy();
  }

  onDeadline(): void {
    const { clock, limits } = this.#options.context;
    this.deadlineMs = clock.monotonic() + limits.idleTimeoutMs;
    for (const stream of [...this.#streams]) stream.onIdle();
    if (this.#server.streamCount === 0) this.#server.drain();
  }

  onTouched(stream: Http2ServerStream): void {
    this.#touched.push(stream);
  }

  onOver(stream: Http2ServerStream): void {
    this.#streams.delete(stream);
    if (this.#spare.length < SPARE_MAX) this.#spare.push(stream);
  }

  #begin(stream: ServerExchange, head: Http2RequestHead): Http2ServerStream {
    const { context, pipeline, caller } = this.#options;
    const own = this.#spare.pop() ?? new Http2ServerStream({ context, pipeline, caller, head }, this);
    this.#streams.add(own);
    own.begin(stream);
    return own;
  }

  #afterRead(): void {
    const touched = this.#touched;
    if (touched.length === 0) return;
    this.#touched = [];
    for (const stream of touched) stream.afterRead();
  }

  /** Of whatever has a receiver the exchange hears. */
  #onFault(fault: FaultCode, where: 'head' | 'rest'): void {
    if (where === 'rest') return;
    const { context, caller } = this.#options;
    const [answer] = FAULTS[fault];
    context.observer.onExchange(refusedRequest(caller, answer === 'reset' ? 0 : answer));
  }

  /** No other stream can be heard before the head is complete: the connection is of no use. */
  #onHeadTimeout(): void {
    const { context, caller } = this.#options;
    context.observer.onExchange(refusedRequest(caller, 0, 'request-timeout'));
    this.#server.destroy(Http2Code.enhanceYourCalm);
  }

  #onClose(): void {
    this.#options.context.deadlines.delete(this);
    this.#options.context.deadlines.delete(this.#heads);
    this.#options.onClose?.();
  }
}
