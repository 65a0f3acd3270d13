import { type BudgetedReader, type PayloadTap, type ReadBudget, resetSocket } from '@ambit/mesh/hbone';
import { WIDE } from '@ambit/mesh/runtime';
import type { Socket } from 'node:net';
import type { Carrier } from './connection-record.ts';

/** How a pair of sockets ended; `error` when either broke. */
export interface SpliceResult {
  readonly error: Error | null;
}

/**
 * Joins two connected TCP sockets that nobody has read from (create both paused and half-open) and owns them until both
 * are closed: bytes, half-close and errors pass both ways, reading stops while the other side is behind. At most one
 * socket buffer per direction waits in memory. `onDone` is called exactly once. `tap` sees all that passes, what the source says as sent.
 * A socket is not read while its budget holds it.
 */
export class PlainSplice implements Carrier {
  /** From the source to the destination. */
  bytesSent: number = WIDE;
  /** From the destination to the source. */
  bytesReceived: number = WIDE;
  segments: number = WIDE;
  readonly #source: Socket;
  readonly #destination: Socket;
  readonly #onDone: (result: SpliceResult) => void;
  #error: Error | null = null;
  #open = 2;

  constructor(
    source: Socket,
    destination: Socket,
    onDone: (result: SpliceResult) => void,
    tap: PayloadTap | null = null,
    budgets: { readonly source?: ReadBudget | null; readonly destination?: ReadBudget | null } = {},
  ) {
    this.bytesSent = 0;
    this.bytesReceived = 0;
    this.segments = 0;
    this.#source = source;
    this.#destination = destination;
    this.#onDone = onDone;
    forward(
      source,
      destination,
      (chunk) => {
        this.bytesSent += chunk.length;
        this.segments++;
        if (tap !== null) tap.onSent(chunk, 0, chunk.length);
      },
      budgets.source ?? null,
    );
    forward(
      destination,
      source,
      (chunk) => {
        this.bytesReceived += chunk.length;
        this.segments++;
        if (tap !== null) tap.onReceived(chunk, 0, chunk.length);
      },
      budgets.destination ?? null,
    );
    this.#watch(source, destination);
    this.#watch(destination, source);
    source.resume();
    destination.resume();
  }

  get waitingBytes(): number {
    return this.#source.writableLength + this.#destination.writableLength;
  }

  cut(reason: string): void {
    this.#error ??= new Error(reason);
    resetSocket(this.#source);
    resetSocket(this.#destination);
  }

  #watch(socket: Socket, other: Socket): void {
    const closed = (): void => {
      this.#open--;
      // A side that ended without both FINs was reset: so is the other.
      if (!socket.readableEnded && !other.destroyed) resetSocket(other);
      if (this.#open === 0) this.#onDone({ error: this.#error });
    };
    socket.on('error', (error) => {
      this.#error ??= error;
      if (!other.destroyed) resetSocket(other);
    });
    if (socket.closed) closed();
    else socket.once('close', closed);
  }
}

function forward(from: Socket, to: Socket, count: (chunk: Buffer) => void, budget: ReadBudget | null): void {
  let isHeld = false;
  const readOn = (): void => {
    if (!from.destroyed && !isHeld && !to.writableNeedDrain) from.resume();
  };
  const reader: BudgetedReader = {
    onBudget: () => {
      isHeld = false;
      readOn();
    },
  };
  from.on('data', (chunk: Buffer) => {
    if (!to.write(chunk)) from.pause();
    count(chunk);
    if (budget === null || budget.take(chunk.length, reader)) return;
    isHeld = true;
    from.pause();
  });
  to.on('drain', readOn);
  if (budget !== null) from.once('close', () => budget.forget(reader));
  from.once('end', () => {
    if (!to.destroyed) to.end();
  });
}
