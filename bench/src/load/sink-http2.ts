import type { Carrier } from '@ambit/mesh/hbone';
import { CarrierLink, fieldBlockOf, Http2Server, type Receiver, type ServerExchange } from '@ambit/mesh/http2';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { grpcMessage } from './grpc-message.ts';

const GRPC = 'application/grpc';
const STATUS_OK = fieldBlockOf([['grpc-status', '0']]);

/**
 * The HTTP/2 side of the sink: requests get `body` when they have ended; gRPC calls get it as a message with status 0; gRPC calls to
 * a path that ends with `/stream` get back what they send, as it comes. Returns the link, which is to be given what was read.
 */
export function serveHttp2(carrier: Carrier, body: Buffer): CarrierLink {
  const link = new CarrierLink(carrier);
  const message = grpcMessage(body);
  new Http2Server(link, {
    clock: systemClock,
    logger: silentLogger,
    onRequest: (exchange, head) => {
      const type = head.find('content-type');
      if (type < 0 || !head.valueIs(type, GRPC)) return new Answering(exchange, body, false);
      return head.path.endsWith('/stream') ? new Echoing(exchange) : new Answering(exchange, message, true);
    },
  }).start();
  return link;
}

/** Answers when the request has ended. */
class Answering implements Receiver {
  readonly #exchange: ServerExchange;
  readonly #body: Buffer;
  readonly #isGrpc: boolean;

  constructor(exchange: ServerExchange, body: Buffer, isGrpc: boolean) {
    this.#exchange = exchange;
    this.#body = body;
    this.#isGrpc = isGrpc;
  }

  onData(_memory: Buffer, start: number, end: number): void {
    this.#exchange.release(end - start);
  }

  onEnd(): void {
    const exchange = this.#exchange;
    const body = this.#body;
    respond(exchange, this.#isGrpc ? GRPC : 'text/plain', this.#isGrpc ? null : body.length);
    exchange.write(body, 0, body.length, !this.#isGrpc);
    if (this.#isGrpc) exchange.trailers(STATUS_OK);
  }

  onTrailers(): void {}
  onDrain(): void {}
  onClose(): void {}
}

/** Sends back what comes. */
class Echoing implements Receiver {
  readonly #exchange: ServerExchange;
  #owedBytes = 0;

  constructor(exchange: ServerExchange) {
    this.#exchange = exchange;
    respond(exchange, GRPC, null);
  }

  onData(memory: Buffer, start: number, end: number): void {
    if (this.#exchange.write(memory, start, end)) this.#exchange.release(end - start);
    else this.#owedBytes += end - start;
  }

  onDrain(): void {
    this.#exchange.release(this.#owedBytes);
    this.#owedBytes = 0;
  }

  onEnd(): void {
    this.#exchange.trailers(STATUS_OK);
  }

  onTrailers(): void {}
  onClose(): void {}
}

function respond(exchange: ServerExchange, contentType: string, contentLength: number | null): void {
  const { head } = exchange;
  head.begin();
  head.status(200);
  head.field('server', 'sink');
  head.field('content-type', contentType);
  if (contentLength !== null) head.contentLength(contentLength);
  head.end();
  exchange.respond(false);
}
