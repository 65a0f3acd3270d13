import { HboneError, type HboneSession } from '@ambit/mesh/hbone';
import type { Clock } from '@ambit/mesh/runtime';

/** How often a session is asked for a sign of life that carries nothing itself but stands for what the shortcut carries. */
export const WATCH_INTERVAL_MS = 5000;
/** So many unanswered in a row end it: bounded in time, but not by one pause of this process, whose own timers stand still with it. */
export const WATCH_MISSES_MAX = 2;

type Watched = Pick<HboneSession<unknown>, 'state' | 'isUsed' | 'askPeer' | 'destroy'>;

/**
 * Ends sessions whose path is cut while connections live by the shortcut on them: with a tunnel, their bytes would have stopped
 * at once. A session is watched as long as something is carried on it or by it.
 */
export class SessionWatch {
  readonly #clock: Clock;
  readonly #watched = new Set<Watched>();

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  /** Idempotent. */
  watch(session: Watched): void {
    if (this.#watched.has(session)) return;
    this.#watched.add(session);
    this.#arm(session, 0);
  }

  #arm(session: Watched, misses: number): void {
    this.#clock.setTimer(WATCH_INTERVAL_MS, () => void this.#look(session, misses));
  }

  async #look(session: Watched, misses: number): Promise<void> {
    const isAnswered = session.isUsed && session.state !== 'closed' && (await session.askPeer(WATCH_INTERVAL_MS));
    if (!session.isUsed || session.state === 'closed') this.#watched.delete(session);
    else if (isAnswered) this.#arm(session, 0);
    else if (misses + 1 < WATCH_MISSES_MAX) await this.#look(session, misses + 1);
    else {
      this.#watched.delete(session);
      session.destroy(new HboneError('keepalive'));
    }
  }
}
