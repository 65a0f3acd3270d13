/** Longest a test waits for something that has to happen. */
export const UNTIL_MS = 10_000;
const STEP_MS = 2;

type There<T> = NonNullable<Exclude<Awaited<T>, false>>;

function isThere<T>(value: T): value is T & There<T> {
  return value !== undefined && value !== null && value !== false;
}

/**
 * Resolves with the first result of `condition` that is neither undefined, null nor false. Rejects, naming `what`, after
 * `deadlineMs`. For conditions on real I/O; with a manual clock, step the clock instead.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  deadlineMs: number = UNTIL_MS,
): Promise<There<T>> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const result = await condition();
    if (isThere(result)) return result;
    if (performance.now() > end) throw new Error(`did not happen within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
}
