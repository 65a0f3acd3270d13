/**
 * What a connection needs of the byte stream below it. A TLS socket is one, and whatever copies what it is given before `write`
 * returns.
 */
export interface ByteLink {
  /** Chunks belong to the listener until it returns. */
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'error', listener: (cause: Error) => void): unknown;
  /** `end`: nothing more will come. `close`: last, once. */
  on(event: 'end' | 'close', listener: () => void): unknown;
  /** One at a time: the next follows when `done` was called, later than this returns. */
  readonly write: (bytes: Buffer, done: () => void) => unknown;
  /** Ends our direction behind what was written. */
  end(): unknown;
  /** Closes both directions at once; `close` follows. */
  destroy(cause?: Error): unknown;
}
