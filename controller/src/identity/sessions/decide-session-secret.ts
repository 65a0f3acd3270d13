/** What keys of sessions come from, as it is kept. Never to be logged. */
export interface SessionSecret {
  /** Seals. */
  readonly current: Uint8Array;
  /** Takes over once everybody who seals has it; opens until then. */
  readonly next: Uint8Array | null;
  /** Opens what it sealed before. */
  readonly previous: Uint8Array | null;
  /** When it came to be so. */
  readonly sinceMs: number;
}

const DAY_MS = 24 * 3_600_000;
/** A secret seals this long, and opens as long again: sessions that are not used meanwhile end. */
export const SESSION_SECRET_LIFE_MS: number = 90 * DAY_MS;
/** Until every replica of the controller and every waypoint has what is to come, with room for those that are away. */
export const SESSION_SECRET_NOTICE_MS: number = DAY_MS;

/** The next step of its life, which is to be what is kept; null when none is due. `fresh` gives new secrets. */
export function decideSessionSecret(
  kept: SessionSecret | null,
  nowMs: number,
  fresh: () => Uint8Array,
): SessionSecret | null {
  if (kept === null) return { current: fresh(), next: null, previous: null, sinceMs: nowMs };
  const { current, next, previous, sinceMs } = kept;
  if (next === null) {
    return nowMs >= sinceMs + SESSION_SECRET_LIFE_MS ? { current, next: fresh(), previous, sinceMs: nowMs } : null;
  }
  return nowMs >= sinceMs + SESSION_SECRET_NOTICE_MS
    ? { current: next, next: null, previous: current, sinceMs: nowMs }
    : null;
}

/** Those that open, first the one that seals. */
export function secretsInUse({ current, next, previous }: SessionSecret): readonly Uint8Array[] {
  return [current, next, previous].filter((secret) => secret !== null);
}
