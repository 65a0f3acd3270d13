import type { Clock } from '@ambit/mesh/runtime';

interface Entry<Value> {
  readonly value: Value;
  readonly endMs: number;
}

/** Values that are forgotten after a time of their own, and the oldest ones earlier when there are too many. */
export class ExpiringMap<Key, Value> {
  readonly #clock: Clock;
  readonly #entriesMax: number;
  readonly #entries = new Map<Key, Entry<Value>>();

  constructor(clock: Clock, entriesMax: number) {
    this.#clock = clock;
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Key): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (this.#clock.monotonic() < entry.endMs) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: Key, value: Value, lifeMs: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, endMs: this.#clock.monotonic() + lifeMs });
    if (this.#entries.size <= this.#entriesMax) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  delete(key: Key): void {
    this.#entries.delete(key);
  }
}
