/** A few things at a time, and fewer of one source. */
export class CallSlots {
  readonly #max: number;
  readonly #perSourceMax: number;
  readonly #bySource = new Map<string, number>();
  #taken = 0;

  constructor(max: number, perSourceMax: number) {
    this.#max = max;
    this.#perSourceMax = perSourceMax;
  }

  /** Null when there is none left. Disposing what is returned gives it back, once. */
  take(source: string): Disposable | null {
    const ofSource = this.#bySource.get(source) ?? 0;
    if (this.#taken >= this.#max || ofSource >= this.#perSourceMax) return null;
    this.#taken++;
    this.#bySource.set(source, ofSource + 1);
    let isTaken = true;
    return {
      [Symbol.dispose]: () => {
        if (!isTaken) return;
        isTaken = false;
        this.#taken--;
        const left = (this.#bySource.get(source) ?? 1) - 1;
        if (left === 0) this.#bySource.delete(source);
        else this.#bySource.set(source, left);
      },
    };
  }
}
