import type { SpanRecord } from './span.ts';

/** Spans of one thread that wait to be exported, at most `max`: further ones are dropped and counted. */
export class SpanQueue {
  readonly #max: number;
  #spans: SpanRecord[] = [];
  #dropped = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Since the thread began. */
  get dropped(): number {
    return this.#dropped;
  }

  add(span: SpanRecord): void {
    if (this.#spans.length < this.#max) this.#spans.push(span);
    else this.#dropped++;
  }

  /** Up to `max` of those that wait, the oldest first; they are gone from here. */
  take(max: number): readonly SpanRecord[] {
    if (this.#spans.length <= max) {
      const all = this.#spans;
      this.#spans = [];
      return all;
    }
    return this.#spans.splice(0, max);
  }
}
