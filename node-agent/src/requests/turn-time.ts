import type { Clock } from '@ambit/mesh/runtime';

/**
 * Milliseconds that only grow, looked up once in a turn of the event loop: asking for the time costs as much as reading half a head. What a
 * turn reads had arrived before it began, so this is no less right than the time at which its turn comes. `atTurnEnd` calls back when
 * the turn is over.
 */
export function turnTime(
  clock: Pick<Clock, 'monotonic'>,
  atTurnEnd: (callback: () => void) => unknown = setImmediate,
): () => number {
  let nowMs = 0;
  let isKnown = false;
  const forget = (): void => {
    isKnown = false;
  };
  return () => {
    if (isKnown) return nowMs;
    isKnown = true;
    atTurnEnd(forget);
    nowMs = clock.monotonic();
    return nowMs;
  };
}
