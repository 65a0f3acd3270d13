import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openPrivateDirectory } from './private-directory.ts';

function withPath(work: (path: string) => void): void {
  const path = mkdtempSync(join(tmpdir(), 'ambit-private-'));
  try {
    work(path);
  } finally {
    rmSync(path, { recursive: true });
  }
}

const insecure = (reason: string): object => ({ code: 'insecure-state', data: { reason } });

/** Compares code and reason alone. */
function refusal(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return { code: Reflect.get(Object(error), 'code'), data: { reason: Reflect.get(Object(error), 'data')?.reason } };
  }
  return undefined;
}

test('a private directory keeps small files that are replaced whole', () =>
  withPath((path) => {
    const directory = openPrivateDirectory(join(path, 'a', 'b'));
    assert.equal(directory.read('key'), undefined);
    directory.write('key', 'one');
    directory.write('key', 'two');
    assert.deepEqual(
      [directory.create('key', 'three'), directory.create('other', 'x'), directory.read('key'), directory.list()],
      [false, true, 'two', ['key', 'other']],
    );
    const inner = directory.subdirectory('inner');
    assert.deepEqual(
      [
        directory.move('other', inner),
        directory.move('other', inner),
        inner.list(),
        inner.remove('other'),
        inner.remove('other'),
      ],
      [true, false, ['other'], true, false],
    );
    assert.deepEqual(readdirSync(directory.path).toSorted(), ['inner', 'key']);
    assert.deepEqual(
      [directory.path, join(directory.path, 'key'), inner.path].map((each) => statSync(each).mode & 0o777),
      [0o700, 0o600, 0o700],
    );
  }));

test('a private directory is refused when others may look into it, or it is none', () =>
  withPath((path) => {
    const open = join(path, 'open');
    mkdirSync(open, { mode: 0o755 });
    chmodSync(open, 0o755);
    const link = join(path, 'link');
    symlinkSync(mkdtempSync(join(path, 'real-')), link);
    assert.deepEqual(
      [refusal(() => openPrivateDirectory(open)), refusal(() => openPrivateDirectory(link))],
      [insecure('open-to-others'), insecure('not-a-directory')],
    );
  }));

test('a file is refused when others may read it, when it is a link, or when its name leads elsewhere', () =>
  withPath((path) => {
    const directory = openPrivateDirectory(join(path, 'state'));
    for (const mode of [0o640, 0o604, 0o620, 0o660]) {
      writeFileSync(join(directory.path, 'key'), 'x');
      chmodSync(join(directory.path, 'key'), mode);
      assert.deepEqual(
        refusal(() => directory.read('key')),
        insecure('open-to-others'),
      );
    }
    mkdirSync(join(directory.path, 'folder'), { mode: 0o700 });
    assert.deepEqual(
      refusal(() => directory.read('folder')),
      insecure('not-a-file'),
    );
    writeFileSync(join(path, 'outside'), 'x', { mode: 0o600 });
    symlinkSync(join(path, 'outside'), join(directory.path, 'link'));
    assert.throws(() => directory.read('link'), { code: 'ELOOP' });
    for (const name of ['../outside', '.hidden', 'a/b', '', 'UPPER', 'a'.repeat(255)]) {
      assert.deepEqual(
        refusal(() => directory.read(name)),
        insecure('bad-name'),
        name,
      );
    }
  }));
