import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { KEYS_PER_KIND, LINE_INTERVAL_MS, LINES_PER_KEY, LineLimiter } from './line-limiter.ts';

/** A limiter and what it wrote: the line, and the number that it stands for if it stands for several. */
class World {
  readonly clock = new ManualClock();
  readonly limiter = new LineLimiter(this.clock);
  lines: string[] = [];

  add(kind: string, key: string, text = key): void {
    this.limiter.add(kind, key, (left) => this.lines.push(left === 0 ? text : `${text} x${left}`));
  }

  /** What was written since the last time. */
  take(): readonly string[] {
    return this.lines.splice(0);
  }
}

test('LineLimiter writes the first lines of a key, and of the rest the last one of each interval with their number', async () => {
  const world = new World();
  for (let i = 1; i <= 100; i++) world.add('refused', 'a', `a${i}`);
  world.add('refused', 'b');
  assert.deepEqual(world.take(), ['a1', 'a2', 'a3', 'a4', 'a5', 'b']);
  await world.clock.advance(LINE_INTERVAL_MS - 1);
  assert.deepEqual(world.take(), []);
  await world.clock.advance(1);
  assert.deepEqual(world.take(), ['a100 x95']);
  world.add('refused', 'a', 'later');
  assert.deepEqual(world.take(), []);
  await world.clock.advance(LINE_INTERVAL_MS);
  assert.deepEqual(world.take(), ['later x1']);
  assert.equal(world.limiter.left, 96);
  // Quiet for an interval: whoever comes now is news.
  await world.clock.advance(LINE_INTERVAL_MS);
  world.add('refused', 'a', 'again');
  assert.deepEqual(world.take(), ['again']);
});

test('LineLimiter bounds what is written and remembered whatever keys there are, and loses no count', async () => {
  const world = new World();
  const callers = 10_000;
  for (let i = 0; i < callers; i++) world.add('refused', `10.0.${i >> 8}.${i & 255}`);
  assert.equal(world.lines.length, KEYS_PER_KIND + LINES_PER_KEY);
  assert.equal(world.clock.pending, KEYS_PER_KIND + 1);
  world.add('other', 'a');
  await world.clock.advance(LINE_INTERVAL_MS);
  const written = world.take();
  assert.deepEqual(written.slice(-2), ['a', `10.0.39.15 x${callers - KEYS_PER_KIND - LINES_PER_KEY}`]);
  await world.clock.advance(LINE_INTERVAL_MS);
  assert.equal(world.clock.pending, 0);
});

test('LineLimiter tells reasons apart when there are too many addresses for each', async () => {
  const world = new World();
  for (let i = 0; i < 10_000; i++) world.add('refused', `no-token 10.0.${i >> 8}.${i & 255}`);
  assert.equal(world.take().length, KEYS_PER_KIND + LINES_PER_KEY);
  world.add('refused', 'token-of-another-node 10.0.0.1', 'news');
  assert.deepEqual(world.take(), ['news']);
  for (let i = 0; i < 10_000; i++) world.add('refused', `made-up-${i} 10.0.0.1`);
  assert.equal(world.take().length, KEYS_PER_KIND - 2 + LINES_PER_KEY);
  assert.equal(world.clock.pending, 2 * KEYS_PER_KIND + 1);
});

test('LineLimiter.flush() writes what waits', async () => {
  const world = new World();
  for (let i = 0; i < 8; i++) world.add('refused', 'a');
  world.take();
  world.limiter.flush();
  assert.deepEqual(world.take(), ['a x3']);
  await world.clock.advance(LINE_INTERVAL_MS);
  assert.deepEqual(world.take(), []);
});
