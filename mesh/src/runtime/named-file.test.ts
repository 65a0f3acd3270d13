import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EnvironmentError } from './environment.ts';
import { readNamedFile } from './named-file.ts';

test('readNamedFile gives the text, or names variable, path and reason', () => {
  assert.match(readNamedFile('AMBIT_FILE', import.meta.filename), /^import assert/);
  for (const [path, reason] of [
    ['/nowhere/at/all', 'ENOENT'],
    ['/', 'EISDIR'],
  ] as const) {
    assert.throws(
      () => readNamedFile('AMBIT_FILE', path),
      (error) => {
        assert.ok(error instanceof EnvironmentError);
        assert.equal(error.data['variable'], 'AMBIT_FILE');
        assert.equal(error.data['value'], path);
        assert.match(String(error.data['expected']), new RegExp(reason));
        return true;
      },
    );
  }
});
