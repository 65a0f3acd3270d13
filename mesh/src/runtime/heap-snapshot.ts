import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeHeapSnapshot } from 'node:v8';
import { MeshError } from './errors.ts';

/** `snapshot-limit`: there are as many as there may be; `data.directory` holds them. */
export class HeapSnapshotError extends MeshError<'snapshot-limit'> {
  override readonly name = 'HeapSnapshotError';
}

/** A few hundred megabytes each. */
export const HEAP_SNAPSHOTS_MAX = 8;
const SUFFIX = '.heapsnapshot';

/**
 * Writes all that lives in the heap of this thread into a new file of `directory` that nobody else can read, and gives its path. A
 * directory that is not there is made, closed to everybody else; one that is there stays as it is. The thread stands still
 * meanwhile, a second and more for 100 MB. The file holds whatever the thread knows, private keys too.
 * @throws HeapSnapshotError; the system's error when it cannot be written.
 */
export function writeSnapshot(directory: string, thread: string, nowMs: number): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (readdirSync(directory).filter((file) => file.endsWith(SUFFIX)).length >= HEAP_SNAPSHOTS_MAX) {
    throw new HeapSnapshotError('snapshot-limit', 'there are as many heap snapshots as there may be', {
      data: { directory, max: HEAP_SNAPSHOTS_MAX },
    });
  }
  const path = join(directory, `${thread}-${new Date(nowMs).toISOString()}${SUFFIX}`);
  // V8 writes into whatever is there: where others may write too, that could be a file or a link of theirs.
  writeFileSync(path, '', { flag: 'wx', mode: 0o600 });
  return writeHeapSnapshot(path);
}
