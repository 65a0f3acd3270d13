import type { Clock } from '@ambit/mesh/runtime';

/**
 * One call with a deadline of its own: the signal it is given aborts when `signal` does or time is up, and the call then
 * rejects with that reason.
 */
export async function callWithin<T>(
  clock: Clock,
  deadlineMs: number,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  using _timer = clock.setTimer(deadlineMs, () => {
    late.abort(new DOMException(`no answer within ${deadlineMs} ms`, 'TimeoutError'));
  });
  return await call(AbortSignal.any([signal, late.signal]));
}
