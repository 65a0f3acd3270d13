/** One thing a process must have done before it is ready. Calls are idempotent. */
export interface ReadinessTask {
  readonly name: string;
  done(): void;
  /** Not ready again, for example while draining. */
  undo(): void;
}

/** Named tasks; ready when none is pending. A process registers all its tasks before it starts its admin server. */
export class Readiness {
  readonly #pending = new Set<string>();
  readonly #waiters = new Set<() => void>();

  /** Pending from this call until `done()`. @throws Error when the name is pending already. */
  task(name: string): ReadinessTask {
    if (this.#pending.has(name)) throw new Error(`bug: readiness task ${name} registered twice`);
    this.#pending.add(name);
    return {
      name,
      done: () => {
        if (this.#pending.delete(name) && this.#pending.size === 0) for (const wake of [...this.#waiters]) wake();
      },
      undo: () => {
        this.#pending.add(name);
      },
    };
  }

  /** Names in order of registration; empty means ready. */
  pending(): readonly string[] {
    return [...this.#pending];
  }

  /** Resolves at once when ready. Rejects with the signal's reason. */
  async whenReady(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#pending.size === 0) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (finish: () => void): void => {
        this.#waiters.delete(wake);
        signal.removeEventListener('abort', onAbort);
        finish();
      };
      const wake = (): void => settle(resolve);
      const onAbort = (): void => settle(() => reject(signal.reason));
      this.#waiters.add(wake);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
