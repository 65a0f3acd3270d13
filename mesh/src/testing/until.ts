/** Longest a test waits for something that has to happen. */
export const UNTIL_MS = 10_000;
const STEP_MS = 2;

/**
 * Resolves with the first result of `condition` that is neither undefined, null nor false. Rejects, naming `what`, after
 * `deadlineMs`. For conditions on real I/O; with a manual clock, step the clock instead.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  deadlineMs: number = UNTIL_MS,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const result = await condition();
    if (result !== undefined && result !== null && result !== false) return result as NonNullable<Exclude<T, false>>;
    if (performance.now() > end) throw new Error(`did not happen within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
}
