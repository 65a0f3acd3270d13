import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * How the heaps of this process are collected. Call it first thing in the process: heaps made later follow it.
 *
 * Young garbage is collected on the thread that made it: survivors are few, so helper threads cost more in waking up than
 * they do. And compiled code stays: by default V8 gives it up in collections that find no object of a shape it was made for,
 * and collects for that when a thread rests. After a pause, or an hour of one kind of traffic, the first connections of
 * another kind then waited for the compiler; measured with new connections after bulk, a sixth more CPU and twice the p99.
 */
export function tuneHeaps(): void {
  // Flags of this kind may not change once a heap exists.
  setFlagsFromString('--no-parallel-scavenge');
  setFlagsFromString('--no-memory-reducer');
  // Old garbage is found beside the thread that made it, by one helper: with V8's own choice several share the core of an agent
  // that has only one, and connections wait for all of them; measured with new connections, p99 a fifth higher.
  setFlagsFromString('--concurrent-marking-max-worker-num=1');
  setFlagsFromString('--retain-maps-for-n-gc=1000000000');
}

/**
 * Gives back to the system what lies unused in the heap of this thread, in some 50 ms: V8 would keep it until the heap fills.
 * Several threads may do so at once. Flags are of the whole process, so what one of them needs none of them takes back:
 * the collector is exposed to new contexts from then on, and another thread's collection may keep its compiled code.
 */
export function compactHeap(): void {
  setFlagsFromString('--flush-bytecode');
  // An ordinary collection would keep the emptied pages for later.
  collect({ type: 'major', flavor: 'last-resort' });
  setFlagsFromString('--no-flush-bytecode');
}

/** Collects the garbage of this thread now, and waits for it: afterwards what `memoryUse` tells is needed. */
export function collectGarbage(): void {
  collect({ type: 'major', execution: 'sync' });
}

function collect(how: object): void {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  if (typeof gc === 'function') gc(how);
}

/** Of one thread. */
export interface MemoryUse {
  /** Garbage that nobody has looked for yet included. */
  readonly heapBytes: number;
  /** More than this the heap cannot be. */
  readonly heapMaxBytes: number;
  /** Buffers and the like: outside of the heap, held by objects in it. */
  readonly externalBytes: number;
}

/** Of this thread. */
export function memoryUse(): MemoryUse {
  const {
    used_heap_size: heapBytes,
    heap_size_limit: heapMaxBytes,
    external_memory: externalBytes,
  } = getHeapStatistics();
  return { heapBytes, heapMaxBytes, externalBytes };
}

/** Bytes that the heap of this thread holds of the system, used or not. */
export function heapBytes(): number {
  return getHeapStatistics().total_heap_size;
}
