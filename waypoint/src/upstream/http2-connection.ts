import type { Carrier } from '@ambit/mesh/hbone';
import { type HeadEncoder, Http2Client, type Http2Environment, TunnelLink } from '@ambit/mesh/http2';
import type { Waiting } from '../http/deadlines.ts';
import type { ResponseSink } from '../http/exchange-facts.ts';
import { Http2Call, type Http2CallOwner } from './http2-call.ts';

/** Where a connection belongs. */
export interface Http2ConnectionOwner {
  /** It may take more requests than before, or has none any more. */
  onCapacity(connection: Http2Connection): void;
  /** Its carrier is closed. Called once. */
  forget(connection: Http2Connection): void;
}

/** One HTTP/2 connection to a server, with as many requests at a time as it takes. */
export class Http2Connection implements Http2CallOwner, Waiting {
  deadlineMs: number = Number.POSITIVE_INFINITY;
  requestCount = 0;
  readonly #client: Http2Client;
  readonly #link: TunnelLink;
  #touched: Http2Call[] = [];

  constructor(carrier: Carrier, owner: Http2ConnectionOwner, environment: Http2Environment) {
    this.#link = new TunnelLink(carrier);
    this.#client = new Http2Client(this.#link, {
      ...environment,
      onCapacity: () => owner.onCapacity(this),
      onClose: () => owner.forget(this),
    });
    this.#link.afterRead = () => {
      this.#afterRead();
      this.#client.flush();
    };
  }

  /** Begins to read; may find the connection gone at once. */
  open(): void {
    this.#link.start();
    this.#client.start();
  }

  get isGone(): boolean {
    return this.#client.state === 'closed';
  }

  /** Requests under way. */
  get load(): number {
    return this.#client.streamCount;
  }

  /** Until the server has said how many requests it takes it gets one: what is too much for it would have to be sent again. */
  get freeCount(): number {
    const { freeStreamCount, streamCount, settled } = this.#client;
    return settled ? freeStreamCount : Math.min(freeStreamCount, 1 - streamCount);
  }

  get isSettled(): boolean {
    return this.#client.settled;
  }

  /** The server takes WebSockets (RFC 8441); known once it `isSettled`. */
  get takesExtendedConnect(): boolean {
    return this.#client.takesExtendedConnect;
  }

  /** Where the head of a request is written before `request`. */
  get head(): HeadEncoder {
    return this.#client.head;
  }

  /**
   * Makes the request whose head has been written; `last`: there is no more of it; `asksForTunnel`: nor is there, until its answer.
   * Undefined when the connection takes none any more.
   */
  request(sink: ResponseSink, last: boolean, asksForTunnel: boolean): Http2Call | undefined {
    const call = new Http2Call(this, sink, { reused: this.requestCount > 0, asksForTunnel });
    const stream = this.#client.request(call, last);
    if (stream === undefined) return undefined;
    this.requestCount += 1;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    call.requestComplete = last || asksForTunnel;
    call.open(stream);
    return call;
  }

  onTouched(call: Http2Call): void {
    this.#touched.push(call);
  }

  /** Takes no further request, and closes after the last one. */
  retire(): void {
    this.#client.drain();
  }

  /** Ends everything at once. */
  destroy(): void {
    this.#client.destroy();
  }

  onDeadline(): void {
    this.deadlineMs = Number.POSITIVE_INFINITY;
    if (this.load === 0) this.retire();
  }

  #afterRead(): void {
    const touched = this.#touched;
    if (touched.length === 0) return;
    this.#touched = [];
    for (const call of touched) call.afterRead();
  }
}
