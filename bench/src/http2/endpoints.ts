import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { createPlainCarrier } from '@ambit/mesh/hbone';
import {
  CarrierLink,
  type ClientExchange,
  Http2Client,
  Http2Server,
  type Receiver,
  type ResponseReceiver,
  type ServerExchange,
  type ServerOptions,
} from '@ambit/mesh/http2';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';

/** A server, client or proxy that is measured. */
export interface Listening extends AsyncDisposable {
  readonly port: number;
}

export interface Answer {
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

const environment = { clock: systemClock, logger: silentLogger };

export async function connectOurs(port: number): Promise<Http2Client> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  await once(socket, 'connect');
  return new Http2Client(linkOf(socket), environment).start();
}

function linkOf(socket: net.Socket): CarrierLink {
  return new CarrierLink(createPlainCarrier(socket)).start();
}

function listenOurs(onRequest: ServerOptions['onRequest']): Promise<Listening> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
    sockets.add(socket.on('error', () => {}));
    new Http2Server(linkOf(socket), { ...environment, onRequest }).start();
  });
  return listening(server, () => {
    for (const socket of sockets) socket.destroy();
  });
}

async function listening(server: net.Server, end: () => void): Promise<Listening> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    async [Symbol.asyncDispose]() {
      end();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers each request when it has ended. */
export function serveOurs(answer: Answer): Promise<Listening> {
  return listenOurs((exchange) => new Answering(exchange, answer));
}

class Answering implements Receiver {
  private readonly exchange: ServerExchange;
  private readonly answer: Answer;

  constructor(exchange: ServerExchange, answer: Answer) {
    this.exchange = exchange;
    this.answer = answer;
  }

  onData(_memory: Buffer, start: number, end: number): void {
    this.exchange.release(end - start);
  }

  onEnd(): void {
    const { exchange, answer } = this;
    const { head } = exchange;
    head.begin();
    head.status(200);
    for (const [name, value] of answer.fields) head.field(name, value);
    head.contentLength(answer.body.length);
    head.end();
    exchange.respond(false);
    exchange.write(answer.body, 0, answer.body.length, true);
  }

  onTrailers(): void {}
  onDrain(): void {}
  onClose(): void {}
}

export function serveNode(answer: Answer): Promise<Listening> {
  const headers = { ':status': 200, ...Object.fromEntries(answer.fields), 'content-length': answer.body.length };
  return listenNode((stream) => {
    stream.resume();
    stream.on('end', () => {
      stream.respond(headers);
      stream.end(answer.body);
    });
  });
}

function listenNode(
  onStream: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
): Promise<Listening> {
  const sessions = new Set<http2.ServerHttp2Session>();
  const server = http2.createServer(ROOMY);
  server.on('session', (session) => void sessions.add(session.on('error', () => {})));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    onStream(stream, headers);
  });
  return listening(server, () => {
    for (const session of sessions) session.destroy();
  });
}

const ROOMY: http2.ServerOptions = { maxSessionMemory: 1000, settings: { initialWindowSize: 1 << 20 } };

export function connectNode(port: number): http2.ClientHttp2Session {
  return http2.connect(`http://127.0.0.1:${port}`, ROOMY).on('error', () => {});
}

/** Passes every request on to the server on `port`, over one connection, and its response back. */
export async function proxyOurs(port: number): Promise<Listening> {
  const client = await connectOurs(port);
  const inbound = await listenOurs((exchange, head, endsStream) => {
    const relay = new Relay(exchange);
    client.head.begin();
    client.head.requestOf(head);
    client.head.fieldsOf(head);
    if (head.hasContentLength) client.head.contentLength(head.contentLength);
    client.head.end();
    relay.upstream = client.request(relay, endsStream);
    if (relay.upstream === undefined) exchange.reset();
    return relay.request;
  });
  return {
    port: inbound.port,
    async [Symbol.asyncDispose]() {
      client.destroy();
      await inbound[Symbol.asyncDispose]();
    },
  };
}

class Relay implements ResponseReceiver {
  upstream: ClientExchange | undefined;
  private readonly exchange: ServerExchange;
  private owed = 0;
  readonly request: Receiver = {
    onData: (memory, start, end) => {
      this.upstream?.write(memory, start, end);
      this.exchange.release(end - start);
    },
    onTrailers: (trailers) => this.upstream?.trailers(trailers),
    onEnd: () => this.upstream?.end(),
    onDrain: () => {
      this.upstream?.release(this.owed);
      this.owed = 0;
    },
    onClose: (error) => {
      if (error !== undefined) this.upstream?.reset();
    },
  };

  constructor(exchange: ServerExchange) {
    this.exchange = exchange;
  }

  onInterim(): void {}

  onResponse(...[received, endsStream]: Parameters<ResponseReceiver['onResponse']>): void {
    const { head } = this.exchange;
    head.begin();
    head.status(received.status);
    head.fieldsOf(received);
    if (received.hasContentLength) head.contentLength(received.contentLength);
    head.end();
    this.exchange.respond(endsStream);
  }

  onData(memory: Buffer, start: number, end: number): void {
    if (this.exchange.write(memory, start, end)) this.upstream?.release(end - start);
    else this.owed += end - start;
  }

  onTrailers(...[trailers]: Parameters<ResponseReceiver['onTrailers']>): void {
    this.exchange.trailers(trailers);
  }

  onEnd(): void {
    this.exchange.end();
  }

  onDrain(): void {}

  onClose(...[error]: Parameters<ResponseReceiver['onClose']>): void {
    if (error !== undefined) this.exchange.reset();
  }
}

export async function proxyNode(port: number): Promise<Listening> {
  const session = connectNode(port);
  const inbound = await listenNode((stream, headers) => {
    const upstream = session.request(headers, { endStream: stream.endAfterHeaders });
    upstream.on('error', () => stream.close());
    upstream.on('response', (received) => {
      stream.respond(received);
      upstream.pipe(stream);
    });
    if (!stream.endAfterHeaders) stream.pipe(upstream);
  });
  return {
    port: inbound.port,
    async [Symbol.asyncDispose]() {
      session.destroy();
      await inbound[Symbol.asyncDispose]();
    },
  };
}
