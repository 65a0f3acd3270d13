import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '@ambit/mesh/testing';
import { FairStarts } from './fair-starts.ts';

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('FairStarts', () => {
  test('begins at once what finds its turn free', () => {
    const pod = new FairStarts({ clock: new ManualClock(), ratePerSecond: 100 }).forPod();
    let began = 0;
    pod.begin(() => began++);
    assert.deepEqual([began, pod.waitingCount], [1, 0]);
  });

  test('lets pods take turns, in order within each', async () => {
    const starts = new FairStarts({ clock: new ManualClock(), ratePerSecond: 1000 });
    const [greedy, modest] = [starts.forPod(), starts.forPod()];
    const began: string[] = [];
    for (let count = 0; count < 100; count++) greedy.begin(() => began.push(`greedy ${count}`));
    modest.begin(() => began.push('modest 0'));
    modest.begin(() => began.push('modest 1'));
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
      pod.begin(() => began.push(index));
      pod.begin(() => began.push(index));
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
    for (let count = 0; count < 50; count++) pod.begin(begin);
    assert.equal(began, 16);
    await turn();
    assert.equal(began, 17);
    for (let count = 0; count < 33; count++) await turn();
    assert.equal(began, 50);
    nowMs += 1;
    for (let count = 0; count < 20; count++) pod.begin(begin);
    assert.equal(began, 66);
  });

  test('holds what is over the rate of a pod until its time, and nobody else', async () => {
    const clock = new ManualClock();
    const starts = new FairStarts({ clock, ratePerSecond: 2 });
    const [fast, slow] = [starts.forPod(), starts.forPod()];
    let began = 0;
    for (let count = 0; count < 4; count++) fast.begin(() => began++);
    for (let count = 0; count < 5; count++) await turn();
    assert.deepEqual([began, fast.waitingCount], [2, 2]);
    let other = 0;
    slow.begin(() => other++);
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

  test('flush() begins all that waits', async () => {
    const starts = new FairStarts({ clock: new ManualClock(), ratePerSecond: 1 });
    const pod = starts.forPod();
    let began = 0;
    for (let count = 0; count < 5; count++) pod.begin(() => began++);
    pod.flush();
    assert.deepEqual([began, pod.waitingCount], [5, 0]);
    await turn();
    assert.equal(began, 5);
  });
});
