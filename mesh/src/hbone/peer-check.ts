import type { Clock } from '../runtime/clock.ts';

/** Asks the peer whether it is still there, for those who need to know now rather than at the next keepalive. */
export class PeerCheck implements Disposable {
  /** When the peer answered last, of the monotonic clock. */
  lastAnswerMs: number = Number.NEGATIVE_INFINITY;
  private readonly clock: Clock;
  private readonly ping: () => void;
  private waiting: ((answered: boolean) => void)[] | undefined;
  private gone = false;

  constructor(clock: Clock, ping: () => void) {
    this.clock = clock;
    this.ping = ping;
  }

  /** True once the peer has answered; false after `timeoutMs` and when the connection is gone. Who asks meanwhile hears the same answer. */
  ask(timeoutMs: number): Promise<boolean> {
    if (this.gone) return Promise.resolve(false);
    return new Promise((resolve) => {
      const timer = this.clock.setTimer(timeoutMs, () => resolve(false));
      const waiter = (answered: boolean): void => {
        timer[Symbol.dispose]();
        resolve(answered);
      };
      if (this.waiting !== undefined) {
        this.waiting.push(waiter);
        return;
      }
      this.waiting = [waiter];
      this.ping();
    });
  }

  /** The answer is there. */
  answered(): void {
    this.lastAnswerMs = this.clock.monotonic();
    this.tell(true);
  }

  /** The connection is gone. */
  [Symbol.dispose](): void {
    this.gone = true;
    this.tell(false);
  }

  private tell(answered: boolean): void {
    const { waiting } = this;
    this.waiting = undefined;
    for (const waiter of waiting ?? []) waiter(answered);
  }
}
