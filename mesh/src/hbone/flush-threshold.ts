/**
 * Decides when staged frames leave before the end of a loop turn. Waiting for the end gives the fewest writes, but then the
 * proxies and the programs of a busy closed loop take turns and half the cores idle. So the first write of a turn goes out
 * once it holds the usual share of a turn's bytes; with one frame a turn (one busy stream) that is at once. Pure.
 */
const SHARE = 0.5;
const MEMORY = 1 / 8;

export class FlushThreshold {
  private averageBytes = 0;
  private turnBytes = 0;

  /** Notes bytes staged in this turn. True: write now. */
  staged(bytes: number): boolean {
    this.turnBytes += bytes;
    return this.turnBytes >= this.averageBytes * SHARE;
  }

  /** The turn is over: what comes next is another batch. */
  endTurn(): void {
    if (this.turnBytes === 0) return;
    this.averageBytes += (this.turnBytes - this.averageBytes) * MEMORY;
    this.turnBytes = 0;
  }
}
