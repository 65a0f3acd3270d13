/** In order; longer than `count` after a busy turn. */
let due: ((() => void) | undefined)[] = [];
let count = 0;
/** The other list, which is empty unless it is being worked off. */
let spare: ((() => void) | undefined)[] = [];

/**
 * Calls back once, when this turn of the event loop is over, or the next one if it is over already: as setImmediate does, of which all
 * share one. Each of its own costs about as much as passing a small piece of payload.
 */
export function atTurnEnd(callback: () => void): void {
  if (count === 0) setImmediate(runDue);
  due[count] = callback;
  count += 1;
}

function runDue(): void {
  const callbacks = due;
  const end = count;
  due = spare;
  count = 0;
  let at = 0;
  try {
    while (at < end) {
      const callback = callbacks[at];
      // Nothing is kept from being collected.
      callbacks[at] = undefined;
      at += 1;
      callback?.();
    }
  } finally {
    if (at < end) putOff(callbacks, at, end);
    spare = callbacks;
  }
}

/** One that throws takes nobody else's turn away: they come in the next one, before what was added meanwhile. */
function putOff(callbacks: ((() => void) | undefined)[], from: number, end: number): void {
  const added = due.splice(0, count);
  count = 0;
  for (const callback of [...callbacks.slice(from, end), ...added]) {
    if (callback !== undefined) atTurnEnd(callback);
  }
  callbacks.fill(undefined, from, end);
}
