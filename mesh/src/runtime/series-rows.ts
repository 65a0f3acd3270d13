/** Every series of a table at one moment; `values` holds one row of numbers per series. */
export interface SeriesSnapshot {
  readonly labels: readonly (readonly string[])[];
  readonly values: Float64Array;
}

export interface SeriesRowsOptions {
  /** Numbers per row. */
  readonly columns: number;
  readonly labelCount: number;
  /** Series beyond this number share one whose labels all read `overflow`. */
  readonly seriesMax: number;
}

const INITIAL_ROWS = 16;
const OVERFLOW = 'overflow';

/** Series of metrics by key, each a row of numbers in one array, so that whoever counts adds without hashing labels. */
export class SeriesRows {
  readonly #options: SeriesRowsOptions;
  readonly #rows = new Map<string, number>();
  readonly #labels: (readonly string[])[] = [];
  #values: Float64Array;

  constructor(options: SeriesRowsOptions) {
    this.#options = options;
    this.#values = new Float64Array(INITIAL_ROWS * options.columns);
  }

  /** All rows, one behind the other. Another array once a row was added. */
  get values(): Float64Array {
    return this.#values;
  }

  /** Where the row of `key` begins in `values`, for the life of the table. `labels` is asked when the row is new. */
  at(key: string, labels: () => readonly string[]): number {
    const { columns, labelCount, seriesMax } = this.#options;
    let row = this.#rows.get(key);
    if (row === undefined) {
      const isFull = this.#labels.length >= seriesMax;
      row = isFull
        ? (this.#rows.get(OVERFLOW) ??
          this.#add(
            OVERFLOW,
            Array.from({ length: labelCount }, () => OVERFLOW),
          ))
        : this.#add(key, labels());
    }
    return row * columns;
  }

  snapshot(): SeriesSnapshot {
    return { labels: [...this.#labels], values: this.#values.slice(0, this.#labels.length * this.#options.columns) };
  }

  #add(key: string, labels: readonly string[]): number {
    const row = this.#labels.push(labels) - 1;
    if ((row + 1) * this.#options.columns > this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#rows.set(key, row);
    return row;
  }
}
