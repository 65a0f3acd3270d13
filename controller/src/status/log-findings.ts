import type { Clock, Logger } from '@ambit/mesh/runtime';
import { Bell } from '../reconcile/bell.ts';
import type { Finding } from './list-findings.ts';

export interface LogFindingsOptions {
  readonly list: () => readonly Finding[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Changes of several files, saved one after the other, are one. */
const GATHER_MS = 500;
const RESYNC_MS = 600_000;
/** A mesh in which more is amiss than a person reads; the page has all of it. */
const LOGGED_MAX = 100;

/**
 * Tells the log what is new among the findings and what is gone: without Kubernetes there is no status in which a person
 * would read it.
 */
export class LogFindings {
  readonly #options: LogFindingsOptions;
  readonly #bell: Bell;
  #told: ReadonlyMap<string, Finding> = new Map();

  constructor(options: LogFindingsOptions) {
    this.#options = options;
    this.#bell = new Bell(options.clock);
  }

  /** Something changed. */
  poke(): void {
    this.#bell.ring();
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(GATHER_MS, signal);
      this.#look();
      await this.#bell.wait(RESYNC_MS, signal);
    }
  }

  #look(): void {
    const { list, logger } = this.#options;
    const now = new Map(
      list()
        .slice(0, LOGGED_MAX)
        .map((finding) => [JSON.stringify(finding), finding]),
    );
    for (const [text, { object, at, type, status, reason, message }] of now) {
      if (!this.#told.has(text))
        logger.warn('object has a bad condition', { object, at, [type]: status, reason, message });
    }
    for (const [text, { object, at, reason }] of this.#told) {
      if (!now.has(text)) logger.info('bad condition is gone', { object, at, reason });
    }
    this.#told = now;
  }
}
