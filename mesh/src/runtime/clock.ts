import { performance } from 'node:perf_hooks';

/** The only source of time. Tests step a manual clock; production uses `systemClock`. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch; may jump. For certificate validity and log timestamps only. */
  now(): number;
  /** Milliseconds that only grow; for durations and deadlines. */
  monotonic(): number;
  /** Calls back once after `delayMs` unless disposed. Does not keep the process alive. */
  setTimer(delayMs: number, callback: () => void): Disposable;
  /** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** Node's timers beyond this many milliseconds, 25 days, fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, callback) {
    // A client may say in `grpc-timeout` that it waits for thousands of years, a route that its requests take months.
    if (delayMs > TIMER_MS_MAX) return setLongTimer(delayMs, callback);
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  sleep(delayMs, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, delayMs);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  },
};

/** In steps that a timer can be set for. */
function setLongTimer(delayMs: number, callback: () => void): Disposable {
  let timer = systemClock.setTimer(TIMER_MS_MAX, () => {
    timer = systemClock.setTimer(delayMs - TIMER_MS_MAX, callback);
  });
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
