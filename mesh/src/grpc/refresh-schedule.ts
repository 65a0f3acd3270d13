/** Share of the validity after which a certificate is replaced (protocol.md 3.6). */
const REFRESH_SHARE = 0.5;
/** Spread around that moment, so that the certificates of a node, or of a mesh, are not all renewed at once. */
const JITTER_SHARE = 0.05;

/**
 * When to ask for the successor of a certificate: at half of its life, give or take a twentieth of it. Never in the past:
 * what is overdue is due now. `random` is in [0, 1).
 */
export function refreshAtMs(
  certificate: { readonly notBeforeMs: number; readonly notAfterMs: number },
  nowMs: number,
  random: number,
): number {
  const lifeMs = certificate.notAfterMs - certificate.notBeforeMs;
  const share = REFRESH_SHARE + JITTER_SHARE * (2 * random - 1);
  return Math.max(nowMs, certificate.notBeforeMs + lifeMs * share);
}

/** Retries of a failed request: first after half a second, then doubling, with a fifth of jitter, up to 150 s. */
export const REFRESH_BACKOFF = { initialMs: 500, maxMs: 150_000, factor: 2, jitter: 0.2 } as const;

/** Why a certificate is wanted; the lower number is served first. */
export const SVID_PRIORITY = { realTime: 0, warmUp: 1, background: 2 } as const;
export type SvidPriority = (typeof SVID_PRIORITY)[keyof typeof SVID_PRIORITY];
