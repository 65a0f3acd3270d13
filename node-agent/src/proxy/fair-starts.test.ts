import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '@ambit/mesh/testing';
import { FairStarts } from './fair-starts.ts';

const RESTED = (): { active: number; idle: number } => ({ active: 0, idle: 0 });
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('FairStarts', () => {
  test('begins at once what finds its turn free', () => {
    const pod = new FairStarts({ clock: new ManualClock(), ratePerSecond: 100 }).forPod();
    let began = 0;
    pod.outbound.begin(() => began++);
    assert.deepEqual([began, pod.waitingCount], [1, 0]);
  });

  test('lets pods take turns, in order within each', async () => {
    const starts = new FairStarts({ clock: new ManualClock(), ratePerSecond: 1000, loopTimes: RESTED });
    const [greedy, modest] = [starts.forPod(), starts.forPod()];
    const began: string[] = [];
    for (let count = 0; count < 100; count++) greedy.outbound.begin(() => began.push(`greedy ${count}`));
    modest.outbound.begin(() => began.push('modest 0'));
    modest.outbound.begin(() => began.push('modest 1'));
    assert.deepEqual([began.length, began.at(-1)], [16, 'greedy 15']);
    await turn();
    assert.deepEqual(began.slice(16), ['greedy 16', 'modest 0']);
    await turn();
    assert.deepEqual(began.slice(18), ['greedy 17', 'modest 1']);
    for (let count = 0; count < 82; count++) await turn();
    assert.equal(began.length, 102);
    assert.deepEqual(
      began.filter((name) => name.startsWith('greedy')),
      Array.from({ length: 100 }, (_, count) => `greedy ${count}`),
    );
  });

  test('begins so many in a turn at most, whoever they are of', async () => {
    const starts = new FairStarts({ clock: new ManualClock(), ratePerSecond: 1000 });
    const began: number[] = [];
    const pods = Array.from({ length: 40 }, () => starts.forPod());
    for (const [index, pod] of pods.entries()) {
      pod.outbound.begin(() => began.push(index));
      pod.outbound.begin(() => began.push(index));
    }
    assert.equal(began.length, 16);
    await turn();
    assert.equal(began.length, 32);
    for (let count = 0; count < 3; count++) await turn();
    assert.equal(began.length, 80);
    for (const index of pods.keys()) assert.equal(began.filter((each) => each === index).length, 2);
  });

  test('begins no more in a turn because each takes its time', async () => {
    const clock = new ManualClock();
    let nowMs = 0;
    const slow = { monotonic: () => nowMs, setTimer: clock.setTimer.bind(clock) };
    const pod = new FairStarts({ clock: slow, ratePerSecond: 1000 }).forPod();
    let began = 0;
    const begin = (): void => {
      began++;
      nowMs += 1;
    };
    for (let count = 0; count < 50; count++) pod.outbound.begin(begin);
    assert.equal(began, 16);
    await turn();
    assert.equal(began, 17);
    for (let count = 0; count < 33; count++) await turn();
    assert.equal(began, 50);
    nowMs += 1;
    for (let count = 0; count < 20; count++) pod.outbound.begin(begin);
    assert.equal(began, 66);
  });

  test('holds what is over the rate of a pod until its time, and nobody else', async () => {
    const clock = new ManualClock();
    const starts = new FairStarts({ clock, ratePerSecond: 2 });
    const [fast, slow] = [starts.forPod(), starts.forPod()];
    let began = 0;
    for (let count = 0; count < 4; count++) fast.outbound.begin(() => began++);
    for (let count = 0; count < 5; count++) await turn();
    assert.deepEqual([began, fast.waitingCount], [2, 2]);
    let other = 0;
    slow.outbound.begin(() => other++);
    await turn();
    assert.equal(other, 1);
    for (let ms = 0; ms < 500; ms += 10) {
      await clock.advance(10);
      await turn();
      await turn();
    }
    assert.equal(began, 3);
    for (let ms = 0; ms < 500; ms += 10) {
      await clock.advance(10);
      await turn();
      await turn();
    }
    assert.deepEqual([began, fast.waitingCount], [4, 0]);
  });

  test('holds a pod with many connections on their way while others are served, but never for long', async () => {
    const clock = new ManualClock();
    const starts = new FairStarts({ clock, ratePerSecond: 100_000, loopTimes: RESTED });
    let opening = 64;
    let began = 0;
    const full = starts.forPod({ isServed: () => true, openingCount: () => opening });
    const other = starts.forPod({ isServed: () => true, openingCount: () => 0 });
    for (let count = 0; count < 4; count++) full.outbound.begin(() => began++);
    await turn();
    assert.deepEqual([began, full.waitingCount], [1, 3]);
    // Nobody else waits for it.
    other.outbound.begin(() => began++);
    await turn();
    assert.deepEqual([began, full.waitingCount], [2, 3]);
    await clock.advance(1);
    await turn();
    await turn();
    assert.deepEqual([began, full.waitingCount], [3, 2]);
    opening = 63;
    await clock.advance(1);
    for (let count = 0; count < 3; count++) await turn();
    assert.deepEqual([began, full.waitingCount], [5, 0]);
  });

  test('holds such a pod also where it has nothing else, for the sake of a single other one', async () => {
    const clock = new ManualClock();
    const starts = new FairStarts({ clock, ratePerSecond: 100_000, loopTimes: RESTED });
    let began = 0;
    const full = starts.forPod({ isServed: () => false, openingCount: () => 64 });
    const other = starts.forPod({ isServed: () => true, openingCount: () => 0 });
    for (let count = 0; count < 3; count++) full.outbound.begin(() => began++);
    assert.deepEqual([began, full.waitingCount], [1, 2]);
    // The other one is gone.
    other.flush();
    await clock.advance(1);
    for (let count = 0; count < 3; count++) await turn();
    assert.equal(began, 3);
  });

  test('lets what comes to a pod pass by what it opens itself', async () => {
    const clock = new ManualClock();
    const starts = new FairStarts({ clock, ratePerSecond: 100_000, loopTimes: RESTED });
    const pod = starts.forPod({ isServed: () => true, openingCount: () => 64 });
    starts.forPod({ isServed: () => true, openingCount: () => 0 });
    const began: string[] = [];
    for (let count = 0; count < 100; count++) pod.outbound.begin(() => began.push('outbound'));
    for (let count = 0; count < 2; count++) {
      pod.tunnels.begin(() => began.push('tunnel'));
      pod.plaintext.begin(() => began.push('plaintext'));
    }
    for (let count = 0; count < 2; count++) await turn();
    assert.deepEqual(began, ['outbound', 'tunnel', 'plaintext', 'tunnel', 'plaintext']);
    assert.equal(pod.waitingCount, 99);
  });

  test('looks at what is held as often as ever while another pod is over its rate', async () => {
    const clock = new ManualClock();
    const starts = new FairStarts({ clock, ratePerSecond: 5, loopTimes: RESTED });
    let began = 0;
    const over = starts.forPod();
    for (let count = 0; count < 7; count++) over.outbound.begin(() => {});
    for (let count = 0; count < 7; count++) await turn();
    assert.equal(over.waitingCount, 2);
    const full = starts.forPod({ isServed: () => true, openingCount: () => 64 });
    for (let count = 0; count < 3; count++) full.outbound.begin(() => began++);
    for (let ms = 0; ms < 2; ms++) {
      await turn();
      await turn();
      await clock.advance(1);
    }
    await turn();
    assert.deepEqual([began, over.waitingCount], [3, 2]);
  });

  test('takes no time of floods for one that is over its rate', async () => {
    const clock = new ManualClock();
    let active = 0;
    const starts = new FairStarts({
      clock,
      ratePerSecond: 100,
      loopTimes: () => ({ active: (active += 10), idle: 0 }),
    });
    const began = { over: 0, flood: 0 };
    const [over, flood] = [starts.forPod(), starts.forPod()];
    for (let count = 0; count < 300; count++) over.outbound.begin(() => began.over++);
    // The loop finds no rest: what is held begins once in two milliseconds.
    for (let ms = 0; ms < 250; ms++) {
      for (let count = 0; count < 3; count++) await turn();
      await clock.advance(1);
    }
    const before = began.over;
    for (let count = 0; count < 90; count++) flood.outbound.begin(() => began.flood++);
    for (let ms = 0; ms < 20; ms++) {
      for (let count = 0; count < 3; count++) await turn();
      await clock.advance(1);
    }
    assert.ok(before >= 100 && over.waitingCount > 64, `${before} began, ${over.waitingCount} wait`);
    // Every second millisecond, but for the few that the other one has rate for.
    assert.ok(began.flood + (began.over - before) >= 10, `${began.flood} and ${began.over - before}`);
  });

  test('holds nobody where nobody else is served', async () => {
    const clock = new ManualClock();
    const starts = new FairStarts({ clock, ratePerSecond: 100_000, loopTimes: () => ({ active: 1e9, idle: 0 }) });
    let began = 0;
    const alone = starts.forPod({ isServed: () => true, openingCount: () => 1000 });
    starts.forPod({ isServed: () => false, openingCount: () => 0 });
    for (let count = 0; count < 200; count++) alone.outbound.begin(() => began++);
    for (let count = 0; count < 184; count++) await turn();
    assert.equal(began, 200);
  });

  test('leaves half of the thread to others while more of one pod waits than any sane one has', async () => {
    const clock = new ManualClock();
    const times = { active: 0, idle: 0 };
    const starts = new FairStarts({ clock, ratePerSecond: 100_000, loopTimes: () => ({ ...times }) });
    const began = { flood: 0, other: 0 };
    const served = { isServed: () => true, openingCount: () => 0 };
    const [flood, other] = [starts.forPod(served), starts.forPod(served)];
    for (let count = 0; count < 82; count++) flood.outbound.begin(() => (began.flood += times.active += 2));
    assert.deepEqual([began.flood > 0, flood.waitingCount], [true, 66]);
    await turn();
    assert.equal(flood.waitingCount, 65);
    await turn();
    assert.equal(flood.waitingCount, 65);
    other.outbound.begin(() => began.other++);
    await turn();
    assert.deepEqual([began.other, flood.waitingCount], [1, 65]);
    times.idle += 10;
    await clock.advance(1);
    await turn();
    assert.ok(flood.waitingCount <= 64);
    // What waits now could be anybody's.
    for (let count = 0; count < 64; count++) await turn();
    assert.equal(flood.waitingCount, 0);
  });

  test('leaves three quarters of it to others while hundreds of one pod wait', async () => {
    const clock = new ManualClock();
    // A third of the time is work.
    const loopTimes = (): { active: number; idle: number } => ({
      active: clock.monotonic(),
      idle: 2 * clock.monotonic(),
    });
    const starts = new FairStarts({ clock, ratePerSecond: 100_000, loopTimes });
    const served = { isServed: () => true, openingCount: () => 0 };
    starts.forPod(served);
    const begunInTime = async (waiting: number): Promise<number> => {
      const flood = starts.forPod(served);
      for (let count = 0; count < waiting; count++) flood.outbound.begin(() => {});
      const before = flood.waitingCount;
      for (let ms = 0; ms < 40; ms++) {
        await clock.advance(1);
        await turn();
        await turn();
      }
      const begun = before - flood.waitingCount;
      flood.flush();
      return begun;
    };
    const [hurried, flooding] = [await begunInTime(400), await begunInTime(700)];
    assert.ok(hurried >= 40, `${hurried} of 400 began`);
    assert.ok(flooding >= 20 && flooding < 30, `${flooding} of 700 began`);
  });

  test('holds a pod that is in a hurry no more because another one floods, nor that one less', async () => {
    const clock = new ManualClock();
    // A third of the time is work.
    const loopTimes = (): { active: number; idle: number } => ({
      active: clock.monotonic(),
      idle: 2 * clock.monotonic(),
    });
    const served = { isServed: () => true, openingCount: () => 0 };
    for (const names of [
      ['flood', 'hurried'],
      ['hurried', 'flood'],
    ] as const) {
      const starts = new FairStarts({ clock, ratePerSecond: 100_000, loopTimes });
      const pods = { flood: starts.forPod(served), hurried: starts.forPod(served) };
      for (const name of names)
        for (let count = 0; count < (name === 'flood' ? 700 : 400); count++) pods[name].outbound.begin(() => {});
      const before = { flood: pods.flood.waitingCount, hurried: pods.hurried.waitingCount };
      for (let ms = 0; ms < 40; ms++) {
        await clock.advance(1);
        await turn();
        await turn();
      }
      const begun = {
        flood: before.flood - pods.flood.waitingCount,
        hurried: before.hurried - pods.hurried.waitingCount,
      };
      assert.ok(begun.hurried >= 40, `${begun.hurried} of the hurried began, ${names[0]} first`);
      assert.ok(begun.flood >= 20 && begun.flood < 30, `${begun.flood} of the flood began, ${names[0]} first`);
      pods.flood.flush();
      pods.hurried.flush();
    }
  });

  test('holds nothing of a pod that drains: what waits has until a deadline', async () => {
    const clock = new ManualClock();
    const loopTimes = (): { active: number; idle: number } => ({ active: clock.monotonic() * 2, idle: 0 });
    const starts = new FairStarts({ clock, ratePerSecond: 100_000, loopTimes });
    let began = 0;
    const leaving = starts.forPod({ isServed: () => true, openingCount: () => 1000 });
    starts.forPod({ isServed: () => true, openingCount: () => 0 });
    for (let count = 0; count < 200; count++) leaving.outbound.begin(() => began++);
    for (let count = 0; count < 10; count++) await turn();
    assert.equal(began, 1);
    leaving.hurry();
    await clock.advance(1);
    for (let count = 0; count < 200; count++) await turn();
    assert.equal(began, 200);
  });

  test('flush() begins all that waits', async () => {
    const starts = new FairStarts({ clock: new ManualClock(), ratePerSecond: 1 });
    const pod = starts.forPod();
    let began = 0;
    for (let count = 0; count < 5; count++) pod.outbound.begin(() => began++);
    pod.flush();
    assert.deepEqual([began, pod.waitingCount], [5, 0]);
    await turn();
    assert.equal(began, 5);
  });
});
