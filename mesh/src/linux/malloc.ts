import koffi from 'koffi';

// Of glibc's <malloc.h>.
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
const M_ARENA_MAX = -8;

/** Memory of this size and above comes from the system each time and goes back to it; what is needed often is kept and used again by whoever needs it. */
const MMAP_BYTES = 128 * 1024;
/** More than this free at the end of an arena goes back to the system. */
const TRIM_BYTES = 256 * 1024;

/** `mallopt` of glibc. Returns whether it has done so. */
export type Mallopt = (parameter: number, value: number) => boolean;

/**
 * Keeps what the C library of this process holds without need small: by default it has an arena for each thread, of which there are a dozen
 * here, where holes stay that a burst of connections leaves between what goes on, and a threshold that grows with what is freed. Measured as the
 * peak during bulk after new connections, with HTTP metrics: 146 instead of 160 MB. Call it before there are workers: threads that have an
 * arena by then keep it, later ones share what there is once the limit is reached; where there are ten arenas already, glibc does not look at the
 * limit any more. False where there is no such setting, as with musl: nothing is changed then, or not all.
 */
export function tuneMalloc(workers: number, mallopt: Mallopt | undefined = findMallopt()): boolean {
  if (mallopt === undefined) return false;
  const settings = [
    // As many as are at work at once: the workers, and one of the other threads.
    [M_ARENA_MAX, workers + 1],
    [M_MMAP_THRESHOLD, MMAP_BYTES],
    [M_TRIM_THRESHOLD, TRIM_BYTES],
  ] as const;
  return settings.map(([parameter, value]) => mallopt(parameter, value)).every((isDone) => isDone);
}

function findMallopt(): Mallopt | undefined {
  try {
    const mallopt = koffi.load(null).func('int mallopt(int parameter, int value)');
    return (parameter, value) => mallopt(parameter, value) === 1;
  } catch {
    return undefined;
  }
}
