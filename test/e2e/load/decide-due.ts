/** When things leave: number n has its time whatever became of those before it. */
export interface Pace {
  readonly startMs: number;
  readonly endMs: number;
  readonly perSecond: number;
}

/** The time planned for number `index`, counted from 0. */
export function plannedAtMs({ startMs, perSecond }: Pace, index: number): number {
  return startMs + ((index + 0.5) * 1000) / perSecond;
}

/** How many shall have left by `nowMs`, of those planned before the end. */
export function decideDueCount(pace: Pace, nowMs: number): number {
  const elapsedMs = Math.min(nowMs, pace.endMs) - pace.startMs;
  return Math.max(0, Math.floor((elapsedMs * pace.perSecond) / 1000 + 0.5));
}

/** Whether number `index` is one of the share, evenly spread: of a fifth 4, 9, 14, ... */
export function decideShare(index: number, share: number): boolean {
  return Math.floor((index + 1) * share + 1e-9) > Math.floor(index * share + 1e-9);
}
