import { once } from 'node:events';
import type { Socket } from 'node:net';
import { systemClock } from '../runtime/clock.ts';
import { silentLogger } from '../runtime/logger.ts';
import { createPlainCarrier } from '../hbone/plain-carrier.ts';
import { CarrierLink } from '../http2/carrier-link.ts';
import { Http2Client } from '../http2/client.ts';
import type { ClientExchange } from '../http2/client-exchange.ts';
import type { ClientOptions, Http2Environment, Receiver, ResponseReceiver, ServerOptions } from '../http2/contract.ts';
import type { Exchange } from '../http2/exchange.ts';
import type { Http2RequestHead, Http2ResponseHead } from '../http2/head.ts';
import { copyHead } from '../http2/head-copy.ts';
import type { Http2Error } from '../http2/http2-error.ts';
import { Http2Server } from '../http2/server.ts';
import type { ServerExchange } from '../http2/server-exchange.ts';
import type { FieldBlock } from '../http1/field-block.ts';
import { fieldsOf, type FieldList } from './http1-steps.ts';
import { dial, listen, type Listener } from './tunnel-world.ts';

// What tests of HTTP/2 share: both ends on sockets, and somebody who collects what is received.

export const http2Environment: Http2Environment = { clock: systemClock, logger: silentLogger };

/** Collects one message. */
export class Collector implements Receiver {
  readonly chunks: Buffer[] = [];
  trailers: FieldList | undefined;
  ended = false;
  closed = false;
  error: Http2Error | undefined;
  drains = 0;
  /** Bytes are released as they come. */
  readonly exchange: () => Exchange | undefined;
  onDone: () => void = () => {};

  constructor(exchange: () => Exchange | undefined) {
    this.exchange = exchange;
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }

  onData(memory: Buffer, start: number, end: number): void {
    this.chunks.push(Buffer.from(memory.subarray(start, end)));
    this.exchange()?.release(end - start);
  }

  onTrailers(trailers: FieldBlock): void {
    this.trailers = fieldsOf(trailers);
  }

  onEnd(): void {
    this.ended = true;
    this.onDone();
  }

  onDrain(): void {
    this.drains += 1;
  }

  onClose(error: Http2Error | undefined): void {
    this.closed = true;
    this.error = error;
    this.onDone();
  }
}

/** Collects a response. */
export class ResponseCollector extends Collector implements ResponseReceiver {
  readonly interims: number[] = [];
  status = 0;
  fields: FieldList = [];
  framing = '';

  onInterim(head: Http2ResponseHead): void {
    this.interims.push(head.status);
  }

  onResponse(head: Http2ResponseHead): void {
    this.status = head.status;
    this.fields = fieldsOf(head);
    this.framing = head.framing;
  }
}

/** A request as a server has it once it is complete. */
export interface CompleteRequest {
  readonly exchange: ServerExchange;
  readonly head: Http2RequestHead;
  readonly message: Collector;
}

/** Server options that answer requests when they are complete, or have failed. */
export function answering(
  answer: (request: CompleteRequest) => void,
  options: Partial<ServerOptions> = {},
): ServerOptions {
  return {
    ...http2Environment,
    onRequest: (exchange, head) => {
      const message = new Collector(() => exchange);
      const request = { exchange, head: copyHead(head), message };
      let answered = false;
      message.onDone = () => {
        if (answered) return;
        answered = true;
        answer(request);
      };
      return message;
    },
    ...options,
  };
}

/** The head of a response, `last` without a body. */
export function beginResponse(exchange: ServerExchange, status: number, fields: FieldList = [], last = false): void {
  const { head } = exchange;
  head.begin();
  head.status(status);
  for (const [name, value] of fields) head.field(name, value);
  if (!head.end()) throw new Error(`a head that nobody may send: ${head.problem}`);
  exchange.respond(last);
}

/** A response of text, at once. */
export function respondText(exchange: ServerExchange, status: number, text: string, fields: FieldList = []): void {
  const bytes = Buffer.from(text);
  beginResponse(exchange, status, fields, bytes.length === 0);
  if (bytes.length > 0) exchange.write(bytes, 0, bytes.length, true);
}

/** HTTP/2 by prior knowledge on port 0. */
export function listenHttp2(
  options: ServerOptions,
  onServer: (server: Http2Server) => void = () => {},
): Promise<Listener> {
  return listen((socket) => onServer(new Http2Server(plainLink(socket), options).start()));
}

export async function connectHttp2(port: number, options: Partial<ClientOptions> = {}): Promise<Http2Client> {
  const socket = dial(port);
  await once(socket, 'connect');
  return new Http2Client(plainLink(socket), { ...http2Environment, ...options }).start();
}

/** A connected socket that nobody has read from. */
export function plainLink(socket: Socket): CarrierLink {
  return new CarrierLink(createPlainCarrier(socket.setNoDelay(true))).start();
}

/** Makes a request of which all is known; says how it was answered. */
export function ask(
  client: Http2Client,
  target: {
    readonly method?: string;
    readonly path?: string;
    readonly fields?: FieldList;
    readonly body?: Buffer | string;
  },
): { readonly exchange: ClientExchange; readonly response: ResponseCollector } | undefined {
  const { method = 'GET', path = '/', fields = [], body } = target;
  const { head } = client;
  head.begin();
  head.request({ method, scheme: 'http', authority: 'shop.svc:80', path });
  for (const [name, value] of fields) head.field(name, value);
  if (!head.end()) throw new Error(head.problem);
  let exchange: ClientExchange | undefined = undefined;
  const response: ResponseCollector = new ResponseCollector(() => exchange);
  exchange = client.request(response, body === undefined);
  if (exchange === undefined) return undefined;
  if (body !== undefined) {
    const bytes = Buffer.from(body);
    exchange.write(bytes, 0, bytes.length, true);
  }
  return { exchange, response };
}
