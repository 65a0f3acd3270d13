import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  keyOf,
  type MeshObject,
  type ObjectChange,
  type ObjectKey,
  type ObjectObserver,
  type ObjectProblem,
  type ObjectSource,
  parseObject,
} from '@ambit/mesh/kinds';
import { createMergedSource } from './merged-source.ts';

/** A source whose changes the test sends. */
class HandSource implements ObjectSource {
  observer: ObjectObserver | null = null;
  readonly begun: Promise<void>;

  constructor(begun: Promise<void> = Promise.resolve()) {
    this.begun = begun;
  }

  async watch(observer: ObjectObserver): Promise<void> {
    this.observer = observer;
    await this.begun;
  }

  send(...changes: ObjectChange[]): void {
    this.observer?.onChanges(changes);
  }
}

function namespace(name: string, mark: string): MeshObject {
  const json = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { mark } } };
  return parseObject(json) ?? assert.fail();
}

function put(object: MeshObject): ObjectChange {
  return { kind: 'put', object };
}

function gone(last: MeshObject): ObjectChange {
  return { kind: 'delete', key: keyOf(last), last };
}

function merge(): { cluster: HandSource; files: HandSource; seen: ObjectChange[]; problems: ObjectProblem[][] } {
  const cluster = new HandSource();
  const files = new HandSource();
  const seen: ObjectChange[] = [];
  const problems: ObjectProblem[][] = [];
  const observer: ObjectObserver = {
    onChanges: (changes) => void seen.push(...changes),
    onProblems: (list) => void problems.push([...list]),
  };
  void createMergedSource(cluster, files).watch(observer, new AbortController().signal);
  return { cluster, files, seen, problems };
}

const KEY: ObjectKey = 'Namespace//shop';
const OURS = namespace('shop', 'cluster');
const THEIRS = namespace('shop', 'file');
const HIDDEN: ObjectProblem = {
  where: KEY,
  key: KEY,
  severity: 'error',
  reason: 'Namespace//shop is defined in Kubernetes and in a manifest: that of Kubernetes is in force',
};

test('createMergedSource passes on what only one source has', () => {
  const { cluster, files, seen, problems } = merge();
  const other = namespace('other', 'file');
  cluster.send(put(OURS));
  files.send(put(other));
  files.send(gone(other));
  assert.deepEqual(seen, [put(OURS), put(other), gone(other)]);
  assert.deepEqual(problems, []);
});

test('createMergedSource lets Kubernetes win, whoever came first, and says so until one of them goes', () => {
  const { cluster, files, seen, problems } = merge();
  files.send(put(THEIRS));
  cluster.send(put(OURS));
  files.send(put(namespace('shop', 'edited')));
  assert.deepEqual(seen.splice(0), [put(THEIRS), put(OURS)]);
  assert.deepEqual(problems.splice(0), [[HIDDEN]]);
  cluster.send(gone(OURS));
  assert.deepEqual(seen.splice(0), [put(namespace('shop', 'edited'))]);
  assert.deepEqual(problems.splice(0), [[]]);
  cluster.send(put(OURS));
  files.send(gone(THEIRS));
  assert.deepEqual(seen.splice(0), [put(OURS)]);
  assert.deepEqual(problems.splice(0), [[HIDDEN], []]);
});

test('createMergedSource shows the problems of both, once per change of them', () => {
  const { cluster, files, problems } = merge();
  const broken: ObjectProblem = { where: 'a.yaml', line: 3, reason: 'no', severity: 'error' };
  files.observer?.onProblems([broken]);
  cluster.observer?.onProblems([]);
  assert.deepEqual(problems, [[broken]]);
});

test('createMergedSource has its first state when both have, and fails when one fails', async () => {
  const late = Promise.withResolvers<void>();
  const merged = createMergedSource(new HandSource(late.promise), new HandSource());
  const observer: ObjectObserver = { onChanges: () => {}, onProblems: () => {} };
  let done = false;
  const watching = merged.watch(observer, new AbortController().signal).then(() => (done = true));
  await Promise.resolve();
  assert.equal(done, false);
  late.resolve();
  await watching;
  const bad = createMergedSource(new HandSource(Promise.reject(new Error('unreadable'))), new HandSource());
  await assert.rejects(bad.watch(observer, new AbortController().signal), /unreadable/);
});
