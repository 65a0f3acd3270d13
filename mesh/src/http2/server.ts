import type { ByteLink } from '../hbone/byte-link.ts';
import { HboneError } from '../hbone/errors.ts';
import { Http2Code, Http2Violation, SettingId } from '../hbone/frame-codec.ts';
import type { DecodedHeaders } from '../hbone/hpack-decoder.ts';
import type { Stream } from '../hbone/stream.ts';
import type { ServerOptions } from './contract.ts';
import { Endpoint } from './endpoint.ts';
import { FAULTS, type FaultCode } from './errors.ts';
import { Http2RequestHead } from './head.ts';
import { malformed } from './http2-error.ts';
import { interpretRequest } from './interpret-request.ts';
import { sendBlock } from './send-block.ts';
import { ServerExchange } from './server-exchange.ts';

/** One connection that a client has opened, by prior knowledge or ALPN. */
export class Http2Server extends Endpoint<Http2RequestHead> {
  private readonly options: ServerOptions;

  constructor(link: ByteLink, options: ServerOptions) {
    super('server', new Http2RequestHead(), link, options, [[SettingId.enableConnectProtocol, 1]]);
    this.options = options;
  }

  override onRequest(stream: Stream, _headers: DecodedHeaders, endStream: boolean): void {
    const { decoder, connection, options, limits } = this;
    // The connection has been ended, but not all has been read that came with the reason.
    if (this.state === 'closed') return stream.abort(Http2Code.refusedStream);
    const fault = interpretRequest(decoder, endStream, limits);
    if (fault !== undefined) return this.refuse(stream, fault, endStream);
    if (connection.writer.waitingBytes > limits.unsentMaxBytes) {
      stream.abort(Http2Code.refusedStream);
      this.countReset();
      return;
    }
    const exchange = new ServerExchange(stream, this, decoder.head, endStream);
    exchange.begin(options.onRequest(exchange, decoder.head, endStream));
    stream.attach(exchange);
  }

  override onCapacity(): void {
    // A server waits for nobody.
  }

  override noteFault(fault: FaultCode | undefined): void {
    if (fault !== undefined) this.options.onFault?.(fault, 'rest');
    this.countReset();
  }

  private refuse(stream: Stream, fault: FaultCode, endStream: boolean): void {
    const [answer] = FAULTS[fault];
    if (answer === 'reset') {
      const http2Code = Http2Code.protocolError;
      const data = { rule: fault, http2Code };
      stream.abortWith(http2Code, new HboneError('protocol', { cause: malformed(fault), data }));
    } else {
      const { encoder } = this;
      encoder.begin();
      encoder.status(answer);
      encoder.contentLength(0);
      encoder.end();
      sendBlock(this.connection.writer, stream.id, encoder, true);
      stream.answered = true;
      stream.endedWithHeaders();
      // RFC 9113 8.1: the rest of the request is not wanted.
      if (!endStream) stream.abort(Http2Code.noError);
    }
    this.options.onFault?.(fault, 'head');
    this.countReset();
  }

  /** Streams that we reset cost the peer as little as those it resets. May be called at any time, so nothing is thrown. */
  private countReset(): void {
    try {
      this.connection.guardAgainst('reset');
    } catch (error) {
      if (!(error instanceof Http2Violation)) throw error;
      const { rule, http2Code } = error;
      this.connection.fail(new HboneError('flood', { data: { rule, http2Code } }), http2Code);
    }
  }
}
