/** How long the event loop of this thread has worked and rested so far, milliseconds. */
export type LoopTimes = () => { readonly active: number; readonly idle: number };

/** Work may be so much ahead of rest. */
const AHEAD_MS = 1;
/** More is forgotten: what kept the loop busy once is not paid for later. */
const AHEAD_MS_MAX = 4;
/** Where others leave the loop no rest, what is held goes on so often nevertheless. */
const HELD_MS_MAX = 2;

/** Tells when work that can wait has to, so that the loop rests so long for every millisecond of work: others find it free then. */
export class LoopShare {
  readonly #restPerWork: number;
  readonly #times: LoopTimes;
  #active: number;
  #idle: number;
  #aheadMs = 0;
  #wentOnMs: number = Number.NEGATIVE_INFINITY;

  /** `restPerWork` of 1 leaves others half of the time, and 3 three quarters. */
  constructor(restPerWork: number, times: LoopTimes = () => performance.eventLoopUtilization()) {
    this.#restPerWork = restPerWork;
    this.#times = times;
    const { active, idle } = times();
    this.#active = active;
    this.#idle = idle;
  }

  /** Whether one more piece of such work may begin at `nowMs`, of the monotonic clock; a yes counts as its beginning. */
  goesOn(nowMs: number): boolean {
    const { active, idle } = this.#times();
    const aheadMs = this.#aheadMs + (active - this.#active) - (idle - this.#idle) / this.#restPerWork;
    this.#aheadMs = Math.min(AHEAD_MS_MAX, Math.max(0, aheadMs));
    this.#active = active;
    this.#idle = idle;
    if (this.#aheadMs > AHEAD_MS && nowMs - this.#wentOnMs < HELD_MS_MAX) return false;
    this.#wentOnMs = nowMs;
    return true;
  }
}
