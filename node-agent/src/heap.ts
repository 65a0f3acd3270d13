import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Collects young garbage on the thread that made it: survivors are few, so helper threads cost more in waking up than they
 * do. Call it first thing in the process: heaps made later follow it.
 */
export function collectOnOwnThread(): void {
  // The other flags of this kind may not change once a heap exists.
  setFlagsFromString('--no-parallel-scavenge');
}

/** Gives back to the system what starting left behind on this thread: some megabytes that would stay until the heap fills. */
export function compactHeap(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  // An ordinary collection would keep the emptied pages for later.
  if (typeof collect === 'function') collect({ type: 'major', flavor: 'last-resort' });
}
