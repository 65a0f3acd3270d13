import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LoopShare } from './loop-share.ts';

describe('LoopShare', () => {
  test('holds work that is ahead of rest until the loop has rested as long', () => {
    const times = { active: 100, idle: 5000 };
    const share = new LoopShare(1, () => ({ ...times }));
    // What was before does not count.
    assert.equal(share.goesOn(0), true);
    times.active += 1;
    assert.equal(share.goesOn(1), true);
    times.active += 0.5;
    assert.equal(share.goesOn(1.5), false);
    times.idle += 0.5;
    assert.equal(share.goesOn(2), true);
  });

  test('wants as much more rest as it is told to', () => {
    const times = { active: 0, idle: 0 };
    const share = new LoopShare(3, () => ({ ...times }));
    assert.equal(share.goesOn(0), true);
    times.active += 2;
    assert.equal(share.goesOn(1), false);
    times.idle += 2;
    assert.equal(share.goesOn(1.4), false);
    times.idle += 2;
    assert.equal(share.goesOn(1.9), true);
  });

  test('saves no rest for later', () => {
    const times = { active: 0, idle: 0 };
    const share = new LoopShare(1, () => ({ ...times }));
    times.idle = 1000;
    assert.equal(share.goesOn(1000), true);
    times.active += 1.5;
    assert.equal(share.goesOn(1001.5), false);
  });

  test('forgets work of long ago', () => {
    const times = { active: 0, idle: 0 };
    const share = new LoopShare(1, () => ({ ...times }));
    times.active = 10_000;
    assert.equal(share.goesOn(0), true);
    assert.equal(share.goesOn(1), false);
    times.idle += 3;
    assert.equal(share.goesOn(1.9), true);
  });

  test('lets held work go on now and then where the loop finds no rest', () => {
    const times = { active: 0, idle: 0 };
    const share = new LoopShare(1, () => ({ ...times }));
    const went: number[] = [];
    for (let ms = 0; ms <= 10; ms++) {
      times.active = ms;
      if (share.goesOn(ms)) went.push(ms);
    }
    assert.deepEqual(went, [0, 1, 3, 5, 7, 9]);
  });
});
