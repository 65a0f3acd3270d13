/** Reads of plaintext sockets in one turn of the event loop from which on it is worth to ask the kernel for all of them together, */
export const BUSY_READS = 16;
/** in so many turns in a row; */
const BUSY_TURNS = 8;
/** and below which it costs more than it saves, */
const CALM_READS = 6;
/** in so many in a row, */
const CALM_TURNS = 16;
/** so long after the last one with more: beside a connection with much to say turns are short, and say little of the others. */
const CALM_MS = 100;

/**
 * Whether a thread is busy enough to read its plaintext sockets past the event loop. To go from one to the other costs each socket
 * two system calls, so a thread that is neither stays what it was. Pure.
 */
export class ReadPace {
  private readonly nowMs: () => number;
  private busy = false;
  private turns = 0;
  /** When the last turn was that was not calm. */
  private busyMs = 0;

  /** `nowMs`: milliseconds that only grow. */
  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  get isBusy(): boolean {
    return this.busy;
  }

  /** A turn had so many reads. */
  turn(reads: number): void {
    if (this.busy) this.turnWhileBusy(reads);
    else if (reads < BUSY_READS) this.turns = 0;
    else {
      this.turns += 1;
      if (this.turns === BUSY_TURNS) this.become(true);
    }
  }

  private turnWhileBusy(reads: number): void {
    if (reads >= CALM_READS) {
      this.turns = 0;
      this.busyMs = this.nowMs();
      return;
    }
    this.turns += 1;
    if (this.turns < CALM_TURNS) return;
    this.turns = 0;
    if (this.nowMs() - this.busyMs >= CALM_MS) this.become(false);
  }

  private become(busy: boolean): void {
    this.busy = busy;
    this.turns = 0;
    this.busyMs = this.nowMs();
  }
}
