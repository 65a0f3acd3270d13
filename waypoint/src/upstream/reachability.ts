import type { Clock } from '@ambit/mesh/runtime';
import type { Connector } from './connector.ts';

/** After the first failure; it doubles with every further one. */
export const AVOID_FIRST_MS = 500;
export const AVOID_MAX_MS = 15_000;

/**
 * What is remembered of an endpoint that could not be reached: it is avoided for a while, then until the one connection that is
 * tried then has come about. Others are chosen meanwhile, if there are any.
 */
export class Reachability {
  readonly #clock: Clock;
  #failures = 0;
  #untilMs = 0;
  #openingCount = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get avoided(): boolean {
    // Asked for every request: the clock is read for those that failed only.
    return this.#failures > 0 && (this.#openingCount > 0 || this.#clock.monotonic() < this.#untilMs);
  }

  /** The same connector, of which this remembers how it went. */
  watch(connector: Connector): Connector {
    return {
      open: async (signal, protocol) => {
        this.#openingCount += 1;
        try {
          const carrier = await connector.open(signal, protocol);
          this.#failures = 0;
          return carrier;
        } catch (error) {
          this.#onFailed();
          throw error;
        } finally {
          this.#openingCount -= 1;
        }
      },
    };
  }

  /** Connections that were opened together fail together, and count once. */
  #onFailed(): void {
    const now = this.#clock.monotonic();
    if (now < this.#untilMs) return;
    const waitMs = Math.min(AVOID_FIRST_MS * 2 ** this.#failures, AVOID_MAX_MS);
    this.#failures += 1;
    this.#untilMs = now + waitMs;
  }
}
