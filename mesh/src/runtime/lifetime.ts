import type { Clock } from './clock.ts';

/** Resources of one owner, closed in reverse order of registration, each within a deadline. */
export class Lifetime implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #stepMs: number;
  readonly #steps: { readonly name: string; readonly close: () => void | PromiseLike<void> }[] = [];
  #closing: Promise<void> | null = null;

  constructor(options: { readonly clock: Clock; readonly stepDeadlineMs: number }) {
    this.#clock = options.clock;
    this.#stepMs = options.stepDeadlineMs;
  }

  /** Takes ownership of `resource` in the statement that opens it. Closed at once when this lifetime already ended. */
  own<T extends Disposable | AsyncDisposable>(name: string, resource: T): T {
    this.defer(name, () =>
      Symbol.asyncDispose in resource ? resource[Symbol.asyncDispose]() : resource[Symbol.dispose](),
    );
    return resource;
  }

  defer(name: string, close: () => void | PromiseLike<void>): void {
    if (this.#closing !== null) throw new Error(`bug: ${name} registered with a lifetime that already ended`);
    this.#steps.push({ name, close });
  }

  /** Every step runs even when an earlier one fails or hangs; then rejects with all failures, naming the steps. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const failures: Error[] = [];
    for (const step of this.#steps.reverse()) {
      try {
        await withinDeadline(this.#clock, this.#stepMs, async () => step.close());
      } catch (cause) {
        failures.push(new Error(`closing ${step.name} failed`, { cause }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything closed');
  }
}

/** Rejects with a TimeoutError when `work` takes longer; `work` itself goes on and its late failure is swallowed. */
export function withinDeadline<T>(clock: Clock, deadlineMs: number, work: () => Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = clock.setTimer(deadlineMs, () => {
      reject(new DOMException(`not finished within ${deadlineMs} ms`, 'TimeoutError'));
    });
    work()
      .finally(() => timer[Symbol.dispose]())
      .then(resolve, reject);
  });
}
