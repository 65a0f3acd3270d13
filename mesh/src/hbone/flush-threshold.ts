/** Of the frames of a busy turn. With 32 connections a third carries 10 % more requests than a half, for 3 % more CPU each. */
const SHARE = 0.46;
/** How fast a busy turn is forgotten: by half in some 70 turns. */
const DECAY = 0.01;

/**
 * Decides when staged frames leave before the end of a loop turn. Waiting for the end gives the fewest writes, but then the
 * proxies and the programs of a busy closed loop take turns and half the cores idle. So the first write of a turn goes out
 * once it holds a good part of the frames that a busy turn has; with one frame a turn (one busy stream) that is at once. Measured
 * against the busiest recent turn, not the average: that would shrink with every split until each frame went alone. Pure.
 */
export class FlushThreshold {
  private readonly share: number;
  private busyFrames = 0;
  private turnFrames = 0;

  constructor(share: number = SHARE) {
    this.share = share;
  }

  /** Notes a frame staged in this turn. True: write now. */
  staged(): boolean {
    this.turnFrames += 1;
    return this.turnFrames >= this.busyFrames * this.share;
  }

  /** The turn is over: what comes next is another batch. */
  endTurn(): void {
    const { turnFrames } = this;
    this.turnFrames = 0;
    if (turnFrames > this.busyFrames) this.busyFrames = turnFrames;
    else if (turnFrames > 0) this.busyFrames -= (this.busyFrames - turnFrames) * DECAY;
  }
}
