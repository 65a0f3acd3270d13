import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '@ambit/mesh/runtime';
import type { NamespaceState } from './decide-namespaces.ts';
import { EnrolmentList } from './enrolment-list.ts';

class Directory implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), 'ambit-list-'));
  readonly file: string = join(this.path, 'enrolment.list');

  open(): EnrolmentList {
    return new EnrolmentList(this.file, silentLogger);
  }

  lines(): readonly string[] {
    return readFileSync(this.file, 'utf8').split('\n');
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

const states = (entries: Record<string, NamespaceState>): ReadonlyMap<string, NamespaceState> =>
  new Map(Object.entries(entries));

test('update() writes the list in the format of the plugin, for its owner alone, and only when it differs', () => {
  using directory = new Directory();
  const list = directory.open();
  assert.ok(list.update(states({ shop: 'enrolled', web: 'plain', 'kube-system': 'excluded' })));
  assert.deepEqual(directory.lines(), [
    'ambit-enrolment 1',
    'enrolled shop',
    'excluded kube-system',
    'plain web',
    'end',
    '',
  ]);
  const { ino, mode } = statSync(directory.file);
  assert.equal(mode & 0o777, 0o600);
  directory.open().update(states({ web: 'plain', 'kube-system': 'excluded', shop: 'enrolled' }));
  assert.equal(statSync(directory.file).ino, ino);
});

test('holdEnrolled() counts until the watch agrees, and no longer', () => {
  using directory = new Directory();
  const list = directory.open();
  list.update(states({ web: 'plain' }));
  list.holdEnrolled('web');
  list.holdEnrolled('new');
  assert.deepEqual(directory.lines().slice(1, 3), ['enrolled new', 'enrolled web']);
  list.update(states({ web: 'plain', new: 'plain' }));
  assert.deepEqual(directory.lines().slice(1, 3), ['enrolled new', 'enrolled web']);
  list.update(states({ web: 'enrolled', new: 'plain' }));
  list.update(states({ web: 'plain', new: 'plain' }));
  assert.deepEqual(directory.lines().slice(1, 3), ['enrolled new', 'plain web']);
});

test('a list that cannot be written is removed, since the old one may let pass what must not', () => {
  using directory = new Directory();
  const list = directory.open();
  list.update(states({ web: 'plain' }));
  // Where the new list would be made there is something that is no file.
  const obstacle = join(directory.path, '.ambit-enrolment.list.new');
  mkdirSync(obstacle);
  assert.ok(!list.update(states({ web: 'enrolled' })));
  assert.ok(!existsSync(directory.file));
  rmSync(obstacle, { recursive: true });
  assert.ok(list.update(states({ web: 'enrolled' })));
  assert.deepEqual(directory.lines()[1], 'enrolled web');
});
