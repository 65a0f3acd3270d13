/**
 * Asks for HTTP/2 and gRPC through HBONE, one HTTP/2 connection in a tunnel: `node http2-load-main.ts OPTIONS`, options and result
 * as one line of JSON each. Every stream has one request under way; of streamed messages each has so many under way.
 */
import {
  CarrierLink,
  type ClientExchange,
  Http2Client,
  type Http2ResponseHead,
  type ResponseReceiver,
} from '@ambit/mesh/http2';
import type { FieldBlock } from '@ambit/mesh/http1';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { grpcMessage } from './grpc-message.ts';
import { Meter } from './meter.ts';
import { fail, openTunnels, type TunnelLoadOptions } from './tunnels.ts';

export type Http2Call = 'get' | 'grpc' | 'grpc-stream';

export interface Http2LoadOptions extends TunnelLoadOptions {
  readonly call: Http2Call;
  readonly streams: number;
  readonly requestAuthority: string;
  readonly path: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly messageBytes: number;
  /** Of a stream at a time. */
  readonly messagesUnderWay: number;
}

/** One request after the other. */
class Caller implements ResponseReceiver {
  protected exchange: ClientExchange | undefined;
  protected readonly options: Http2LoadOptions;
  protected readonly message: Buffer | null;
  readonly #client: Http2Client;
  readonly #meter: Meter;
  #startMs = 0;
  #bytes = 0;
  #grpcStatus: string | null = null;

  constructor(client: Http2Client, options: Http2LoadOptions, meter: Meter) {
    this.#client = client;
    this.options = options;
    this.#meter = meter;
    this.message = options.call === 'get' ? null : grpcMessage(Buffer.alloc(options.messageBytes, 'x'));
  }

  ask(): void {
    this.#startMs = performance.now();
    this.#bytes = 0;
    this.#grpcStatus = null;
    this.begin();
    if (this.message !== null) this.exchange?.write(this.message, 0, this.message.length, true);
  }

  onInterim(): void {}

  onResponse(head: Http2ResponseHead): void {
    if (head.status !== 200) fail(`an unexpected status: ${head.status}`);
  }

  onData(_memory: Buffer, start: number, end: number): void {
    this.#bytes += end - start;
    this.exchange?.release(end - start);
  }

  onTrailers(trailers: FieldBlock): void {
    const at = trailers.find('grpc-status');
    if (at >= 0) this.#grpcStatus = trailers.value(at);
  }

  onEnd(): void {
    const isOk = this.#bytes >= this.options.messageBytes && (this.message === null || this.#grpcStatus === '0');
    this.#meter.add(performance.now() - this.#startMs, isOk);
  }

  onDrain(): void {}

  onClose(error: Error | undefined): void {
    if (error !== undefined) fail(`a stream was cut: ${error.message}`);
    // An exchange that is over makes room for the next one in the same turn.
    this.ask();
  }

  protected begin(): void {
    const { head } = this.#client;
    const { requestAuthority, path, fields } = this.options;
    head.begin();
    head.request({ method: this.message === null ? 'GET' : 'POST', scheme: 'http', authority: requestAuthority, path });
    for (const [name, value] of fields) head.field(name, value);
    if (this.message !== null) {
      head.field('content-type', 'application/grpc');
      head.field('te', 'trailers');
    }
    head.end();
    this.exchange = this.#client.request(this, this.message === null);
    if (this.exchange === undefined) fail('a connection takes no request');
  }
}

/** Messages that come back on one long call. */
class Streamer extends Caller {
  readonly #sentMs: number[] = [];
  readonly #streamMeter: Meter;
  #received = 0;

  constructor(client: Http2Client, options: Http2LoadOptions, meter: Meter) {
    super(client, options, meter);
    this.#streamMeter = meter;
  }

  override ask(): void {
    this.begin();
    for (let i = 0; i < this.options.messagesUnderWay; i += 1) this.#send();
  }

  override onData(_memory: Buffer, start: number, end: number): void {
    this.exchange?.release(end - start);
    const length = this.message?.length ?? 1;
    for (this.#received += end - start; this.#received >= length; this.#received -= length) {
      this.#streamMeter.add(performance.now() - (this.#sentMs.shift() ?? 0), true);
      this.#send();
    }
  }

  override onEnd(): void {
    fail('a call ended');
  }

  #send(): void {
    this.#sentMs.push(performance.now());
    if (this.message !== null) this.exchange?.write(this.message, 0, this.message.length, false);
  }
}

const [text] = process.argv.slice(2);
if (text !== undefined) {
  const options: Http2LoadOptions = JSON.parse(text);
  const meter = new Meter();
  const clients = (await openTunnels(options, options.connections)).map((tunnel) =>
    new Http2Client(new CarrierLink(tunnel).start(), {
      clock: systemClock,
      logger: silentLogger,
      onClose: () => fail('a connection was closed'),
    }).start(),
  );
  const Kind = options.call === 'grpc-stream' ? Streamer : Caller;
  for (let i = 0; i < options.streams; i += 1) {
    const client = clients[i % clients.length];
    if (client !== undefined) new Kind(client, options, meter).ask();
  }
  process.stdout.write(`${JSON.stringify(await meter.measure(options))}\n`);
  process.exit(0);
}
