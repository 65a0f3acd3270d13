/**
 * Counts what costs a peer little and us much (CVE-2023-44487 rapid reset, CVE-2019-9512/9515/9518 and their kin), per
 * window of time. Pure: the caller brings the time.
 */

export interface AbuseLimits {
  readonly resetsMax: number;
  readonly controlFramesMax: number;
  readonly emptyDataMax: number;
  readonly abuseWindowMs: number;
}

/**
 * `reset`: a stream given up by the peer before its answer, or refused by us; `control`: a frame that moves no data;
 * `empty-data`: DATA without payload or END_STREAM.
 */
export type AbuseKind = 'reset' | 'control' | 'empty-data';

export class AbuseGuard {
  private readonly limits: AbuseLimits;
  private windowStartMs = Number.NEGATIVE_INFINITY;
  private resets = 0;
  private controlFrames = 0;
  private emptyData = 0;

  constructor(limits: AbuseLimits) {
    this.limits = limits;
  }

  /** Counts one event at `nowMs` (monotonic). False when the peer went over the limit and the connection must end. */
  admit(kind: AbuseKind, nowMs: number): boolean {
    if (nowMs - this.windowStartMs >= this.limits.abuseWindowMs) {
      this.windowStartMs = nowMs;
      this.resets = 0;
      this.controlFrames = 0;
      this.emptyData = 0;
    }
    switch (kind) {
      case 'reset':
        this.resets += 1;
        return this.resets <= this.limits.resetsMax;
      case 'control':
        this.controlFrames += 1;
        return this.controlFrames <= this.limits.controlFramesMax;
      case 'empty-data':
        this.emptyData += 1;
        return this.emptyData <= this.limits.emptyDataMax;
    }
  }
}
