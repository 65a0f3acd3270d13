import assert from 'node:assert/strict';
import { test } from 'node:test';
import { turnTime } from './turn-time.ts';

/** A clock that tells how often it was asked, and turns that end when told. */
function openWorld(): {
  readonly asked: () => number;
  /** Calls so often in one turn; answers the times that were told. */
  readonly turn: (calls: number) => readonly number[];
  readonly ends: () => number;
} {
  let asked = 0;
  let ends = 0;
  let due: (() => void)[] = [];
  const nowMs = turnTime({ monotonic: () => ++asked }, (callback) => {
    ends += 1;
    due.push(callback);
  });
  return {
    asked: () => asked,
    ends: () => ends,
    turn: (calls) => {
      const told = Array.from({ length: calls }, nowMs);
      const callbacks = due;
      due = [];
      for (const callback of callbacks) callback();
      return told;
    },
  };
}

test('turnTime() stands still during each of many busy turns', () => {
  const world = openWorld();
  for (let turn = 0; turn < 20; turn += 1) world.turn(10);
  const [asked, ends] = [world.asked(), world.ends()];
  for (let turn = 1; turn <= 20; turn += 1) {
    assert.deepEqual(
      world.turn(10),
      Array.from({ length: 10 }, () => asked + turn),
    );
  }
  assert.equal(world.ends(), ends + 20);
});

test('turnTime() asks each time in turns of few calls, and hears of the end of one in 64', () => {
  const world = openWorld();
  for (let turn = 0; turn < 640; turn += 1) world.turn(1);
  assert.deepEqual([world.asked(), world.ends()], [640, 10]);
});

test('turnTime() notices when turns become quiet, and only then', () => {
  const world = openWorld();
  while (new Set(world.turn(3)).size > 1);
  for (let turn = 0; turn < 50; turn += 1) {
    for (let quiet = 0; quiet < 15; quiet += 1) world.turn(1);
    const [first, ...others] = world.turn(3);
    assert.deepEqual(others, [first, first], 'still shared');
  }
  for (let quiet = 0; quiet < 16; quiet += 1) world.turn(1);
  const ends = world.ends();
  assert.deepEqual(new Set(world.turn(3)).size, 3);
  assert.equal(world.ends(), ends);
});

test('turnTime() only grows, whatever turns bring', () => {
  const world = openWorld();
  let last = 0;
  for (let turn = 0; turn < 2000; turn += 1) {
    for (const told of world.turn(((turn * 7919) >> 5) % 6)) {
      assert.ok(told >= last);
      last = told;
    }
  }
});
