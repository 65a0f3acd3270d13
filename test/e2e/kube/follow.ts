import assert from 'node:assert/strict';
import {
  keyOf,
  type MeshKind,
  type MeshObject,
  type ObjectChange,
  type ObjectObserver,
  type ObjectProblem,
} from '@ambit/mesh/kinds';
import { createKubeSource, KUBE_SOURCE_TIMING, type KubeClient, type KubeSourceOptions } from '@ambit/mesh/kube';
import { Metrics, silentLogger, systemClock } from '@ambit/mesh/runtime';

/** What a source told. */
export class ObjectWorld implements ObjectObserver {
  readonly objects: Map<string, MeshObject> = new Map();
  readonly batches: (readonly ObjectChange[])[] = [];
  problems: readonly ObjectProblem[] = [];

  onChanges(changes: readonly ObjectChange[]): void {
    this.batches.push(changes);
    for (const change of changes) {
      if (change.kind === 'put') {
        this.objects.set(keyOf(change.object), change.object);
        continue;
      }
      assert.deepEqual(this.objects.get(change.key), change.last, 'what is deleted was there');
      this.objects.delete(change.key);
    }
  }

  onProblems(problems: readonly ObjectProblem[]): void {
    this.problems = problems;
  }

  /** Keys, without those of other tests. */
  keys(part = ''): readonly string[] {
    return [...this.objects.keys()].filter((key) => key.includes(part)).toSorted();
  }
}

/** A source at work, and what it told. Disposal stops it. */
export interface Following extends Disposable {
  readonly world: ObjectWorld;
  readonly metrics: Metrics;
  readonly first: Promise<void>;
}

/** Starts a source that looks for absent kinds often. */
export function follow(
  client: KubeClient,
  kinds: readonly MeshKind[],
  options: Partial<KubeSourceOptions> = {},
): Following {
  const world = new ObjectWorld();
  const metrics = new Metrics();
  const stop = new AbortController();
  const timing = { ...KUBE_SOURCE_TIMING, absentMs: 300, absenceProvenMs: 1000 };
  const source = createKubeSource({
    client,
    kinds,
    metrics,
    timing,
    clock: systemClock,
    logger: silentLogger,
    ...options,
  });
  const first = source.watch(world, stop.signal);
  first.catch(() => {});
  return { world, metrics, first, [Symbol.dispose]: () => stop.abort(new Error('the test is over')) };
}
