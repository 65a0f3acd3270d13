import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseObject, type Pod } from '@ambit/mesh/kinds';
import { KubeApiError, type KubeApiErrorCode } from '@ambit/mesh/kube';
import { silentLogger } from '@ambit/mesh/runtime';
import { ManualClock } from '@ambit/mesh/testing';
import { RedirectionAnnotations } from './redirection-annotations.ts';

function annotated(name: string): Pod {
  const metadata = { namespace: 'shop', name, uid: name, annotations: { 'ambit.dev/redirection': 'enabled' } };
  return parseObject({ apiVersion: 'v1', kind: 'Pod', metadata }) as Pod;
}

/** Removes the annotation of pods `a` and `b`, where writing that of `a` fails with these codes first. */
async function removal(codes: readonly KubeApiErrorCode[], abortsAfterMs = 60_000): Promise<readonly [number, string]> {
  const clock = new ManualClock();
  const failures = [...codes];
  const written: string[] = [];
  const annotations = new RedirectionAnnotations({
    client: {
      mergePatch: async (_resource, { name }) => {
        const code = name === 'a' ? failures.shift() : undefined;
        written.push(code === undefined ? name : `${name}: ${code}`);
        if (code !== undefined) throw new KubeApiError(code);
        return {};
      },
    },
    pods: () => [annotated('a'), annotated('b')],
    statuses: () => [],
    clock,
    logger: silentLogger,
  });
  const deadline = new AbortController();
  using _deadline = clock.setTimer(abortsAfterMs, () => deadline.abort(new Error('too late')));
  const left = { count: -1 };
  const removed = annotations.removeAll(deadline.signal).then((count) => (left.count = count));
  while (left.count < 0) await clock.advance(100);
  await removed;
  return [left.count, written.join(', ')];
}

test('removeAll() takes the annotation away from every pod, and tries again what may succeed', async () => {
  assert.deepEqual(await removal([]), [0, 'a, b']);
  assert.deepEqual(await removal(['unreachable', 'server-error']), [0, 'a: unreachable, b, a: server-error, a']);
});

test('removeAll() does not wait for pods that are gone, nor for rights that are', async () => {
  assert.deepEqual(await removal(['not-found']), [0, 'a: not-found, b']);
  assert.deepEqual(await removal(['conflict']), [0, 'a: conflict, b']);
  assert.deepEqual(await removal(['forbidden']), [1, 'a: forbidden, b']);
});

test('removeAll() ends at its deadline, and says how many are left', async () => {
  const [left, written] = await removal(
    Array.from({ length: 9 }, () => 'unreachable'),
    1000,
  );
  assert.deepEqual([left, written.startsWith('a: unreachable, b, a: unreachable')], [1, true]);
});
