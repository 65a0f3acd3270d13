import assert from 'node:assert/strict';
import type { Http2Stream } from 'node:http2';
import type { CarrierReader, CarrierResult } from '../hbone/carrier.ts';
import type { TunnelStream } from '../hbone/tunnel.ts';

/** Reads a carrier to its end. */
export class Collector implements CarrierReader {
  readonly chunks: Buffer[] = [];
  ended = false;
  drains = 0;
  /** How it ended. */
  result: CarrierResult | undefined;
  readonly closed: Promise<CarrierResult>;
  private readonly close: (result: CarrierResult) => void;
  constructor() {
    const { promise, resolve } = Promise.withResolvers<CarrierResult>();
    this.closed = promise;
    this.close = resolve;
  }
  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }
  get bytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }
  onBytes(memory: Buffer, start: number, end: number): void {
    this.chunks.push(Buffer.from(memory.subarray(start, end)));
  }
  onEnd(): void {
    this.ended = true;
  }
  onDrain(): void {
    this.drains += 1;
  }
  onClose(result: CarrierResult): void {
    assert.equal(this.result, undefined);
    this.result = result;
    this.close(result);
  }
}

/** Begins to read a tunnel. */
export function collect(stream: TunnelStream): Collector {
  const collector = new Collector();
  stream.read(collector);
  return collector;
}

/** All that a stream of `node:http2` says until its end. */
export async function textOf(stream: Http2Stream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
