import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { HEAP_SNAPSHOTS_MAX, HeapSnapshotError, writeSnapshot } from './heap-snapshot.ts';

test('writeSnapshot() leaves one file per call that only its owner reads, up to a limit', (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'ambit-test-'));
  t.after(() => rmSync(parent, { recursive: true }));
  const directory = join(parent, 'heap');
  const path = writeSnapshot(directory, 'data-0', 0);
  assert.equal(path, join(directory, 'data-0-1970-01-01T00:00:00.000Z.heapsnapshot'));
  assert.deepEqual([statSync(directory).mode & 0o777, statSync(path).mode & 0o777], [0o700, 0o600]);
  assert.match(readFileSync(path, 'utf8').slice(0, 200), /"snapshot"/);
  for (let count = 1; count < HEAP_SNAPSHOTS_MAX; count++) writeFileSync(join(directory, `${count}.heapsnapshot`), '');
  assert.throws(
    () => writeSnapshot(directory, 'data-0', 1),
    (error: unknown) => error instanceof HeapSnapshotError && error.code === 'snapshot-limit',
  );
});
