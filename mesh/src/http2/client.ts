import type { ByteLink } from '../hbone/byte-link.ts';
import { Http2Code, type Setting, SettingId } from '../hbone/frame-codec.ts';
import type { Stream } from '../hbone/stream.ts';
import { ClientExchange, type ClientExchangeOwner } from './client-exchange.ts';
import type { ClientOptions, ResponseReceiver } from './contract.ts';
import { Endpoint } from './endpoint.ts';
import type { FaultCode } from './errors.ts';
import { Http2ResponseHead } from './head.ts';
import type { HeadEncoder } from './head-encoder.ts';
import { interpretResponse } from './interpret-response.ts';

/** One connection that we have opened, by prior knowledge or ALPN. */
export class Http2Client extends Endpoint<Http2ResponseHead> implements ClientExchangeOwner {
  private readonly options: ClientOptions;
  private extendedConnect = false;

  constructor(link: ByteLink, options: ClientOptions) {
    super('client', new Http2ResponseHead(), link, options, []);
    this.options = options;
  }

  /** Requests that may be made now: own limit and the peer's considered. 0 when draining or closed. */
  get freeStreamCount(): number {
    const { connection, limits } = this;
    if (connection.state !== 'open') return 0;
    return Math.max(0, Math.min(limits.clientStreamsMax, connection.peerStreamsMax) - connection.streams.size);
  }

  /** The peer has said how much it takes. */
  get settled(): boolean {
    return this.connection.peerSettingsSeen;
  }

  /** The peer takes extended CONNECT (RFC 8441). False until its settings have come. */
  get takesExtendedConnect(): boolean {
    return this.extendedConnect;
  }

  get interimCountMax(): number {
    return this.limits.interimCountMax;
  }

  /** Where the head of a request is written before `request`. */
  get head(): HeadEncoder {
    return this.encoder;
  }

  /**
   * Makes the request whose head was written to `head`. `last`: it has neither body nor trailers. Undefined when the connection takes
   * no more; the head is forgotten then.
   */
  request(receiver: ResponseReceiver, last: boolean): ClientExchange | undefined {
    const stream = this.freeStreamCount > 0 ? this.connection.openStream() : undefined;
    if (stream === undefined) return undefined;
    // How long a server may think is not ours to say.
    stream.overdueFromMs = Number.POSITIVE_INFINITY;
    const exchange = new ClientExchange(stream, this, receiver, last);
    stream.attach(exchange);
    return exchange;
  }

  override onRequest(stream: Stream): void {
    stream.abort(Http2Code.protocolError);
  }

  override onSettings(settings: readonly Setting[]): void {
    super.onSettings(settings);
    for (const [id, value] of settings) {
      if (id === SettingId.enableConnectProtocol) this.extendedConnect = value === 1;
    }
  }

  override onCapacity(): void {
    this.options.onCapacity?.();
  }

  override noteFault(): void {
    // We chose whom to ask; each fault costs a request of ours.
  }

  readResponse(endStream: boolean, method: string): Http2ResponseHead | FaultCode {
    return interpretResponse(this.decoder, endStream, method) ?? this.decoder.head;
  }
}
