import type { Clock } from '@ambit/mesh/runtime';

export interface CallBudgetOptions {
  /** Calls that may come at once. */
  readonly burst: number;
  /** Calls a second after that. */
  readonly perSecond: number;
  /** Callers that are told apart; the one silent for longest is forgotten first. */
  readonly keysMax: number;
}

interface Account {
  left: number;
  atMs: number;
}

/** How many calls each key may make: a bucket that fills at a steady rate. */
export class CallBudget {
  readonly #clock: Clock;
  readonly #options: CallBudgetOptions;
  readonly #accounts = new Map<string, Account>();

  constructor(clock: Clock, options: CallBudgetOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** Takes one call from the budget of `key`; false when nothing is left. */
  take(key: string): boolean {
    const { burst, perSecond, keysMax } = this.#options;
    const nowMs = this.#clock.monotonic();
    const account = this.#accounts.get(key) ?? { left: burst, atMs: nowMs };
    account.left = Math.min(burst, account.left + ((nowMs - account.atMs) / 1000) * perSecond);
    account.atMs = nowMs;
    const granted = account.left >= 1;
    if (granted) account.left -= 1;
    this.#accounts.delete(key);
    this.#accounts.set(key, account);
    if (this.#accounts.size > keysMax) {
      const [silent] = this.#accounts.keys();
      if (silent !== undefined) this.#accounts.delete(silent);
    }
    return granted;
  }
}
