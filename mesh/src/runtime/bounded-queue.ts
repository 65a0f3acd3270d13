import { Fifo } from './fifo.ts';

/** What happens to an item that finds the queue full. */
export type FullPolicy = 'refuse' | 'drop-oldest';

/**
 * First in, first out, never more than `capacity` items. Not for several concurrent takers: one consumer at a time waits.
 */
export class BoundedQueue<T> {
  readonly capacity: number;
  readonly #whenFull: FullPolicy;
  readonly #items = new Fifo<T>();
  #lost = 0;
  #waiter: (() => void) | null = null;

  constructor(options: { readonly capacity: number; readonly whenFull: FullPolicy }) {
    if (!(Number.isInteger(options.capacity) && options.capacity > 0))
      throw new RangeError('capacity must be positive');
    this.capacity = options.capacity;
    this.#whenFull = options.whenFull;
  }

  get length(): number {
    return this.#items.length;
  }

  /** Items refused or dropped since creation. */
  get lost(): number {
    return this.#lost;
  }

  /** False when the item was refused. A dropped older item still answers true. */
  push(item: T): boolean {
    if (this.length >= this.capacity) {
      this.#lost++;
      if (this.#whenFull === 'refuse') return false;
      this.shift();
    }
    this.#items.push(item);
    this.#waiter?.();
    return true;
  }

  shift(): T | undefined {
    return this.#items.shift();
  }

  /** Waits for an item. Rejects with the signal's reason. @throws Error when another caller already waits. */
  async take(signal: AbortSignal): Promise<T> {
    while (this.length === 0) {
      signal.throwIfAborted();
      if (this.#waiter !== null) throw new Error('bug: two callers take from one queue');
      await new Promise<void>((resolve, reject) => {
        const onAbort = (): void => {
          this.#waiter = null;
          reject(signal.reason);
        };
        this.#waiter = () => {
          this.#waiter = null;
          signal.removeEventListener('abort', onAbort);
          resolve();
        };
        signal.addEventListener('abort', onAbort, { once: true });
      });
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- length was checked: an item is there, itself perhaps undefined
    return this.shift() as T;
  }
}
