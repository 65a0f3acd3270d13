import type { FieldBlock } from '@ambit/mesh/http1';
import {
  type ClientExchange,
  Http2Code,
  type Http2Error,
  type Http2ResponseHead,
  type ResponseReceiver,
  translateFailure,
} from '@ambit/mesh/http2';
import type { LostCall } from '../http/decide-retry.ts';
import type { ResponseSink } from '../http/exchange-facts.ts';
import type { UpstreamCall } from './upstream-call.ts';

/** What a call needs of its connection. */
export interface Http2CallOwner {
  /** Something of the answer has come: `afterRead` is to be called before the connection returns to the event loop. */
  onTouched(call: Http2Call): void;
}

/** One request on a stream of an HTTP/2 connection. */
export class Http2Call implements ResponseReceiver, UpstreamCall {
  requestComplete = false;
  /** Once it has failed. */
  lost: LostCall = 'fresh';
  /** What a client of HTTP/2 is told when its answer is cut, once the call has failed. */
  http2Code: number = Http2Code.cancel;
  readonly #owner: Http2CallOwner;
  /** The connection had served others before. */
  readonly #reused: boolean;
  #stream: ClientExchange | undefined;
  #sink: ResponseSink | undefined;
  /** The request has said all but what goes through the tunnel it asks for. */
  readonly #asksForTunnel: boolean;
  #isTunnel = false;
  #paused = false;
  #touched = false;
  #unreleasedBytes = 0;

  constructor(
    owner: Http2CallOwner,
    sink: ResponseSink,
    facts: { readonly reused: boolean; readonly asksForTunnel: boolean },
  ) {
    this.#owner = owner;
    this.#sink = sink;
    this.#reused = facts.reused;
    this.#asksForTunnel = facts.asksForTunnel;
  }

  /** For the connection, once. */
  open(stream: ClientExchange): void {
    this.#stream = stream;
  }

  write(memory: Buffer, start: number, end: number): boolean {
    return this.#stream?.write(memory, start, end) ?? true;
  }

  /** Sends the last of the request. */
  writeLast(memory: Buffer, start: number, end: number): boolean {
    this.requestComplete = true;
    return this.#stream?.write(memory, start, end, true) ?? true;
  }

  /** Ends the request with these; 1 in `dropped` for those that are not sent. */
  writeTrailers(block: FieldBlock, dropped: Uint8Array): void {
    this.requestComplete = true;
    this.#stream?.trailers(block, dropped);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#release();
  }

  abandon(): void {
    this.#sink = undefined;
    this.#stream?.reset(Http2Code.cancel);
  }

  enterTunnel(): void {
    this.#isTunnel = true;
  }

  endTunnel(): void {
    this.#stream?.end();
  }

  /** For the connection: all that came in one read has been handed over. */
  afterRead(): void {
    this.#touched = false;
    this.#sink?.onResponseRead();
    if (!this.#paused) this.#release();
  }

  onInterim(head: Http2ResponseHead): void {
    this.#touch();
    this.#sink?.onInterim(head);
  }

  onResponse(head: Http2ResponseHead): void {
    this.#touch();
    this.#sink?.onResponse(head);
  }

  onData(memory: Buffer, start: number, end: number): void {
    this.#touch();
    this.#unreleasedBytes += end - start;
    this.#sink?.onResponseData(memory, start, end);
  }

  onTrailers(trailers: FieldBlock): void {
    this.#sink?.onResponseTrailers(trailers);
  }

  onEnd(): void {
    const sink = this.#sink;
    if (this.#isTunnel) {
      sink?.onResponseEnd();
      return;
    }
    this.#sink = undefined;
    // The rest of the request has nobody who reads it, and a tunnel that was not granted no use.
    if (!this.requestComplete || this.#asksForTunnel) this.#stream?.reset(Http2Code.cancel);
    sink?.onResponseEnd();
  }

  onDrain(): void {
    this.#sink?.onUpstreamDrain();
  }

  onClose(error: Http2Error | undefined): void {
    const sink = this.#sink;
    this.#sink = undefined;
    if (sink === undefined) return;
    if (error === undefined) {
      if (this.#isTunnel) sink.onUpstreamGone('upstream-gone');
      return;
    }
    const begun = this.#stream?.begun === true;
    this.http2Code = translateFailure(error).http2Code;
    if (!begun && error.data['http2Code'] === Http2Code.http11Required) this.lost = 'http1';
    else if (!begun && error.isUnprocessed) this.lost = 'unseen';
    else if (!begun && this.#reused && error.code === 'closed') this.lost = 'reused';
    if (error.code === 'malformed' || error.code === 'protocol') sink.onUpstreamGone('upstream-protocol');
    else sink.onUpstreamGone(begun ? 'upstream-truncated' : 'upstream-gone');
  }

  #touch(): void {
    if (this.#touched) return;
    this.#touched = true;
    this.#owner.onTouched(this);
  }

  #release(): void {
    const bytes = this.#unreleasedBytes;
    this.#unreleasedBytes = 0;
    if (bytes > 0) this.#stream?.release(bytes);
  }
}
