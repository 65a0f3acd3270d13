import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/mesh/testing';
import { SharedViewWriter } from '@ambit/mesh/view';
import { MeshState, STATE_WAITERS_MAX, STATE_WAITERS_PER_POD_MAX } from './mesh-state.ts';

const pod = {};

test('MeshState tells listeners what changed, then wakes everybody who waits', async () => {
  const clock = new ManualClock();
  const state = new MeshState({ clock });
  const order: string[] = [];
  state.onChange(({ epoch }) => order.push(`epoch ${epoch}`));
  const waiting = [state.nextChange(5000, pod), state.nextChange(5000, pod)].map((wait) =>
    wait.then((outcome) => order.push(outcome)),
  );
  state.adopt(new SharedViewWriter(1).apply({}));
  await Promise.all(waiting);
  assert.deepEqual(order, ['epoch 1', 'changed', 'changed']);
  assert.deepEqual([state.view.epoch, clock.pending], [1, 0]);
});

test('MeshState ends a wait at its deadline, and at once when that has passed', async () => {
  const clock = new ManualClock();
  const state = new MeshState({ clock });
  const wait = state.nextChange(100, pod);
  await clock.advance(100);
  assert.equal(await wait, 'timeout');
  assert.equal(await state.nextChange(100, pod), 'timeout');
});

test('MeshState refuses to let more wait than its bound', async () => {
  const state = new MeshState({ clock: new ManualClock() });
  const writer = new SharedViewWriter(1);
  const pods = Array.from({ length: STATE_WAITERS_MAX / STATE_WAITERS_PER_POD_MAX }, () => ({}));
  const waiting: Promise<string>[] = [];
  for (const each of pods) {
    for (let i = 0; i < STATE_WAITERS_PER_POD_MAX; i++) waiting.push(state.nextChange(5000, each));
    assert.equal(await state.nextChange(5000, each), 'too-many');
  }
  assert.equal(await state.nextChange(5000, pod), 'too-many');
  state.adopt(writer.apply({}));
  assert.equal(
    (await Promise.all(waiting)).every((outcome) => outcome === 'changed'),
    true,
  );
  const next = state.nextChange(5000, pods[0] ?? pod);
  state.adopt(writer.apply({}));
  assert.equal(await next, 'changed');
});
