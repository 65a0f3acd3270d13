/** Those who ask within one turn of the event loop get the same answer. */
export function shareReads<T>(read: () => Promise<T>): () => Promise<T> {
  let current: Promise<T> | null = null;
  return () => {
    if (current === null) {
      current = read();
      setImmediate(() => {
        current = null;
      });
    }
    return current;
  };
}
