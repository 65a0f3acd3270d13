/**
 * Fetches or sends bodies of HTTP/1.1 through HBONE, one after the other on one connection: `node bulk-load-main.ts OPTIONS`, options
 * and result as one line of JSON each. Its result counts MiB, also of a body that is not over yet.
 */
import type { Carrier } from '@ambit/mesh/hbone';
import { Meter } from './meter.ts';
import { fail, openTunnels, type TunnelLoadOptions } from './tunnels.ts';

export interface BulkLoadOptions extends TunnelLoadOptions {
  readonly direction: 'download' | 'upload';
  readonly bodyBytes: number;
  /** The head of each request. */
  readonly request: string;
}

const MIB = 1024 * 1024;
const PIECE: Buffer = Buffer.alloc(64 * 1024, 'x');

class Bulk {
  bytes = 0;
  readonly #carrier: Carrier;
  readonly #options: BulkLoadOptions;
  readonly #request: Buffer;
  #unsent = 0;
  #unread = 0;

  constructor(carrier: Carrier, options: BulkLoadOptions) {
    this.#carrier = carrier;
    this.#options = options;
    this.#request = Buffer.from(options.request, 'latin1');
  }

  start(): void {
    this.#carrier.read({
      onBytes: (memory, start, end) => this.#take(memory, start, end),
      onDrain: () => this.#send(),
      onEnd: () => fail('a stream ended'),
      onClose: () => fail('a stream was closed'),
    });
    this.#ask();
  }

  #ask(): void {
    this.#carrier.write(this.#request);
    if (this.#options.direction === 'upload') this.#unsent = this.#options.bodyBytes;
    this.#send();
  }

  #send(): void {
    while (this.#unsent > 0) {
      const length = Math.min(PIECE.length, this.#unsent);
      this.#unsent -= length;
      this.bytes += length;
      if (!this.#carrier.write(PIECE, 0, length)) return;
    }
  }

  #take(memory: Buffer, start: number, end: number): void {
    let at = start;
    if (this.#unread === 0) {
      const head = memory.toString('latin1', start, Math.min(end, start + 4096));
      const headEnd = head.indexOf('\r\n\r\n');
      const length = /\r\ncontent-length: ?(\d+)/i.exec(head);
      // Heads are written at once, and are read so after some megabytes.
      if (!head.startsWith('HTTP/1.1 200') || headEnd < 0 || length === null) fail(`an unexpected answer: ${head}`);
      this.#unread = Number(length?.[1]);
      at = start + headEnd + 4;
    }
    this.#unread -= end - at;
    if (this.#options.direction === 'download') this.bytes += end - at;
    if (this.#unread < 0) fail('more than was announced');
    if (this.#unread === 0) this.#ask();
  }
}

const [text] = process.argv.slice(2);
if (text !== undefined) {
  const options: BulkLoadOptions = JSON.parse(text);
  const bulks = (await openTunnels(options, options.connections)).map((tunnel) => new Bulk(tunnel, options));
  for (const bulk of bulks) bulk.start();
  const meter = new Meter();
  const result = await meter.measure(options, () => bulks.reduce((sum, { bytes }) => sum + bytes, 0) / MIB);
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exit(0);
}
