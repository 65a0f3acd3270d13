import type { Stream } from '../hbone/stream.ts';
import type { Receiver } from './contract.ts';
import { Exchange, type ExchangeOwner } from './exchange.ts';
import type { Http2RequestHead } from './head.ts';

/** An exchange as its server has it: it owes a response. */
export class ServerExchange extends Exchange {
  protected override receiver: Receiver = NOBODY;
  private responded = false;

  constructor(stream: Stream, owner: ExchangeOwner, head: Http2RequestHead, endsStream: boolean) {
    super(stream, owner);
    if (!endsStream && head.hasContentLength) this.expect(head.contentLength);
  }

  /** The final head has been sent. */
  get headSent(): boolean {
    return this.responded;
  }

  protected override get peerHeadSeen(): boolean {
    return true;
  }

  /** Sends the 1xx that was written to `head`. */
  interim(): void {
    if (!this.responded) this.sendHead(false);
  }

  /** Sends the final head that was written to `head`. `last`: there is neither body nor trailers. */
  respond(last: boolean): void {
    if (this.responded) return;
    this.responded = true;
    this.stream.answered = true;
    this.sendHead(last);
  }

  /** For the connection, once: who hears of the rest of the request. */
  begin(receiver: Receiver): void {
    this.receiver = receiver;
  }
}

const NOBODY: Receiver = { onData() {}, onTrailers() {}, onEnd() {}, onDrain() {}, onClose() {} };
