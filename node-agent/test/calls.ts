import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@ambit/mesh/testing';

const CALLERS = 4;
/** What they call with has to last: a port is not free again for a minute. */
const PAUSE_MS = 2;
/** The longest that some calls may take on a busy machine. */
const PATIENCE_MS = 60_000;

/** Callers of an echo that call, one call after the other, until they are disposed of. */
export class Calls implements AsyncDisposable {
  readonly failures: string[] = [];
  /** Failures are expected now. */
  tolerant = false;
  readonly #callers: readonly Promise<void>[];
  #count = 0;
  #over = false;

  /** `call` resolves to what came back of `text`. */
  constructor(call: (text: string) => Promise<string>) {
    this.#callers = Array.from({ length: CALLERS }, async () => {
      while (!this.#over) {
        const answer = await call('x').catch(String);
        if (answer !== 'x' && !this.tolerant) this.failures.push(`call ${this.#count}: ${answer}`);
        this.#count++;
        await sleep(PAUSE_MS);
      }
    });
  }

  /** Resolves after so many more calls, or once one has failed. */
  async more(count: number): Promise<void> {
    const enough = this.#count + count;
    await until(`${count} more calls`, () => this.#count >= enough || this.failures.length > 0, PATIENCE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await Promise.all(this.#callers);
  }
}
