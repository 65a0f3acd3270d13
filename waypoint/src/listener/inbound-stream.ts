import type { Carrier, CarrierReader, CarrierResult } from '@ambit/mesh/hbone';
import type { Clock } from '@ambit/mesh/runtime';

/** Tells by what a client says first who serves it. */
export interface FirstBytes {
  /** `[start, end)` is all that has come so far. Null: too little to tell. */
  readonly tell: (memory: Buffer, start: number, end: number) => CarrierReader | null;
  /** The client is silent for too long, says no more, or more than anything that could be told by it. */
  readonly giveUp: () => CarrierReader;
}

/** How long a client may be silent before its connection is served as bytes: its server may be the one that speaks first. */
export const DETECTION_TIMEOUT_MS = 5000;
/** More than a request line, a TLS hello, and whatever else decides. */
const HELD_MAX_BYTES = 16 * 1024;
/** All that is held is looked at with every piece that comes: of one byte each, thousands would cost more than requests do. */
const PIECES_MAX = 256;

/** Hears what a connection still says that has been refused. */
export const NOBODY: CarrierReader = { onBytes: () => {}, onEnd: () => {}, onClose: () => {} };

/** Connections of which nobody knows yet who serves them. They count, as those do that are served. */
export class InboundStreams {
  readonly #clock: Clock;
  readonly #streams = new Set<InboundStream>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#streams.size;
  }

  get all(): Iterable<InboundStream> {
    return this.#streams;
  }

  /** Hears a client until `first` tells who serves it. Nobody has read from the carrier. */
  read(carrier: Pick<Carrier, 'read' | 'reset'>, first: FirstBytes): void {
    const stream: InboundStream = new InboundStream(carrier, first, this.#clock, () => this.#streams.delete(stream));
    this.#streams.add(stream);
    carrier.read(stream);
  }
}

/** A client's connection until it is known who serves it; after that it hands everything on. `onKnown`: once, also when it is gone before. */
export class InboundStream implements CarrierReader {
  readonly #carrier: Pick<Carrier, 'reset'>;
  readonly #first: FirstBytes;
  readonly #onKnown: () => void;
  #heldBytes = Buffer.alloc(0);
  #pieceCount = 0;
  #timer: Disposable | undefined;
  #next: CarrierReader | undefined;
  #ended = false;

  constructor(carrier: Pick<Carrier, 'reset'>, first: FirstBytes, clock: Clock, onKnown: () => void = () => {}) {
    this.#carrier = carrier;
    this.#first = first;
    this.#onKnown = onKnown;
    this.#timer = clock.setTimer(DETECTION_TIMEOUT_MS, () => this.#giveUp());
  }

  get heldBytes(): number {
    return this.#heldBytes.length;
  }

  /** Ends it at once. */
  destroy(): void {
    this.#carrier.reset();
  }

  onBytes(memory: Buffer, start: number, end: number): void {
    if (this.#next !== undefined) {
      this.#next.onBytes(memory, start, end);
      return;
    }
    if (this.#ended) return;
    const isFirst = this.#heldBytes.length === 0;
    // Usually the first read tells, and needs no copy.
    const foundAtOnce = isFirst ? this.#first.tell(memory, start, end) : null;
    if (foundAtOnce !== null) {
      this.#serve(foundAtOnce);
      foundAtOnce.onBytes(memory, start, end);
      return;
    }
    this.#heldBytes = Buffer.concat([this.#heldBytes, memory.subarray(start, end)]);
    const found = isFirst ? null : this.#first.tell(this.#heldBytes, 0, this.#heldBytes.length);
    if (found !== null) this.#serve(found);
    else if (this.#heldBytes.length > HELD_MAX_BYTES || (this.#pieceCount += 1) >= PIECES_MAX) this.#giveUp();
  }

  onEnd(): void {
    this.#giveUp();
    this.#next?.onEnd();
  }

  onDrain(): void {
    this.#next?.onDrain?.();
  }

  onDraining(waitingBytes: number): void {
    this.#next?.onDraining?.(waitingBytes);
  }

  onClose(result: CarrierResult): void {
    this.#stopTimer();
    this.#ended = true;
    if (this.#next === undefined) this.#onKnown();
    else this.#next.onClose(result);
  }

  #giveUp(): void {
    if (this.#next === undefined && !this.#ended) this.#serve(this.#first.giveUp());
  }

  /** Whoever it is gets what has been held. */
  #serve(next: CarrierReader): void {
    this.#stopTimer();
    this.#next = next;
    this.#onKnown();
    const held = this.#heldBytes;
    this.#heldBytes = Buffer.alloc(0);
    if (held.length > 0) next.onBytes(held, 0, held.length);
  }

  #stopTimer(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
