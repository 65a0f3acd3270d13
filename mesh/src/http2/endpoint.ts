import type { ByteLink } from '../hbone/byte-link.ts';
import { Connection, type ConnectionProfile } from '../hbone/connection.ts';
import { HboneError } from '../hbone/errors.ts';
import { Http2Code, type Setting, SettingId } from '../hbone/frame-codec.ts';
import type { DecodedHeaders } from '../hbone/hpack-decoder.ts';
import { readInternals } from '../hbone/node-internals.ts';
import type { Stream } from '../hbone/stream.ts';
import type { FieldBlock } from '../http1/field-block.ts';
import { TunnelLink } from './carrier-link.ts';
import type { Http2Environment } from './contract.ts';
import type { FaultCode } from './errors.ts';
import type { ExchangeOwner } from './exchange.ts';
import { FieldDecoder } from './field-decoder.ts';
import type { Http2RequestHead, Http2ResponseHead } from './head.ts';
import { HeadEncoder } from './head-encoder.ts';
import { fromFramer, type Http2Error } from './http2-error.ts';
import { interpretTrailers } from './interpret-trailers.ts';
import { DEFAULT_LIMITS, type Http2Limits } from './limits.ts';

export interface EndpointOptions extends Http2Environment {
  readonly onClose?: (error: Http2Error | undefined) => void;
}

/** What the framer is told of headers: they are in the decoder. */
const IN_DECODER: DecodedHeaders = { fields: [], oversized: false };

/** What both ends of a connection have: coders of headers, settings, an end. */
export abstract class Endpoint<Head extends Http2RequestHead | Http2ResponseHead>
  implements ConnectionProfile, ExchangeOwner
{
  readonly encoder: HeadEncoder = new HeadEncoder();
  protected readonly limits: Http2Limits;
  protected readonly decoder: FieldDecoder<Head>;
  protected readonly connection: Connection;
  private readonly closeCallback: EndpointOptions['onClose'];

  constructor(
    role: 'client' | 'server',
    head: Head,
    link: ByteLink,
    options: EndpointOptions,
    settings: readonly Setting[],
  ) {
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.limits = limits;
    this.closeCallback = options.onClose;
    this.decoder = new FieldDecoder(head, limits);
    this.connection = new Connection({
      role,
      socket: link,
      limits: role === 'server' ? limits : { ...limits, pingIntervalMs: limits.clientPingIntervalMs },
      headerListMaxBytes: limits.headerListMaxBytes,
      decoder: { decode: (block) => this.decode(block) },
      settings,
      clock: options.clock,
      logger: options.logger,
      profile: this,
      internals: readInternals,
    });
    if (link instanceof TunnelLink) link.afterRead = () => this.flush();
  }

  get state(): 'open' | 'draining' | 'closed' {
    const { state } = this.connection;
    return state === 'closing' ? 'closed' : state;
  }

  /** Exchanges that go on. */
  get streamCount(): number {
    return this.connection.streams.size;
  }

  /** What is held because the peer does not read, and of frames and heads that are not complete. */
  get heldBytes(): number {
    return this.connection.heldBytes;
  }

  /** Tells a head that has begun and is not complete from any other; 0: there is none. */
  get unfinishedHead(): number {
    return this.connection.unfinishedHead;
  }

  /** Begins to read. Once. */
  start(): this {
    this.connection.start();
    return this;
  }

  /** What is to be sent leaves at once, without waiting for the end of the loop turn. */
  flush(): void {
    this.connection.writer.flush();
  }

  /** Begins no more exchanges and ends after the last one. A server first takes the requests that are on their way (GOAWAY, twice). */
  drain(): void {
    this.connection.drain();
  }

  /** Ends all exchanges and the connection at once. */
  destroy(http2Code: number = Http2Code.noError): void {
    this.connection.fail(new HboneError('aborted'), http2Code);
  }

  abstract onRequest(stream: Stream, headers: DecodedHeaders, endStream: boolean): void;

  abstract onCapacity(): void;

  abstract noteFault(fault: FaultCode | undefined): void;

  onSettings(settings: readonly Setting[]): void {
    for (const [id, value] of settings) {
      if (id === SettingId.headerTableSize) this.encoder.limitTable(value);
      else if (id === SettingId.maxHeaderListSize) this.encoder.peerListMaxBytes = value;
    }
  }

  onClose(error: HboneError | undefined): void {
    this.closeCallback?.(error === undefined ? undefined : fromFramer(error));
  }

  readTrailers(endStream: boolean): FieldBlock | FaultCode {
    const { decoder } = this;
    decoder.head.sensitive = decoder.sensitive;
    return interpretTrailers(decoder, endStream) ?? decoder.head;
  }

  private decode(block: Buffer): DecodedHeaders {
    this.decoder.decode(block);
    return IN_DECODER;
  }
}
