import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  keyOf,
  type MeshObject,
  type ObjectChange,
  type ObjectObserver,
  type ObjectProblem,
  type ObjectSource,
  parseObject,
} from '@ambit/mesh/kinds';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { until } from '@ambit/mesh/testing';
import { readSnapshot, writeSnapshot } from './snapshot-file.ts';
import { createSnapshotSource } from './snapshot-source.ts';

/** A source that delivers when the test says so. */
class LateSource implements ObjectSource {
  observer: ObjectObserver | null = null;
  readonly #first = Promise.withResolvers<void>();

  async watch(observer: ObjectObserver): Promise<void> {
    this.observer = observer;
    await this.#first.promise;
  }

  deliver(objects: readonly MeshObject[], problems: readonly ObjectProblem[] = []): void {
    this.observer?.onChanges(objects.map((object) => ({ kind: 'put', object })));
    if (problems.length > 0) this.observer?.onProblems(problems);
    this.#first.resolve();
  }
}

function parsed(json: unknown): MeshObject {
  return parseObject(json) ?? assert.fail();
}

const SHOP = parsed({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { a: 'b' } } });
const NODE = parsed({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, spec: { podCIDRs: ['10.1.0.0/24'] } });
const POLICY = parsed({
  apiVersion: 'ambit.dev/v1alpha1',
  kind: 'AccessPolicy',
  metadata: { name: 'p', namespace: 'shop' },
  spec: { action: 'Deny', rules: [{ from: [{ ipBlocks: ['10.0.0.0/8'] }] }] },
});
const ALL = [SHOP, NODE, POLICY];

interface World {
  readonly path: string;
  readonly source: LateSource;
  readonly held: ReadonlyMap<string, MeshObject>;
  readonly stop: AbortController;
  /** Begins; resolves with the first state. */
  start(timing: { readonly patienceMs?: number; readonly writeMs?: number }): Promise<void>;
}

async function inWorld(work: (world: World, directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-snapshot-'));
  const path = join(directory, 'objects.snapshot');
  const source = new LateSource();
  const stop = new AbortController();
  const held = new Map<string, MeshObject>();
  const observer: ObjectObserver = {
    onChanges: (changes: readonly ObjectChange[]) => {
      for (const change of changes) {
        if (change.kind === 'put') held.set(keyOf(change.object), change.object);
        else held.delete(change.key);
      }
    },
    onProblems: () => {},
  };
  const start: World['start'] = (timing) => {
    const options = { source, path, version: '1', clock: systemClock, logger: silentLogger, timing };
    return createSnapshotSource(options).watch(observer, stop.signal);
  };
  try {
    await work({ path, source, held, stop, start }, directory);
  } finally {
    stop.abort();
    rmSync(directory, { recursive: true });
  }
}

test('a snapshot gives back what was written, for the same version alone, and nobody else may read it', () =>
  inWorld(async ({ path }) => {
    assert.equal(await readSnapshot(path, '1'), null);
    const many = Array.from({ length: 1201 }, () => ALL).flat();
    await writeSnapshot(path, '1', many);
    assert.deepEqual(await readSnapshot(path, '1'), many);
    assert.equal(await readSnapshot(path, '2'), null);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  }));

test('a damaged snapshot is refused, wherever it was cut or changed', () =>
  inWorld(async ({ path }) => {
    await writeSnapshot(path, '1', ALL);
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at += 7) {
      writeFileSync(path, whole.subarray(0, at));
      await assert.rejects(readSnapshot(path, '1'), `cut at ${at}`);
    }
    const changed = Buffer.from(whole);
    changed.writeUInt8(changed.readUInt8(whole.length - 12) ^ 0xff, whole.length - 12);
    writeFileSync(path, changed);
    await assert.rejects(readSnapshot(path, '1'));
  }));

test('a snapshot that cannot be written leaves the one of before, and nothing else', () =>
  inWorld(async ({ path }, directory) => {
    await writeSnapshot(path, '1', [SHOP]);
    // A function cannot be written.
    const bad = [Object.assign({ ...NODE }, { broken: () => {} })];
    await assert.rejects(writeSnapshot(path, '1', bad));
    assert.deepEqual(await readSnapshot(path, '1'), [SHOP]);
    assert.deepEqual(readdirSync(directory), ['objects.snapshot']);
  }));

test('a source that answers in time is all there is, and is kept', () =>
  inWorld(async ({ path, source, held, start }) => {
    await writeSnapshot(path, '1', [NODE]);
    const started = start({ writeMs: 10 });
    await until('it is watched', () => source.observer);
    source.deliver([SHOP, POLICY]);
    await started;
    assert.deepEqual([...held.values()], [SHOP, POLICY]);
    await until('it is written', async () => (await readSnapshot(path, '1'))?.length === 2);
    source.observer?.onChanges([{ kind: 'delete', key: keyOf(SHOP), last: SHOP }]);
    await until('the change is written', async () => (await readSnapshot(path, '1'))?.length === 1);
  }));

test('while the source does not answer, the snapshot is in force; then the source is', () =>
  inWorld(async ({ path, source, held, start }) => {
    await writeSnapshot(path, '1', [SHOP, NODE]);
    await start({ patienceMs: 10 });
    assert.deepEqual([...held.values()], [SHOP, NODE]);
    source.deliver([SHOP, POLICY]);
    await until('what is gone is gone', () => held.size === 2 && held.has(keyOf(POLICY)));
    assert.deepEqual([...held.values()], [SHOP, POLICY]);
  }));

test('a policy that cannot be read any more keeps its version of the snapshot until it is mended or gone', () =>
  inWorld(async ({ path, source, held, start }) => {
    await writeSnapshot(path, '1', [SHOP, POLICY]);
    await start({ patienceMs: 10 });
    const problem: ObjectProblem = { where: 'x', reason: 'broken', key: keyOf(POLICY), severity: 'error' };
    source.deliver([NODE], [problem]);
    await until('the namespace is gone', () => !held.has(keyOf(SHOP)));
    assert.deepEqual([...held.keys()].toSorted(), [keyOf(POLICY), keyOf(NODE)].toSorted());
    source.observer?.onProblems([]);
    assert.deepEqual([...held.values()], [NODE]);
  }));

test('without a usable snapshot the source is waited for', () =>
  inWorld(async ({ path, source, held, start }) => {
    writeFileSync(path, 'damaged');
    const started = start({ patienceMs: 1 });
    await until('it is watched', () => source.observer);
    await systemClock.sleep(50);
    assert.equal(held.size, 0);
    source.deliver([SHOP]);
    await started;
    assert.deepEqual([...held.values()], [SHOP]);
  }));
