import { type AdminSection, HeapSnapshotError, post, textResponse } from '@ambit/mesh/runtime';
import { threadNames } from './thread-names.ts';

export interface HeapSectionOptions {
  /** Where snapshots go; empty: they are not allowed. */
  readonly directory: string;
  readonly workers: number;
  /** Writes one of a thread, a data worker by its number or `null`, the main thread, and gives its path. */
  readonly write: (worker: number | null) => Promise<string>;
}

/** `/debug/heap_snapshot`: off unless there is a place for them, since a heap holds keys. */
export function heapSection({ directory, workers, write }: HeapSectionOptions): AdminSection {
  const threads = threadNames(workers);
  return post('/debug/heap_snapshot', 'write a heap snapshot of a thread: ?thread=data-0', async ({ query }) => {
    if (directory === '') {
      return textResponse(403, 'off, as a heap holds private keys: AMBIT_HEAP_SNAPSHOT_DIR says where they may go\n');
    }
    const thread = threads.indexOf(query.get('thread') ?? 'data-0');
    if (thread === -1) return textResponse(400, `thread: expected one of ${threads.join(', ')}\n`);
    try {
      return textResponse(200, `${await write(thread === 0 ? null : thread - 1)}\n`);
    } catch (error) {
      if (!isFull(error)) throw error;
      return textResponse(409, `${directory} holds as many as it may: remove some\n`);
    }
  });
}

/** Of this thread, or of a worker, whose errors arrive as what they were called. */
function isFull(error: unknown): boolean {
  if (error instanceof HeapSnapshotError) return true;
  return error instanceof Error && 'data' in error && JSON.stringify(error.data).includes('"snapshot-limit"');
}
