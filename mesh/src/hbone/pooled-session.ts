import type { Clock } from '../runtime/clock.ts';
import type { HboneSession } from './tunnel.ts';

/** A session in a pool, which closes it after it has carried no stream for a while. */
export class PooledSession<Peer> implements Disposable {
  readonly session: HboneSession<Peer>;
  private readonly clock: Clock;
  private readonly idleReleaseMs: number;
  private idleFromMs: number;
  private timer: Disposable;

  constructor(session: HboneSession<Peer>, clock: Clock, idleReleaseMs: number) {
    this.session = session;
    this.clock = clock;
    this.idleReleaseMs = idleReleaseMs;
    this.idleFromMs = clock.monotonic();
    this.timer = this.arm(idleReleaseMs);
  }

  /** A stream or a hold ended. One timer per session is enough: it looks how long the session has been idle when it fires. */
  noteStreamEnd(): void {
    if (!this.session.isUsed) this.idleFromMs = this.clock.monotonic();
  }

  [Symbol.dispose](): void {
    this.timer[Symbol.dispose]();
  }

  private arm(delayMs: number): Disposable {
    return this.clock.setTimer(delayMs, () => this.check());
  }

  private check(): void {
    const idleMs = this.session.isUsed ? 0 : this.clock.monotonic() - this.idleFromMs;
    if (idleMs >= this.idleReleaseMs) this.session.drain();
    else this.timer = this.arm(this.idleReleaseMs - idleMs);
  }
}
