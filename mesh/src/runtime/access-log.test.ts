import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { accessLogTarget } from './access-log.ts';
import { EnvironmentError } from './environment.ts';

test('accessLogTarget knows stdout, off and files, and names the variable of a file that cannot be written', () => {
  assert.deepEqual(accessLogTarget('off', 5), { kind: 'off' });
  assert.deepEqual(accessLogTarget('stdout', 5), { kind: 'fd', fd: 5 });
  const directory = mkdtempSync(join(tmpdir(), 'ambit-access-log-'));
  try {
    const path = join(directory, 'access.log');
    assert.deepEqual(accessLogTarget(path, 5), { kind: 'file', path });
    const nowhere = join(directory, 'no', 'access.log');
    assert.throws(
      () => accessLogTarget(nowhere, 5),
      (error) => {
        assert.ok(error instanceof EnvironmentError);
        assert.deepEqual([error.data['variable'], error.data['value']], ['AMBIT_ACCESS_LOG', nowhere]);
        assert.match(String(error.data['expected']), /ENOENT/);
        return true;
      },
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});
