import type { SpiffeId } from '@ambit/mesh/model';
import type { Clock } from '@ambit/mesh/runtime';
import type { Svid } from '@ambit/mesh/tls';

/** Connections that may wait at once for a certificate. */
export const SVID_WAITERS_MAX = 10_000;
/** For one certificate among them: one that does not come must not take the places of those who wait for others. */
export const SVID_WAITERS_PER_IDENTITY_MAX = 2500;

export type SvidLookup =
  | { readonly kind: 'valid'; readonly svid: Svid }
  | { readonly kind: 'missing' }
  | { readonly kind: 'expired' };

/**
 * The SVIDs of one data worker, as the main thread last sent them. A worker never asks for one: the main thread knows
 * which identities live here. An expired SVID is never given out.
 */
export class SvidTable {
  readonly #clock: Clock;
  readonly #svids = new Map<SpiffeId, Svid>();
  readonly #waiters = new Map<SpiffeId, Set<() => void>>();
  readonly #listeners: ((identity: SpiffeId) => void)[] = [];
  #waiting = 0;

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  set(identity: SpiffeId, svid: Svid): void {
    this.#svids.set(identity, svid);
    for (const listener of this.#listeners) listener(identity);
    const waiters = this.#waiters.get(identity);
    this.#waiters.delete(identity);
    for (const wake of waiters ?? []) wake();
  }

  delete(identity: SpiffeId): void {
    this.#svids.delete(identity);
  }

  /** `listener` hears of every SVID that arrives, first or renewed. */
  onSet(listener: (identity: SpiffeId) => void): void {
    this.#listeners.push(listener);
  }

  lookup(identity: SpiffeId): SvidLookup {
    const svid = this.#svids.get(identity);
    if (svid === undefined) return { kind: 'missing' };
    return this.#clock.now() < svid.notAfterMs ? { kind: 'valid', svid } : { kind: 'expired' };
  }

  /** What `lookup` says as soon as it is `valid`, or what it says after `patienceMs`. */
  async wait(identity: SpiffeId, patienceMs: number): Promise<SvidLookup> {
    const found = this.lookup(identity);
    const before = this.#waiters.get(identity)?.size ?? 0;
    const isFull = this.#waiting >= SVID_WAITERS_MAX || before >= SVID_WAITERS_PER_IDENTITY_MAX;
    if (found.kind === 'valid' || isFull) return found;
    this.#waiting++;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        timer[Symbol.dispose]();
        this.#waiters.get(identity)?.delete(wake);
        resolve();
      };
      const timer = this.#clock.setTimer(patienceMs, wake);
      const waiters = this.#waiters.get(identity) ?? new Set();
      waiters.add(wake);
      this.#waiters.set(identity, waiters);
    });
    this.#waiting--;
    return this.lookup(identity);
  }
}
