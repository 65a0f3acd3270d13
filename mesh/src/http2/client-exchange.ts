import type { DecodedHeaders } from '../hbone/hpack-decoder.ts';
import type { Stream } from '../hbone/stream.ts';
import type { ResponseReceiver } from './contract.ts';
import type { FaultCode } from './errors.ts';
import { Exchange, type ExchangeOwner } from './exchange.ts';
import type { Http2ResponseHead } from './head.ts';
import { hasContent } from './interpret-response.ts';

/** What a client's exchange needs of its connection beside. */
export interface ClientExchangeOwner extends ExchangeOwner {
  readonly interimCountMax: number;
  /** The response that was just decoded, to a request of this method, or why it is none. */
  readResponse(endStream: boolean, method: string): Http2ResponseHead | FaultCode;
}

/** An exchange as its client has it: the request's head is sent, the response is to come. */
export class ClientExchange extends Exchange {
  protected override readonly owner: ClientExchangeOwner;
  protected override readonly receiver: ResponseReceiver;
  private readonly method: string;
  private responseSeen = false;
  private interimCount = 0;

  constructor(stream: Stream, owner: ClientExchangeOwner, receiver: ResponseReceiver, last: boolean) {
    super(stream, owner);
    this.owner = owner;
    this.receiver = receiver;
    this.method = this.head.requestMethod;
    this.sendHead(last);
  }

  /** Some of the response has come: another server must not be asked. */
  get begun(): boolean {
    return this.responseSeen || this.interimCount > 0;
  }

  protected override get headSent(): boolean {
    return true;
  }

  protected override get peerHeadSeen(): boolean {
    return this.responseSeen;
  }

  override onHeaders(stream: Stream, headers: DecodedHeaders, endStream: boolean): void {
    if (this.responseSeen) {
      super.onHeaders(stream, headers, endStream);
      return;
    }
    if (this.closed) return;
    const head = this.owner.readResponse(endStream, this.method);
    if (typeof head === 'string') this.fail(head);
    else if (head.interim) this.takeInterim(head);
    else this.takeResponse(head, endStream);
  }

  private takeInterim(head: Http2ResponseHead): void {
    this.interimCount += 1;
    if (this.interimCount > this.owner.interimCountMax) this.fail('interim-count');
    else this.receiver.onInterim(head);
  }

  private takeResponse(head: Http2ResponseHead, endStream: boolean): void {
    this.responseSeen = true;
    if (!hasContent(head.status, this.method)) this.expect(0);
    else if (head.framing === 'length') this.expect(head.contentLength);
    this.receiver.onResponse(head, endStream);
  }
}
