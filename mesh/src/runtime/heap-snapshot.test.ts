import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
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

test('writeSnapshot() leaves a directory that is there as it is, and writes into nothing that it has not made', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-test-'));
  t.after(() => rmSync(directory, { recursive: true }));
  chmodSync(directory, 0o1777);
  const path = writeSnapshot(directory, 'main', 0);
  assert.deepEqual([statSync(directory).mode & 0o7777, statSync(path).mode & 0o777], [0o1777, 0o600]);
  const another = join(directory, 'another');
  writeFileSync(another, 'of somebody else');
  symlinkSync(another, join(directory, 'main-1970-01-01T00:00:00.001Z.heapsnapshot'));
  assert.throws(() => writeSnapshot(directory, 'main', 1), { code: 'EEXIST' });
  assert.equal(readFileSync(another, 'utf8'), 'of somebody else');
});
