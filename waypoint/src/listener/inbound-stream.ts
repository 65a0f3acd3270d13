import type { CarrierReader, CarrierResult } from '@ambit/mesh/hbone';
import type { Clock } from '@ambit/mesh/runtime';
import { detectProtocol } from './detect-protocol.ts';

/** What serves a client once it is known what it speaks. */
export interface ProtocolServers {
  readonly http1: () => CarrierReader;
  readonly http2: () => CarrierReader;
  /** For what need not be HTTP; without it HTTP/1.1 gets what is not understood, and refuses it. */
  readonly tcp?: () => CarrierReader;
}

/** How long a client may be silent before its connection is served as bytes: its server may be the one that speaks first. */
export const DETECTION_TIMEOUT_MS = 5000;
/** More than a request line, and than whatever else decides. */
const HELD_MAX_BYTES = 16 * 1024;

/** A client's connection until it is known what it speaks; after that it hands everything on. */
export class InboundStream implements CarrierReader {
  readonly #servers: ProtocolServers;
  #heldBytes = Buffer.alloc(0);
  #timer: Disposable | undefined;
  #next: CarrierReader | undefined;
  #ended = false;

  constructor(servers: ProtocolServers, clock: Clock) {
    this.#servers = servers;
    this.#timer = clock.setTimer(DETECTION_TIMEOUT_MS, () => this.#decide('tcp'));
  }

  onBytes(memory: Buffer, start: number, end: number): void {
    if (this.#next !== undefined) {
      this.#next.onBytes(memory, start, end);
      return;
    }
    if (this.#ended) return;
    // Usually the first read tells, and needs no copy.
    if (this.#heldBytes.length === 0) {
      const found = detectProtocol(memory, start, end);
      if (found !== 'more') {
        this.#decide(found)?.onBytes(memory, start, end);
        return;
      }
    }
    this.#heldBytes = Buffer.concat([this.#heldBytes, memory.subarray(start, end)]);
    const found = detectProtocol(this.#heldBytes, 0, this.#heldBytes.length);
    if (found !== 'more') this.#decide(found);
    else if (this.#heldBytes.length > HELD_MAX_BYTES) this.#decide('tcp');
  }

  onEnd(): void {
    if (this.#next === undefined) this.#decide('tcp');
    this.#next?.onEnd();
  }

  onDrain(): void {
    this.#next?.onDrain?.();
  }

  onClose(result: CarrierResult): void {
    this.#stopTimer();
    this.#ended = true;
    this.#next?.onClose(result);
  }

  /** Whoever goes on with what has not been held; undefined when nobody does. */
  #decide(protocol: 'http1' | 'http2' | 'tcp'): CarrierReader | undefined {
    if (this.#next !== undefined || this.#ended) return undefined;
    this.#stopTimer();
    const servers = this.#servers;
    const serve = protocol === 'tcp' ? (servers.tcp ?? servers.http1) : servers[protocol];
    this.#next = serve();
    const held = this.#heldBytes;
    this.#heldBytes = Buffer.alloc(0);
    if (held.length > 0) this.#next.onBytes(held, 0, held.length);
    return this.#next;
  }

  #stopTimer(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
