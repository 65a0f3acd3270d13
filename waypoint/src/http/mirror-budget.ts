/** What copies of requests may take of one data worker. */
export interface MirrorLimits {
  /** Copies under way. */
  readonly copiesMax: number;
  /** Of one copy: what has come of its body while its server did not take it. */
  readonly heldMaxBytes: number;
  /** Of all copies. */
  readonly heldTotalMaxBytes: number;
  /** From the end of a request to the end of the answer to its copy. */
  readonly answerTimeoutMs: number;
}

export const DEFAULT_MIRROR_LIMITS: MirrorLimits = {
  copiesMax: 1024,
  heldMaxBytes: 256 * 1024,
  heldTotalMaxBytes: 16 * 1024 * 1024,
  answerTimeoutMs: 15_000,
};

/**
 * What became of a copy: `answered`; `failed`, its server could not be reached or gave no whole answer; `slow`, it was given up because
 * its server did not take it or did not answer; `cut`, the request itself was not sent to its end; `too-many`, it was never begun.
 */
export type MirrorOutcome = 'answered' | 'failed' | 'slow' | 'cut' | 'too-many';

export const MIRROR_OUTCOMES: readonly MirrorOutcome[] = ['answered', 'failed', 'slow', 'cut', 'too-many'];

/** Counts copies of requests and what they hold, and says when it is enough. */
export class MirrorBudget {
  readonly limits: MirrorLimits;
  readonly #counts: Record<MirrorOutcome, number> = { answered: 0, failed: 0, slow: 0, cut: 0, 'too-many': 0 };
  #copyCount = 0;
  #heldBytes = 0;

  constructor(limits: MirrorLimits = DEFAULT_MIRROR_LIMITS) {
    this.limits = limits;
  }

  get counts(): Readonly<Record<MirrorOutcome, number>> {
    return this.#counts;
  }

  /** False: there are too many already. Whoever enters calls `leave` once. */
  enter(): boolean {
    if (this.#copyCount >= this.limits.copiesMax) {
      this.#counts['too-many'] += 1;
      return false;
    }
    this.#copyCount += 1;
    return true;
  }

  leave(outcome: MirrorOutcome): void {
    this.#copyCount -= 1;
    this.#counts[outcome] += 1;
  }

  /** False: a copy that holds `heldBytes` already may not hold so many more. What is held is given back with `drop`. */
  hold(heldBytes: number, bytes: number): boolean {
    const { heldMaxBytes, heldTotalMaxBytes } = this.limits;
    if (heldBytes + bytes > heldMaxBytes || this.#heldBytes + bytes > heldTotalMaxBytes) return false;
    this.#heldBytes += bytes;
    return true;
  }

  drop(bytes: number): void {
    this.#heldBytes -= bytes;
  }
}
