/**
 * What those who follow one API server tell each other: when it answers somebody again, nobody sits out the pause that its silence
 * has made long.
 */
export class Recovery {
  #next = new AbortController();

  /** Aborts when the API server next answers somebody whom it did not answer before. */
  get signal(): AbortSignal {
    return this.#next.signal;
  }

  /** The API server has answered after it did not. */
  announce(): void {
    const recovered = this.#next;
    this.#next = new AbortController();
    recovered.abort(new Error('the API server answers again'));
  }
}
