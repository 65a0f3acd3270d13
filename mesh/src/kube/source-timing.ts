import type { BackoffOptions } from '../runtime/backoff.ts';

/** When a source does something by itself. */
export interface KubeSourceTiming {
  /** Between attempts that fail. */
  readonly backoff: BackoffOptions;
  /** A watch that says nothing so long is begun again: bookmarks come every minute, once anything of the kind changed. */
  readonly silenceMs: number;
  /** A watch that lasted so long, or said something, was worth having: what fails next is a new failure. */
  readonly settledMs: number;
  /** How often it is looked whether a kind that was not served is served now. */
  readonly absentMs: number;
  /** So long a kind must be gone before its objects are: an API server that starts may not know all its kinds yet. */
  readonly absenceProvenMs: number;
}

export const KUBE_SOURCE_TIMING: KubeSourceTiming = {
  backoff: { initialMs: 500, maxMs: 30_000, factor: 2, jitter: 0.5 },
  silenceMs: 90_000,
  settledMs: 5000,
  absentMs: 15_000,
  absenceProvenMs: 30_000,
};
