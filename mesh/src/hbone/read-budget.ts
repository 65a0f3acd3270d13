/** Who may be held by a budget. */
export interface BudgetedReader {
  /** May read on. */
  onBudget(): void;
}

/** How much may be read of plaintext sockets, one budget for any number of them. */
export interface ReadBudget {
  /** `bytes` were read. False: `reader` reads no more until it hears `onBudget`. */
  take(bytes: number, reader: BudgetedReader): boolean;
  /** The reader is gone. */
  forget(reader: BudgetedReader): void;
}
