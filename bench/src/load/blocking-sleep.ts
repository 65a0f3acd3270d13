/** Nobody writes to it: whoever waits for it sleeps. */
const never = new Int32Array(new SharedArrayBuffer(4));

/** Holds up the thread for so long, or a little less, at less cost than a timer of the event loop. */
export function sleepBlocking(ms: number): void {
  Atomics.wait(never, 0, 0, ms);
}
