import { Fifo } from '../runtime/fifo.ts';
import { atTurnEnd } from '../runtime/turn-end.ts';

/** What has ended and is told so when its turn has come. Must not throw. */
export interface Ending {
  /** Whose it is: groups take turns. */
  readonly group: object;
  onEndTurn(): void;
}

/** While nothing waits so many are told at once, and as many again in the next turn of the event loop. */
export const ENDS_PER_TURN = 16;

/**
 * Tells sockets of their end in fair turns. An application that closes a thousand connections at once has them all handed over in one turn of
 * the event loop, and what an end takes (a frame, a close, a line in the log) would hold up everybody else for tenths of a second.
 */
export class FairEnds {
  /** By group, in the order of their turns. */
  private readonly waiting = new Map<object, Fifo<Ending>>();
  private left: number = ENDS_PER_TURN;
  private isTurnComing = false;

  /** Tells it now, or when its turn has come. Once per socket. */
  end(ending: Ending): void {
    this.comeAgain();
    if (this.waiting.size === 0 && this.left > 0) {
      this.left--;
      ending.onEndTurn();
      return;
    }
    let queue = this.waiting.get(ending.group);
    if (queue === undefined) {
      queue = new Fifo();
      this.waiting.set(ending.group, queue);
    }
    queue.push(ending);
  }

  private comeAgain(): void {
    if (this.isTurnComing) return;
    this.isTurnComing = true;
    atTurnEnd(this.onTurn);
  }

  private readonly onTurn = (): void => {
    this.isTurnComing = false;
    this.turn();
  };

  private turn(): void {
    this.left = ENDS_PER_TURN;
    // A map hands out what is added while it is walked: a group that has more comes again behind the others.
    for (const [group, queue] of this.waiting) {
      if (this.left === 0) break;
      this.left--;
      const next = queue.shift();
      this.waiting.delete(group);
      if (queue.length > 0) this.waiting.set(group, queue);
      next?.onEndTurn();
    }
    if (this.waiting.size > 0) this.comeAgain();
  }
}
