import { performance } from 'node:perf_hooks';
import type { Clock } from './clock.ts';
import { compactHeap, heapBytes } from './heap.ts';
import { decideCompaction } from './decide-compaction.ts';

const INTERVAL_MS = 60_000;

/**
 * Gives back the memory of this thread: now, and whenever it rests after a time of much traffic. The collector itself is
 * told not to (`tuneHeaps`), as it cannot tell a pause between two requests from a night.
 */
export class RestingHeap implements Disposable {
  readonly #clock: Clock;
  #compactedBytes = 0;
  #timer: Disposable | undefined;
  readonly #utilizationFromNow: () => () => number;

  /** `utilizationFromNow` begins an interval; what it returns tells the share of that in which the event loop worked. */
  constructor(clock: Clock, utilizationFromNow: () => () => number = eventLoopUtilizationFromNow) {
    this.#clock = clock;
    this.#utilizationFromNow = utilizationFromNow;
  }

  compact(): void {
    compactHeap();
    this.#compactedBytes = heapBytes();
    this.#watch();
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
  }

  #watch(): void {
    this.#timer?.[Symbol.dispose]();
    const utilization = this.#utilizationFromNow();
    this.#timer = this.#clock.setTimer(INTERVAL_MS, () => {
      const world = { utilization: utilization(), heapBytes: heapBytes(), compactedBytes: this.#compactedBytes };
      if (decideCompaction(world)) this.compact();
      else this.#watch();
    });
  }
}

function eventLoopUtilizationFromNow(): () => number {
  const start = performance.eventLoopUtilization();
  return () => performance.eventLoopUtilization(start).utilization;
}
