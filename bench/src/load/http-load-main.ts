/**
 * Asks for HTTP/1.1 through HBONE: `node http-load-main.ts OPTIONS`, options and result as one line of JSON each.
 * Every stream has one request under way; what is answered before the clock starts does not count.
 */
import type { Carrier } from '@ambit/mesh/hbone';
import { Meter } from './meter.ts';
import { fail, openTunnels, type TunnelLoadOptions } from './tunnels.ts';

export interface HttpLoadOptions extends TunnelLoadOptions {
  readonly streams: number;
  /** The whole request. */
  readonly request: string;
}

class Stream {
  readonly #carrier: Carrier;
  readonly #request: Buffer;
  readonly #meter: Meter;
  #head = Buffer.alloc(0);
  #left = -1;
  #startMs = 0;

  constructor(carrier: Carrier, request: Buffer, meter: Meter) {
    this.#carrier = carrier;
    this.#request = request;
    this.#meter = meter;
  }

  start(): void {
    this.#carrier.read({
      onBytes: (memory, start, end) => this.#take(memory, start, end),
      onEnd: () => fail('a stream ended'),
      onClose: () => fail('a stream was closed'),
    });
    this.#ask();
  }

  #ask(): void {
    this.#startMs = performance.now();
    this.#carrier.write(this.#request);
  }

  #take(memory: Buffer, start: number, end: number): void {
    if (this.#left >= 0) {
      this.#body(end - start);
      return;
    }
    const bytes =
      this.#head.length === 0 ? memory.subarray(start, end) : Buffer.concat([this.#head, memory.subarray(start, end)]);
    const at = bytes.indexOf('\r\n\r\n');
    if (at < 0) {
      this.#head = Buffer.from(bytes);
      return;
    }
    this.#head = Buffer.alloc(0);
    const head = bytes.toString('latin1', 0, at);
    const length = /\r\ncontent-length: ?(\d+)/i.exec(head);
    if (!head.startsWith('HTTP/1.1 200') || length === null) fail(`an unexpected answer: ${head}`);
    this.#left = Number(length?.[1]);
    this.#body(bytes.length - at - 4);
  }

  #body(bytes: number): void {
    this.#left -= bytes;
    if (this.#left > 0) return;
    const isOk = this.#left === 0;
    this.#left = -1;
    this.#meter.add(performance.now() - this.#startMs, isOk);
    this.#ask();
  }
}

const [text] = process.argv.slice(2);
if (text !== undefined) {
  const options: HttpLoadOptions = JSON.parse(text);
  const request = Buffer.from(options.request, 'latin1');
  const meter = new Meter();
  for (const tunnel of await openTunnels(options, options.streams)) new Stream(tunnel, request, meter).start();
  process.stdout.write(`${JSON.stringify(await meter.measure(options))}\n`);
  process.exit(0);
}
