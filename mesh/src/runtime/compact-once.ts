import type { Clock } from './clock.ts';
import { compactHeap } from './heap.ts';
import type { Logger } from './logger.ts';

/** What was under way when the process got ready comes first. No longer: code that connections have compiled by then would be lost. */
const DELAY_MS = 200;

export interface CompactOnceOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Resolves once the process is ready; rejects when `signal` aborts. */
  readonly whenReady: (signal: AbortSignal) => Promise<void>;
  /** Does the same in other threads. */
  readonly compactWorkers: () => Promise<unknown>;
}

/** A moment after the process got ready, what starting left behind is given back, once. Dispose to give that up. */
export function compactOnceReady(options: CompactOnceOptions): Disposable {
  const { clock, logger } = options;
  const stop = new AbortController();
  const compact = async (): Promise<void> => {
    await options.whenReady(stop.signal);
    await clock.sleep(DELAY_MS, stop.signal);
    compactHeap();
    await options.compactWorkers();
  };
  compact().catch((error: unknown) => {
    if (!stop.signal.aborted) logger.warn('memory could not be given back', { error });
  });
  return { [Symbol.dispose]: () => stop.abort() };
}
