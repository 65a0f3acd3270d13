import { atTurnEnd, type Clock } from '@ambit/mesh/runtime';

/** In turns of fewer calls each asks the clock: to hear of the end of a turn costs more. */
const SHARED_MIN = 3;
/** One call in so many looks how many its turn has. */
const LOOK_EVERY = 64;
/** Turns of few calls in a row after which each asks for itself again. */
const QUIET_MAX = 16;

/**
 * Milliseconds that only grow, looked up once in a turn of the event loop while turns are busy: asking for the time costs as much as
 * reading half a head. What a turn reads had arrived before it began, so this is no less right than the time at which its turn comes.
 * `onTurnEnd` calls back when the turn is over.
 */
export function turnTime(
  clock: Pick<Clock, 'monotonic'>,
  onTurnEnd: (callback: () => void) => void = atTurnEnd,
): () => number {
  let nowMs = 0;
  let isKnown = false;
  let isShared = false;
  /** The end of this turn will be heard of. */
  let isWatched = false;
  let untilLook = LOOK_EVERY;
  let calls = 0;
  let quietTurns = 0;
  const endTurn = (): void => {
    isKnown = false;
    isWatched = false;
    quietTurns = calls < SHARED_MIN ? quietTurns + 1 : 0;
    isShared = isShared ? quietTurns < QUIET_MAX : quietTurns === 0;
    calls = 0;
  };
  const watch = (): void => {
    isWatched = true;
    onTurnEnd(endTurn);
  };
  return () => {
    if (isWatched) calls += 1;
    if (isKnown) return nowMs;
    nowMs = clock.monotonic();
    if (isWatched) return nowMs;
    if (isShared) {
      isKnown = true;
      calls = 1;
      watch();
    } else if (--untilLook === 0) {
      untilLook = LOOK_EVERY;
      calls = 1;
      watch();
    }
    return nowMs;
  };
}
