import type { Clock } from '../runtime/clock.ts';

export interface KeepaliveOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Sends a PING. */
  readonly ping: () => void;
  /** Nothing came from the peer for `timeoutMs` after a PING. Called at most once. */
  readonly onDead: () => void;
  /** Called at every interval, for housekeeping. */
  readonly onTick: () => void;
}

/**
 * Asks the peer for a sign of life every interval. Any byte from the peer counts as one: behind a full link the answer to a
 * PING may be late while data still flows.
 */
export class Keepalive implements Disposable {
  private readonly options: KeepaliveOptions;
  private timer: Disposable;
  private waitingSinceMs: number | undefined;

  constructor(options: KeepaliveOptions) {
    this.options = options;
    this.timer = this.arm();
  }

  /** Something arrived from the peer. */
  alive(): void {
    this.waitingSinceMs = undefined;
  }

  [Symbol.dispose](): void {
    this.timer[Symbol.dispose]();
  }

  private arm(): Disposable {
    return this.options.clock.setTimer(this.options.intervalMs, () => this.tick());
  }

  private tick(): void {
    const { clock, timeoutMs } = this.options;
    const nowMs = clock.monotonic();
    if (this.waitingSinceMs !== undefined && nowMs - this.waitingSinceMs >= timeoutMs) {
      this.options.onDead();
      return;
    }
    this.timer = this.arm();
    this.waitingSinceMs ??= nowMs;
    this.options.ping();
    this.options.onTick();
  }
}
