/** Below it a loop copies faster than a call. */
const COPY_WORTH_BYTES = 48;

/** Copies `[start, end)` of `source` to `at` of `target`; returns where it ended. For names and values, most of which are short. */
export function copyRange(target: Buffer, at: number, source: Buffer, start: number, end: number): number {
  if (end - start >= COPY_WORTH_BYTES) return at + source.copy(target, at, start, end);
  for (let i = start; i < end; i += 1) target[at + i - start] = source[i] ?? 0;
  return at + end - start;
}
