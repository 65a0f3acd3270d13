const LINE_CHARS_MAX = 1024;

/** Splits what comes on a byte stream into lines. */
export class LineReader {
  #pending = '';

  /** @throws RangeError for a line without end. */
  add(chunk: Buffer | string): readonly string[] {
    const lines = (this.#pending + chunk.toString()).split('\n');
    this.#pending = lines.pop() ?? '';
    if (this.#pending.length > LINE_CHARS_MAX) throw new RangeError(`a line of ${this.#pending.length} characters`);
    return lines;
  }
}
