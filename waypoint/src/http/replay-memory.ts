const SPARE_MAX = 64;

/** Memory that requests are put together in, and kept in until it is sure that they need not be sent once more. */
export class ReplayMemory {
  readonly #bytes: number;
  readonly #spare: Buffer[] = [];

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  take(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
  }

  give(memory: Buffer): void {
    if (memory.length === this.#bytes && this.#spare.length < SPARE_MAX) this.#spare.push(memory);
  }
}
