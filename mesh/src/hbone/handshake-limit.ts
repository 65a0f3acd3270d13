import type { IpAddress } from '../model/address.ts';

export interface HandshakeLimits {
  /** Of all callers together. */
  readonly pendingMax: number;
  /** Of one address: so that a caller who begins and never ends leaves room for the others. */
  readonly pendingPerSourceMax: number;
}

/**
 * For a port that peers call from their own addresses. A handshake costs tens of kilobytes before it is known who asks; a peer
 * opens one at a time. At these bounds a port's pending ones stay below 100 MB.
 */
export const HANDSHAKE_LIMITS: HandshakeLimits = { pendingMax: 2048, pendingPerSourceMax: 128 };

/** Counts the handshakes of one port that are under way, in all and by source. */
export class HandshakeLimit {
  readonly #limits: HandshakeLimits;
  /** Invariant: no zeros. */
  readonly #bySource = new Map<IpAddress, number>();
  #pending = 0;

  constructor(limits: HandshakeLimits = HANDSHAKE_LIMITS) {
    this.#limits = limits;
  }

  get pending(): number {
    return this.#pending;
  }

  /** False when there are too many; else `leave` is due once. */
  enter(source: IpAddress): boolean {
    const own = this.#bySource.get(source) ?? 0;
    if (this.#pending >= this.#limits.pendingMax || own >= this.#limits.pendingPerSourceMax) return false;
    this.#pending++;
    this.#bySource.set(source, own + 1);
    return true;
  }

  leave(source: IpAddress): void {
    this.#pending--;
    const left = (this.#bySource.get(source) ?? 1) - 1;
    if (left === 0) this.#bySource.delete(source);
    else this.#bySource.set(source, left);
  }
}
