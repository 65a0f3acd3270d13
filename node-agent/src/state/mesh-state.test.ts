import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildWorkload, ManualClock } from '@ambit/mesh/testing';
import { MeshState, STATE_WAITERS_MAX } from './mesh-state.ts';

test('MeshState tells listeners what changed, then wakes everybody who waits', async () => {
  const clock = new ManualClock();
  const state = new MeshState({ clock });
  const order: string[] = [];
  state.onChange((change) => order.push(`changed ${[...change.workloads].join()}`));
  const waiting = [state.nextChange(5000), state.nextChange(5000)].map((wait) =>
    wait.then((outcome) => order.push(outcome)),
  );
  state.apply({ workloads: [buildWorkload()] });
  await Promise.all(waiting);
  assert.deepEqual(order, ['changed cluster-1//Pod/shop/web', 'changed', 'changed']);
  assert.deepEqual([state.view.epoch, clock.pending], [1, 0]);
});

test('MeshState ends a wait at its deadline, and at once when that has passed', async () => {
  const clock = new ManualClock();
  const state = new MeshState({ clock });
  const wait = state.nextChange(100);
  await clock.advance(100);
  assert.equal(await wait, 'timeout');
  assert.equal(await state.nextChange(100), 'timeout');
});

test('MeshState refuses to let more wait than its bound', async () => {
  const state = new MeshState({ clock: new ManualClock() });
  const waiting = Array.from({ length: STATE_WAITERS_MAX }, () => state.nextChange(5000));
  assert.equal(await state.nextChange(5000), 'too-many');
  state.apply({});
  assert.equal(
    (await Promise.all(waiting)).every((outcome) => outcome === 'changed'),
    true,
  );
  const next = state.nextChange(5000);
  state.apply({});
  assert.equal(await next, 'changed');
});
