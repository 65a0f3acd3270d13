/** One to four numbers of up to five digits, each with its unit. */
const DURATION = /^(?:[0-9]{1,5}(?:h|ms|m|s)){1,4}$/;
const COMPONENT = /([0-9]+)(h|ms|m|s)/g;
const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Milliseconds of a duration as Gateway API writes them (GEP-2257), or null when it is none. */
export function parseDurationMs(text: string): number | null {
  if (!DURATION.test(text)) return null;
  let total = 0;
  for (const [, digits = '', unit = ''] of text.matchAll(COMPONENT)) total += Number(digits) * (UNIT_MS[unit] ?? 0);
  return total;
}

/** In the standard form: descending units, each once. */
export function formatDurationMs(durationMs: number): string {
  let rest = durationMs;
  let text = '';
  for (const [unit, unitMs] of Object.entries(UNIT_MS)) {
    const count = Math.floor(rest / unitMs);
    rest -= count * unitMs;
    if (count > 0) text += `${count}${unit}`;
  }
  return text === '' ? '0s' : text;
}
