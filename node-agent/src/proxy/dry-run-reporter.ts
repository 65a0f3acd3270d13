import { type DryRunVerdict, formatSocketAddress, type SocketAddress, type SpiffeId } from '@ambit/mesh/model';
import type { Clock, Logger } from '@ambit/mesh/runtime';

/** Lines a second at most; what is beyond is only counted. */
const LINES_PER_SECOND_MAX = 10;
const SECOND_MS = 1000;

/** Who asked for what, as policy sees it. */
export interface DryRunSubject {
  readonly source: SocketAddress;
  readonly sourceIdentity: SpiffeId | null;
  readonly destination: SocketAddress;
}

/** Counts what policies in dry run would have decided otherwise, and logs it as long as that is not too often. */
export class DryRunReporter {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #counts = new Map<string, number>();
  #secondBeganMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #suppressed = 0;

  constructor(options: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** By what they would have done: `allow` or `deny`. */
  get counts(): readonly (readonly [would: string, count: number])[] {
    return [...this.#counts];
  }

  report({ policy, would }: DryRunVerdict, { source, sourceIdentity, destination }: DryRunSubject): void {
    this.#counts.set(would, (this.#counts.get(would) ?? 0) + 1);
    const nowMs = this.#clock.monotonic();
    if (nowMs - this.#secondBeganMs >= SECOND_MS) {
      this.#secondBeganMs = nowMs;
      this.#lines = 0;
    }
    if (this.#lines === LINES_PER_SECOND_MAX) {
      this.#suppressed++;
      return;
    }
    this.#lines++;
    this.#logger.info('policy in dry run would have decided otherwise', {
      policy,
      would,
      source: formatSocketAddress(source),
      ...(sourceIdentity === null ? {} : { 'source.identity': sourceIdentity }),
      destination: formatSocketAddress(destination),
      ...(this.#suppressed === 0 ? {} : { suppressed: this.#suppressed }),
    });
    this.#suppressed = 0;
  }
}
