import type { SpiffeId } from '@ambit/mesh/model';

interface Waiter {
  readonly identity: SpiffeId;
  readonly resolve: () => void;
}

/**
 * Which identities' pods can be served without anybody waiting: the data workers have their certificate and, once, the mesh
 * view.
 */
export class ServableIdentities {
  readonly #certified = new Set<SpiffeId>();
  #waiters: Waiter[] = [];
  #hasView = false;

  /** The mesh view is complete; it is never taken away again. */
  viewIsThere(): void {
    this.#hasView = true;
    this.#settle();
  }

  certificateIsThere(identity: SpiffeId): void {
    this.#certified.add(identity);
    this.#settle();
  }

  certificateIsGone(identity: SpiffeId): void {
    this.#certified.delete(identity);
  }

  /** Resolves once pods of this identity can be served. Rejects with the signal's reason. */
  async when(identity: SpiffeId, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#isServable(identity)) return;
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters = this.#waiters.filter((each) => each !== waiter);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        identity,
        resolve: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  #isServable(identity: SpiffeId): boolean {
    return this.#hasView && this.#certified.has(identity);
  }

  #settle(): void {
    const ready = this.#waiters.filter(({ identity }) => this.#isServable(identity));
    this.#waiters = this.#waiters.filter(({ identity }) => !this.#isServable(identity));
    for (const { resolve } of ready) resolve();
  }
}
